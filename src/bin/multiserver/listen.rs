//! `listen`.

use tower_multiserver::{
    Address, ErrorKind, Identity, Listening, MultiAddress,
    config::{Allow, Config, Invalid, proves_keys},
};

use crate::{
    bridge::{self, OnSignal},
    cli,
    failure::Failure,
    input, pipe, progress, relay,
    report::Report,
    serve::{self, Handler, Times},
    settings,
    signals::Signals,
};

/// What to do with connections.
enum Mode {
    /// Bridge one to stdin and stdout.
    Bridge,
    Serve(Handler),
}

/// Serves until a signal comes, or for one connection.
pub(crate) async fn run(args: cli::Listen, report: Report) -> Result<(), Failure> {
    let mut config = settings::load(&args.setup)?;
    // Who writes a file says in it whom to let in.
    let open = args.allow.is_empty() && args.setup.config.is_none();
    override_with(&mut config, &args)?;
    settings::certify(&mut config, &args.certificate);
    serve::limit(&mut config);
    let addresses = config.addresses().ok_or_else(|| {
        Failure::usage("no ADDRESS to listen on, nor `listen` in the configuration")
    })?;
    let (identity, is_new) = settings::identity(&config)?;
    let mode = mode(args.mode, &config, &identity)?;
    let mut signals = Signals::catch()?;
    let piped = match &args.pipe.command {
        Some(command) => Some(pipe::listen(command, &addresses, report)?),
        None => None,
    };
    let (piped, channel) = piped.unzip();
    let times = match addresses.iter().all(pipe::is_channel) {
        true => Times::Once,
        false => Times::Many,
    };
    let server = settings::server_with(&config, &identity, channel)?;
    if is_new {
        let id = identity.public_key().to_ssb_id();
        report.note(&format!("made a key for this run: {id}"));
    }

    for note in openness(open, &addresses) {
        report.note(&note);
    }
    let listening = server.listen(addresses).await.map_err(not_listening)?;
    // It has a pipe that nobody may have taken.
    drop(server);
    serve::announce(&listening, report);
    match mode {
        Mode::Bridge => bridge_one(listening, &mut signals, report).await,
        Mode::Serve(handler) => serve::run(listening, times, &handler, &mut signals, report).await,
    }?;
    if let Some(piped) = piped {
        piped.ended(&mut signals).await;
    }
    Ok(())
}

/// What the arguments say goes before what the file says.
fn override_with(config: &mut Config, args: &cli::Listen) -> Result<(), Failure> {
    if !args.addresses.is_empty() {
        config.listen.clear();
    }
    for argument in &args.addresses {
        config.listen.extend(input::addresses(argument)?);
    }
    allow(config, &args.allow, args.setup.config.is_some())?;
    for external in &args.external {
        config.external.remove(&external.transport);
    }
    for cli::External { transport, section } in &args.external {
        let sections = config.external.entry(transport.clone()).or_default();
        sections.push(section.clone());
    }
    Ok(())
}

/// Whom to let in: everybody, unless an argument or a file says otherwise.
pub(crate) fn allow(
    config: &mut Config,
    guests: &[cli::Guest],
    has_file: bool,
) -> Result<(), Failure> {
    let keys = guests.iter().map(|guest| match guest {
        cli::Guest::Key(key) => Some(*key),
        cli::Guest::All => None,
    });
    match keys.collect::<Option<Vec<_>>>() {
        Some(keys) if keys.is_empty() => {
            if !has_file {
                config.allow = Some(Allow::All);
            }
        }
        Some(keys) => config.allow = Some(Allow::Keys(keys)),
        None if guests.len() > 1 => {
            return Err(Failure::usage("--allow all leaves nobody else to allow"));
        }
        None => config.allow = Some(Allow::All),
    }
    Ok(())
}

fn mode(args: cli::Mode, config: &Config, identity: &Identity) -> Result<Mode, Failure> {
    Ok(match args {
        cli::Mode { to: Some(to), .. } => {
            Mode::Serve(Handler::To(relay::named(&to, config, identity)?))
        }
        cli::Mode {
            exec: Some(exec), ..
        } => Mode::Serve(Handler::Exec(exec.into())),
        cli::Mode { echo: true, .. } => Mode::Serve(Handler::Echo),
        _ => Mode::Bridge,
    })
}

/// What is wrong with what is listened on.
pub(crate) fn not_listening(error: tower_multiserver::Error) -> Failure {
    let kind = error.kind();
    let is_invalid = std::error::Error::source(&error).is_some_and(|source| source.is::<Invalid>());
    let failure = Failure::from(error);
    match kind {
        _ if is_invalid => Failure::usage(failure.message()),
        // Nobody has shaken hands yet: the address must not be listened on.
        ErrorKind::Unauthorized => failure.of_usage(),
        _ => failure,
    }
}

/// Who else than the user may think can connect.
fn openness(open: bool, addresses: &MultiAddress) -> Vec<String> {
    let proves = |address: &Address| address.sections().iter().any(proves_keys);
    let has = |address: &Address, name| address.sections().iter().any(|s| s.name() == name);
    // No app key keeps anybody out there.
    let by_key_alone = |address: &Address, name| {
        has(address, name) && !has(address, "shs") && !has(address, "noise")
    };
    let alone = ["mtls", "hyperdht"];
    let is_alone = |address: &Address| alone.iter().any(|name| by_key_alone(address, name));
    let mut notes = Vec::new();
    if open
        && addresses
            .iter()
            .any(|address| proves(address) && !is_alone(address))
    {
        notes.push("without --allow, everybody who knows the app key can connect".to_owned());
    }
    for name in alone {
        if open && addresses.iter().any(|address| by_key_alone(address, name)) {
            notes.push(format!(
                "without --allow, everybody can connect by `{name}`"
            ));
        }
    }
    let asks = |address: &Address| proves(address) || is_alone(address) || has(address, "noauth");
    if !addresses.iter().all(asks) {
        let note = "an address that asks for no key lets everybody connect who reaches it, and who they are is not known";
        notes.push(note.to_owned());
    }
    notes
}

async fn bridge_one(
    mut listening: Listening,
    signals: &mut Signals,
    report: Report,
) -> Result<(), Failure> {
    let connection = loop {
        tokio::select! {
            next = listening.next() => match next {
                Some(Ok(connection)) => break connection,
                Some(Err(error)) => report.error(&error.into()),
                None => return Err(serve::ended()),
            },
            () = signals.next() => return Ok(()),
        }
    };
    // The next one is refused rather than left waiting.
    drop(listening);
    if report.is_for_people() {
        progress::start_beside_stdout();
    }
    report.connection("connection from", connection.info());
    bridge::run(connection, signals, OnSignal::Wait, report).await
}

//! `listen`.

use std::{process::Stdio, sync::Arc};

use tokio::{
    io::split,
    task::{JoinError, JoinSet},
};
use tower_multiserver::{Address, Connection, Error, ErrorKind, Info, Listening, MultiAddress};

use crate::{
    bridge::{self, OnSignal},
    cli,
    copy::{self, Broken, of_peer},
    endpoint, exec,
    failure::Failure,
    forward, input,
    report::Report,
    signals::Signals,
    stacks::{Guests, stacks},
};

/// What to do with connections.
enum Mode {
    /// Bridge one to stdin and stdout.
    Bridge,
    Serve(Handler),
}

/// What to do with each of many connections.
#[derive(Clone, Debug)]
enum Handler {
    Echo,
    To(Address),
    Exec(Arc<str>),
}

/// With `--exec` each takes four descriptors. With the unfinished handshakes of one address, 256 at most, that is less than
/// the 1024 that a process usually may have.
const MAX_CONNECTIONS: usize = 160;

/// Serves until a signal comes, or for one connection.
pub(crate) async fn run(args: cli::Listen, report: Report) -> Result<(), Failure> {
    let mode = mode(args.mode)?;
    let addresses = addresses(&args.addresses)?;
    let guests = guests(&args.allow, &addresses)?;
    let app_key = input::app_key(args.keys.app_key.as_deref())?;
    let (identity, is_new) = input::identity(&args.keys)?;
    if is_new {
        let id = identity.public_key().to_ssb_id();
        report.note(&format!("made a key for this run: {id}"));
    }

    let mut signals = Signals::catch()?;
    for note in openness(&guests, &addresses) {
        report.note(note);
    }
    let listening = stacks(&identity, app_key, guests)
        .listen(addresses.clone())
        .await;
    let listening = listening.map_err(|error| match error.kind() {
        // Nobody has shaken hands yet: the address must not be listened on.
        ErrorKind::Unauthorized => Failure::from(error).of_usage(),
        ErrorKind::Unsupported => {
            Failure::not_understood(error, &addresses, endpoint::check_listen)
        }
        _ => error.into(),
    })?;
    for (scope, address) in listening.all_addresses() {
        report.listening(address, *scope);
    }
    if listening.all_addresses().is_empty() {
        report.note("listening, but nowhere that could be told to others");
    }
    match mode {
        Mode::Bridge => bridge_one(listening, &mut signals, report).await,
        Mode::Serve(handler) => serve(listening, &handler, &mut signals, report).await,
    }
}

fn mode(args: cli::Mode) -> Result<Mode, Failure> {
    Ok(match args {
        cli::Mode { to: Some(to), .. } => Mode::Serve(Handler::To(forward::target(&to)?)),
        cli::Mode {
            exec: Some(exec), ..
        } => Mode::Serve(Handler::Exec(exec.into())),
        cli::Mode { echo: true, .. } => Mode::Serve(Handler::Echo),
        _ => Mode::Bridge,
    })
}

fn addresses(arguments: &[String]) -> Result<MultiAddress, Failure> {
    let mut all: Option<MultiAddress> = None;
    for argument in arguments {
        let addresses = input::addresses(argument)?;
        match &mut all {
            Some(all) => all.extend(addresses),
            None => all = Some(addresses),
        }
    }
    all.ok_or_else(|| Failure::usage("no address to listen on"))
}

/// Whoever names guests wants nobody else: an address that asks for no key would let everybody in.
fn guests(allow: &[tower_multiserver::PublicKey], at: &MultiAddress) -> Result<Guests, Failure> {
    if allow.is_empty() {
        return Ok(Guests::All);
    }
    match at.iter().find(|address| !asks_for_keys(address)) {
        Some(address) => {
            let address = address.redacted();
            let reason = format!("--allow cannot hold for `{address}`, which does not say `~shs`");
            Err(Failure::usage(reason))
        }
        None => Ok(Guests::Listed(allow.iter().copied().collect())),
    }
}

/// Its stack is then one with that layer, or there is none: a layer takes the section of its own name only.
fn asks_for_keys(address: &Address) -> bool {
    address
        .sections()
        .last()
        .is_some_and(|last| last.name() == "shs")
}

/// Who else than the user may think can connect.
fn openness(guests: &Guests, addresses: &MultiAddress) -> impl Iterator<Item = &'static str> {
    let keyed = addresses.iter().any(asks_for_keys);
    let bare = addresses
        .iter()
        .any(|address| address.sections().len() == 1);
    let open = keyed && matches!(guests, Guests::All);
    let notes = [
        (
            open,
            "without --allow, everybody who knows the app key can connect",
        ),
        (
            bare,
            "without a transform, everybody who reaches the address can connect, and nothing is encrypted",
        ),
    ];
    notes
        .into_iter()
        .filter_map(|(is, note)| is.then_some(note))
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
                None => return Err(ended()),
            },
            () = signals.next() => return Ok(()),
        }
    };
    // The next one is refused rather than left waiting.
    drop(listening);
    report.connection("connection from", connection.info());
    bridge::run(connection, signals, OnSignal::Wait, report).await
}

async fn serve(
    mut listening: Listening,
    handler: &Handler,
    signals: &mut Signals,
    report: Report,
) -> Result<(), Failure> {
    let mut handlers = JoinSet::new();
    let mut listens = true;
    let mut closing = false;
    while listens || !handlers.is_empty() {
        tokio::select! {
            () = signals.next() => {
                if closing {
                    // Waited for, since a command is killed when its handler is dropped.
                    handlers.shutdown().await;
                    return Err(Failure::interrupted());
                }
                closing = true;
                listening.shutdown().start();
                report.note("shutting down");
            }
            Some(ended) = handlers.join_next() => told(ended, report),
            next = listening.next(), if listens => match next {
                Some(Ok(peer)) if handlers.len() < MAX_CONNECTIONS => {
                    report.connection("connection from", peer.info());
                    handlers.spawn(handle(peer, handler.clone(), report));
                }
                Some(Ok(peer)) => report.error(&full(peer.info()).into()),
                Some(Err(error)) => report.error(&error.into()),
                None => listens = false,
            },
        }
    }
    match closing {
        true => Ok(()),
        false => Err(ended()),
    }
}

/// Every listener has failed for good.
fn ended() -> Failure {
    Error::new(ErrorKind::Closed, "nothing can be accepted any more").into()
}

async fn handle(peer: Connection, handler: Handler, report: Report) -> Result<Info, Failure> {
    let info = peer.info().clone();
    let handled = match handler {
        Handler::Echo => echo(peer).await,
        Handler::To(target) => forward::run(peer, target).await,
        Handler::Exec(command) => {
            let stderr = match report.is_json() {
                // A line of it would be no event.
                true => Stdio::null(),
                false => Stdio::inherit(),
            };
            exec::run(peer, &command, stderr).await
        }
    };
    handled.map_err(|failure| failure.of(&info))?;
    Ok(info)
}

async fn echo(peer: Connection) -> Result<(), Failure> {
    let info = peer.info().clone();
    let (mut from_peer, mut to_peer) = split(peer);
    let echoed = copy::copy_all(&mut from_peer, &mut to_peer).await;
    echoed.map_err(Broken::into_inner).map_err(of_peer(&info))
}

fn told(ended: Result<Result<Info, Failure>, JoinError>, report: Report) {
    match ended {
        Ok(Ok(info)) => report.closed(&info),
        Ok(Err(failure)) => report.error(&failure),
        Err(panicked) => report.error(&Error::new(ErrorKind::Other, panicked).into()),
    }
}

fn full(info: &Info) -> Error {
    let reason = format!("there are {MAX_CONNECTIONS} connections already");
    Error::new(ErrorKind::Overloaded, reason).at(|| info.address().clone())
}

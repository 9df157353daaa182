//! `connect`.

use crate::{
    bridge::{self, OnSignal},
    cli,
    dial::Target,
    failure::Failure,
    input, pipe, progress,
    report::Report,
    settings,
    signals::Signals,
};

/// Dials, then bridges the connection to stdin and stdout.
pub(crate) async fn run(args: cli::Connect, report: Report) -> Result<(), Failure> {
    let addresses = input::addresses(&args.address)?;
    let config = settings::load(&args.setup)?;
    let (identity, _) = settings::identity(&config)?;
    let mut signals = Signals::catch()?;
    let piped = match &args.pipe.command {
        Some(command) => Some(pipe::dial(command, &addresses, report)?),
        None => None,
    };
    let (piped, channel) = piped.unzip();
    let server = settings::server_with(&config, &identity, channel)?;
    let target = Target::new(server, addresses, &args.policy)?;
    let connection = tokio::select! {
        dialed = target.dial() => dialed?,
        () = signals.next() => return Err(Failure::interrupted()),
    };
    // It has a pipe that nobody may have taken.
    drop(target);
    report.connection("connected to", connection.info());
    if report.is_for_people() {
        progress::start_beside_stdout();
    }
    bridge::run(connection, &mut signals, OnSignal::Abort, report).await?;
    if let Some(piped) = piped {
        piped.ended(&mut signals).await;
    }
    Ok(())
}

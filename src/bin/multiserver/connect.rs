//! `connect`.

use crate::{
    bridge::{self, OnSignal},
    cli,
    failure::Failure,
    input, progress,
    report::Report,
    settings,
    signals::Signals,
};

/// Dials, then bridges the connection to stdin and stdout.
pub(crate) async fn run(args: cli::Connect, report: Report) -> Result<(), Failure> {
    let addresses = input::addresses(&args.address)?;
    let config = settings::load(&args.setup)?;
    let (identity, _) = settings::identity(&config)?;
    let server = settings::server(&config, &identity)?;

    let mut signals = Signals::catch()?;
    let connection = tokio::select! {
        dialed = server.dial(addresses) => dialed?,
        () = signals.next() => return Err(Failure::interrupted()),
    };
    report.connection("connected to", connection.info());
    progress::start_beside_stdout(report);
    bridge::run(connection, &mut signals, OnSignal::Abort, report).await
}

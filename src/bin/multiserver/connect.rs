//! `connect`.

use crate::{
    bridge::{self, OnSignal},
    cli, endpoint,
    failure::Failure,
    input,
    report::Report,
    signals::Signals,
    stacks::{Guests, stacks},
};

/// Dials, then bridges the connection to stdin and stdout.
pub(crate) async fn run(args: cli::Connect, report: Report) -> Result<(), Failure> {
    let addresses = input::addresses(&args.address)?;
    let app_key = input::app_key(args.keys.app_key.as_deref())?;
    let (identity, _) = input::identity(&args.keys)?;
    let server = stacks(&identity, app_key, Guests::All);

    let mut signals = Signals::catch()?;
    let dialed = tokio::select! {
        dialed = server.dial(addresses.clone()) => dialed,
        () = signals.next() => return Err(Failure::interrupted()),
    };
    let connection = dialed.map_err(|error| match error.is_unsupported() {
        true => Failure::not_understood(error, &addresses, endpoint::check_dial),
        false => error.into(),
    })?;
    report.connection("connected to", connection.info());
    bridge::run(connection, &mut signals, OnSignal::Abort, report).await
}

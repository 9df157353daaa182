//! What a connection tells [`tracing`], by names that stay.
//!
//! | span | level | fields |
//! |---|---|---|
//! | `connection` | info | `role` (`dial`, `accept`), `transport` (such as `net`), `address`, `remote_key` |
//! | `handshake`, within it | debug | `layer` (such as `shs`) |
//!
//! `address` is that of [`Info::address`](crate::Info::address), or how far a failure got, and `remote_key` the key that
//! the peer proved; neither is there before it is known, and no field ever holds a secret. A `connection` lives as long
//! as its [`Connection`], whose [`span`](Connection::span) an application enters to have its own events told with these
//! fields.
//!
//! An event in each span says how it went, with `elapsed` in seconds; for a `connection` that was not made, with `error`
//! and `kind` ([`ErrorKind`]) too. What the peer or the network is to blame for is told at debug level, and what this
//! machine or the application is to blame for as a warning, so that strangers cannot fill a log. There is none of an
//! address that is not understood, nor of what is given up before its end.
//!
//! [`StackExt::dial`](crate::StackExt::dial) and [`Incoming`](crate::Incoming) do this for whoever uses them, and
//! [`dialing`] is for what drives a stack's services itself.

use std::error::Error as StdError;

use tokio::time::Instant;
use tracing::{
    Instrument as _, Span, debug, debug_span,
    field::{Empty, display},
    info_span, warn,
};

use crate::{Address, Connection, Error, ErrorKind, layer_time};

/// Runs a dial of `address` in the span of its connection. An address that is not understood is no event.
///
/// # Errors
///
/// Those of the dial.
pub async fn dialing<I>(
    address: &Address,
    dial: impl Future<Output = Result<Connection<I>, Error>>,
) -> Result<Connection<I>, Error> {
    let span = info_span!(
        "connection",
        role = "dial",
        transport = address.transport().shown_name(),
        address = escaped(&address.redacted()),
        remote_key = Empty,
    );
    connecting(span, dial, |_, _| {}).await
}

/// Runs the handshakes of an accepted socket in the span of its connection.
pub(crate) async fn accepting<I>(
    accept: impl Future<Output = Result<Connection<I>, Error>>,
) -> Result<Connection<I>, Error> {
    let span = info_span!(
        "connection",
        role = "accept",
        transport = Empty,
        address = Empty,
        remote_key = Empty,
    );
    connecting(span, accept, |span, address| {
        span.record("transport", address.transport().shown_name());
        span.record("address", escaped(address));
    })
    .await
}

/// Runs one layer's handshake in a span of its own.
pub(crate) async fn shaking_hands<T>(
    layer: &str,
    handshake: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let start = Instant::now();
    let span = debug_span!("handshake", layer);
    let result = handshake.instrument(span.clone()).await;
    let elapsed = start.elapsed().as_secs_f64();
    span.in_scope(|| match &result {
        Ok(_) => debug!(elapsed, "shook hands"),
        // Told by the connection that it ends.
        Err(_) => debug!(elapsed, "no handshake"),
    });
    result
}

/// Connects within `span`, and tells it the address that it turned out to be.
async fn connecting<I>(
    span: Span,
    connect: impl Future<Output = Result<Connection<I>, Error>>,
    found: impl FnOnce(&Span, &Address),
) -> Result<Connection<I>, Error> {
    let start = Instant::now();
    let result = connect.instrument(span.clone()).await;
    let elapsed = start.elapsed().as_secs_f64();
    let found = |address| match span.is_disabled() {
        true => {}
        false => found(&span, address),
    };
    match &result {
        Ok(made) => {
            found(made.info().address());
            if let Some(key) = made.info().remote_key() {
                span.record("remote_key", display(key));
            }
            span.in_scope(|| debug!(elapsed, "connected"));
        }
        Err(error) => {
            if let Some(address) = error.address() {
                found(address);
            }
            span.in_scope(|| fail(error, elapsed));
        }
    }
    result.map(|connection| layer_time::record_transport(connection, start).with_span(span))
}

fn fail(error: &Error, elapsed: f64) {
    let kind = error.kind();
    let error = error as &dyn StdError;
    match kind {
        ErrorKind::Unsupported => {}
        // This machine or the application is to blame.
        ErrorKind::Other | ErrorKind::Unavailable => warn!(elapsed, ?kind, error, "not connected"),
        _ => debug!(elapsed, ?kind, error, "not connected"),
    }
}

/// What stands in an address must not forge a line of a log.
fn escaped(address: &Address) -> String {
    address.to_string().escape_debug().to_string()
}

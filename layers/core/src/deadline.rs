//! How long a connection may take to be made.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::Error;

/// From a socket's acceptance to the end of its last handshake, over all layers, never renewed by progress.
///
/// The JavaScript implementation has the same 5 seconds for each read; an overall limit leaves a slow peer as long as a
/// good network ever needs, and a hostile one no way to hold its place.
pub const ACCEPT_TIMEOUT: Duration = Duration::from_secs(5);

/// From the call to the end of the last handshake of a dial, name resolution included.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Awaits `future`, at most until `deadline`.
///
/// # Errors
///
/// The future's own, or one of kind [`Timeout`](crate::ErrorKind::Timeout).
pub async fn within<T, E: Into<Error>>(
    deadline: Option<Instant>,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    match deadline {
        Some(deadline) => match timeout_at(deadline, future).await {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(Error::timed_out()),
        },
        None => future.await.map_err(Into::into),
    }
}

//! Whether a connection is there, and whether the one before it has gone.

use std::{io, time::Duration};

use tokio::time::timeout;

/// How often to ask whether a connection is there, where the system does not say.
const PAUSE: Duration = Duration::from_millis(10);

/// Whether the last connection to the device may be on its way out: after the last channel between two devices has closed,
/// both kernels take down what it stood on, and who dials meanwhile is told that the device is busy, has reset or refused
/// the connection. It takes milliseconds.
pub(super) fn is_closing(error: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, ResourceBusy};

    matches!(error, ConnectionRefused | ConnectionReset | ResourceBusy)
}

/// Waits until the connection is there in truth: on a busy machine the socket may still be called writable from before it
/// began to connect, and taken for connected.
pub(super) async fn connected<P>(
    info: impl Fn() -> io::Result<()>,
    peek: impl Fn() -> P,
) -> io::Result<()>
where
    P: Future<Output = io::Result<usize>>,
{
    while let Err(error) = info() {
        if error.kind() != io::ErrorKind::NotConnected {
            return Err(error);
        }
        // Why it failed, if it did; else there is something to read, so it was there and is over already.
        if let Ok(peeked) = timeout(PAUSE, peek()).await {
            return peeked.map(drop);
        }
    }
    Ok(())
}

//! Ending a server without cutting anybody off.

use tokio::sync::watch;

/// Ends a server: one channel carries the signal out and the last goodbye back. Clones are of the same server.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use tower_multiserver_core::Shutdown;
///
/// let (shutdown, mut closing) = Shutdown::new();
/// let server = tokio::spawn(async move { closing.wait().await });
/// shutdown.drain().await; // Ends when nobody holds a `Closing` any more.
/// assert!(server.is_finished());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Sender<bool>);

/// The receiving side, held by accept loops, handshakes and accepted connections.
#[derive(Clone, Debug)]
pub struct Closing(watch::Receiver<bool>);

impl Shutdown {
    /// A handle and what it closes.
    pub fn new() -> (Self, Closing) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Closing(receiver))
    }

    /// Stops accepting and tells every connection. Does not wait.
    pub fn start(&self) {
        self.0.send_replace(true);
    }

    /// Stops accepting, then waits until the last accepted connection is dropped.
    ///
    /// Cancel safe: the shutdown goes on when this future is dropped.
    pub async fn drain(self) {
        self.start();
        self.0.closed().await;
    }
}

impl Closing {
    /// Resolves once the shutdown starts, or its handles are gone. Cancel safe.
    pub async fn wait(&mut self) {
        // An error says that the handle is gone.
        let _ = self.0.wait_for(|closing| *closing).await;
    }
}

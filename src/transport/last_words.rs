//! What has no other owner left, and is waited for at the end of a program.

use std::sync::LazyLock;

use tokio::sync::watch;

/// How many there are in this process.
static LINGERING: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// Waits until no socket of this process lingers any more, which takes a second at most; and, for five at most, until the DHT
/// of Hyperswarm knows of no listener that was dropped. Cancel safe.
///
/// For a program that ends after its last connection: the end of its runtime would take the sockets with it before their
/// last bytes have arrived.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // … serve, and then:
/// tower_multiserver::transport::lingered().await;
/// # }
/// ```
pub async fn lingered() {
    let mut lingering = LINGERING.subscribe();
    // An error would say that the sender is gone, which is static.
    let _ = lingering.wait_for(|count| *count == 0).await;
}

/// One of them, until it is dropped.
pub(super) struct Counted(());

impl Counted {
    pub(super) fn new() -> Self {
        LINGERING.send_modify(|count| *count = count.saturating_add(1));
        Self(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LINGERING.send_modify(|count| *count = count.saturating_sub(1));
    }
}

//! What a stack is, whoever made it.

use std::future::Future;

use crate::{
    Result,
    channel::Channel,
    work::{self, Work},
};

/// One way to connect.
pub(crate) trait Stack: Clone + Send + Sync + 'static {
    type Channel: Channel;

    /// Serves for good; `listening` is told the address.
    fn serve(
        self,
        work: Work,
        listening: impl FnOnce(String) + Send,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Opens a connection.
    fn dial(&self, address: &str) -> impl Future<Output = Result<Self::Channel>> + Send;
}

/// Serves one connection in a task of its own. Clients go as they like, so how it ended is nobody's business.
pub(crate) fn spawn<C: Channel>(
    work: Work,
    accepting: impl Future<Output = Result<C>> + Send + 'static,
) {
    tokio::spawn(async move {
        if let Ok(channel) = accepting.await.map(Box::new) {
            let _ = work::serve(work, channel).await;
        }
    });
}

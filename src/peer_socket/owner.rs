//! Who keeps a home: runs its connections, and ends with the last swarm.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::BoxStream};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    home::{Home, Options},
    link,
    links::LinkEntry,
    network::{Link, Presence},
};
use crate::PublicKey;
use crate::lock::lock;

/// How long the connections may take to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps a home alive. When it is dropped all is cut.
pub(super) struct HomeOwner {
    pub(super) home: Arc<Home>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for HomeOwner {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
        self.home.closed.cancel();
    }
}

impl HomeOwner {
    pub(super) fn start(key: PublicKey, options: Arc<Options>, presence: Presence) -> Arc<Self> {
        let home = Arc::new(Home::new(key, options, presence.node));
        let task = tokio::spawn(run(home.clone(), presence.links));
        Arc::new(Self {
            home,
            task: Mutex::new(Some(task)),
        })
    }

    /// Ends in good order where no swarm is joined any more.
    pub(super) async fn close_if_idle(&self) {
        let home = &self.home;
        {
            let _turn = home.joining.lock().await;
            if !lock(&home.swarms).is_empty() || home.closing.is_cancelled() {
                return;
            }
            home.closing.cancel();
        }
        let task = lock(&self.task).take();
        if let Some(mut task) = task
            && timeout(CLOSE_TIMEOUT, &mut task).await.is_err()
        {
            task.abort();
        }
        let _ = timeout(CLOSE_TIMEOUT, home.node.close()).await;
        home.closed.cancel();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.home.closing.is_cancelled()
    }

    /// Waits until it is off the network, where it is being closed.
    pub(super) fn closed(&self) -> CancellationToken {
        self.home.closed.clone()
    }
}

/// Takes connections until the home is closed, and waits until they have ended.
async fn run(home: Arc<Home>, mut links: BoxStream<'static, Link>) {
    let mut tasks = JoinSet::new();
    let mut serial = 0;
    let mut more = true;
    loop {
        tokio::select! {
            biased;
            () = home.closing.cancelled() => break,
            Some(ended) = tasks.join_next() => tell(ended),
            link = links.next(), if more => match link {
                Some(link) => {
                    serial = u64::wrapping_add(serial, 1);
                    if let Some(entry) = admit(&home, &link, serial) {
                        tasks.spawn(serve(home.clone(), link, entry));
                    }
                }
                None => more = false,
            },
        }
    }
    home.links.close();
    while let Some(ended) = tasks.join_next().await {
        tell(ended);
    }
}

/// A place for a connection, if there is one for its peer.
fn admit(home: &Home, link: &Link, serial: u64) -> Option<Arc<LinkEntry>> {
    let peer = link.info.id;
    if peer == home.key || home.options.guard.is_banned(&peer) {
        return None;
    }
    let entry = home.links.admit(peer, serial, home.options.max_peers);
    if entry.is_none() {
        tracing::debug!(%peer, "refused: there are too many peers");
    }
    entry
}

async fn serve(home: Arc<Home>, link: Link, entry: Arc<LinkEntry>) {
    let peer = link.info.id;
    let _place = home.links.hold(peer, &entry);
    let ask = async { link.authorized || home.options.guard.authorize(link.info).await };
    let allowed = tokio::select! {
        biased;
        allowed = ask => allowed,
        () = entry.closing.cancelled() => false,
    };
    match allowed {
        true => link::run(&home, link, &entry).await,
        false => tracing::debug!(%peer, "the peer is not let in"),
    }
}

fn tell(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the authorization panicked"
        );
    }
}

//! Unfinished handshakes, bounded: a newcomer never waits for room.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    task::{Context, Poll},
};

use tokio::task::{AbortHandle, Id, JoinSet};

use crate::{Error, ErrorKind, one_host};

/// Unfinished handshakes, side by side. When the set is full the oldest is dropped for the newest: first one of an
/// address that has more than its share, so that one host alone cannot push the others out.
#[derive(Debug)]
pub(crate) struct Handshakes<T> {
    tasks: JoinSet<Result<T, Error>>,
    oldest_first: VecDeque<Entry>,
    dropped: Option<Error>,
    max: usize,
}

#[derive(Debug)]
struct Entry {
    task: AbortHandle,
    host: Option<IpAddr>,
}

/// The part of the set that one host may fill before its own oldest goes first, and as many as may be on their way out.
const SHARE: usize = 8;

impl<T: Send + 'static> Handshakes<T> {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            tasks: JoinSet::new(),
            oldest_first: VecDeque::new(),
            dropped: None,
            max: max.max(1),
        }
    }

    pub(crate) fn set_max(&mut self, max: usize) {
        self.max = max.max(1);
    }

    /// Whether another may be started now. It is false only until those that were dropped have let go of what they held,
    /// of which `poll_next` wakes.
    pub(crate) fn has_room(&self) -> bool {
        self.tasks.len() < self.max.saturating_add(self.share())
    }

    /// Starts one, in the place of the oldest where there is no room.
    pub(crate) fn spawn(
        &mut self,
        peer: Option<IpAddr>,
        handshake: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) {
        if self.oldest_first.len() >= self.max {
            self.drop_oldest();
        }
        let task = self.tasks.spawn(handshake);
        let host = peer.map(one_host);
        self.oldest_first.push_back(Entry { task, host });
    }

    /// The next one that ended, however it did. `None` when there is none; wakes when one ends.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Error>>> {
        if let Some(error) = self.dropped.take() {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            match std::task::ready!(self.tasks.poll_join_next_with_id(cx)) {
                None => return Poll::Ready(None),
                Some(Ok((id, result))) => {
                    self.forget(id);
                    return Poll::Ready(Some(result));
                }
                // Dropped by us, and told already.
                Some(Err(error)) if error.is_cancelled() => {}
                Some(Err(error)) => {
                    self.forget(error.id());
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "handshake panicked"
                    );
                    return Poll::Ready(Some(Err(Error::new(ErrorKind::Other, error))));
                }
            }
        }
    }

    fn share(&self) -> usize {
        (self.max / SHARE).max(1)
    }

    fn forget(&mut self, id: Id) {
        self.oldest_first.retain(|entry| entry.task.id() != id);
    }

    fn drop_oldest(&mut self) {
        let mut count = HashMap::new();
        for host in self.oldest_first.iter().filter_map(|entry| entry.host) {
            let count = count.entry(host).or_insert(0_usize);
            *count = count.saturating_add(1);
        }
        let greediest = count.into_iter().max_by_key(|(_, count)| *count);
        let position = greediest
            .filter(|(_, count)| *count > self.share())
            .and_then(|(host, _)| {
                let mut entries = self.oldest_first.iter();
                entries.position(|entry| entry.host == Some(host))
            });
        if let Some(entry) = self.oldest_first.remove(position.unwrap_or(0)) {
            entry.task.abort();
            let reason = match entry.host {
                Some(host) => format!("too many unfinished handshakes, dropped one of {host}"),
                None => "too many unfinished handshakes, dropped the oldest".to_owned(),
            };
            tracing::debug!("{reason}");
            self.dropped = Some(Error::new(ErrorKind::Overloaded, reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::pending};

    use tokio_test::{assert_pending, task};

    use super::*;

    type Mute = Handshakes<Infallible>;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an IP address"))
    }

    fn hosts(set: &Mute) -> Vec<String> {
        let hosts = set.oldest_first.iter();
        hosts
            .map(|entry| entry.host.map_or("-".into(), |ip| ip.to_string()))
            .collect()
    }

    #[tokio::test]
    async fn the_oldest_goes_when_the_set_is_full() {
        let mut set = Mute::new(2);
        for peer in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
            set.spawn(ip(peer), pending());
        }
        assert_eq!(hosts(&set), ["10.0.0.2", "10.0.0.3"]);
        let mut set = task::spawn(set);
        let dropped = set.enter(|cx, mut set| set.poll_next(cx));
        let Poll::Ready(Some(Err(error))) = dropped else {
            panic!("expected the dropped one, got {dropped:?}");
        };
        assert_eq!(error.kind(), ErrorKind::Overloaded);
        assert_pending!(set.enter(|cx, mut set| set.poll_next(cx)));
    }

    #[tokio::test]
    async fn a_host_with_more_than_its_share_loses_first() {
        let mut set = Mute::new(16);
        set.spawn(ip("10.0.0.1"), pending());
        for n in 0..30 {
            // One IPv6 host has a whole /64.
            set.spawn(ip(&format!("2001:db8::{n}")), pending());
        }
        assert_eq!(hosts(&set)[0], "10.0.0.1");
        assert_eq!(hosts(&set).len(), 16);
    }

    #[tokio::test]
    async fn a_panic_in_one_handshake_is_its_own_error() {
        let mut set = Handshakes::<()>::new(2);
        set.spawn(None, async { panic!("in a hook") });
        let ended = std::future::poll_fn(|cx| set.poll_next(cx)).await;
        let error = ended.expect("one").expect_err("a panic");
        assert_eq!(error.kind(), ErrorKind::Other);
        assert!(set.oldest_first.is_empty());
    }
}

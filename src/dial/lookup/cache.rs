//! Answers kept for as long as they hold.

use std::{
    collections::HashMap,
    error, fmt,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use crate::lock::lock;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, WeakShared},
};
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower_layer::Layer;
use tower_multiserver_core::{BoxError, Error};
use tower_service::Service;

use super::{Answer, Name};

/// Layer that keeps the answers of a look-up for as long as they hold, also the answer that nothing is known.
///
/// Names that are asked for while they are being looked up share that one look-up; an error goes to all who share it, and
/// is not kept. Of what the answers say of their time, an hour counts, and of the answer that nothing is known five
/// minutes (RFC 2308, section 5, would allow hours): so a peer that appears or moves is found. At most 256 names are kept;
/// then the one that would be the first to expire goes.
///
/// Clones of the service share what they keep; to layer twice makes two caches.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheLayer(());

/// The service that [`CacheLayer`] makes of the look-up below it.
pub struct Cache<L> {
    lookup: L,
    kept: Arc<Mutex<HashMap<Name, Kept>>>,
}

enum Kept {
    Answer(Answer, Instant),
    Asked(WeakShared<Asked>),
}

type Asked = BoxFuture<'static, Result<Answer, Arc<Error>>>;

/// Whoever controls the names that are asked for must not fill the memory. An answer has a few hundred bytes.
const MAX_NAMES: usize = 256;

/// What may be wrong for longer is no cache but a table.
const MAX_TTL: Duration = Duration::from_secs(3600);

/// Somebody who has just been told a name will try again soon.
const MAX_NOTHING_TTL: Duration = Duration::from_secs(300);

impl CacheLayer {
    /// An empty cache.
    pub fn new() -> Self {
        Self(())
    }
}

impl<L> Layer<L> for CacheLayer {
    type Service = Cache<L>;

    fn layer(&self, lookup: L) -> Cache<L> {
        Cache {
            lookup,
            kept: Arc::default(),
        }
    }
}

impl<L> Service<Name> for Cache<L>
where
    L: Service<Name, Response = Answer, Error: Into<BoxError>, Future: Send>,
    L: Clone + Send + 'static,
{
    type Response = Answer;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Answer, Error>>;

    // Most answers need nothing of the look-up; what does waits for it.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let asked = match this.find(name) {
                Ok(answer) => return Ok(answer),
                Err(asked) => asked,
            };
            asked.await.map_err(|error: Arc<Error>| {
                let (kind, at) = (error.kind(), error.address().cloned());
                let shared = Error::new(kind, Shared(error));
                match at {
                    Some(at) => shared.at(|| at),
                    None => shared,
                }
            })
        })
    }
}

impl<L> Cache<L>
where
    L: Service<Name, Response = Answer, Error: Into<BoxError>, Future: Send>,
    L: Clone + Send + 'static,
{
    /// An answer that still holds, or the look-up to wait for.
    fn find(&self, name: Name) -> Result<Answer, futures_util::future::Shared<Asked>> {
        let mut kept = lock(&self.kept);
        match kept.get(&name) {
            Some(Kept::Answer(answer, until)) if *until > Instant::now() => {
                let left = until.saturating_duration_since(Instant::now());
                return Ok(Answer::new(answer.addresses.clone(), left));
            }
            Some(Kept::Asked(asked)) => {
                // It is gone when all who asked have given up.
                if let Some(asked) = asked.upgrade() {
                    return Err(asked);
                }
            }
            _ => {}
        }
        let this = self.clone();
        let key = name.clone();
        let asked = async move {
            let answer = this.lookup.clone().oneshot(name.clone()).await;
            let answer = answer.map_err(|error| Arc::new(Error::from(error.into())));
            this.keep(name, &answer);
            answer
        };
        let asked = asked.boxed().shared();
        if let Some(weak) = asked.downgrade() {
            make_room(&mut kept, &key);
            kept.insert(key, Kept::Asked(weak));
        }
        Err(asked)
    }

    fn keep(&self, name: Name, answer: &Result<Answer, Arc<Error>>) {
        let mut kept = lock(&self.kept);
        kept.remove(&name);
        let Ok(answer) = answer else { return };
        let max = match answer.addresses {
            Some(_) => MAX_TTL,
            None => MAX_NOTHING_TTL,
        };
        let ttl = answer.ttl.min(max);
        if !ttl.is_zero()
            && let Some(until) = Instant::now().checked_add(ttl)
        {
            make_room(&mut kept, &name);
            kept.insert(name, Kept::Answer(answer.clone(), until));
        }
    }
}

/// Lets the entry go that would be the first to, unless `name` has one already.
fn make_room(kept: &mut HashMap<Name, Kept>, name: &Name) {
    if kept.len() < MAX_NAMES || kept.contains_key(name) {
        return;
    }
    let until = |kept: &Kept| match kept {
        Kept::Answer(_, until) => Some(*until),
        // Nobody waits for it any more; or else those who do have it, and others will ask again.
        Kept::Asked(_) => None,
    };
    let first = kept.iter().min_by_key(|(_, kept)| until(kept));
    if let Some(first) = first.map(|(name, _)| name.clone()) {
        kept.remove(&first);
    }
}

impl<L: Clone> Clone for Cache<L> {
    fn clone(&self) -> Self {
        Self {
            lookup: self.lookup.clone(),
            kept: Arc::clone(&self.kept),
        }
    }
}

impl<L> fmt::Debug for Cache<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("names", &lock(&self.kept).len())
            .finish_non_exhaustive()
    }
}

/// The cause of an error that several share. Its kind and its place stand above it.
#[derive(Debug)]
struct Shared(Arc<Error>);

impl Shared {
    fn cause(&self) -> &(dyn error::Error + 'static) {
        error::Error::source(&*self.0).unwrap_or(&*self.0)
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.cause(), f)
    }
}

impl error::Error for Shared {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.cause().source()
    }
}

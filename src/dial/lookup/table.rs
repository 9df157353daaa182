//! A table of one's own.

use std::{
    collections::BTreeMap,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tower_multiserver_core::{BoxError, Error, MultiAddress};
use tower_service::Service;

use super::{Answer, Name};

/// A look-up in a table: what is not in it is asked of the next look-up, if there is one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower::BoxError> {
/// use tower::ServiceExt as _;
/// use tower_multiserver::dial::lookup::Table;
///
/// let office = Table::new().with("printer".parse()?, "unix:/run/printer.sock".parse()?);
/// let mine = Table::new().with("bob".parse()?, "net:bob.example:8008".parse()?).or(office);
/// let answer = mine.oneshot("printer".parse()?).await?;
/// assert_eq!(answer.addresses, Some("unix:/run/printer.sock".parse()?));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Table<L = Nobody> {
    entries: Arc<BTreeMap<Name, MultiAddress>>,
    next: L,
}

/// A look-up that knows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Table {
    /// An empty table.
    pub fn new() -> Self {
        Self {
            entries: Arc::default(),
            next: Nobody,
        }
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl<L> Table<L> {
    /// Writes down where `name` is, in the place of what stood there.
    #[must_use]
    pub fn with(mut self, name: Name, addresses: MultiAddress) -> Self {
        Arc::make_mut(&mut self.entries).insert(name, addresses);
        self
    }

    /// Asks `next` for what is not in the table.
    #[must_use]
    pub fn or<M>(self, next: M) -> Table<M> {
        Table {
            entries: self.entries,
            next,
        }
    }
}

impl<L> Service<Name> for Table<L>
where
    L: Service<Name, Response = Answer, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Response = Answer;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Answer, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.next
            .poll_ready(cx)
            .map_err(|error| error.into().into())
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if let Some(addresses) = self.entries.get(&name) {
            // There is nothing to save by keeping a copy of it.
            let answer = Answer::new(Some(addresses.clone()), Duration::ZERO);
            return Box::pin(ready(Ok(answer)));
        }
        let next = self.next.call(name);
        Box::pin(async { next.await.map_err(|error| error.into().into()) })
    }
}

impl Service<Name> for Nobody {
    type Response = Answer;
    type Error = Error;
    type Future = Ready<Result<Answer, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(Answer::new(None, Duration::ZERO)))
    }
}

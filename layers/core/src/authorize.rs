//! Who may connect.

use std::{
    collections::HashSet,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use crate::{BoxError, Error, ErrorKind, Info, PublicKey};

/// Decides who may connect, once a peer has proved its key and before it is told that it may.
///
/// A layer that knows less says so: `knock` asks about a key that was only claimed when it accepts, and about the key that
/// was dialed when it dials.
///
/// Every async closure over a [`Peer`] is one:
///
/// ```
/// use tower_multiserver_core::{Authorize, Peer};
///
/// fn authorize(_: impl Authorize<Grant = &'static str>) {}
///
/// authorize(async |peer: Peer| match peer.is_own {
///     true => Err("we do not talk to ourselves"),
///     false => Ok("guest"),
/// });
///
/// // One that captures something gives each answer a share of it.
/// let guests = std::sync::Arc::new(std::sync::Mutex::new(0));
/// authorize(move |_: Peer| {
///     let guests = guests.clone();
///     async move {
///         *guests.lock().map_err(|_| "out of order")? += 1;
///         Ok::<_, &str>("guest")
///     }
/// });
/// ```
///
/// The layer that asks bounds the answer by the connection's deadline, and takes an error as a refusal.
pub trait Authorize: Clone + Send + Sync + 'static {
    /// What is recorded as a fact of the connection, such as the peer's name or its rights.
    type Grant: Clone + Send + Sync + 'static;

    /// Whether `peer` may connect. The error says why not, to us: the peer sees no more than a close.
    fn authorize(&self, peer: Peer) -> impl Future<Output = Result<Self::Grant, BoxError>> + Send;
}

/// Somebody who proved to hold a key; or claimed it or was dialed by it, where the layer that asks says so.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The key that was proved, claimed or dialed.
    pub key: PublicKey,
    /// Whether it is our own: we dialed ourselves, or another program of ours did.
    pub is_own: bool,
    /// What the layers below know of the connection.
    pub info: Info,
}

impl Peer {
    /// Asks `authorize` whether it may connect. A hook that panics takes only this connection with it.
    ///
    /// # Errors
    ///
    /// A refusal is [`Unauthorized`](ErrorKind::Unauthorized), a panic is [`Other`](ErrorKind::Other). Both mean no.
    pub async fn ask<A: Authorize>(self, authorize: &A) -> Result<A::Grant, Error> {
        let mut asked = pin!(async { authorize.authorize(self).await });
        let answer = poll_fn(|cx| {
            // It is never polled again after a panic.
            match catch_unwind(AssertUnwindSafe(|| asked.as_mut().poll(cx))) {
                Ok(polled) => polled.map(Ok),
                Err(_) => Poll::Ready(Err(Error::new(
                    ErrorKind::Other,
                    "the authorization panicked",
                ))),
            }
        });
        answer
            .await?
            .map_err(|refusal| Error::new(ErrorKind::Unauthorized, refusal))
    }
}

/// Lets everybody in, with any key.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

/// Lets in who holds one of these keys. Our own key is no exception: it must be in the list.
#[derive(Clone, Debug, Default)]
pub struct AllowList(Arc<HashSet<PublicKey>>);

impl Authorize for AllowAll {
    type Grant = ();

    async fn authorize(&self, _: Peer) -> Result<(), BoxError> {
        Ok(())
    }
}

impl Authorize for AllowList {
    type Grant = ();

    async fn authorize(&self, peer: Peer) -> Result<(), BoxError> {
        match self.0.contains(&peer.key) {
            true => Ok(()),
            false => Err("the key is not in the list".into()),
        }
    }
}

impl From<HashSet<PublicKey>> for AllowList {
    fn from(keys: HashSet<PublicKey>) -> Self {
        Self(Arc::new(keys))
    }
}

impl FromIterator<PublicKey> for AllowList {
    fn from_iter<T: IntoIterator<Item = PublicKey>>(keys: T) -> Self {
        Self::from(HashSet::from_iter(keys))
    }
}

impl<F, Fut, G, E> Authorize for F
where
    F: Fn(Peer) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<G, E>> + Send,
    G: Clone + Send + Sync + 'static,
    E: Into<BoxError>,
{
    type Grant = G;

    async fn authorize(&self, peer: Peer) -> Result<G, BoxError> {
        self(peer).await.map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Section;

    fn peer(key: u8) -> Peer {
        Peer {
            key: PublicKey::from_bytes([key; 32]),
            is_own: false,
            info: Info::new(Section::new("test")),
        }
    }

    #[tokio::test]
    async fn the_list_lets_in_who_is_on_it_and_nobody_else() {
        let list: AllowList = [1, 2].map(|key| peer(key).key).into_iter().collect();
        assert!(list.authorize(peer(2)).await.is_ok());
        assert!(list.authorize(peer(3)).await.is_err());
        assert!(AllowList::default().authorize(peer(1)).await.is_err());
        assert!(AllowAll.authorize(peer(3)).await.is_ok());
    }

    #[tokio::test]
    async fn a_closure_grants_or_refuses() {
        let names = Arc::new(vec!["nobody", "alice"]);
        let by_name = move |peer: Peer| {
            let names = names.clone();
            async move {
                let name = names.get(usize::from(peer.key.as_bytes()[0]));
                name.copied().ok_or("unknown")
            }
        };
        assert_eq!(by_name.authorize(peer(1)).await.unwrap(), "alice");
        assert!(by_name.authorize(peer(7)).await.is_err());
    }
}

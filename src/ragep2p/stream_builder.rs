//! How a stream is opened.

use std::{fmt, sync::Arc};

use super::{
    Limits, OpenError, Priority, RequestStream, Stream, Version, registry::Registry, stream::Open,
};
use crate::PeerId;

/// A stream to be opened.
///
/// ```
/// use tower_multiserver::{
///     Identity, PeerId,
///     ragep2p::{Host, Limits, OpenError, Priority},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let host = Host::builder(Identity::generate()?).start().await?;
/// let peer = PeerId::from(Identity::generate()?.public_key());
/// let large = Limits { max_message: 1 << 20, ..Limits::default() };
///
/// let backups = host.stream(peer, "backups").limits(large).priority(Priority::Low).open()?;
/// let news = host.stream(peer, "news").open()?;
/// assert_eq!(host.stream(peer, "news").open().err(), Some(OpenError::Exists));
/// # drop((backups, news));
/// # Ok(())
/// # }
/// ```
#[must_use = "it is not open yet"]
pub struct StreamBuilder {
    registry: Arc<Registry>,
    peer: PeerId,
    name: Arc<str>,
    priority: Priority,
    limits: Limits,
}

impl StreamBuilder {
    pub(super) fn new(registry: Arc<Registry>, peer: PeerId, name: Arc<str>) -> Self {
        Self {
            registry,
            peer,
            name,
            priority: Priority::Default,
            limits: Limits::default(),
        }
    }

    /// Sets what it takes and keeps. [`Limits::default`] unless set.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets which of its messages go before those of other streams to the same peer. [`Priority::Default`] unless set.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// When the peer is the host itself, the name is empty or longer than [`MAX_NAME_LEN`](super::MAX_NAME_LEN) bytes or
    /// taken, there are too many streams or peers, the limits cannot be, or the host is closed.
    pub fn open(self) -> Result<Stream, OpenError> {
        self.opened().map(Stream::new)
    }

    /// Opens it with requests and responses. The peer must do so too: a host of the Go package's first version ends the
    /// connection at the first request.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and when the host is not of [`Version::V2`].
    pub fn open_with_requests(self) -> Result<RequestStream, OpenError> {
        match self.registry.version() {
            Version::V1 => Err(OpenError::Version),
            Version::V2 => self.opened().map(RequestStream::new),
        }
    }

    fn opened(self) -> Result<Open, OpenError> {
        let limits = self.limits.try_into()?;
        let (peer, id) = self
            .registry
            .open(self.peer, &self.name, self.priority, limits)?;
        Ok(Open {
            registry: self.registry,
            peer,
            id,
            name: self.name,
        })
    }
}

impl fmt::Debug for StreamBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamBuilder")
            .field("peer", &self.peer)
            .field("name", &self.name)
            .field("priority", &self.priority)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

//! What opens streams of a host.

use std::{fmt, sync::Arc};

use super::{StreamBuilder, registry::Registry};
use crate::PeerId;

/// Opens streams of a host, without keeping it alive: what a [`Discoverer`](super::Discoverer) gets. Once the host is closed
/// or dropped it opens no more.
#[derive(Clone)]
pub struct HostHandle(Arc<Registry>);

impl HostHandle {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self(registry)
    }

    /// By what peers know the host.
    pub fn id(&self) -> PeerId {
        self.0.own()
    }

    /// As [`Host::stream`](super::Host::stream).
    pub fn stream(&self, peer: PeerId, name: impl Into<Arc<str>>) -> StreamBuilder {
        StreamBuilder::new(self.0.clone(), peer, name.into())
    }
}

impl fmt::Debug for HostHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostHandle").field(&self.id()).finish()
    }
}

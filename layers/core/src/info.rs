//! What the layers learned about a connection.

use std::{
    any::{Any, TypeId, type_name},
    fmt,
    net::SocketAddr,
    sync::Arc,
};

use crate::{Address, PublicKey, Scope, Section, section::Place};

/// What the layers learned about a connection: the address so far, and facts by type. Cheap to clone.
///
/// Facts stand in the order of the layers that recorded them and are never overwritten or taken back.
#[derive(Clone)]
pub struct Info {
    address: Address,
    facts: Vec<Fact>,
}

#[derive(Clone)]
struct Fact {
    name: &'static str,
    value: Arc<dyn Any + Send + Sync>,
}

/// A fact: the socket address of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);

/// A fact: our own socket address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalAddr(pub SocketAddr);

/// A fact: the layer below can end its sending direction and still receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HalfClose;

/// A fact: the layer below ends both directions with one, and holds that end back after a shutdown until the peer has ended
/// too or the connection is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeldClose;

/// A fact: the public key that the peer proved to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RemoteKey(pub PublicKey);

/// A fact: a public key that the peer only said is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimedKey(pub PublicKey);

impl Info {
    pub(crate) fn new(transport: Section) -> Self {
        Self {
            address: Address::new(transport),
            facts: Vec::new(),
        }
    }

    /// The peer as the layers saw it, such as `net:10.0.0.7:51234~shs:KEY`. It holds no secrets.
    pub fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn push_section(&mut self, section: Section) {
        self.address.push(section.redacted_at(Place::Transform));
    }

    /// The fact of type `T`: that of the outermost layer, where several recorded one.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.all().next_back()
    }

    /// All facts of type `T`, innermost layer first.
    pub fn all<T: Send + Sync + 'static>(&self) -> impl DoubleEndedIterator<Item = &T> {
        let of_type = self.facts.iter();
        of_type.filter_map(|fact| fact.value.downcast_ref())
    }

    /// Records a fact.
    pub fn insert<T: Send + Sync + 'static>(&mut self, fact: T) {
        self.facts.push(Fact {
            name: type_name::<T>(),
            value: Arc::new(fact),
        });
    }

    /// From where the peer can have come; [`Scope::Public`] where no layer knew.
    pub fn scope(&self) -> Scope {
        self.get().copied().unwrap_or(Scope::Public)
    }

    /// The key that the peer proved to the outermost layer that asked for one.
    pub fn remote_key(&self) -> Option<PublicKey> {
        self.get().map(|RemoteKey(key)| *key)
    }

    /// Whether the layer below can end its sending direction and still receive.
    pub fn has_half_close(&self) -> bool {
        self.contains(TypeId::of::<HalfClose>())
    }

    /// Whether the layer below may be shut down while the peer still sends: it has half-close, or holds its end back.
    ///
    /// A layer with an end mark of its own shuts it down right behind the mark then, so that what was sent survives a drop.
    pub fn takes_shutdown(&self) -> bool {
        self.has_half_close() || self.contains(TypeId::of::<HeldClose>())
    }

    fn contains(&self, id: TypeId) -> bool {
        self.facts.iter().any(|fact| (*fact.value).type_id() == id)
    }
}

/// The address and the names of the facts; their values stay private.
impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts: Vec<_> = self.facts.iter().map(|fact| fact.name).collect();
        f.debug_struct("Info")
            .field("address", &self.address)
            .field("facts", &facts)
            .finish()
    }
}

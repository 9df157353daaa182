//! One connection a key, by Hyperswarm's rule.

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    sync::{Arc, Mutex},
};

use crate::lock::lock;
use tower_multiserver_core::{Error, ErrorKind, PublicKey};

use super::raw::Moved;

/// Who is connected with a node that has joined a topic.
pub(super) struct Admission {
    admitted: Mutex<Admitted>,
    max_peers: usize,
}

#[derive(Default)]
struct Admitted {
    next: u64,
    keys: HashMap<PublicKey, Place>,
}

struct Place {
    number: u64,
    /// Ends the connection, which another one follows.
    cut: Cut,
    /// None until it is made.
    moved: Option<Arc<Moved>>,
}

type Cut = Box<dyn FnOnce() + Send>;

/// A connection's place, which is free again when this is dropped.
pub(super) struct Ticket {
    admission: Arc<Admission>,
    key: PublicKey,
    number: u64,
}

impl Admission {
    pub(super) fn new(max_peers: usize) -> Self {
        Self {
            admitted: Mutex::default(),
            max_peers,
        }
    }

    /// A place for a dial, unless there is a connection or a dial. Whoever takes it calls `cut`.
    pub(super) fn dial(
        self: &Arc<Self>,
        key: PublicKey,
        cut: impl FnOnce() + Send + 'static,
    ) -> Result<Ticket, Error> {
        self.take(key, cut, |_| false)
    }

    /// A place for an accepted connection. Which of two stays both sides decide alike:
    ///
    /// - the new one, if the old one has been used both ways for a while: the peer has lost it and comes back;
    /// - else that which the larger key dialed.
    ///
    /// (npm hyperswarm does not wait for the while, so that two which cross each other may both be lost there.)
    pub(super) fn accept(
        self: &Arc<Self>,
        own: PublicKey,
        key: PublicKey,
        cut: impl FnOnce() + Send + 'static,
    ) -> Result<Ticket, Error> {
        let they_dial = own < key;
        self.take(key, cut, |old| {
            they_dial || old.moved.as_ref().is_some_and(|moved| moved.is_settled())
        })
    }

    fn take(
        self: &Arc<Self>,
        key: PublicKey,
        cut: impl FnOnce() + Send + 'static,
        replaces: impl FnOnce(&Place) -> bool,
    ) -> Result<Ticket, Error> {
        let mut admitted = lock(&self.admitted);
        admitted.next = admitted.next.wrapping_add(1);
        let number = admitted.next;
        let place = Place {
            number,
            cut: Box::new(cut),
            moved: None,
        };
        let is_full = admitted.keys.len() >= self.max_peers;
        match admitted.keys.entry(key) {
            Entry::Occupied(mut old) if replaces(old.get()) => {
                let superseded = old.insert(place);
                (superseded.cut)();
            }
            Entry::Occupied(_) => return Err(already_connected()),
            Entry::Vacant(_) if is_full => return Err(full()),
            Entry::Vacant(vacant) => {
                vacant.insert(place);
            }
        }
        Ok(Ticket {
            admission: self.clone(),
            key,
            number,
        })
    }
}

impl Ticket {
    /// The connection is made.
    pub(super) fn connected(&self, moved: &Arc<Moved>) {
        let mut admitted = lock(&self.admission.admitted);
        if let Some(place) = admitted.keys.get_mut(&self.key)
            && place.number == self.number
        {
            place.moved = Some(moved.clone());
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut admitted = lock(&self.admission.admitted);
        if let Entry::Occupied(place) = admitted.keys.entry(self.key)
            && place.get().number == self.number
        {
            place.remove();
        }
    }
}

fn full() -> Error {
    Error::new(ErrorKind::Overloaded, "there are as many peers as may be")
}

fn already_connected() -> Error {
    let reason = "there is a connection with this peer";
    io::Error::new(io::ErrorKind::AlreadyExists, reason).into()
}

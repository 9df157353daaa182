//! What the tests share.

use tower_multiserver_core::{Identity, PeerId, Seed};

use super::{Announcement, Endpoints, Unverified};

/// The key pair whose seed is this byte 32 times.
pub(super) fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Seed::from_bytes([seed; 32]))
}

pub(super) fn peer(seed: u8) -> PeerId {
    identity(seed).public_key().into()
}

pub(super) fn endpoints(texts: &[&str]) -> Endpoints {
    let endpoints = texts.iter().map(|text| text.parse().expect("an endpoint"));
    Endpoints::try_from(endpoints.collect::<Vec<_>>()).expect("1 to 10")
}

pub(super) fn announcement(seed: u8, endpoint: &str, counter: u64) -> Announcement {
    Announcement::sign(&identity(seed), endpoints(&[endpoint]), counter)
}

/// As it comes from a peer.
pub(super) fn unverified(announcement: &Announcement) -> Unverified {
    Unverified::from_bytes(&announcement.to_bytes()).expect("of good form")
}

//! The body of a fuzz target.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use tower_multiserver_core::{Identity, PeerId, Seed};

use super::*;

/// Ourselves, a friend, and a stranger.
static PEERS: LazyLock<[Identity; 3]> = LazyLock::new(|| {
    [[1; 32], [2; 32], [3; 32]].map(|seed| Identity::from_seed(&Seed::from_bytes(seed)))
});

/// What peers say of themselves is believed of those alone who signed it and are in a group of ours; the rest is refused,
/// and what we know can always be told, kept and read again.
pub fn messages(data: &[u8]) {
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let [ours, friend, stranger] = &*PEERS;
    let ids: [PeerId; 3] = [ours, friend, stranger].map(|peer| peer.public_key().into());
    let endpoint = Endpoint::new([127, 0, 0, 1].into(), 1);
    let mut registry = Registry::new(ours.clone(), endpoint.into());
    let group = Group::new([ids[0], ids[1]]);
    let digest = GroupDigest::from_bytes([7; 32]);
    registry.add_group(digest, group).expect("the first group");
    while !u.is_empty() {
        let from = *u.choose(&ids)?;
        let bytes = match u.int_in_range(0..=3)? {
            0 => {
                let len = usize::from(u.arbitrary::<u16>()?).min(u.len());
                u.bytes(len)?.to_vec()
            }
            _ => announced(u)?,
        };
        let Ok(message) = Incoming::decode(&bytes) else {
            continue;
        };
        let received = registry.receive(from, message);
        assert!(received.learned.iter().all(|peer| *peer == ids[1]));
        assert!(from != ids[2] || received.learned.is_empty());
    }
    assert!(registry.find(ids[2]).is_empty());
    let kept = registry.snapshot();
    let count = kept.len();
    let refused = registry.load(kept).refused;
    assert!(count <= 2 && refused.is_empty(), "{refused:?}");
    for outgoing in registry.reconcile() {
        let read = Incoming::decode(&outgoing.message.encode());
        assert!(outgoing.to == ids[1] && read.is_ok());
    }
    Ok(())
}

/// A message that one of us could send, with up to two bytes changed.
fn announced(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let who = u.choose(&*PEERS)?;
    let endpoint = Endpoint::new(u.arbitrary()?, u.arbitrary()?);
    let announcement = Announcement::sign(who, endpoint.into(), u.arbitrary()?);
    let message = match u.arbitrary()? {
        true => Message::Announcement(announcement),
        false => Message::Reconcile(vec![announcement; u.int_in_range(0..=3)?]),
    };
    let mut bytes = message.encode();
    for _ in 0..u.int_in_range(0..=2)? {
        let at = u.choose_index(bytes.len())?;
        bytes[at] = u.arbitrary()?;
    }
    Ok(bytes)
}

//! What the nodes of the DHT say of a topic.

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use peeroxide_dht::{
    hyperdht_messages::{LOOKUP, decode_lookup_raw_reply_from_bytes},
    messages::Ipv4Peer,
    rpc::UserRequestParams,
};
use tower_multiserver_core::{Error, PublicKey};

use super::{failures::failed, inner::Inner};

/// How many keys a look-up tells of: as many as the nodes closest to a topic, 20, hold of it, 20 each, and room.
const MAX_FOUND: usize = 1024;

/// A key, and of how many addresses it follows.
const MIN_PEER: usize = 33;

/// The keys that are announced on a topic, as the nodes closest to it say.
///
/// Instead of the crate's look-up, which makes room for as many peers as an answer claims to hold.
pub(super) async fn lookup(node: &Inner, topic: [u8; 32]) -> Result<Vec<PublicKey>, Error> {
    let closest = node.dht.dht().find_node(topic).await;
    let closest = closest.map_err(|error| failed(error.into()))?;
    let asked = closest.iter().map(|reply| ask(node, topic, &reply.from));
    let mut answers: FuturesUnordered<_> = asked.collect();
    let mut keys = Vec::new();
    while let Some(answer) = answers.next().await {
        keys.extend(answer.as_deref().and_then(read).into_iter().flatten());
        keys.truncate(MAX_FOUND);
    }
    Ok(keys)
}

async fn ask(node: &Inner, topic: [u8; 32], at: &Ipv4Peer) -> Option<Vec<u8>> {
    let mut request = UserRequestParams::default();
    request.command = LOOKUP;
    request.target = Some(topic);
    let response = node.dht.dht().request(request, &at.host, at.port).await;
    response.ok()?.value
}

/// The keys of the peers in an answer, unless it claims more than it can hold.
pub(super) fn read(answer: &[u8]) -> Option<Vec<PublicKey>> {
    let claimed = usize::try_from(claimed(answer)?).ok()?;
    if claimed > answer.len() / MIN_PEER {
        return None;
    }
    let peers = decode_lookup_raw_reply_from_bytes(answer).ok()?.peers;
    let keys = peers
        .iter()
        .map(|peer| PublicKey::from_bytes(peer.public_key));
    Some(keys.collect())
}

/// How many peers an answer claims to hold, as the npm package `compact-encoding` writes a number.
fn claimed(answer: &[u8]) -> Option<u64> {
    let (first, rest) = answer.split_first()?;
    Some(match first {
        0xfd => u16::from_le_bytes(*rest.first_chunk()?).into(),
        0xfe => u32::from_le_bytes(*rest.first_chunk()?).into(),
        0xff => u64::from_le_bytes(*rest.first_chunk()?),
        small => (*small).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_keys_in_it() {
        let peer = [&[7; 32][..], &[1, 127, 0, 0, 1, 0x39, 0x30]].concat();
        for count in [&[2][..], &[0xfd, 2, 0], &[0xfe, 2, 0, 0, 0]] {
            let answer = [count, &peer, &[8; 32], &[0, 0]].concat();
            let keys = [[7; 32], [8; 32]].map(PublicKey::from_bytes);
            assert_eq!(read(&answer), Some(keys.to_vec()));
            assert_eq!(read(&answer[..answer.len() - 2]), None);
        }
        assert_eq!(read(&[0, 9]), Some(vec![]));
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn an_answer_that_claims_more_than_it_holds_costs_nothing() {
        for count in [1_u64, 1 << 20, 1 << 40, u64::MAX] {
            let answer = [&[0xff][..], &count.to_le_bytes()].concat();
            assert_eq!(read(&answer), None);
        }
    }
}

//! A bit that is changed on the way.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_multiserver_core::{
    Error, Identity, Role, Transform,
    testing::{Fault, Manner, SEEDS, Side, Tap, Wire},
};
use tower_multiserver_mtls::{MtlsIo, MtlsLayer};

use crate::support::*;

type End = Result<tower_multiserver_core::Connection<MtlsIo<Wire>>, Error>;

/// Both sides, when that happens to what `side` sends; whoever fails leaves. A length that grew is waited for, until the
/// deadline: here until the other side has nothing more to say.
async fn meet_through(identities: &[Identity; 2], side: Side, fault: Fault) -> (End, End, Tap) {
    let (near, far, tap) = Wire::pair(Manner::SMOOTH, 0);
    tap.set_fault(side, fault);
    Side::BOTH.into_iter().for_each(|side| tap.record(side));
    let [alice, bob] = identities.clone();
    let role = to(&bob);
    let (client, server) = (MtlsLayer::new(alice), MtlsLayer::new(bob));
    let deadline = std::time::Duration::from_secs(5);
    let (client, server) = tokio::join!(
        tokio::time::timeout(deadline, client.upgrade(pipe(near), role)),
        tokio::time::timeout(deadline, server.upgrade(pipe(far), Role::Accept)),
    );
    let in_time = |end: Result<End, _>| {
        end.unwrap_or_else(|_| {
            Err(Error::new(
                tower_multiserver_core::ErrorKind::Timeout,
                "nothing came",
            ))
        })
    };
    (in_time(client), in_time(server), tap)
}

/// What either side sends in a handshake.
async fn sent(identities: &[Identity; 2]) -> [Vec<u8>; 2] {
    let nothing = Fault::Cut(u64::MAX);
    let (client, server, tap) = meet_through(identities, Side::Dialer, nothing).await;
    client.unwrap();
    server.unwrap();
    Side::BOTH.map(|side| tap.recorded(side))
}

/// Where the heads of records say a version, which means nothing (RFC 8446, section 5.1), or the outer kind of one that is
/// encrypted, where rustls goes by the kind inside.
fn meaningless(sent: &[u8]) -> Vec<u64> {
    let (mut places, mut at) = (Vec::new(), 0);
    while let Some([kind, _, _, high, low]) = sent[at..].first_chunk() {
        let start = at as u64;
        places.extend([start + 1, start + 2]);
        if *kind == 23 {
            places.push(start);
        }
        at += 5 + usize::from(u16::from_be_bytes([*high, *low]));
    }
    places
}

/// Each of so many bits where seeds are told, else one of each byte.
fn bits(bytes: usize) -> Vec<u64> {
    let bytes = bytes as u64;
    match std::env::var_os(SEEDS) {
        Some(_) => (0..8 * bytes).collect(),
        None => (0..bytes).map(|byte| 8 * byte + byte % 8).collect(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_flipped_bit_anywhere_in_the_handshake_lets_nobody_hear_anything_else() {
    let identities = [identity(), identity()];
    let (mut refused, mut harmless) = (0, 0);
    for (side, sent) in Side::BOTH.into_iter().zip(sent(&identities).await) {
        let meaningless = meaningless(&sent);
        for at in bits(sent.len()) {
            let (byte, bit) = (at / 8, (at % 8) as u8);
            let (client, server, tap) =
                meet_through(&identities, side, Fault::Flip { byte, bit }).await;
            assert!(tap.has_struck(side));
            let place = format!("bit {at} of {side:?}");
            // Whoever hears it does not get through. One who said it may, and then hears of it when it reads.
            let (hearer, speaker) = match side {
                Side::Dialer => (server, client),
                Side::Acceptor => (client, server),
            };
            match (hearer, speaker) {
                (Err(_), Err(_)) => refused += 1,
                (Err(_), Ok(mut speaker)) => {
                    speaker
                        .read_to_end(&mut Vec::new())
                        .await
                        .expect_err(&place);
                    refused += 1;
                }
                (Ok(mut hearer), Ok(mut speaker)) => {
                    assert!(meaningless.contains(&byte), "{place}");
                    speaker.write_all(b"hello").await.unwrap();
                    speaker.shutdown().await.unwrap();
                    let mut heard = Vec::new();
                    hearer.read_to_end(&mut heard).await.unwrap();
                    assert_eq!(heard, b"hello");
                    harmless += 1;
                }
                (Ok(_), Err(error)) => panic!("{place}: {error}"),
            }
        }
    }
    println!(
        "measured mtls\tflipped bits of a handshake\t{refused} refused, {harmless} without a meaning"
    );
}

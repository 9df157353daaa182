//! What a server takes for a knock, and that it answers nothing.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_multiserver_core::{ClaimedKey, ErrorKind, RemoteKey, Role, Transform};
use tower_multiserver_knock::{KnockError, KnockLayer, message};

use crate::support::*;

#[tokio::test]
async fn a_knock_is_accepted_in_however_many_pieces_it_comes() {
    let (alice, bob) = (identity(), identity());
    let knock = knock(&alice, &bob);
    for size in [97, 96, 40, 33, 1] {
        let pieces: Vec<_> = knock.chunks(size).collect();
        let (accepted, said) = hear(KnockLayer::new(bob.clone()), &pieces).await;
        let accepted = accepted.unwrap();
        let claimed = ClaimedKey(alice.public_key());
        assert_eq!(accepted.info().get(), Some(&claimed), "{size}");
        assert!(said.is_empty());
    }
}

#[tokio::test]
async fn a_claimed_key_is_no_proven_one() {
    let (alice, bob) = (identity(), identity());
    let knock = knock(&alice, &bob);
    // Who has seen it can say it again.
    for _ in 0..2 {
        let (accepted, _) = hear(KnockLayer::new(bob.clone()), &[&knock]).await;
        let accepted = accepted.unwrap();
        assert_eq!(accepted.info().get::<RemoteKey>(), None);
        let claims = accepted.info().all::<ClaimedKey>();
        assert_eq!(claims.count(), 1);
        let address = accepted.info().address().to_string();
        assert_eq!(address, format!("pipe~knock:{}", id(&alice)));
    }
}

#[tokio::test]
async fn what_follows_a_knock_at_once_is_left_to_the_next_layer() {
    let (alice, bob) = (identity(), identity());
    let (mut near, far) = tokio::io::duplex(1000);
    let mut segment = knock(&alice, &bob).to_vec();
    segment.extend(b"client hello");
    near.write_all(&segment).await.unwrap();
    near.shutdown().await.unwrap();
    let server = KnockLayer::new(bob).upgrade(pipe(far), Role::Accept);
    let mut heard = Vec::new();
    server.await.unwrap().read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"client hello");
}

#[tokio::test]
async fn whatever_is_no_knock_for_us_gets_no_byte() {
    let (alice, bob) = (identity(), identity());
    let good = knock(&alice, &bob);
    let with = |at: usize, byte: u8| {
        let mut knock = good;
        knock[at] = byte;
        knock.to_vec()
    };
    let mut own = knock(&bob, &alice);
    let signed = [message::SIGNED, &bob.public_key().as_bytes()[..]].concat();
    own[33..].copy_from_slice(&bob.sign(&signed));
    let http = b"GET / HTTP/1.1\r\nHost: example.invalid\r\nUser-Agent: somebody else, and so on, and so on, and on\r\n\r\n";
    for (said, expected) in [
        (Vec::new(), KnockError::HungUp),
        (good[..1].to_vec(), KnockError::HungUp),
        (good[..96].to_vec(), KnockError::HungUp),
        (with(0, 1), KnockError::Version),
        (with(0, 3), KnockError::Version),
        (http.to_vec(), KnockError::Version),
        (vec![0; 97], KnockError::Version),
        (own.to_vec(), KnockError::OurOwn),
        (vec![2; 97], KnockError::Signature),
        (with(1, good[1] ^ 1), KnockError::Signature),
        (knock(&alice, &identity()).to_vec(), KnockError::Signature),
    ] {
        let (refused, heard) = hear(KnockLayer::new(bob.clone()), &[&said]).await;
        assert!(heard.is_empty(), "{said:?}");
        assert_eq!(cause(&refused), Some(expected), "{said:?}");
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Handshake);
    }
}

#[tokio::test]
async fn every_flipped_bit_is_refused_without_a_byte() {
    let (alice, bob) = (identity(), identity());
    for bit in 0..97 * 8 {
        let mut knock = knock(&alice, &bob);
        knock[bit / 8] ^= 1 << (bit % 8);
        let (refused, heard) = hear(KnockLayer::new(bob.clone()), &[&knock]).await;
        let expected = match bit {
            0..8 => KnockError::Version,
            _ => KnockError::Signature,
        };
        assert_eq!(cause(&refused), Some(expected), "{bit}");
        assert!(heard.is_empty());
    }
    println!("measured knock\tflipped bits\t{} refused", 97 * 8);
}

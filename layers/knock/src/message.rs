//! The 97 bytes of a knock, free of IO. What is what in them stands in the
//! [crate's documentation](crate#the-protocol-byte-by-byte).
//!
//! ```
//! use tower_multiserver_core::Identity;
//! use tower_multiserver_knock::message;
//!
//! let (alice, bob) = (Identity::generate()?, Identity::generate()?);
//! let knock = message::write(&alice, bob.public_key().into())?;
//! let claimed = message::check(&knock, bob.public_key().into())?;
//! assert_eq!(claimed.public_key(), alice.public_key());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{error, fmt};

use tower_multiserver_core::{Identity, PeerId, PublicKey};

/// The length of a knock, in bytes.
pub const LENGTH: usize = 97;
/// The first byte of a knock.
pub const VERSION: u8 = 2;
/// What the text begins with that is signed; the key of the one who is knocked at is the rest of it.
pub const SIGNED: &[u8; 25] = b"ragep2p 1.0.0 knock knock";

/// Where the signature begins, behind the version and the key.
const SIGNATURE: usize = 33;

/// Why there was no knock, or none that counts. On the wire all of them look alike: the server closes and says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KnockError {
    /// The peer hung up before the knock was over.
    HungUp,
    /// The first byte is not [`VERSION`].
    Version,
    /// It is our own key: we have dialed ourselves, or somebody says that he is us.
    OurOwn,
    /// It is not signed by the key that it names, or not for us.
    Signature,
}

/// The knock of `dialer` at the door of `acceptor`. It is the same each time.
///
/// # Errors
///
/// [`OurOwn`](KnockError::OurOwn), since nobody opens to himself.
pub fn write(dialer: &Identity, acceptor: PeerId) -> Result<[u8; LENGTH], KnockError> {
    let (key, acceptor) = (dialer.public_key(), acceptor.public_key());
    if key == acceptor {
        return Err(KnockError::OurOwn);
    }
    let mut knock = [0; LENGTH];
    knock[0] = VERSION;
    knock[1..SIGNATURE].copy_from_slice(key.as_bytes());
    knock[SIGNATURE..].copy_from_slice(&dialer.sign(&signed(acceptor)));
    Ok(knock)
}

/// Who knocked at the door of `acceptor`, or somebody who has seen that knock.
///
/// # Errors
///
/// The first thing that is wrong with it, in the order of [`KnockError`].
pub fn check(knock: &[u8; LENGTH], acceptor: PeerId) -> Result<PeerId, KnockError> {
    let acceptor = acceptor.public_key();
    if knock[0] != VERSION {
        return Err(KnockError::Version);
    }
    let (mut key, mut signature) = ([0; 32], [0; 64]);
    key.copy_from_slice(&knock[1..SIGNATURE]);
    signature.copy_from_slice(&knock[SIGNATURE..]);
    let key = PublicKey::from_bytes(key);
    if key == acceptor {
        return Err(KnockError::OurOwn);
    }
    match key.verify(&signed(acceptor), &signature) {
        true => Ok(key.into()),
        false => Err(KnockError::Signature),
    }
}

fn signed(acceptor: PublicKey) -> [u8; 57] {
    let mut signed = [0; 57];
    signed[..25].copy_from_slice(SIGNED);
    signed[25..].copy_from_slice(acceptor.as_bytes());
    signed
}

impl fmt::Display for KnockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HungUp => "the peer hung up before the knock was over",
            Self::Version => "it is no knock, or one of another version",
            Self::OurOwn => "it is a knock of our own key at our own door",
            Self::Signature => "the knock is not signed by its key, or not meant for us",
        })
    }
}

impl error::Error for KnockError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tower_multiserver_core::Seed;

    use super::*;

    // Output of the Go package `ragep2p` of smartcontractkit/libocr (MIT) at commit 0a5e2f907dda, recomputed independently.
    const A_AT_B: &str = "02d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c977873783fc9767adb6fd5645998a740adf2633fddefb39f2ccd285b62f4ff8b8109cfdf148bf3159c26cda5592ddb5eb9c3eeb4764e8aba8614d15e74896c2ab573b04";
    const B_AT_A: &str = "02a09aa5f47a6759802ff955f8dc2d2a14a5c99d23be97f864127ff9383455a4f0f735a4dd6858055a1a49fe8c126dd2d018e8e6160e76587332be7ffdf858f79753bfdde9a36d9cbdcdd7b497e2ae23e7c92bc9e7473cf0b1961eb88b02c40d05";
    const A_AT_C: &str = "02d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c977873710bef88469e39ca792724baa245fa29e4a5f7dac98a04af3d5cbb0469480c7bab72ea53c172faeab2ef4b5e2405fddf468278d9b3fdf2cbb4cd354036cb7920d";
    /// Test 1 of RFC 8032.
    const C: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        hex::decode(hex).unwrap().try_into().unwrap()
    }

    fn peers() -> [Identity; 3] {
        [[0x11; 32], [0x22; 32], bytes(C)].map(|seed| Identity::from_seed(&Seed::from_bytes(seed)))
    }

    fn id(identity: &Identity) -> PeerId {
        identity.public_key().into()
    }

    #[test]
    fn knocks_are_those_of_go() {
        let [a, b, c] = peers();
        for (dialer, acceptor, knock) in [(&a, &b, A_AT_B), (&b, &a, B_AT_A), (&a, &c, A_AT_C)] {
            let knock = bytes(knock);
            assert_eq!(write(dialer, id(acceptor)), Ok(knock));
            assert_eq!(check(&knock, id(acceptor)), Ok(id(dialer)));
        }
    }

    #[test]
    fn a_knock_at_another_door_does_not_count() {
        let [a, b, c] = peers();
        let knock = bytes(A_AT_B);
        assert_eq!(check(&knock, id(&c)), Err(KnockError::Signature));
        assert_eq!(check(&knock, id(&a)), Err(KnockError::OurOwn));
        assert_eq!(check(&knock, id(&b)), Ok(id(&a)));
    }

    #[test]
    fn a_peer_does_not_knock_at_its_own_door() {
        let [a, ..] = peers();
        assert_eq!(write(&a, id(&a)), Err(KnockError::OurOwn));
        // Not even with a good signature.
        let mut knock = bytes(A_AT_B);
        knock[33..].copy_from_slice(&a.sign(&signed(a.public_key())));
        assert_eq!(check(&knock, id(&a)), Err(KnockError::OurOwn));
    }

    #[test]
    fn every_flipped_bit_spoils_it() {
        let [_, b, _] = peers();
        for bit in 0..LENGTH * 8 {
            let mut knock: [u8; LENGTH] = bytes(A_AT_B);
            knock[bit / 8] ^= 1 << (bit % 8);
            let expected = match bit / 8 {
                0 => KnockError::Version,
                _ => KnockError::Signature,
            };
            assert_eq!(check(&knock, id(&b)), Err(expected), "bit {bit}");
        }
    }

    #[test]
    fn a_key_of_small_order_signs_nothing() {
        let [_, b, _] = peers();
        // With it, `R` = the neutral element and `S` = 0 would be a signature of anything.
        let mut knock = [0; LENGTH];
        (knock[0], knock[1], knock[33]) = (VERSION, 1, 1);
        assert_eq!(check(&knock, id(&b)), Err(KnockError::Signature));
    }

    proptest! {
        #[test]
        fn what_is_no_knock_is_refused_without_a_panic(
            knock in proptest::array::uniform32(any::<u8>()),
            rest in proptest::collection::vec(any::<u8>(), LENGTH - 32),
            is_versioned: bool,
        ) {
            let [_, b, _] = peers();
            let mut knock: [u8; LENGTH] = [&knock[..], &rest].concat().try_into().unwrap();
            if is_versioned {
                knock[0] = VERSION;
            }
            prop_assert!(check(&knock, id(&b)).is_err());
        }

        #[test]
        fn whoever_knocks_is_known(dialer: [u8; 32], acceptor: [u8; 32]) {
            prop_assume!(dialer != acceptor);
            let [dialer, acceptor] = [dialer, acceptor]
                .map(|seed| Identity::from_seed(&Seed::from_bytes(seed)));
            let knock = write(&dialer, id(&acceptor)).unwrap();
            prop_assert_eq!(check(&knock, id(&acceptor)), Ok(id(&dialer)));
        }
    }
}

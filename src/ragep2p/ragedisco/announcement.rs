//! What a peer says about where it is, with its signature.

use std::{error, fmt, sync::Arc};

use sha2::{Digest as _, Sha256};
use tower_multiserver_core::{Identity, PeerId};

use super::{Endpoint, Endpoints};

/// Where a peer says that it is, proved by its signature. Clones share one copy.
///
/// ```
/// use tower_multiserver::{Identity, ragep2p::ragedisco::{Announcement, Endpoint}};
///
/// let identity = Identity::generate()?;
/// let endpoint: Endpoint = "203.0.113.9:6690".parse()?;
/// let announcement = Announcement::sign(&identity, endpoint.into(), 0);
/// assert_eq!(announcement.announcer(), identity.public_key().into());
/// # Ok::<(), tower_multiserver::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Announcement(Arc<Inner>);

/// An announcement of good form, whose signature nobody has looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    pub(super) announcer: PeerId,
    pub(super) endpoints: Endpoints,
    pub(super) counter: u64,
    /// Of any length: one that is not of 64 bytes is wrong, as any other that is.
    pub(super) signature: Vec<u8>,
}

/// The signature is not that of the announcer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSignature;

#[derive(PartialEq, Eq)]
struct Inner {
    announcer: PeerId,
    endpoints: Endpoints,
    counter: u64,
    signature: [u8; 64],
}

/// Keeps the signature from being one of something else.
const DOMAIN: &[u8] = b"announcement for chainlink peer discovery v2.0.0";

impl Announcement {
    /// Announces that `identity` is at `endpoints`. Of two announcements the one with the higher `counter` holds.
    pub fn sign(identity: &Identity, endpoints: Endpoints, counter: u64) -> Self {
        let signature = identity.sign(&digest(&endpoints, counter));
        Self(Arc::new(Inner {
            announcer: identity.public_key().into(),
            endpoints,
            counter,
            signature,
        }))
    }

    /// Who says so.
    pub fn announcer(&self) -> PeerId {
        self.0.announcer
    }

    /// Where it is.
    pub fn endpoints(&self) -> &Endpoints {
        &self.0.endpoints
    }

    /// How many announcements with other addresses it has made before this one.
    pub fn counter(&self) -> u64 {
        self.0.counter
    }

    /// The Ed25519 signature.
    pub fn signature(&self) -> &[u8; 64] {
        &self.0.signature
    }
}

impl Unverified {
    /// Who is said to say so.
    pub fn announcer(&self) -> PeerId {
        self.announcer
    }

    /// Looks at the signature.
    ///
    /// # Errors
    ///
    /// When it is not the announcer's, of these addresses and this counter.
    pub fn verify(self) -> Result<Announcement, BadSignature> {
        let signature = <[u8; 64]>::try_from(&*self.signature).map_err(|_| BadSignature)?;
        let digest = digest(&self.endpoints, self.counter);
        let key = self.announcer.public_key();
        match key.verify(&digest, &signature) {
            true => Ok(Announcement(Arc::new(Inner {
                announcer: self.announcer,
                endpoints: self.endpoints,
                counter: self.counter,
                signature,
            }))),
            false => Err(BadSignature),
        }
    }
}

/// What is signed. All numbers are little endian.
#[expect(clippy::expect_used, reason = "10 endpoints of 53 bytes at most")]
fn digest(endpoints: &Endpoints, counter: u64) -> [u8; 32] {
    let len = |len: usize| u32::try_from(len).expect("both types bound it");
    let endpoints = endpoints.as_slice();
    let hash = Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(len(endpoints.len()).to_le_bytes());
    let add = |hash: Sha256, endpoint: &Endpoint| {
        let text = endpoint.as_str();
        hash.chain_update(len(text.len()).to_le_bytes())
            .chain_update(text)
    };
    let hash = endpoints.iter().fold(hash, add);
    hash.chain_update(counter.to_le_bytes()).finalize().into()
}

impl fmt::Debug for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcement")
            .field("announcer", &self.0.announcer)
            .field("endpoints", &self.0.endpoints.as_slice())
            .field("counter", &self.0.counter)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for BadSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the signature of an announcement is not that of its announcer")
    }
}

impl error::Error for BadSignature {}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    /// Made by Go's ragedisco (libocr 0a5e2f907dda) with the key of seed 11 x 32.
    #[test]
    fn digest_and_signature_are_those_of_a_go_peer() {
        let list = endpoints(&["127.0.0.1:7801", "10.1.2.3:4567"]);
        assert_eq!(
            hex::encode(digest(&list, 0)),
            "375373415b3d3a40281d945d0f3065e45e6d4660aa6cbb1adb51f805c93abea1"
        );
        let announcement = Announcement::sign(&identity(0x11), list, 0);
        assert_eq!(
            hex::encode(announcement.signature()),
            "a11fecacf47d7ffce128983d7171e16c82b77e5bdb1ba73b6234b9ffa02a80f2\
             c48e8601cbf20ced3af4c1b96fd647fc301cabde9036a9682cf29431c247a004"
        );
    }

    #[test]
    fn a_signature_is_good_for_its_addresses_counter_and_announcer_only() {
        let list = endpoints(&["127.0.0.1:7801", "10.1.2.3:4567"]);
        let good = Announcement::sign(&identity(1), list, 7);
        assert_eq!(unverified(&good).verify(), Ok(good.clone()));

        let mut other = unverified(&good);
        other.counter = 8;
        assert_eq!(other.verify(), Err(BadSignature));
        let mut other = unverified(&good);
        other.announcer = peer(2);
        assert_eq!(other.verify(), Err(BadSignature));
        for texts in [
            &["10.1.2.3:4567", "127.0.0.1:7801"][..],
            &["127.0.0.1:7801"],
            &["127.0.0.1:07801", "10.1.2.3:4567"],
        ] {
            let mut other = unverified(&good);
            other.endpoints = endpoints(texts);
            assert_eq!(other.verify(), Err(BadSignature), "{texts:?}");
        }
    }

    #[test]
    fn a_signature_of_another_length_or_with_a_flipped_bit_is_wrong() {
        let good = unverified(&announcement(1, "10.0.0.1:1", 0));
        for len in [0, 63] {
            let mut other = good.clone();
            other.signature.truncate(len);
            assert_eq!(other.verify(), Err(BadSignature), "{len}");
        }
        let mut other = good.clone();
        other.signature.push(0);
        assert_eq!(other.verify(), Err(BadSignature));
        for bit in 0..512 {
            let mut other = good.clone();
            other.signature[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(other.verify(), Err(BadSignature), "{bit}");
        }
    }
}

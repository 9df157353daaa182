//! The frames of our noise, and the messages of snow over the same cipher.

use dryoc::classic::crypto_aead_chacha20poly1305_ietf::{
    crypto_aead_chacha20poly1305_ietf_decrypt, crypto_aead_chacha20poly1305_ietf_encrypt,
};
use snow::{
    Builder, Error, StatelessTransportState,
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::{CryptoResolver, DefaultResolver, FallbackResolver},
    types::{Cipher, Dh, Hash, Random},
};
use tower_multiserver::noise::transport::{OVERHEAD, Opener, Sealer, TEXT_MAX, TransportKey};

use crate::Result;

use super::{Parts, time};

const TAG: usize = 16;

/// Messages in a GiB.
const CALLS: f64 = (1 << 30) as f64 / TEXT_MAX as f64;

pub(super) fn measure(parts: &mut Parts) -> Result<()> {
    let text = vec![7; TEXT_MAX];
    let mut sealed = vec![0; TEXT_MAX + OVERHEAD];
    let mut opened = vec![0; TEXT_MAX];
    let mut add = |name: &str, seconds: f64| parts.insert(name.to_owned(), seconds * CALLS);

    let (ours, theirs) = pair()?;
    let mut nonce = 0;
    let seconds = time(|| {
        nonce += 1;
        ours.write_message(nonce, &text, &mut sealed)
    })?;
    add("snow sealed", seconds);
    let length = ours.write_message(7, &text, &mut sealed)?;
    add(
        "snow opened",
        time(|| theirs.read_message(7, &sealed[..length], &mut opened))?,
    );

    let mut sealer = Sealer::new(TransportKey::new(&[1; 32]));
    add("noise sealed", time(|| sealer.seal(&text, &mut sealed))?);
    Sealer::new(TransportKey::new(&[1; 32])).seal(&text, &mut sealed);
    add(
        "noise opened",
        time(|| Opener::new(TransportKey::new(&[1; 32])).open(&sealed, &mut opened))?,
    );
    Ok(())
}

/// Both ends after a handshake.
fn pair() -> Result<(StatelessTransportState, StatelessTransportState)> {
    let builder = || -> Result<_> {
        let resolver = FallbackResolver::new(Box::new(Fast), Box::new(DefaultResolver));
        let pattern = "Noise_NN_25519_ChaChaPoly_SHA256".parse()?;
        Ok(Builder::with_resolver(pattern, Box::new(resolver)))
    };
    let (mut near, mut far) = (builder()?.build_initiator()?, builder()?.build_responder()?);
    let (mut message, mut payload) = ([0; 100], [0; 100]);
    let length = near.write_message(&[], &mut message)?;
    far.read_message(&message[..length], &mut payload)?;
    let length = far.write_message(&[], &mut message)?;
    near.read_message(&message[..length], &mut payload)?;
    Ok((
        near.into_stateless_transport_mode()?,
        far.into_stateless_transport_mode()?,
    ))
}

/// The cipher that ours has.
struct Fast;

impl CryptoResolver for Fast {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        None
    }

    fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
        None
    }

    fn resolve_hash(&self, _: &HashChoice) -> Option<Box<dyn Hash>> {
        None
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        match choice {
            CipherChoice::ChaChaPoly => Some(Box::<ChaChaPoly>::default()),
            _ => None,
        }
    }
}

#[derive(Default)]
struct ChaChaPoly([u8; 32]);

impl Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.0 = *key;
    }

    fn encrypt(&self, nonce: u64, ad: &[u8], text: &[u8], out: &mut [u8]) -> usize {
        let length = text.len() + TAG;
        let out = &mut out[..length];
        crypto_aead_chacha20poly1305_ietf_encrypt(out, text, Some(ad), &expand(nonce), &self.0)
            .expect("the lengths are right");
        length
    }

    fn decrypt(
        &self,
        nonce: u64,
        ad: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> std::result::Result<usize, Error> {
        let length = sealed.len().checked_sub(TAG).ok_or(Error::Decrypt)?;
        let out = &mut out[..length];
        crypto_aead_chacha20poly1305_ietf_decrypt(out, sealed, Some(ad), &expand(nonce), &self.0)
            .map(|()| length)
            .map_err(|_| Error::Decrypt)
    }
}

fn expand(nonce: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&nonce.to_le_bytes());
    bytes
}

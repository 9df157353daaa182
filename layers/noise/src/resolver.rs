//! The crypto that `snow` works with: that of the rest of this library, wiped from memory when dropped.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use snow::{
    Error,
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::CryptoResolver,
    types::{Cipher, Dh, Hash, Random},
};
use zeroize::Zeroizing;

use crate::crypto::{self, Secret, TAG};

/// Resolves `25519`, `ChaChaPoly` and `SHA256`, and nothing else.
#[derive(Default)]
pub(crate) struct Resolver {
    /// The public key of our long-term secret, where it is known: making it takes a third of a shared secret.
    own: Option<[u8; 32]>,
    /// What is random, in a test or a fuzz target.
    fixed: Option<Secret>,
}

impl Resolver {
    /// One of the holder of the long-term X25519 key `own`.
    pub(crate) fn of(own: Option<[u8; 32]>) -> Self {
        Self { own, fixed: None }
    }

    /// One whose random numbers are always these.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn fixed(random: [u8; 32]) -> Self {
        Self {
            own: None,
            fixed: Some(Zeroizing::new(random)),
        }
    }
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Rng(self.fixed.clone())))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match choice {
            DHChoice::Curve25519 => Some(Box::new(X25519 {
                own: self.own,
                ..X25519::default()
            })),
            _ => None,
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        match choice {
            HashChoice::SHA256 => Some(Box::<Hasher>::default()),
            _ => None,
        }
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        match choice {
            CipherChoice::ChaChaPoly => Some(Box::<ChaChaPoly>::default()),
            _ => None,
        }
    }
}

/// The system's random numbers.
struct Rng(Option<Secret>);

impl Random for Rng {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        match &self.0 {
            Some(fixed) => {
                let fixed = fixed.get(..dest.len()).ok_or(Error::Rng)?;
                dest.copy_from_slice(fixed);
            }
            None => getrandom::fill(dest).map_err(|_| Error::Rng)?,
        }
        Ok(())
    }
}

/// A key pair.
#[derive(Default)]
struct X25519 {
    /// The public key of the secret that is set, where it is known.
    own: Option<[u8; 32]>,
    secret: Secret,
    public: [u8; 32],
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, secret: &[u8]) {
        self.secret.copy_from_slice(secret);
        self.public = self.own.unwrap_or_else(|| crypto::public(&self.secret));
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        rng.try_fill_bytes(&mut *self.secret)?;
        self.public = crypto::public(&self.secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &*self.secret
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let public = public.first_chunk().ok_or(Error::Input)?;
        let shared = crypto::shared(&self.secret, public).ok_or(Error::Dh)?;
        *out.first_chunk_mut().ok_or(Error::Input)? = *shared;
        Ok(())
    }
}

#[derive(Default)]
struct ChaChaPoly(Secret);

impl Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.0.copy_from_slice(key);
    }

    fn encrypt(&self, nonce: u64, ad: &[u8], text: &[u8], out: &mut [u8]) -> usize {
        crypto::seal(&self.0, nonce, ad, text, out)
    }

    fn decrypt(
        &self,
        nonce: u64,
        ad: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let length = sealed.len().checked_sub(TAG).ok_or(Error::Decrypt)?;
        let text = out.get_mut(..length).ok_or(Error::Decrypt)?;
        match crypto::open(&self.0, nonce, ad, sealed, text) {
            true => Ok(length),
            false => Err(Error::Decrypt),
        }
    }
}

#[derive(Default)]
struct Hasher(Sha256);

impl Hash for Hasher {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = Sha256::new();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        put(&std::mem::take(&mut self.0).finalize().into(), out);
    }

    // The trait's own leave copies of the keys behind.
    fn hmac(&mut self, key: &[u8], data: &[u8], out: &mut [u8]) {
        put(&hmac(key, &[data]), out);
    }

    fn hkdf(
        &mut self,
        chaining_key: &[u8],
        material: &[u8],
        outputs: usize,
        out1: &mut [u8],
        out2: &mut [u8],
        out3: &mut [u8],
    ) {
        let key = hmac(chaining_key, &[material]);
        let first = hmac(&*key, &[&[1]]);
        put(&first, out1);
        if outputs >= 2 {
            let second = hmac(&*key, &[&*first, &[2]]);
            put(&second, out2);
            if outputs >= 3 {
                put(&hmac(&*key, &[&*second, &[3]]), out3);
            }
        }
    }
}

/// Puts a hash into a buffer of snow's, which is as long as the longest of all hashes.
fn put(hash: &[u8; 32], out: &mut [u8]) {
    let (out, _) = out.split_at_mut(hash.len());
    out.copy_from_slice(hash);
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn hmac(key: &[u8], data: &[&[u8]]) -> Secret {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    for part in data {
        hmac.update(part);
    }
    Zeroizing::new(hmac.finalize().into_bytes().into())
}

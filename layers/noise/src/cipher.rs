//! ChaCha20-Poly1305 (RFC 8439) from buffer to buffer, the tag behind the text.
//!
//! Two functions, so that the implementation can be exchanged. The tests compare the two that there are.

#[cfg(feature = "dryoc")]
pub(crate) use self::with_dryoc::{open, seal};
#[cfg(not(feature = "dryoc"))]
pub(crate) use self::with_rust_crypto::{open, seal};

/// The length of a tag, in bytes.
pub(crate) const TAG: usize = 16;

pub(crate) type Key = [u8; 32];
pub(crate) type Nonce = [u8; 12];

#[cfg(feature = "dryoc")]
mod with_dryoc {
    use dryoc::classic::crypto_aead_chacha20poly1305_ietf::{
        crypto_aead_chacha20poly1305_ietf_decrypt, crypto_aead_chacha20poly1305_ietf_encrypt,
    };

    use super::{Key, Nonce};

    /// Encrypts `text` into `sealed`, which is longer by [`TAG`](super::TAG).
    #[expect(clippy::expect_used, reason = "the buffers have the right lengths")]
    pub(crate) fn seal(key: &Key, nonce: &Nonce, ad: &[u8], text: &[u8], sealed: &mut [u8]) {
        crypto_aead_chacha20poly1305_ietf_encrypt(sealed, text, Some(ad), nonce, key).expect(
            "there is room for the tag, and no text is as long as the cipher's limit of 256 GiB",
        );
    }

    /// Decrypts `sealed` into `text`, which is shorter by [`TAG`](super::TAG), if it is what the holder of the key sealed.
    /// Otherwise `text` stays as it was.
    #[must_use]
    pub(crate) fn open(
        key: &Key,
        nonce: &Nonce,
        ad: &[u8],
        sealed: &[u8],
        text: &mut [u8],
    ) -> bool {
        crypto_aead_chacha20poly1305_ietf_decrypt(text, sealed, Some(ad), nonce, key).is_ok()
    }
}

#[cfg(any(test, not(feature = "dryoc")))]
mod with_rust_crypto {
    use chacha20poly1305::{AeadInOut as _, ChaCha20Poly1305, KeyInit as _, aead::inout::InOutBuf};

    use super::{Key, Nonce, TAG};

    /// Encrypts `text` into `sealed`, which is longer by [`TAG`].
    #[expect(clippy::expect_used, reason = "the buffers have the right lengths")]
    pub(crate) fn seal(key: &Key, nonce: &Nonce, ad: &[u8], text: &[u8], sealed: &mut [u8]) {
        let (sealed, tag) = sealed.split_at_mut(text.len());
        let buffer = InOutBuf::new(text, sealed).expect("they are of one length");
        let made = ChaCha20Poly1305::new(key.into())
            .encrypt_inout_detached(nonce.into(), ad, buffer)
            .expect("no text is as long as the cipher's limit of 256 GiB");
        tag.copy_from_slice(&made);
    }

    /// Decrypts `sealed` into `text`, which is shorter by [`TAG`], if it is what the holder of the key sealed. Otherwise
    /// `text` stays as it was.
    #[must_use]
    pub(crate) fn open(
        key: &Key,
        nonce: &Nonce,
        ad: &[u8],
        sealed: &[u8],
        text: &mut [u8],
    ) -> bool {
        let Some((sealed, tag)) = sealed.split_last_chunk::<TAG>() else {
            return false;
        };
        let Ok(buffer) = InOutBuf::new(sealed, text) else {
            return false;
        };
        ChaCha20Poly1305::new(key.into())
            .decrypt_inout_detached(nonce.into(), ad, buffer, tag.into())
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [7; 32];
    const NONCE: Nonce = [9; 12];

    #[test]
    #[cfg(feature = "dryoc")]
    fn both_implementations_seal_alike_and_open_each_other() {
        for length in (0..=200).chain([255, 256, 257, 1023, 1024, 1025, 4096, 65_519]) {
            let text: Vec<u8> = (0..length).map(|i| (i * 31 + length) as u8).collect();
            let ad = &text[..length.min(40)];
            let nonce = [length as u8; 12];
            let (mut a, mut b) = (vec![0; length + TAG], vec![0; length + TAG]);
            with_dryoc::seal(&KEY, &nonce, ad, &text, &mut a);
            with_rust_crypto::seal(&KEY, &nonce, ad, &text, &mut b);
            assert_eq!(a, b, "{length} bytes");

            let (mut from_a, mut from_b) = (vec![0; length], vec![0; length]);
            assert!(with_dryoc::open(&KEY, &nonce, ad, &b, &mut from_b));
            assert!(with_rust_crypto::open(&KEY, &nonce, ad, &a, &mut from_a));
            assert_eq!((&from_a, &from_b), (&text, &text));
        }
    }

    #[test]
    fn a_forgery_is_refused_and_leaves_the_buffer_untouched() {
        refuses_forgeries(seal, open);
        refuses_forgeries(with_rust_crypto::seal, with_rust_crypto::open);
    }

    type SealFn = fn(&Key, &Nonce, &[u8], &[u8], &mut [u8]);
    type OpenFn = fn(&Key, &Nonce, &[u8], &[u8], &mut [u8]) -> bool;

    fn refuses_forgeries(seal: SealFn, open: OpenFn) {
        let mut sealed = [0; 100 + TAG];
        seal(&KEY, &NONCE, b"ad", &[3; 100], &mut sealed);
        let is_opened = |key: &Key, nonce: &Nonce, ad: &[u8], sealed: &[u8]| {
            let mut out = [0xaa; 100];
            let room = sealed.len().saturating_sub(TAG);
            let is_opened = open(key, nonce, ad, sealed, &mut out[..room]);
            assert_eq!(out == [0xaa; 100], !is_opened);
            is_opened
        };
        assert!(is_opened(&KEY, &NONCE, b"ad", &sealed));
        for bit in 0..8 * sealed.len() {
            let mut wrong = sealed;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_opened(&KEY, &NONCE, b"ad", &wrong), "bit {bit}");
        }
        assert!(!is_opened(&KEY, &NONCE, b"da", &sealed));
        assert!(!is_opened(&KEY, &[8; 12], b"ad", &sealed));
        assert!(!is_opened(&[8; 32], &NONCE, b"ad", &sealed));
        for length in 0..sealed.len() {
            assert!(
                !is_opened(&KEY, &NONCE, b"ad", &sealed[..length]),
                "{length} bytes"
            );
        }
    }
}

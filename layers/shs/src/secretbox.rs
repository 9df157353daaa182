//! XSalsa20-Poly1305, tag apart from the text: NaCl's `crypto_secretbox` from buffer to buffer.
//!
//! Two functions, and two of their parts, so that the implementation can be exchanged. The tests compare the two that there
//! are.

#[cfg(feature = "dryoc")]
pub(crate) use self::with_dryoc::{authenticate, hsalsa20, open, seal};
#[cfg(not(feature = "dryoc"))]
pub(crate) use self::with_rust_crypto::{authenticate, hsalsa20, open, seal};

pub(crate) type Key = [u8; 32];
pub(crate) type Nonce = [u8; 24];
pub(crate) type Tag = [u8; 16];

#[cfg(feature = "dryoc")]
mod with_dryoc {
    use dryoc::classic::{
        crypto_core::crypto_core_hsalsa20,
        crypto_onetimeauth::crypto_onetimeauth,
        crypto_secretbox::{crypto_secretbox_detached, crypto_secretbox_open_detached},
    };

    use super::{Key, Nonce, Tag};

    /// Encrypts `text` into `sealed`, which is as long.
    #[expect(clippy::expect_used, reason = "the buffers have the right lengths")]
    pub(crate) fn seal(key: &Key, nonce: &Nonce, text: &[u8], sealed: &mut [u8]) -> Tag {
        let mut tag = Tag::default();
        crypto_secretbox_detached(sealed, &mut tag, text, nonce, key)
            .expect("both buffers are as long as the text");
        tag
    }

    /// Decrypts `sealed` into `text`, which is as long, if it is what the holder of the key sealed. Otherwise `text`
    /// stays as it was.
    #[must_use]
    pub(crate) fn open(
        key: &Key,
        nonce: &Nonce,
        tag: &Tag,
        sealed: &[u8],
        text: &mut [u8],
    ) -> bool {
        crypto_secretbox_open_detached(text, sealed, tag, nonce, key).is_ok()
    }

    /// The tag of `sealed` by a key that is used this once.
    pub(crate) fn authenticate(key: &Key, sealed: &[u8]) -> Tag {
        let mut tag = Tag::default();
        crypto_onetimeauth(&mut tag, sealed, key);
        tag
    }

    /// Writes the key for the low bytes of a nonce to `subkey`, from the key for all of it and from the high bytes.
    pub(crate) fn hsalsa20(key: &Key, high: &[u8; 16], subkey: &mut Key) {
        crypto_core_hsalsa20(subkey, high, key, None);
    }
}

#[cfg(any(test, not(feature = "dryoc")))]
mod with_rust_crypto {
    use poly1305::{Poly1305, universal_hash::KeyInit};
    use salsa20::{
        XSalsa20,
        cipher::{KeyIvInit, StreamCipher, consts::U10},
    };
    use subtle::ConstantTimeEq;
    use zeroize::{Zeroize, Zeroizing};

    use super::{Key, Nonce, Tag};

    /// Encrypts `text` into `sealed`, which is as long.
    pub(crate) fn seal(key: &Key, nonce: &Nonce, text: &[u8], sealed: &mut [u8]) -> Tag {
        let (mut cipher, authenticator) = start(key, nonce);
        sealed.copy_from_slice(text);
        cipher.apply_keystream(sealed);
        authenticator.compute_unpadded(sealed).into()
    }

    /// Decrypts `sealed` into `text`, which is as long, if it is what the holder of the key sealed. Otherwise `text`
    /// stays as it was.
    #[must_use]
    pub(crate) fn open(
        key: &Key,
        nonce: &Nonce,
        tag: &Tag,
        sealed: &[u8],
        text: &mut [u8],
    ) -> bool {
        let (mut cipher, authenticator) = start(key, nonce);
        let right = Zeroizing::new(Tag::from(authenticator.compute_unpadded(sealed)));
        let is_right = right.ct_eq(tag).into();
        if is_right {
            text.copy_from_slice(sealed);
            cipher.apply_keystream(text);
        }
        is_right
    }

    /// The tag of `sealed` by a key that is used this once.
    pub(crate) fn authenticate(key: &Key, sealed: &[u8]) -> Tag {
        Poly1305::new(key.into()).compute_unpadded(sealed).into()
    }

    /// Writes the key for the low bytes of a nonce to `subkey`, from the key for all of it and from the high bytes.
    pub(crate) fn hsalsa20(key: &Key, high: &[u8; 16], subkey: &mut Key) {
        let mut made = salsa20::hsalsa::<U10>(key.into(), high.into());
        subkey.copy_from_slice(&made);
        made.as_mut_slice().zeroize();
    }

    /// The first 32 bytes of the key stream are the key of the authenticator.
    fn start(key: &Key, nonce: &Nonce) -> (XSalsa20, Poly1305) {
        let mut cipher = XSalsa20::new(key.into(), nonce.into());
        let mut poly_key = Zeroizing::new([0; poly1305::KEY_SIZE]);
        cipher.apply_keystream(&mut *poly_key);
        (cipher, Poly1305::new((&*poly_key).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [7; 32];
    const NONCE: Nonce = [9; 24];

    /// The box of libsodium's own test, `secretbox.c`, which is that of the NaCl paper.
    #[test]
    fn the_box_of_the_nacl_paper_is_reproduced() {
        let key: Key = bytes("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
        let nonce: Nonce = bytes("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
        let text = hex::decode(
            "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01\
             233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd\
             4924ca1c60902e52f0a089bc76897040e082f937763848645e0705",
        )
        .unwrap();
        let mut sealed = vec![0; text.len()];
        let tag = seal(&key, &nonce, &text, &mut sealed);
        assert_eq!(hex::encode(tag), "f3ffc7703f9400e52a7dfb4b3d3305d9");
        assert!(hex::encode(&sealed).starts_with("8e993b9f48681273c29650ba32fc76ce"));
        assert!(hex::encode(&sealed).ends_with("e355a5"));
    }

    #[test]
    #[cfg(feature = "dryoc")]
    fn both_implementations_seal_alike_and_open_each_other() {
        for length in (0..=200).chain([255, 256, 257, 1023, 1024, 1025, 4095, 4096]) {
            let text: Vec<u8> = (0..length).map(|i| (i * 31 + length) as u8).collect();
            let nonce = [length as u8; 24];
            let (mut a, mut b) = (vec![0; length], vec![0; length]);
            let tag = with_dryoc::seal(&KEY, &nonce, &text, &mut a);
            let same = with_rust_crypto::seal(&KEY, &nonce, &text, &mut b);
            assert_eq!((tag, &a), (same, &b), "{length} bytes");

            let (mut from_a, mut from_b) = (vec![0; length], vec![0; length]);
            assert!(with_dryoc::open(&KEY, &nonce, &tag, &b, &mut from_b));
            assert!(with_rust_crypto::open(&KEY, &nonce, &tag, &a, &mut from_a));
            assert_eq!((&from_a, &from_b), (&text, &text));
        }
    }

    #[test]
    #[cfg(feature = "dryoc")]
    fn both_implementations_derive_and_authenticate_alike() {
        for byte in 0..=255 {
            let (key, high) = ([byte; 32], [!byte; 16]);
            let (mut a, mut b) = (Key::default(), Key::default());
            with_dryoc::hsalsa20(&key, &high, &mut a);
            with_rust_crypto::hsalsa20(&key, &high, &mut b);
            assert_eq!(a, b);
            let text = vec![byte; byte.into()];
            assert_eq!(
                with_dryoc::authenticate(&a, &text),
                with_rust_crypto::authenticate(&a, &text)
            );
        }
    }

    #[test]
    #[cfg(feature = "dryoc")]
    fn a_forgery_is_refused_by_both_and_leaves_the_buffer_untouched() {
        refuses_forgeries(with_dryoc::seal, with_dryoc::open);
    }

    #[test]
    fn a_forgery_is_refused_and_leaves_the_buffer_untouched() {
        refuses_forgeries(with_rust_crypto::seal, with_rust_crypto::open);
    }

    fn refuses_forgeries(
        seal: fn(&Key, &Nonce, &[u8], &mut [u8]) -> Tag,
        open: fn(&Key, &Nonce, &Tag, &[u8], &mut [u8]) -> bool,
    ) {
        let text = [3; 100];
        let mut sealed = [0; 100];
        let tag = seal(&KEY, &NONCE, &text, &mut sealed);
        let is_opened = |key: &Key, nonce: &Nonce, tag: &Tag, sealed: &[u8]| {
            let mut out = [0xaa; 100];
            let is_opened = open(key, nonce, tag, sealed, &mut out[..sealed.len()]);
            assert_eq!(out == [0xaa; 100], !is_opened);
            is_opened
        };
        assert!(is_opened(&KEY, &NONCE, &tag, &sealed));
        for bit in 0..8 * sealed.len() {
            let mut wrong = sealed;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_opened(&KEY, &NONCE, &tag, &wrong), "bit {bit}");
        }
        for bit in 0..8 * tag.len() {
            let mut wrong = tag;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !is_opened(&KEY, &NONCE, &wrong, &sealed),
                "bit {bit} of the tag"
            );
        }
        assert!(!is_opened(&[8; 32], &NONCE, &tag, &sealed));
        assert!(!is_opened(&KEY, &[8; 24], &tag, &sealed));
        assert!(!is_opened(&KEY, &NONCE, &tag, &sealed[..99]));
    }

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }
}

//! The arguments of a layer that proves keys.

use crate::{Error, FromSection, PublicKey, Section, Seed, UsableKey};

/// The arguments of `shs:KEY` or `shs:KEY:SEED`, and of `noise` alike: whom to dial, and as whom.
///
/// Both are the standard base64 of 32 bytes, with or without padding. A key that is no usable Ed25519 key is refused
/// here, before anything is dialed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyArgs {
    /// The key that the server must prove to hold.
    pub key: UsableKey,
    /// The key pair to dial with instead of our own.
    pub seed: Option<Seed>,
}

impl FromSection for KeyArgs {
    // No part of the text stands in an error, since a part of it is secret.
    fn from_section(section: &Section) -> Result<Self, Error> {
        let text = section.args().unwrap_or_default();
        let (key, seed) = match text.split_once(':') {
            Some((key, seed)) => (key, Some(seed)),
            None => (text, None),
        };
        // A key in the way of Secure Scuttlebutt, `@KEY.ed25519`, is none in an address.
        let key: PublicKey = match key.starts_with('@') {
            false => key.parse().map_err(|_| not_a(section, "public key"))?,
            true => return Err(not_a(section, "public key")),
        };
        let key = key
            .try_into()
            .map_err(|_| not_a(section, "usable public key"))?;
        let seed = seed.map(str::parse).transpose();
        let seed = seed.map_err(|_| not_a(section, "seed"))?;
        Ok(Self { key, seed })
    }
}

fn not_a(section: &Section, what: &str) -> Error {
    let name = section.name();
    Error::unsupported(format!("`{name}:KEY:SEED` without the base64 of a {what}"))
}

#[cfg(test)]
mod tests {
    use crate::{ErrorKind, Identity};

    use super::*;

    const KEY: &str = "1b9KP8znF7A4i8wnSevBSK2ZabI/Re4bYF/Vh3hXasQ=";
    const SEED: &str = "K9gGyX8PAK8aH8MoejY6kpcjyNuPrE+Tr3HbGG1ukA==";

    fn seed() -> String {
        Seed::from_bytes([0x5e; 32]).to_base64().to_string()
    }

    fn parse(text: &str) -> Result<KeyArgs, Error> {
        KeyArgs::from_section(&text.parse().unwrap())
    }

    #[test]
    fn a_key_and_a_seed_are_read_with_and_without_padding() {
        let key: PublicKey = KEY.parse().unwrap();
        let seed = seed();
        for (text, has_seed) in [
            (format!("shs:{KEY}"), false),
            (format!("shs:{}", KEY.trim_end_matches('=')), false),
            (format!("shs:{KEY}:{seed}"), true),
            (format!("shs:{KEY}:{}", seed.trim_end_matches('=')), true),
        ] {
            let args = parse(&text).unwrap();
            assert_eq!(args.key.public_key(), key);
            assert_eq!(args.seed.is_some(), has_seed);
        }
    }

    #[test]
    fn anything_else_is_not_understood() {
        let seed = seed();
        let bad = |key: &str, new: &str| KEY.replace(key, new);
        for text in [
            "shs".to_owned(),
            "shs:".to_owned(),
            format!("shs:{}", &KEY[..40]),
            format!("shs:{KEY}="),
            format!("shs:@{KEY}.ed25519"),
            format!("shs:{KEY}.ed25519"),
            format!("shs: {KEY}"),
            format!("shs:{}", bad("/", "_")),
            format!("shs:{}", bad("Q=", "R=")), // Bits that stand for nothing.
            format!("shs:{KEY}:"),
            format!("shs:{KEY}:{SEED}"), // 31 bytes.
            format!("shs:{KEY}:{seed}:"),
            format!("shs:{KEY}:{seed}:{seed}"),
        ] {
            let error = parse(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
        }
    }

    #[test]
    fn a_key_that_nobody_can_hold_is_not_understood() {
        let mut unreduced = [0xff; 32];
        unreduced[31] = 0x7f;
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        let mut small = [0; 32];
        small[0] = 1;
        for bytes in [[0; 32], small, unreduced, off_curve, [0xff; 32]] {
            let text = format!("shs:{}", PublicKey::from_bytes(bytes));
            let error = parse(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
        }
    }

    #[test]
    fn no_error_and_no_debug_text_shows_the_seed() {
        let seed = seed();
        let key = Identity::generate().unwrap().public_key();
        let shown = format!("{:?}", parse(&format!("shs:{key}:{seed}")).unwrap());
        assert!(
            !shown.contains(&seed) && !shown.contains("94, 94"),
            "{shown}"
        );
        for text in [
            format!("shs:{key}:{seed}x"),
            format!("shs:{key}x:{seed}"),
            format!("shs:{seed}"),
        ] {
            let error = parse(&text).map(|_| ());
            assert!(!format!("{error:?}").contains(&seed[..20]), "{error:?}");
        }
    }
}

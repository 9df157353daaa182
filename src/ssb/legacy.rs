//! `HOST:PORT:@KEY.ed25519[~SEED]`

use tower_multiserver_core::{Address, PublicKey, Seed, grammar::SyntaxError};
use zeroize::Zeroizing;

use super::{NotLegacy, Shs, place::Place};

const SUFFIX: &str = ".ed25519";

/// The parts of a text.
pub(super) struct Parts<'a> {
    /// Host and port.
    place: &'a str,
    /// With its `@`.
    key: &'a str,
    seed: Option<&'a str>,
}

/// The length of an `@` and 32 bytes in base64 without padding.
const MIN_KEY: usize = 1 + 43;

/// Takes a text apart, if it is meant to be of the legacy form: what is called by a key.
pub(super) fn split(text: &str) -> Option<Parts<'_>> {
    let (head, seed) = match text.split_once('~') {
        Some((head, seed)) => (head, Some(seed)),
        None => (text, None),
    };
    let (place, key) = head.rsplit_once(':').unwrap_or(("", head));
    let is_key = key.starts_with('@') && (key.ends_with(SUFFIX) || key.len() >= MIN_KEY);
    // These two know keys or names with an `@` of their own.
    let is_other = head.starts_with("tunnel:") || head.starts_with("unix:");
    (is_key && !is_other).then_some(Parts { place, key, seed })
}

/// Reads these parts of a text.
pub(super) fn parse(parts: Parts<'_>) -> Result<Address, SyntaxError> {
    let Parts { place, key, seed } = parts;
    let mut address = Address::new(Place::parse(place)?.section());
    // There is one character between each two.
    let key_at = place.len().saturating_add(1);
    let seed_at = key_at.saturating_add(key.len()).saturating_add(1);
    let key = key.parse::<PublicKey>();
    let key = key.map_err(|_| SyntaxError::new(key_at, "a key, `@….ed25519`"))?;
    let seed = seed.map(|seed| {
        // Behind it may stand a page for people to see.
        let seed = seed.split_once('#').map_or(seed, |(seed, _)| seed);
        let seed = seed.parse::<Seed>();
        seed.map_err(|_| SyntaxError::new(seed_at, "a seed, the base64 of 32 bytes"))
    });
    let seed = seed.transpose()?;
    address.push(Shs { key, seed }.section());
    Ok(address)
}

/// Writes an address that has this form.
pub(super) fn to_text(address: &Address) -> Result<Zeroizing<String>, NotLegacy> {
    let (transport, shs) = match address.sections() {
        [transport, shs] if shs.name() == "shs" => (transport, shs),
        _ => return Err(NotLegacy::Transform),
    };
    let Shs { key, seed } = Shs::read(shs).ok_or(NotLegacy::Transform)?;
    let place = Place::of(transport)?.to_string();
    let id = key.to_ssb_id();
    let seed = seed.map(|seed| seed.to_base64());
    let seed = seed.as_ref().map_or("", |seed| seed.as_str());
    // Never grown, so no copy of the seed is left behind.
    let lens = [place.len(), ":".len(), id.len(), "~".len(), seed.len()];
    let mut text = Zeroizing::new(String::with_capacity(lens.iter().sum()));
    for part in [&place, ":", &id] {
        text.push_str(part);
    }
    if !seed.is_empty() {
        text.push('~');
        text.push_str(seed);
    }
    // A host may be called like what begins another form.
    match split(&text).is_some() && super::parse(&text).is_ok() {
        true => Ok(text),
        false => Err(NotLegacy::Host),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tower_multiserver_core::MultiAddress;

    use super::*;
    use crate::ssb::{self, Form};

    const KEY: &str = "gYCJpN4eGDjHFnWW2Fcusj8O4QYbVDUW6rNYh7nNEnc=";
    const SEED: &str = "DxiHEv+ds+zUzA49efDgZk8ssGeqrp/5kgvRVzTM7vU=";

    fn full(text: &str) -> String {
        text.replace('S', SEED).replace('K', KEY)
    }

    fn read(text: &str) -> Result<String, usize> {
        let text = full(text);
        let parts = split(&text).expect("it is meant to be of this form");
        let address = parse(parts).map_err(|error| error.offset())?;
        Ok(address.to_string())
    }

    fn write(text: &str) -> Result<String, NotLegacy> {
        let text = to_text(&full(text).parse().expect("an address"))?;
        Ok(text.to_string())
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        for (old, new) in [
            ("h:8008:@K.ed25519", "net:h:8008~shs:K"),
            ("h:8008:@K.ed25519~S", "net:h:8008~shs:K:S"),
            ("127.0.0.1:1:@K.ed25519", "net:127.0.0.1:1~shs:K"),
            ("::1:8008:@K.ed25519", "net:::1:8008~shs:K"),
            ("fe80::1%eth0:1:@K.ed25519", "net:fe80::1%eth0:1~shs:K"),
            ("a.onion:1:@K.ed25519", "onion:a.onion:1~shs:K"),
            ("ws://h:8989:@K.ed25519", "ws://h:8989~shs:K"),
            ("wss://[::1]:443:@K.ed25519~S", "wss://[::1]:443~shs:K:S"),
        ] {
            assert_eq!(read(old), Ok(full(new)));
            assert_eq!(write(new), Ok(full(old)));
        }
    }

    #[test]
    fn a_host_that_is_called_like_another_form_is_not_written() {
        for host in ["tunnel", "unix", "ssb", "SSB"] {
            let address = format!("net:{host}:8008~shs:K");
            assert_eq!(write(&address), Err(NotLegacy::Host), "{host}");
        }
        for other in ["tunnel:@K.ed25519", "unix:@K.ed25519"] {
            assert!(split(&full(other)).is_none(), "{other}");
        }
    }

    #[test]
    fn what_may_be_left_out_is_put_in() {
        for (old, new) in [
            ("h::@K.ed25519", "net:h:8008~shs:K"),
            ("h:@K.ed25519", "net:h:8008~shs:K"),
            (":8009:@K.ed25519", "net:localhost:8009~shs:K"),
            ("::@K.ed25519", "net:localhost:8008~shs:K"),
            ("[::1]:1:@K.ed25519", "net:::1:1~shs:K"),
            ("[::1]:@K.ed25519", "net:::1:8008~shs:K"),
            ("ws://::1:1:@K.ed25519", "ws://[::1]:1~shs:K"),
            ("h:1:@K.ed25519~S#http://x~y", "net:h:1~shs:K:S"),
        ] {
            assert_eq!(read(old), Ok(full(new)), "{old}");
        }
        for (new, old) in [
            ("net::1~shs:K", "localhost:1:@K.ed25519"),
            ("net:[::1]:1~shs:K", "::1:1:@K.ed25519"),
            ("ws://h/~shs:K", "ws://h:80:@K.ed25519"),
            ("wss://h:~shs:K", "wss://h:443:@K.ed25519"),
            ("wss://[::1]~shs:K", "wss://[::1]:443:@K.ed25519"),
        ] {
            assert_eq!(write(new), Ok(full(old)), "{new}");
        }
    }

    #[test]
    fn what_is_wrong_is_refused_at_its_place() {
        let long = format!("{}:1:@K.ed25519", "x".repeat(256));
        for (text, offset) in [
            (":@K.ed25519", 0),
            ("@K.ed25519~S", 0),
            ("h:99999:@K.ed25519", 2),
            ("h:+1:@K.ed25519", 2),
            ("h:1.5:@K.ed25519", 2),
            ("hé:1:@K.ed25519", 0),
            ("net:h:1:@K.ed25519", 0),
            ("ws://:1:@K.ed25519", 5),
            ("ws://h:@K.ed25519", 6),
            ("ws://h::@K.ed25519", 7),
            ("ws://h/p:1:@K.ed25519", 5),
            ("ws://fe80::1%e:1:@K.ed25519", 5),
            ("http://h:1:@K.ed25519", 0),
            ("2001:db8:::@K.ed25519", 0),
            ("[h]:1:@K.ed25519", 0),
            ("[::1:1:@K.ed25519", 0),
            ("h:1:@K.sha256", 4),
            ("h:1:@K=.ed25519", 4),
            ("h:1:@x.ed25519", 4),
            ("h:1:@K.ed25519~S~S", 58),
            ("h:1:@K.ed25519~#S", 58),
            (&long, 0),
        ] {
            assert_eq!(read(text), Err(offset), "{text}");
        }
    }

    #[test]
    fn what_has_no_legacy_form_says_why() {
        for (text, why) in [
            ("unix:/a~shs:K", NotLegacy::Transport),
            ("channel~shs:K", NotLegacy::Transport),
            ("net:h:1~noauth", NotLegacy::Transform),
            ("net:h:1~shs", NotLegacy::Transform),
            ("net:h:1~shs:K:S:S", NotLegacy::Transform),
            ("net:h:1~shs:@K.ed25519", NotLegacy::Transform),
            ("net:h:1", NotLegacy::Transform),
            ("net:h:1~shs:K~gzip", NotLegacy::Transform),
            ("net:a.onion:1~shs:K", NotLegacy::Host),
            ("onion:h:1~shs:K", NotLegacy::Host),
            ("onion::1~shs:K", NotLegacy::Host),
            ("net:ws!://h:1~shs:K", NotLegacy::Host),
            ("net:h~shs:K", NotLegacy::Host),
            ("net:h:x~shs:K", NotLegacy::Host),
            ("net:h:@x:1~shs:K", NotLegacy::Host),
            ("ws:h~shs:K", NotLegacy::Host),
            ("ws://h:x~shs:K", NotLegacy::Host),
            ("ws://h/p~shs:K", NotLegacy::Path),
            ("ws://user:S@h~shs:K", NotLegacy::Path),
        ] {
            assert_eq!(write(text), Err(why), "{text}");
        }
        let two = full("net:h:1~shs:K;net:i:1~shs:K");
        let error = ssb::to_text(&two.parse().unwrap(), Form::Legacy).unwrap_err();
        assert!(error.is_unsupported());
    }

    proptest! {
        #[test]
        fn what_can_be_written_says_the_same_when_read(
            transport in "net:|onion:|wss?://",
            host in r"[a-z0-9.-]{0,9}(\.onion)?|\[?[0-9a-f:]{0,9}(%[a-z]{1,3})?\]?|[ -~]{0,9}",
            port in "(:[0-9]{1,6})?",
            key in any::<[u8; 32]>(),
            seed in any::<Option<[u8; 32]>>(),
        ) {
            let shs = Shs { key: PublicKey::from_bytes(key), seed: seed.map(Seed::from_bytes) };
            let text = format!("{transport}{host}{port}~{}", shs.section());
            let Ok(address) = text.parse::<Address>() else { return Ok(()) };
            let Ok(legacy) = to_text(&address) else { return Ok(()) };
            let read = ssb::parse(&legacy).expect("what we write we read");
            let again = ssb::to_text(&read, Form::Legacy).expect("it has this form");
            prop_assert_eq!(&again, &legacy);
            let address = read.iter().next().expect("one");
            prop_assert_eq!(address.sections()[1].to_string(), shs.section().to_string());
            let transport = transport.trim_end_matches(['/', ':']);
            prop_assert_eq!(address.transport().name(), transport);
        }

        #[test]
        fn no_text_does_harm(text in "[a-z]{0,3}(://)?[a-z0-9:.é%\\[\\]]{0,9}:?@?[A-Za-z0-9+/=]{40,46}(.ed25519)?~?.{0,50}") {
            let _: Result<MultiAddress, _> = ssb::parse(&text);
        }
    }
}

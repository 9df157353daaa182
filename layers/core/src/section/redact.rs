//! What of a section may be shown.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "sums of lengths within one text"
)]

use std::ops::Range;

/// The mark of what was left out.
const HIDDEN: &str = "…";

/// 32 bytes are 43 characters of base64 without padding. A bit less, for a secret with some characters lost.
const SECRET_CHARS: usize = 40;

/// Where a section stands in its address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first one, or the only one.
    Transport,
    /// Over another one.
    Transform,
}

/// The unescaped text of a section with `…` for all that may be a secret. In time linear in the text.
///
/// Arguments of a transform are secrets from the second on. Anywhere but in the first argument, so is what looks like 32
/// bytes in base64: an address whose separators were escaped by mistake, or in the old form `host:port:@KEY.ed25519~SEED`,
/// puts a seed where no rule of places finds it.
///
/// Each rule looks at the whole text. What one hides must not change what another sees: base64 may hold `//`.
pub(super) fn redact(text: &str, place: Place) -> String {
    let mut hidden = userinfos(text);
    let mut start = 0;
    for (index, piece) in text.split(':').enumerate() {
        match (index, place) {
            (1, Place::Transport) => {}
            // The first is the key. Another one after it, whatever separates them, is not.
            (1, Place::Transform) => hidden.extend(secrets(piece, start).skip(1)),
            (0, _) | (_, Place::Transport) => hidden.extend(secrets(piece, start)),
            (_, Place::Transform) => {
                hidden.push(start..text.len());
                break;
            }
        }
        start += piece.len() + 1;
    }
    // Two sorted lists, which this sort merges in linear time.
    hidden.sort_by_key(|range| range.start);
    hide(text, hidden)
}

/// `text` with one `…` for each group of ranges that overlap or touch. They are sorted by their start.
fn hide(text: &str, ranges: Vec<Range<usize>>) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for range in ranges {
        if range.start > from || shown.is_empty() {
            shown.push_str(text.get(from..range.start).unwrap_or_default());
            shown.push_str(HIDDEN);
        }
        from = from.max(range.end);
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    shown
}

/// Where a piece of a text, which begins at `start` of it, holds so much base64 that it may be a secret.
fn secrets(piece: &str, mut start: usize) -> impl Iterator<Item = Range<usize>> {
    let other = |c| !is_base64(c);
    piece.split_inclusive(other).filter_map(move |run| {
        let from = start;
        start += run.len();
        let length = run.trim_end_matches(other).len();
        (length >= SECRET_CHARS).then_some(from..from + length)
    })
}

/// Both alphabets of base64, its padding, and the escape of either in a URL.
fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=' | '%')
}

/// Where `user:password` stands in `ws://user:password@host`, for each `//`.
fn userinfos(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut rest = text;
    // Looked for once, since to search the whole rest at each `//` would not be linear.
    let last_at = text.rfind('@').unwrap_or(0);
    while let Some((_, behind)) = rest.split_once("//") {
        let start = text.len() - behind.len();
        if last_at < start {
            break;
        }
        rest = behind;
        let mut parts = behind.split(['/', '?', '#']);
        let authority = parts.next().unwrap_or_default();
        let at = match authority.rsplit_once('@') {
            Some((user, _)) => start + user.len(),
            // `user:pass/word@host`: what should be a port is none, so it is a password that was not encoded.
            None if !ends_in_host_or_port(authority) => last_at,
            None => continue,
        };
        found.push(start..at);
        rest = text.get(at..).unwrap_or_default();
    }
    found
}

/// Whether the part of a URL after `//` ends as it should: `host`, `host:80` or `[::1]`.
fn ends_in_host_or_port(authority: &str) -> bool {
    match authority.rsplit_once(':') {
        Some((_, port)) => authority.ends_with(']') || port.bytes().all(|b| b.is_ascii_digit()),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "+y42DK+BGzqvU00EWMKiyj4fITskSm+Drxq1Dt2s3Yw=";
    const SEED: &str = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";

    /// `K` and `S` stand for a key and a seed, `-` for the place of a transport, `~` for that of a transform.
    fn shown(text: &str) -> String {
        let (place, text) = match text.split_at(1) {
            ("-", text) => (Place::Transport, text),
            (_, text) => (Place::Transform, text),
        };
        let text = text.replace('S', SEED).replace('K', KEY);
        let shown = redact(&text, place);
        assert!(!shown.contains(SEED), "{text} as {shown}");
        shown.replace(KEY, "K")
    }

    #[test]
    fn a_transform_shows_its_first_argument_only() {
        assert_eq!(shown("~shs:K"), "shs:K");
        assert_eq!(shown("~shs:K:S"), "shs:K:…");
        assert_eq!(shown("~shs:K:S:more"), "shs:K:…");
        assert_eq!(shown("~shs::S"), "shs::…");
        assert_eq!(shown("~password:alice:short"), "password:alice:…");
        assert_eq!(shown("~shs:K,S"), "shs:K,…");
        assert_eq!(shown("~gzip"), "gzip");
    }

    #[test]
    fn a_transport_shows_all_but_what_looks_like_a_seed() {
        assert_eq!(shown("-net:fe80::1%eth0:8008"), "net:fe80::1%eth0:8008");
        assert_eq!(shown("-ws://h:80/path?x=1"), "ws://h:80/path?x=1");
        assert_eq!(shown("-unix:/a:b/socket"), "unix:/a:b/socket");
        assert_eq!(shown("-dht:K"), "dht:K");
        assert_eq!(shown("-shs:K:S"), "shs:K:…");
        assert_eq!(shown("-shs:K:@S.ed25519"), "shs:K:@….ed25519");
        assert_eq!(shown("-h:8008:@K.ed25519"), "h:8008:@….ed25519");
    }

    #[test]
    fn a_seed_in_the_place_of_a_name_is_hidden() {
        assert_eq!(shown("~S"), "…");
        assert_eq!(shown("~@S.ed25519"), "@….ed25519");
        assert_eq!(shown("~shs%3AK%3AS"), "…");
    }

    #[test]
    fn an_address_in_one_section_shows_no_seed() {
        assert_eq!(shown("-net:h:1~shs:K:S"), "net:h:1~shs:…:…");
        assert_eq!(shown("-net:h:1~shs:K:S~gzip"), "net:h:1~shs:…:…~gzip");
        assert_eq!(shown("-channel~shs:K:S;net:h:1"), "channel~shs:K:…;net:h:1");
        assert_eq!(shown("-h:1:@K.ed25519~S"), "h:1:@….ed25519~…");
        assert_eq!(shown("-net:h:1%7Eshs%3AK%3AS"), "net:h:…");
    }

    #[test]
    fn slashes_in_a_key_or_a_seed_hide_no_place() {
        let key = KEY.replace("BG", "//");
        let seed = SEED.replace("xk", "//");
        for text in [
            format!("shs:{key}:@{seed}.ed25519"),
            format!("h:1:@{key}.ed25519~{seed};net:h:@x"),
            format!("shs:{key}@x:{seed}@x"),
        ] {
            for place in [Place::Transport, Place::Transform] {
                let shown = redact(&text, place);
                assert!(!shown.contains(&seed[..8]), "{text} as {shown}");
            }
        }
    }

    #[test]
    fn either_alphabet_of_base64_and_its_url_escapes_are_known() {
        let standard = SEED.trim_end_matches('=').to_string();
        let url_safe = SEED.replace('+', "-").replace('/', "_");
        let in_url = SEED.replace('/', "%2F").replace('=', "%3D");
        for seed in [standard, url_safe, in_url] {
            let text = format!("net:h:1~shs:KEY:{seed}");
            assert_eq!(redact(&text, Place::Transport), "net:h:1~shs:KEY:…");
        }
    }

    #[test]
    fn thirty_nine_characters_are_no_seed_and_forty_are() {
        let text = |length| format!("net:h:{}", "x".repeat(length));
        assert_eq!(redact(&text(39), Place::Transport), text(39));
        assert_eq!(redact(&text(40), Place::Transport), "net:h:…");
    }

    #[test]
    fn the_user_of_a_url_is_hidden() {
        for (text, hidden) in [
            ("-ws://user:pass@h:80/p", "ws://…@h:80/p"),
            ("-ws://user@h", "ws://…@h"),
            ("-ws://u:p@ss@h/a@b", "ws://…@h/a@b"),
            ("-ws://u:pa/ss@h:80", "ws://…@h:80"),
            ("-ws://u:pa?ss@h", "ws://…@h"),
            ("-proxy:http://u:p@h//x:y@z", "proxy:http://…@h//…@z"),
            ("~proxy://u:p@h:80", "proxy://…"),
            ("~proxy://u@h:80", "proxy://…@h:…"),
            ("~//u:p@h", "//…@h"),
        ] {
            assert_eq!(shown(text), hidden, "{text}");
        }
    }

    #[test]
    fn a_password_around_base64_is_hidden_to_its_end() {
        let text = format!("proxy:http://user.{}.pass@h", "x".repeat(SECRET_CHARS));
        assert_eq!(redact(&text, Place::Transport), "proxy:http://…@h");
        let text = format!("a:proxy:{}", &text[6..]);
        assert_eq!(redact(&text, Place::Transport), "a:proxy:http://…@h");
    }

    #[test]
    fn an_at_sign_in_a_path_hides_no_host() {
        for text in [
            "ws://h/@x",
            "ws://h:80/?peer=@x",
            "ws://[::1]/@x",
            "unix:/a@b/socket",
            "net:a@b:1",
        ] {
            assert_eq!(redact(text, Place::Transport), text);
        }
    }
}

//! `ssb:address/multiserver?multiserverAddress=…`
//! ([ssb-uri-spec](https://github.com/ssbc/ssb-uri-spec)), percent-encoded (RFC 3986, section 2.1).

#![expect(
    clippy::arithmetic_side_effects,
    reason = "sums of lengths within one text"
)]

use std::error::Error as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tower_multiserver_core::{Error, ErrorKind, MultiAddress, grammar::SyntaxError};
use zeroize::Zeroizing;

use super::NotAnAddress;

const HEAD: &str = "ssb:address/multiserver?multiserverAddress=";
const PARAMETER: &str = "multiserverAddress=";

/// What JavaScript's `encodeURIComponent` leaves as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// What follows `ssb:` or `ssb://`, if it is such a URI.
pub(super) fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("ssb") {
        return None;
    }
    Some(rest.strip_prefix("//").unwrap_or(rest))
}

/// Reads `uri`, which is what follows the scheme of `text`.
pub(super) fn parse(text: &str, uri: &str) -> Result<MultiAddress, Error> {
    let (path, query) = match uri.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (uri, None),
    };
    match path {
        // The colon was there first.
        "address/multiserver" | "address:multiserver" | "address/multiserver/" => {}
        "experimental" => return Err(other(NotAnAddress::Action)),
        _ => return Err(other(NotAnAddress::OtherUri)),
    }
    let missing = || SyntaxError::new(text.len(), "`?multiserverAddress=` and an address");
    let mut at = text.len() - query.ok_or_else(missing)?.len();
    for parameter in query.into_iter().flat_map(|query| query.split('&')) {
        if let Some(value) = parameter.strip_prefix(PARAMETER) {
            return decode(value, at + PARAMETER.len());
        }
        at += parameter.len() + 1;
    }
    Err(missing().into())
}

fn other(what: NotAnAddress) -> Error {
    Error::new(ErrorKind::InvalidAddress, what)
}

/// Reads the address in `value`, which stands at `start` in the text.
///
/// A plus sign is itself, since it is no way to write a blank outside of web forms and keys hold some.
fn decode(value: &str, start: usize) -> Result<MultiAddress, Error> {
    // Never grown, so no copy of what may be a secret is left behind.
    let mut decoded = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut rest = value.as_bytes();
    while let [byte, behind @ ..] = rest {
        let wrong = |expected| SyntaxError::new(start + value.len() - rest.len(), expected);
        match byte {
            b'%' => {
                let (byte, behind) =
                    hex(behind).ok_or_else(|| wrong("two hexadecimal digits after `%`"))?;
                decoded.push(byte);
                rest = behind;
            }
            b'#' => return Err(wrong("the end, or `%23`").into()),
            byte => {
                decoded.push(*byte);
                rest = behind;
            }
        }
    }
    let text = std::str::from_utf8(&decoded)
        .map_err(|error| SyntaxError::new(place(value, start, error.valid_up_to()), "UTF-8"))?;
    text.parse::<MultiAddress>().map_err(|error| {
        let syntax = error.source().and_then(|source| source.downcast_ref());
        match syntax.map(SyntaxError::offset) {
            Some(offset) => SyntaxError::new(place(value, start, offset), "an address").into(),
            None => error,
        }
    })
}

/// The byte of two digits, and what stands behind them.
fn hex(text: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], behind) = text.split_first_chunk()?;
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = digit(high)? << 4 | digit(low)?;
    Some((u8::try_from(byte).ok()?, behind))
}

/// Where in the whole text the byte stands that is at `offset` when decoded.
fn place(value: &str, start: usize, offset: usize) -> usize {
    let mut at = 0;
    for _ in 0..offset {
        at += if value.as_bytes().get(at) == Some(&b'%') {
            3
        } else {
            1
        };
    }
    start + at
}

pub(super) fn to_text(addresses: &MultiAddress) -> Zeroizing<String> {
    let plain = Zeroizing::new(addresses.to_string());
    let mut text = Zeroizing::new(String::with_capacity(HEAD.len() + 3 * plain.len()));
    text.push_str(HEAD);
    text.extend(utf8_percent_encode(&plain, COMPONENT));
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, Error> {
        let uri = after_scheme(text).expect("a URI");
        parse(text, uri).map(|addresses| addresses.to_string())
    }

    #[test]
    fn a_uri_is_read_in_all_its_spellings() {
        for uri in [
            "ssb:address/multiserver?multiserverAddress=net%3ah%3A1~noauth",
            "SSB:address/multiserver?multiserverAddress=net:h:1~noauth",
            "ssb://address/multiserver?multiserverAddress=net:h:1~noauth",
            "ssb:address:multiserver?multiserverAddress=net:h:1~noauth",
            "ssb:address/multiserver?a=b&multiserverAddress=net:h:1%7Enoauth&c=d",
        ] {
            assert_eq!(read(uri).expect(uri), "net:h:1~noauth");
        }
        let uri = "ssb:address/multiserver?multiserverAddress=unix:/a+b%20c%C3%A9";
        assert_eq!(read(uri).unwrap(), "unix:/a+b cé");
    }

    #[test]
    fn what_cannot_be_decoded_is_refused_at_its_place() {
        for (value, at) in [
            ("net%3", 3),
            ("net%", 3),
            ("net%zz", 3),
            ("a%20b%FF", 5),
            ("net:h#x", 5),
            ("", 0),
            ("net%3Ah%7E", 10),
            ("net%3Ah~%3Ax", 8),
        ] {
            let error = read(&format!("{HEAD}{value}")).unwrap_err();
            let source = error.source().and_then(|source| source.downcast_ref());
            let at = HEAD.len() + at;
            assert_eq!(source.map(SyntaxError::offset), Some(at), "{value}");
        }
    }

    proptest! {
        #[test]
        fn every_address_has_a_uri(text in "[a-z]{2}:.*(~[a-z]{2}:.{0,9}){0,2}") {
            if let Ok(addresses) = text.parse::<MultiAddress>() {
                let uri = to_text(&addresses);
                prop_assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(read(&uri).unwrap(), addresses.to_string());
            }
        }

        #[test]
        fn no_uri_does_harm(query in "(multiserverAddress=)?[%a-f0-9é~;:&]*") {
            let _ = read(&format!("ssb:address/multiserver?{query}"));
        }
    }
}

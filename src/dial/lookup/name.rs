//! Whom to look up, and what was found.

use std::{fmt, str::FromStr, time::Duration};

use tower_multiserver_core::{Error, ErrorKind, FromSection, MultiAddress, PublicKey, Section};

/// The name or the public key of a peer: the request of a look-up.
///
/// As text a key is the base64 of its 32 bytes or `@BASE64.ed25519`. Any other text is a name, without regard to ASCII
/// capitals, of at most 253 bytes and without control characters. What looks like a key and is none, such as one with a
/// wrong last digit, is neither: nobody has to prove anything for a name.
///
/// ```
/// use tower_multiserver::dial::lookup::Name;
///
/// let name: Name = "Bob.example".parse()?;
/// assert_eq!((name.to_string().as_str(), name.key()), ("bob.example", None));
/// let key: Name = "@rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=.ed25519".parse()?;
/// assert!(key.key().is_some());
/// # Ok::<_, tower_multiserver::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Kind);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Key(PublicKey),
    Text(String),
}

/// That of a domain name (RFC 1035, section 2.3.4, as text).
const MAX_LEN: usize = 253;

impl Name {
    /// The public key, if it is one.
    pub fn key(&self) -> Option<PublicKey> {
        match self.0 {
            Kind::Key(key) => Some(key),
            Kind::Text(_) => None,
        }
    }

    /// The name, if it is no key.
    pub fn text(&self) -> Option<&str> {
        match &self.0 {
            Kind::Key(_) => None,
            Kind::Text(text) => Some(text),
        }
    }
}

impl From<PublicKey> for Name {
    fn from(key: PublicKey) -> Self {
        Self(Kind::Key(key))
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Ok(key) = text.parse() {
            return Ok(Self(Kind::Key(key)));
        }
        if is_like_a_key(text) {
            let reason = "it looks like a public key, and is none";
            return Err(Error::new(ErrorKind::InvalidAddress, reason));
        }
        if text.is_empty() || text.len() > MAX_LEN || text.contains(char::is_control) {
            let reason = "a name to look up has 1 to 253 bytes and no control characters";
            return Err(Error::new(ErrorKind::InvalidAddress, reason));
        }
        Ok(Self(Kind::Text(text.to_ascii_lowercase())))
    }
}

/// Whether it would be a key, or become one in small letters, with other digits.
fn is_like_a_key(text: &str) -> bool {
    const DIGITS: usize = 43;
    const SUFFIX: &str = ".ed25519";

    let id = text.strip_prefix('@').and_then(|id| {
        let (id, suffix) = id.split_at_checked(id.len().checked_sub(SUFFIX.len())?)?;
        suffix.eq_ignore_ascii_case(SUFFIX).then_some(id)
    });
    let digits = id.unwrap_or(text);
    let digits = digits.strip_suffix('=').unwrap_or(digits);
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    digits.len() == DIGITS && digits.bytes().all(is_digit)
}

impl FromSection for Name {
    fn from_section(section: &Section) -> Result<Self, Error> {
        section.args().unwrap_or_default().parse()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Key(key) => fmt::Display::fmt(key, f),
            Kind::Text(text) => f.write_str(text),
        }
    }
}

/// What a look-up says about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Where the peer is, the preferred address first; `None` if nothing is known under the name.
    pub addresses: Option<MultiAddress>,
    /// For how long that holds. Zero: ask again each time.
    pub ttl: Duration,
}

impl Answer {
    /// What holds for `ttl`.
    pub fn new(addresses: Option<MultiAddress>, ttl: Duration) -> Self {
        Self { addresses, ttl }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_one_in_either_form_and_everything_else_is_a_name() {
        const KEY: &str = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI";
        for text in [
            KEY.to_owned(),
            format!("{KEY}="),
            format!("@{KEY}=.ed25519"),
        ] {
            let name: Name = text.parse().unwrap();
            assert_eq!(name.to_string(), format!("{KEY}="));
            assert_eq!((name.key().is_some(), name.text()), (true, None));
        }
        let name: Name = KEY[1..].parse().unwrap();
        assert_eq!(name.text(), Some(&*KEY[1..].to_ascii_lowercase()));
    }

    #[test]
    fn a_name_is_short_and_in_one_line() {
        for text in ["", "a\nb", &"a".repeat(254)] {
            let error = text.parse::<Name>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidAddress);
        }
        assert!("a".repeat(253).parse::<Name>().is_ok());
    }

    #[test]
    fn what_looks_like_a_key_and_is_none_is_no_name() {
        // In small letters it would be another's.
        let capitals = format!("{}C", "A".repeat(42));
        assert!(capitals.to_ascii_lowercase().parse::<PublicKey>().is_ok());
        for text in [
            &*capitals,
            &format!("{capitals}="),
            &format!("@{capitals}=.ed25519"),
            &format!("@{capitals}.ed25519"),
            &format!("@{}A=.ED25519", &capitals[1..]),
            &format!("{}B", &capitals[1..]),
        ] {
            let error = text.parse::<Name>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{text}");
        }
        for text in [
            &capitals[1..],
            &format!("{capitals}A"),
            &format!("{capitals}=="),
            &format!("@{capitals}"),
            &format!("{}.a", &capitals[2..]),
            "@.ed25519",
            "@é.ed2551",
        ] {
            assert!(text.parse::<Name>().is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_name_reads_as_a_key(
            text in prop_oneof!["@?[a-zA-Z0-9+/]{42,44}=?(\\.ed25519|\\.ED25519)?", any::<String>()],
        ) {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert_eq!(name.to_string().parse::<Name>().unwrap(), name);
            }
        }
    }
}

//! The ways in which Secure Scuttlebutt writes addresses and invitations.
//!
//! | form | text |
//! |---|---|
//! | [`Multiserver`](Form::Multiserver) | `net:example.com:8008~shs:KEY`, an invitation with the seed behind it, `…~shs:KEY:SEED` |
//! | [`Legacy`](Form::Legacy) | `example.com:8008:@KEY.ed25519`, an invitation `…ed25519~SEED` |
//! | [`Uri`](Form::Uri) | `ssb:address/multiserver?multiserverAddress=net%3Aexample.com%3A8008~shs%3AKEY` |
//!
//! [`parse`] reads all of them, [`to_text`] writes the one that is asked for, and [`invite`] makes an invitation of an
//! address. An identity, `@KEY.ed25519`, says who and not where: [`PublicKey`] reads it, and
//! [`to_ssb_id`](PublicKey::to_ssb_id) writes it.
//!
//! # The legacy form
//!
//! The port is what follows the last colon before the key, and 8008 where it is missing, so an IPv6 address is followed
//! by its port (`::1:8008:@…`) or stands in brackets. A name that ends in `.onion` means `onion:`, and
//! `ws://HOST:PORT:@KEY.ed25519` keeps its URL. What follows a `#` behind an invitation is a web page to show afterwards
//! and is left out.
//!
//! This is what [ssb-ref](https://www.npmjs.com/package/ssb-ref) 2.16 does, but that a port that is no number is refused
//! (there it becomes 8008), and that `HOST:@KEY.ed25519` keeps its host (there it becomes `localhost`).
//!
//! # Example
//!
//! ```
//! use tower_multiserver::ssb::{self, Form};
//!
//! let old = "example.com:8008:@rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=.ed25519";
//! let addresses = ssb::parse(old)?;
//! let new = "net:example.com:8008~shs:rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";
//! assert_eq!(addresses.to_string(), new);
//! assert_eq!(ssb::to_text(&addresses, Form::Legacy)?.as_str(), old);
//! # Ok::<(), tower_multiserver::Error>(())
//! ```

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod legacy;
mod place;
mod refusal;
mod uri;
#[cfg(test)]
mod vectors;

use std::{fmt, str::FromStr};

use tower_multiserver_core::{Address, Error, ErrorKind, MultiAddress, PublicKey, Section, Seed};
use zeroize::Zeroizing;

pub use self::refusal::{NotAnAddress, NotLegacy};

/// How an address is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// The multiserver address itself.
    Multiserver,
    /// `HOST:PORT:@KEY.ed25519`, of one address with one transform, `shs`.
    Legacy,
    /// An `ssb:` URI around the multiserver address, which opens an application.
    Uri,
}

/// Reads an address or an invitation in any of the forms.
///
/// An invitation is an address with a seed, a secret: see [`MultiAddress`] for where it shows.
///
/// # Errors
///
/// Of kind [`InvalidAddress`](ErrorKind::InvalidAddress); the source is a
/// [`SyntaxError`](crate::grammar::SyntaxError), which says where in `text` what
/// is missing, or a [`NotAnAddress`]. It holds nothing of the text.
pub fn parse(text: &str) -> Result<MultiAddress, Error> {
    let not = |what| Err(Error::new(ErrorKind::InvalidAddress, what));
    if let Some(uri) = uri::after_scheme(text) {
        return uri::parse(text, uri);
    }
    if starts_with_ignoring_case(text, "http://") || starts_with_ignoring_case(text, "https://") {
        return not(NotAnAddress::WebPage);
    }
    if text.starts_with(['%', '&']) && text.ends_with(".sha256") {
        return not(NotAnAddress::Link);
    }
    if text.parse::<PublicKey>().is_ok() {
        return not(NotAnAddress::Identity);
    }
    match legacy::split(text) {
        Some(parts) => Ok(legacy::parse(parts)?.into()),
        None => text.parse(),
    }
}

/// Writes addresses in `form`, with their secrets.
///
/// What comes out of the legacy form says the same as what went in, if not in the same words: a port that a URL leaves out
/// is written there.
///
/// # Errors
///
/// Of kind [`Unsupported`](ErrorKind::Unsupported), with a [`NotLegacy`] as the source. Every address has the other two
/// forms.
pub fn to_text(addresses: &MultiAddress, form: Form) -> Result<Zeroizing<String>, Error> {
    match form {
        Form::Multiserver => Ok(Zeroizing::new(addresses.to_string())),
        Form::Legacy => match addresses.iter().as_slice() {
            [address] => {
                let text = legacy::to_text(address);
                text.map_err(|why| Error::unsupported(why).at(|| address.clone()))
            }
            _ => Err(Error::unsupported(NotLegacy::Several)),
        },
        Form::Uri => Ok(uri::to_text(addresses)),
    }
}

/// The invitation to `address`, whose last section is `shs:KEY`, for who dials with the key pair of `seed`.
///
/// # Errors
///
/// Of kind [`Unsupported`](ErrorKind::Unsupported), when the last section is another, or holds a seed already.
pub fn invite(address: &Address, seed: &Seed) -> Result<Address, Error> {
    let (shs, mut invite): (Section, _) = address.clone().take("shs")?;
    match Shs::read(&shs) {
        Some(Shs { key, seed: None }) => {
            let section = Section::new("shs").arg(key).arg(&*seed.to_base64());
            invite.push(section);
            Ok(invite)
        }
        _ => {
            let reason = "an invitation is made of `shs:KEY`, without a seed";
            Err(Error::unsupported(reason).at(|| address.clone()))
        }
    }
}

/// The arguments of `shs:KEY[:SEED]`.
struct Shs {
    key: PublicKey,
    seed: Option<Seed>,
}

impl Shs {
    fn read(section: &Section) -> Option<Self> {
        let args = section.args().filter(|args| !args.starts_with('@'))?;
        let (key, seed) = match args.split_once(':') {
            Some((key, seed)) => (key, Some(seed)),
            None => (args, None),
        };
        Some(Self {
            key: key.parse().ok()?,
            seed: seed.map(str::parse).transpose().ok()?,
        })
    }

    fn section(&self) -> Section {
        let section = Section::new("shs").arg(self.key);
        match &self.seed {
            Some(seed) => section.arg(&*seed.to_base64()),
            None => section,
        }
    }
}

fn starts_with_ignoring_case(text: &str, prefix: &str) -> bool {
    let head = text.get(..prefix.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

impl Form {
    /// Its name in text: `multiserver`, `legacy` or `uri`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Multiserver => "multiserver",
            Self::Legacy => "legacy",
            Self::Uri => "uri",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Reads `multiserver`, `legacy` and `uri`.
impl FromStr for Form {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let forms = [Self::Multiserver, Self::Legacy, Self::Uri];
        let form = forms.into_iter().find(|form| form.as_str() == text);
        form.ok_or_else(|| {
            let reason = "a form is multiserver, legacy or uri";
            Error::new(ErrorKind::InvalidAddress, reason)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use tower_multiserver_core::grammar::SyntaxError;

    use super::*;

    const KEY: &str = "gYCJpN4eGDjHFnWW2Fcusj8O4QYbVDUW6rNYh7nNEnc=";
    const SEED: &str = "DxiHEv+ds+zUzA49efDgZk8ssGeqrp/5kgvRVzTM7vU=";

    fn source<T: std::error::Error + Copy + 'static>(error: &Error) -> Option<T> {
        error.source()?.downcast_ref().copied()
    }

    #[test]
    fn what_is_no_address_is_called_by_its_name() {
        for (text, what) in [
            ("@K.ed25519", NotAnAddress::Identity),
            ("K", NotAnAddress::Identity),
            ("%K.sha256", NotAnAddress::Link),
            ("&K.sha256", NotAnAddress::Link),
            (
                "https://room.example/join?invite=abc",
                NotAnAddress::WebPage,
            ),
            ("HTTP://room.example/alias", NotAnAddress::WebPage),
            ("ssb:experimental?action=x", NotAnAddress::Action),
            ("ssb://experimental?action=x", NotAnAddress::Action),
            ("ssb:feed/classic/K", NotAnAddress::OtherUri),
            ("ssb:address/other?x", NotAnAddress::OtherUri),
            ("ssb:", NotAnAddress::OtherUri),
        ] {
            let error = parse(&text.replace('K', KEY)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{text}");
            assert_eq!(source(&error), Some(what), "{text}");
        }
    }

    #[test]
    fn a_multiserver_address_is_itself_whatever_it_holds() {
        for text in [
            "net:h:8008~shs:K",
            "net:h:8008~shs:K:S",
            "unix:@abstract~noauth",
            "tunnel:@K.ed25519:@K.ed25519~shs:K",
            "net:a:1~shs:K;ws://b~shs:K",
            "channel~noauth",
        ] {
            let text = text.replace('K', KEY).replace('S', SEED);
            let addresses = parse(&text).unwrap();
            assert_eq!(addresses.to_string(), text);
            assert_eq!(*to_text(&addresses, Form::Multiserver).unwrap(), text);
        }
    }

    #[test]
    fn an_error_says_where_and_holds_nothing_of_the_text() {
        for (text, offset) in [
            ("", 0),
            ("net:h:1~", 8),
            ("net:h:1;;", 8),
            ("h:x:@K.ed25519", 2),
            ("h o:1:@K.ed25519", 0),
            ("h:1:@K", 4),
            ("h:1:@K.ed25519~", 58),
            ("h:1:@K.ed25519~S=", 58),
            ("[h]:1:@K.ed25519", 0),
            ("ssb:address/multiserver", 23),
            ("ssb:address/multiserver?x=y", 27),
            ("ssb:address/multiserver?multiserverAddress=net%3", 46),
            ("ssb:address/multiserver?multiserverAddress=net%3Ah~", 51),
        ] {
            let text = text.replace('K', KEY).replace('S', SEED);
            let error = parse(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{text}");
            let syntax: SyntaxError = source(&error).expect("a place");
            assert_eq!(syntax.offset(), offset, "{text}: {syntax}");
            let shown = format!("{error} {error:?} {syntax}");
            assert!(!shown.contains(&SEED[..20]), "{shown}");
        }
    }

    #[test]
    fn an_invitation_is_an_address_with_a_seed_which_stays_hidden() {
        let seed: Seed = SEED.parse().unwrap();
        let address = Address::try_from(format!("net:h:8008~shs:{KEY}")).unwrap();
        let invitation = invite(&address, &seed).unwrap();
        assert_eq!(invitation.to_string(), format!("{address}:{SEED}"));
        assert!(!format!("{invitation:?}").contains(SEED));

        let legacy = to_text(&invitation.clone().into(), Form::Legacy).unwrap();
        assert_eq!(*legacy, format!("h:8008:@{KEY}.ed25519~{SEED}"));
        assert_eq!(parse(&legacy).unwrap(), invitation.clone().into());

        for (text, shows) in [
            (invitation.to_string(), format!("net:h:8008~shs:{KEY}:…")),
            (format!("net:h:8008~shs:@{KEY}"), KEY.to_owned()),
            ("net:h:8008~noauth".to_owned(), "noauth".to_owned()),
            (format!("shs:{KEY}"), KEY.to_owned()),
        ] {
            let error = invite(&text.parse().unwrap(), &seed).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(&shows) && !shown.contains(SEED), "{shown}");
        }
    }

    #[test]
    fn a_form_reads_what_it_prints() {
        for form in [Form::Multiserver, Form::Legacy, Form::Uri] {
            assert_eq!(form.to_string().parse::<Form>().unwrap(), form);
        }
        assert!("Legacy".parse::<Form>().is_err());
    }
}

//! Which proxy, and how to log in there.

use std::{fmt, str::FromStr};

use percent_encoding::percent_decode_str;
#[cfg(feature = "serde")]
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tower_multiserver_core::{Error, ErrorKind};
use zeroize::Zeroizing;

use crate::transport::tcp::{HostPort, is_ipv6};

/// A SOCKS5 proxy (RFC 1928), and name and password if it wants them (RFC 1929).
///
/// It is read from `HOST:PORT`, or a URL `socks5://[NAME:PASSWORD@]HOST:PORT` with name and password percent-encoded.
/// `socks5h` means the same: names are always resolved by the proxy. Name and password never appear in what is shown of
/// it, and are wiped from memory with it. (Not so what the SOCKS client has of them while it logs in.) Its text in serde,
/// which is that URL, holds them.
///
/// ```
/// use tower_multiserver::onion::Proxy;
///
/// # fn main() -> Result<(), tower_multiserver::Error> {
/// let proxy: Proxy = "socks5://bob:p%40ss@127.0.0.1:1080".parse()?;
/// assert_eq!(proxy, Proxy::new("127.0.0.1", 1080).login("bob", "p@ss")?);
/// assert_eq!(proxy.to_string(), "127.0.0.1:1080");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) login: Option<Login>,
}

/// A name and a password, each of 1 to 255 bytes (RFC 1929, section 2).
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) name: Zeroizing<String>,
    pub(super) password: Zeroizing<String>,
}

impl Proxy {
    /// The proxy there. The name of its host, if it is one, is resolved by this machine.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            login: None,
        }
    }

    /// Logs in with this name and password, if the proxy asks for them.
    ///
    /// # Errors
    ///
    /// Of kind [`InvalidAddress`](ErrorKind::InvalidAddress) when either is empty or has more than 255 bytes.
    pub fn login(
        mut self,
        name: impl Into<String>,
        password: impl Into<String>,
    ) -> Result<Self, Error> {
        let (name, password) = (Zeroizing::new(name.into()), Zeroizing::new(password.into()));
        let fits = |text: &str| (1..=255).contains(&text.len());
        if !(fits(&name) && fits(&password)) {
            return Err(invalid(
                "name and password of a proxy have 1 to 255 bytes each",
            ));
        }
        self.login = Some(Login { name, password });
        Ok(self)
    }
}

impl FromStr for Proxy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let authority = match text.split_once("://") {
            Some(("socks5" | "socks5h", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some(_) => return Err(invalid("the URL of a proxy begins with `socks5://`")),
            None => text,
        };
        let (login, at) = match authority.rsplit_once('@') {
            Some((login, at)) => (Some(login), at),
            None => (None, authority),
        };
        let at = at
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty() && !host.contains('/'))
            .and_then(|(host, port)| HostPort::parse(host, port).ok())
            .filter(|at| at.port != 0 && (!at.host.contains(':') || is_ipv6(&at.host)))
            .ok_or_else(|| invalid("a proxy needs a host and a port, `HOST:PORT`"))?;
        let proxy = Self::new(at.host, at.port);
        let Some(login) = login else { return Ok(proxy) };
        let login = login
            .split_once(':')
            .and_then(|(name, password)| Some((decode(name)?, decode(password)?)));
        match login {
            Some((name, password)) => proxy.login(&**name, &**password),
            None => Err(invalid(
                "before the `@` stand a name and a password, `NAME:PASSWORD`",
            )),
        }
    }
}

fn decode(text: &str) -> Option<Zeroizing<String>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    decoded.extend(percent_decode_str(text));
    let text = std::str::from_utf8(&decoded).ok()?;
    Some(Zeroizing::new(text.to_owned()))
}

/// The URL, with name and password.
#[cfg(feature = "serde")]
impl serde::Serialize for Proxy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let url = match &self.login {
            Some(Login { name, password }) => Zeroizing::new(format!(
                "socks5://{}:{}@{self}",
                utf8_percent_encode(name, NON_ALPHANUMERIC),
                utf8_percent_encode(password, NON_ALPHANUMERIC),
            )),
            None => Zeroizing::new(self.to_string()),
        };
        serializer.serialize_str(&url)
    }
}

/// From its text. An error holds nothing of it.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Proxy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let url = Zeroizing::new(String::deserialize(deserializer)?);
        url.parse().map_err(|_| {
            serde::de::Error::custom("a proxy is `HOST:PORT` or `socks5://NAME:PASSWORD@HOST:PORT`")
        })
    }
}

fn invalid(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidAddress, reason)
}

/// Where it is, without name and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Where it is, without name and password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("at", &self.to_string())
            .field("login", &self.login.as_ref().map(|_| "…"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(text: &str) -> Option<(String, String)> {
        let proxy: Proxy = text.parse().expect(text);
        let login = proxy.login?;
        Some((login.name.to_string(), login.password.to_string()))
    }

    #[test]
    fn a_proxy_is_read_from_its_place_or_its_url() {
        for (text, shown) in [
            ("127.0.0.1:9050", "127.0.0.1:9050"),
            ("socks5://tor.example:9050", "tor.example:9050"),
            ("socks5h://[::1]:9050/", "[::1]:9050"),
            ("socks5://n:p@localhost:1", "localhost:1"),
        ] {
            let proxy: Proxy = text.parse().expect(text);
            assert_eq!(proxy.to_string(), shown);
            let again: Proxy = shown.parse().expect(shown);
            assert_eq!((again.host, again.port), (proxy.host, proxy.port));
        }
        let bob = |password: &str| Some(("bob".to_owned(), password.to_owned()));
        assert_eq!(login("socks5://bob:a:b@h:1"), bob("a:b"));
        assert_eq!(login("socks5://bob:p%40%3a%20@h:1"), bob("p@: "));
        assert_eq!(login("socks5://bob:p@ss@h:1"), bob("p@ss"));
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        let long = format!("socks5://bob:hunter2{}@h:1", "x".repeat(255));
        for text in [
            "",
            "h",
            ":1",
            "h:0",
            "h:x",
            "h:65536",
            "::5",
            "1:2:3",
            "[::1:3",
            "http://h:1",
            "socks4://h:1",
            "socks5://bob:hunter2@h",
            "socks5://bob:hunter2@:1",
            "socks5://bob:hunter2@h/x:1",
            "socks5://hunter2@h:1",
            "socks5://:hunter2@h:1",
            "socks5://hunter2:@h:1",
            "socks5://bob:hunter2%ff@h:1",
            &long,
        ] {
            let error = text.parse::<Proxy>().expect_err(text);
            assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{text}");
            let source = std::error::Error::source(&error).expect("a source");
            let shown = format!("{error} {error:?} {source}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn its_text_in_serde_is_read_again_and_its_errors_hold_nothing() {
        for text in ["h:1", "[::1]:9050", "socks5://b%3Ab:p%40%25%20s@h:1"] {
            let proxy: Proxy = text.parse().expect(text);
            let written = serde_json::to_string(&proxy).expect("a text");
            assert_eq!(serde_json::from_str::<Proxy>(&written).expect(text), proxy);
        }
        let error = serde_json::from_str::<Proxy>("\"socks5://bob:hunter2@h\"").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn debug_and_display_show_no_name_and_no_password() {
        let proxy: Proxy = "socks5://bob:hunter2@h:1".parse().expect("a proxy");
        let shown = format!("{proxy:?} {proxy} {:?}", Some(&proxy));
        assert!(
            !shown.contains("hunter2") && !shown.contains("bob"),
            "{shown}"
        );
    }
}

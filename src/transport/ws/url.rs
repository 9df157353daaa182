//! `ws://HOST[:PORT][/PATH][?QUERY]`, and the same with `wss`.

use std::net::IpAddr;

use http::uri::PathAndQuery;
use tower_multiserver_core::{Error, FromSection, Section};

use crate::transport::tcp::HostPort;

/// Which of the two: they differ in the name, and in the port that a URL does not have to say (RFC 6455, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Ws,
    Wss,
}

impl Scheme {
    fn of(section: &Section) -> Self {
        match section.name() {
            "wss" => Self::Wss,
            _ => Self::Ws,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// Where to dial: the arguments of `ws://HOST[:PORT][/PATH][?QUERY]`, or the same of `wss`.
///
/// ```
/// use tower_multiserver::{FromSection, Section, ws::Url};
///
/// # fn main() -> Result<(), tower_multiserver::Error> {
/// let section: Section = "ws://example.com/chat?room=1".parse()?;
/// let url = Url::from_section(&section)?;
/// assert_eq!((url.host(), url.port(), url.path()), ("example.com", 80, "/chat?room=1"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    scheme: Scheme,
    pub(super) at: HostPort,
    pub(super) path: PathAndQuery,
}

/// Where to listen: the arguments of `ws://[HOST][:PORT][/PATH]`, or the same of `wss`. An empty host means this machine,
/// there is no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenUrl {
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) path: Option<String>,
}

impl Url {
    /// A name or an address, without brackets; never empty.
    pub fn host(&self) -> &str {
        self.at.host()
    }

    /// The port; 80, or 443 for `wss`, where the URL says none.
    pub fn port(&self) -> u16 {
        self.at.port()
    }

    /// The path with the query; at least `/`.
    pub fn path(&self) -> &str {
        self.path.as_str()
    }

    /// Host and port, as a `Host` header says them.
    pub(super) fn authority(&self) -> String {
        authority(self.scheme, &self.at.host, self.at.port)
    }
}

/// `ws://HOST[:PORT][/PATH]`
pub(super) fn section(scheme: Scheme, host: &str, port: u16, path: Option<&str>) -> Section {
    let path = path.unwrap_or_default();
    let authority = authority(scheme, host, port);
    Section::new(scheme.name()).arg(format_args!("//{authority}{path}"))
}

/// IPv6 addresses stand in brackets; the default port is left out, as in JavaScript.
fn authority(scheme: Scheme, host: &str, port: u16) -> String {
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    match port == scheme.default_port() {
        true => host,
        false => format!("{host}:{port}"),
    }
}

/// The parts of a URL, the host as it stands there.
struct Parts<'a> {
    scheme: Scheme,
    host: &'a str,
    port: Option<&'a str>,
    path: PathAndQuery,
}

/// Stricter than a browser: what would have to be mended, left out or guessed is refused, and never sent.
fn parse(section: &Section) -> Result<Parts<'_>, Error> {
    let scheme = Scheme::of(section);
    let url = section.args().and_then(|args| args.strip_prefix("//"));
    let Some(url) = url else {
        let reason = format!("a URL, `{}://HOST[:PORT][/PATH]`, is needed", scheme.name());
        return Err(Error::unsupported(reason));
    };
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = "a character in the URL that is not printable ASCII; write names as Punycode \
                      and paths percent-encoded";
        return Err(Error::unsupported(reason));
    }
    if url.contains('#') {
        return Err(Error::unsupported("a fragment in the URL"));
    }
    let end = url.find(['/', '?']).unwrap_or(url.len());
    let (authority, path) = url.split_at(end);
    if authority.contains('@') {
        return Err(Error::unsupported("a user name or password in the URL"));
    }
    let (host, port) = match authority.rfind(']') {
        Some(end) => authority.split_at(end.saturating_add(1)),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port {
        "" | ":" => None,
        port => Some(port.strip_prefix(':').ok_or_else(|| bad_host(host))?),
    };
    if !is_host(host) {
        return Err(bad_host(host));
    }
    let path = match path.starts_with('/') {
        true => path.parse(),
        false => format!("/{path}").parse(),
    };
    let path = path.map_err(|_| Error::unsupported("an invalid path in the URL"))?;
    Ok(Parts {
        scheme,
        host,
        port,
        path,
    })
}

impl Parts<'_> {
    fn at(&self) -> Result<HostPort, Error> {
        let default = self.scheme.default_port().to_string();
        HostPort::parse(self.host, self.port.unwrap_or(&default))
    }
}

fn bad_host(host: &str) -> Error {
    Error::unsupported(format!("`{host}` is no host name or address"))
}

/// An empty text, a name, an IPv4 address, or an IPv6 address in brackets without a zone, which is of this machine only.
fn is_host(host: &str) -> bool {
    match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(ip) => matches!(ip.parse(), Ok(IpAddr::V6(_))),
        None => host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    }
}

impl FromSection for Url {
    fn from_section(section: &Section) -> Result<Self, Error> {
        let parts = parse(section)?;
        if parts.host.is_empty() {
            return Err(Error::unsupported("the URL has no host"));
        }
        Ok(Self {
            scheme: parts.scheme,
            at: parts.at()?,
            path: parts.path,
        })
    }
}

impl FromSection for ListenUrl {
    fn from_section(section: &Section) -> Result<Self, Error> {
        let parts = parse(section)?;
        if parts.path.query().is_some() {
            return Err(Error::unsupported("a query in a URL to listen at"));
        }
        let at = parts.at()?;
        Ok(Self {
            scheme: parts.scheme,
            host: at.host,
            port: parts.port.map(|_| at.port),
            path: Some(parts.path.path().to_owned()).filter(|path| path != "/"),
        })
    }
}

impl ListenUrl {
    /// A name or an address, without brackets; never empty.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 80, or 443 for `wss`, where the URL says none.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    /// The only path of peers; `None` for all.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial(text: &str) -> Result<Url, Error> {
        Url::from_section(&text.parse()?)
    }

    fn listen(text: &str) -> Result<ListenUrl, Error> {
        ListenUrl::from_section(&text.parse()?)
    }

    #[test]
    fn a_url_has_a_host_and_perhaps_a_port_a_path_and_a_query() {
        for (text, authority, path) in [
            ("ws://host", "host", "/"),
            ("ws://host:", "host", "/"),
            ("ws://host:80", "host", "/"),
            ("ws://host:8989", "host:8989", "/"),
            ("ws://host:0/", "host:0", "/"),
            (
                "ws://Host-1.example.:65535/a/b",
                "Host-1.example.:65535",
                "/a/b",
            ),
            ("ws://127.0.0.1/x?y=z:1", "127.0.0.1", "/x?y=z:1"),
            ("ws://host?x", "host", "/?x"),
            ("ws://host:1?x", "host:1", "/?x"),
            ("ws://[::1]", "[::1]", "/"),
            ("ws://[2001:db8::2]:8989/p", "[2001:db8::2]:8989", "/p"),
            ("ws://host/a%20b@c:d", "host", "/a%20b@c:d"),
            ("ws://host:443", "host:443", "/"),
            ("wss://host:443", "host", "/"),
            ("wss://host:80/p", "host:80", "/p"),
            ("wss://[::1]", "[::1]", "/"),
        ] {
            let url = dial(text).expect(text);
            assert_eq!(
                (&*url.authority(), url.path.as_str()),
                (authority, path),
                "{text}"
            );
            let section = section(url.scheme, &url.at.host, url.at.port, Some(path));
            let again = Url::from_section(&section).expect("what we write we read");
            assert_eq!(again, url);
        }
    }

    #[test]
    fn what_would_have_to_be_guessed_or_left_out_is_refused() {
        let long = format!("ws://{}/", "x".repeat(256));
        for text in [
            "ws",
            "ws:",
            "ws:host",
            "ws:/host",
            "ws://",
            "ws:///path",
            "ws://:80",
            "ws://?x",
            "ws://user@host",
            "ws://user:secret@host/",
            "ws://host#f",
            "ws://host/p?x#f",
            "ws://ho st",
            "ws://host/a b",
            "ws://host ",
            "ws:// host",
            "ws://host\\p",
            "ws://höst",
            "ws://host/ö",
            "ws://%41",
            "ws://a,b",
            "ws://*",
            "ws://host:abc",
            "ws://host:-1",
            "ws://host:+1",
            "ws://host:65536",
            "ws://host:8a",
            "ws://host:80:81",
            "ws://::1",
            "ws://::1:80",
            "ws://[::1",
            "ws://::1]",
            "ws://[::1]80",
            "ws://[host]",
            "ws://[1.2.3.4]",
            "ws://[fe80::1%25eth0]:80",
            "ws://[fe80::1%eth0]:80",
            "ws://[]",
            "ws://[[::1]]",
            "ws://host/\r\nx: y",
            "ws://ho\r\nst",
            "ws://host/\0",
            "ws://host/\x7f",
            &long,
        ] {
            let error = dial(text).expect_err(text);
            assert!(error.is_unsupported(), "{text}");
            assert!(!format!("{error:?}").contains("secret"));
        }
    }

    #[test]
    fn to_listen_an_empty_host_is_this_machine_and_the_path_may_be_left_out() {
        for (text, host, port, path) in [
            ("ws://:8989", "localhost", Some(8989), None),
            ("ws://", "localhost", None, None),
            ("ws://[::]:0/", "::", Some(0), None),
            ("ws://0.0.0.0:0/ssb", "0.0.0.0", Some(0), Some("/ssb")),
        ] {
            let url = listen(text).expect(text);
            assert_eq!(
                (&*url.host, url.port, url.path.as_deref()),
                (host, port, path)
            );
        }
        for text in ["ws:8989", "ws", "ws://:1/?x", "ws://a@:1", "ws://:x"] {
            listen(text).expect_err(text);
        }
    }
}

//! `ws://HOST[:PORT][/PATH][?QUERY]`.

use std::net::IpAddr;

use http::uri::PathAndQuery;
use tower_multiserver_core::{Error, FromSection, Section};

use crate::transport::tcp::HostPort;

/// The port that a URL does not have to say (RFC 6455, section 3).
const DEFAULT_PORT: u16 = 80;

/// Where to dial: the arguments of `ws://HOST[:PORT][/PATH][?QUERY]`.
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
    pub(super) at: HostPort,
    pub(super) path: PathAndQuery,
}

/// Where to listen: the arguments of `ws://[HOST][:PORT][/PATH]`. An empty host means this machine, there is no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenUrl {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) path: Option<String>,
}

impl Url {
    /// A name or an address, without brackets; never empty.
    pub fn host(&self) -> &str {
        self.at.host()
    }

    /// The port; 80 where the URL says none.
    pub fn port(&self) -> u16 {
        self.at.port()
    }

    /// The path with the query; at least `/`.
    pub fn path(&self) -> &str {
        self.path.as_str()
    }

    /// Host and port, as a `Host` header says them.
    pub(super) fn authority(&self) -> String {
        authority(&self.at.host, self.at.port)
    }
}

/// `ws://HOST[:PORT][/PATH]`
pub(super) fn section(host: &str, port: u16, path: Option<&str>) -> Section {
    let path = path.unwrap_or_default();
    Section::new("ws").arg(format_args!("//{}{path}", authority(host, port)))
}

/// IPv6 addresses stand in brackets; the default port is left out, as in JavaScript.
fn authority(host: &str, port: u16) -> String {
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    match port {
        DEFAULT_PORT => host,
        port => format!("{host}:{port}"),
    }
}

/// The parts of a URL, the host as it stands there.
struct Parts<'a> {
    host: &'a str,
    port: Option<&'a str>,
    path: PathAndQuery,
}

/// Stricter than a browser: what would have to be mended, left out or guessed is refused, and never sent.
fn parse(section: &Section) -> Result<Parts<'_>, Error> {
    let url = section.args().and_then(|args| args.strip_prefix("//"));
    let Some(url) = url else {
        return Err(Error::unsupported(
            "a URL, `ws://HOST[:PORT][/PATH]`, is needed",
        ));
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
        Some(end) => authority.split_at(end + 1),
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
    Ok(Parts { host, port, path })
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
        let Parts { host, port, path } = parse(section)?;
        if host.is_empty() {
            return Err(Error::unsupported("the URL has no host"));
        }
        let at = HostPort::parse(host, port.unwrap_or("80"))?;
        Ok(Self { at, path })
    }
}

impl FromSection for ListenUrl {
    fn from_section(section: &Section) -> Result<Self, Error> {
        let Parts { host, port, path } = parse(section)?;
        if path.query().is_some() {
            return Err(Error::unsupported("a query in a URL to listen at"));
        }
        let at = HostPort::parse(host, port.unwrap_or("80"))?;
        Ok(Self {
            host: at.host,
            port: port.map(|_| at.port),
            path: Some(path.path().to_owned()).filter(|path| path != "/"),
        })
    }
}

impl ListenUrl {
    /// A name or an address, without brackets; never empty.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 80 where the URL says none.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(DEFAULT_PORT)
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
        ] {
            let url = dial(text).expect(text);
            assert_eq!(
                (&*url.authority(), url.path.as_str()),
                (authority, path),
                "{text}"
            );
            let section = section(&url.at.host, url.at.port, Some(path));
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

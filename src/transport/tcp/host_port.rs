//! `HOST:PORT`.

use std::{fmt, net::Ipv6Addr};

use tower_multiserver_core::{Error, FromSection, Section};

/// A host and a port: the arguments of `net:HOST:PORT`.
///
/// ```
/// use tower_multiserver::{FromSection, Section, net::HostPort};
///
/// # fn main() -> Result<(), tower_multiserver::Error> {
/// let section: Section = "net:[::1]:8008".parse()?;
/// let to = HostPort::from_section(&section)?;
/// assert_eq!((to.host(), to.port()), ("::1", 8008));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A DNS name has at most 253 characters (RFC 1035, section 2.3.4), and a SOCKS request has room for 255.
const MAX_HOST: usize = 255;

impl HostPort {
    /// A name, or the text of an IP address; never empty, never in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 only makes sense for listening.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn parse(host: &str, port: &str) -> Result<Self, Error> {
        Ok(Self {
            host: parse_host(host)?,
            port: parse_port(port)?,
        })
    }
}

/// An empty host is this machine; an IPv6 address may stand in brackets.
fn parse_host(text: &str) -> Result<String, Error> {
    let inner = text
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = match inner {
        Some(host) if is_ipv6(host) => host,
        Some(_) => return Err(Error::unsupported("no IPv6 address in the brackets")),
        None => text,
    };
    if host.len() > MAX_HOST {
        return Err(Error::unsupported("the host has more than 255 bytes"));
    }
    if host.contains(|c: char| c.is_control()) {
        return Err(Error::unsupported("a control character in the host"));
    }
    Ok(match host {
        "" => "localhost".to_owned(),
        host => host.to_owned(),
    })
}

pub(crate) fn is_ipv6(host: &str) -> bool {
    let address = host.split_once('%').map_or(host, |(address, _)| address);
    address.parse::<Ipv6Addr>().is_ok()
}

/// A whole number from 0 to 65535. (`u16::from_str` alone would take a plus sign.)
pub(crate) fn parse_port(text: &str) -> Result<u16, Error> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|_| digits);
    port.ok_or_else(|| Error::unsupported("the port is no whole number from 0 to 65535"))
}

/// The port is what follows the last colon, since an IPv6 host has colons of its own.
impl FromSection for HostPort {
    fn from_section(section: &Section) -> Result<Self, Error> {
        match section.args().and_then(|args| args.rsplit_once(':')) {
            Some((host, port)) => Self::parse(host, port),
            None => Err(Error::unsupported(format!(
                "`{0}` needs a host and a port, `{0}:HOST:PORT`",
                section.name()
            ))),
        }
    }
}

/// Without brackets, as the JavaScript implementation writes and reads it.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(section: &str) -> Result<(String, u16), Error> {
        let section: Section = section.parse()?;
        HostPort::from_section(&section).map(|at| (at.host, at.port))
    }

    #[test]
    fn a_host_is_read_with_and_without_brackets_and_empty_is_this_machine() {
        for (section, host, port) in [
            ("net:host:8008", "host", 8008),
            ("net::8008", "localhost", 8008),
            ("net:::1:8008", "::1", 8008),
            ("net:[::1]:8008", "::1", 8008),
            ("net::::8008", "::", 8008),
            ("net:[fe80::1%eth0]:1", "fe80::1%eth0", 1),
            ("net:fe80::1%eth0:8008", "fe80::1%eth0", 8008),
            // A name that no resolver knows, as in JavaScript.
            ("net:1:2:3", "1:2", 3),
            ("net:[::1:1", "[::1", 1),
            ("net:host:0", "host", 0),
            ("net:host:65535", "host", 65535),
        ] {
            assert_eq!(parse(section).expect(section), (host.to_owned(), port));
        }
    }

    #[test]
    fn a_bad_port_or_host_is_refused_when_parsed() {
        let long = format!("net:{}:1", "x".repeat(256));
        let huge = format!("net:{}:1", "x".repeat(64 << 10));
        for section in [
            "net:host:",
            "net:host:-1",
            "net:host:+1",
            "net:host:1.5",
            "net:host:0x50",
            "net:host:99999",
            "net:host:65536",
            "net:host: 80",
            "net:host:80 ",
            "net:host:００８０",
            "net:host:1e3",
            "net:host",
            "net",
            "net:[host]:1",
            "net:a\0b:1",
            "net:a\r\nb:1",
            &long,
            &huge,
        ] {
            let error = parse(section).expect_err(section);
            assert!(error.is_unsupported(), "{section}");
        }
    }
}

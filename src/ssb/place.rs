//! `HOST:PORT`, as it stands before a key.

use std::{fmt, net::Ipv6Addr};

use tower_multiserver_core::{Section, grammar::SyntaxError};

use super::NotLegacy;

/// Where: what stands before the key.
pub(super) struct Place {
    /// `net`, `onion`, `ws` or `wss`.
    transport: &'static str,
    /// Without brackets.
    host: String,
    port: u16,
}

/// The port that an address need not say.
const DEFAULT_PORT: u16 = 8008;

/// A DNS name has at most 253 characters (RFC 1035, section 2.3.4); so many does a transport take.
const MAX_NAME: usize = 255;

impl Place {
    /// Reads what stands before the key, and so at the beginning of the whole text.
    pub(super) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("ws", rest)) => (Some("ws"), rest),
            Some(("wss", rest)) => (Some("wss"), rest),
            _ => (None, text),
        };
        let start = text.len().saturating_sub(rest.len());
        let expected = SyntaxError::new(start, "a host: a name or an IP address");
        // A name alone is not taken for a port, and nothing at all for this machine.
        let (host, port) = match split_port(rest) {
            Some(parts) => parts,
            None if rest.is_empty() => return Err(expected),
            None => (rest, ""),
        };
        let host = match (unbracketed(host).ok_or(expected)?, scheme) {
            ("", None) => "localhost",
            (host, _) if is_host(host, scheme.is_none()) => host,
            _ => return Err(expected),
        };
        let port = match (port, scheme) {
            ("", None) => DEFAULT_PORT,
            (port, _) => parse_port(port).ok_or_else(|| {
                let at = text.len().saturating_sub(port.len());
                SyntaxError::new(at, "a port: a whole number up to 65535")
            })?,
        };
        Ok(Self {
            transport: scheme.unwrap_or_else(|| transport(host)),
            host: host.to_owned(),
            port,
        })
    }

    /// Reads the section of a transport.
    pub(super) fn of(section: &Section) -> Result<Self, NotLegacy> {
        let args = section.args().unwrap_or_default();
        let (name, at, default) = match section.name() {
            "net" => ("net", args, None),
            "onion" => ("onion", args, None),
            "ws" => ("ws", authority(args)?, Some("80")),
            "wss" => ("wss", authority(args)?, Some("443")),
            _ => return Err(NotLegacy::Transport),
        };
        let (host, port) = match (split_port(at), default) {
            (Some((host, "")), Some(port)) => (host, port),
            (Some(parts), _) => parts,
            (None, Some(port)) => (at, port),
            (None, None) => return Err(NotLegacy::Host),
        };
        let host = match unbracketed(host).ok_or(NotLegacy::Host)? {
            "" if name == "net" => "localhost",
            host => host,
        };
        let is_url = default.is_some();
        // It must be read again as what it is.
        if !is_host(host, !is_url) || (!is_url && transport(host) != name) {
            return Err(NotLegacy::Host);
        }
        Ok(Self {
            transport: name,
            host: host.to_owned(),
            port: parse_port(port).ok_or(NotLegacy::Host)?,
        })
    }

    fn is_url(&self) -> bool {
        self.transport.starts_with("ws")
    }

    pub(super) fn section(&self) -> Section {
        let section = Section::new(self.transport);
        match self.is_url() {
            true => section.arg(format_args!("//{}:{}", self.bracketed(), self.port)),
            false => section.arg(&self.host).arg(self.port),
        }
    }

    /// In a URL an IPv6 address stands in brackets.
    fn bracketed(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_url() {
            true => write!(f, "{}://{}:{}", self.transport, self.bracketed(), self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// The transport that a host without a scheme means.
fn transport(host: &str) -> &'static str {
    let end = host.len().checked_sub(".onion".len());
    let end = end.and_then(|at| host.get(at..));
    match end.is_some_and(|end| end.eq_ignore_ascii_case(".onion")) {
        true => "onion",
        false => "net",
    }
}

/// What stands between `//` and the end of a URL without a path.
fn authority(args: &str) -> Result<&str, NotLegacy> {
    let rest = args.strip_prefix("//").ok_or(NotLegacy::Host)?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    match authority.contains(['/', '?', '#', '@']) {
        true => Err(NotLegacy::Path),
        false => Ok(authority),
    }
}

/// The port is what follows the last colon, unless that is within brackets.
fn split_port(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(':').filter(|_| !text.ends_with(']'))
}

/// Only an IPv6 address stands in brackets.
fn unbracketed(host: &str) -> Option<&str> {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match inner {
        Some(host) => host.contains(':').then_some(host),
        None => Some(host),
    }
}

/// A name, an IPv4 address, or an IPv6 address, which may have a zone.
fn is_host(host: &str, zone_allowed: bool) -> bool {
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    match host.split_once('%') {
        Some((ip, zone)) => zone_allowed && is_word(zone) && ip.parse::<Ipv6Addr>().is_ok(),
        None if host.contains(':') => host.parse::<Ipv6Addr>().is_ok(),
        None => is_word(host) && host.len() <= MAX_NAME,
    }
}

/// A whole number from 0 to 65535. (`u16::from_str` alone would take a plus sign.)
fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

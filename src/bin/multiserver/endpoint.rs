//! What the first section of an address says, without going there.

use std::net::{IpAddr, Ipv6Addr};

use http::uri::PathAndQuery;
use tower_multiserver::{Address, Error, Section, shs};

/// Where a transport goes.
///
/// A transport reads its section when it dials. This reads the same without dialing; that both agree is tested.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// An empty host is this machine.
    Net { host: String, port: u16 },
    /// An empty host is this machine, where listening.
    Ws {
        host: String,
        port: u16,
        path: String,
    },
    /// A path, or with `@` an abstract name.
    Unix { path: String },
}

/// Whether `address` can be dialed by one of the stacks of this program.
///
/// # Errors
///
/// Of kind [`Unsupported`](tower_multiserver::ErrorKind::Unsupported), with the reason.
pub(crate) fn check(address: &Address) -> Result<(), Error> {
    let endpoint = check_names(address)?;
    match address.sections().last().map(Section::name) {
        Some("shs") => drop(address.clone().take::<shs::Args>("shs")?),
        Some("noauth") => drop(address.clone().take::<()>("noauth")?),
        _ => {}
    }
    match endpoint {
        Endpoint::Ws { host, .. } if host.is_empty() => {
            Err(Error::unsupported("the URL has no host"))
        }
        _ => Ok(()),
    }
}

/// Whether there is a stack for `address`, and an endpoint that can be dialed or listened on.
///
/// # Errors
///
/// As [`check`].
pub(crate) fn check_names(address: &Address) -> Result<Endpoint, Error> {
    let (transport, transforms) = split(address);
    match transforms {
        [] => {}
        [one] if matches!(one.name(), "shs" | "noauth") => {}
        [_] => return Err(Error::unsupported("its transform is not known")),
        _ => return Err(Error::unsupported("it has more than one transform")),
    }
    Endpoint::read(transport)
}

/// The transport, and what is laid over it.
pub(crate) fn split(address: &Address) -> (&Section, &[Section]) {
    let sections = address.sections().split_first();
    sections.expect("an address is never empty")
}

impl Endpoint {
    pub(crate) fn read(section: &Section) -> Result<Self, Error> {
        let args = section.args().unwrap_or_default();
        match section.name() {
            "net" => net(args),
            "ws" => ws(args),
            "unix" if cfg!(unix) => unix(args),
            "channel" => Err("it connects the parts of one process"),
            _ => Err("its transport is not known"),
        }
        .map_err(Error::unsupported)
    }
}

const MAX_HOST: usize = 255;

fn net(args: &str) -> Result<Endpoint, &'static str> {
    let (host, port) = args.rsplit_once(':').ok_or("`net` needs HOST:PORT")?;
    let bare = in_brackets(host).unwrap_or(host);
    let without_zone = bare.split_once('%').map_or(bare, |(ip, _)| ip);
    if in_brackets(host).is_some() && without_zone.parse::<Ipv6Addr>().is_err() {
        return Err("there is no IPv6 address in the brackets");
    }
    if bare.len() > MAX_HOST || bare.contains(char::is_control) {
        return Err("the host is too long, or has a control character in it");
    }
    Ok(Endpoint::Net {
        host: bare.to_owned(),
        port: number(port)?,
    })
}

fn ws(args: &str) -> Result<Endpoint, &'static str> {
    let url = args
        .strip_prefix("//")
        .ok_or("`ws` needs a URL, ws://HOST[:PORT][/PATH]")?;
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a URL is of printable ASCII");
    }
    if url.contains('#') {
        return Err("the URL has a fragment");
    }
    let (authority, path) = url.split_at(url.find(['/', '?']).unwrap_or(url.len()));
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let is_host = match in_brackets(host) {
        Some(ip) => matches!(ip.parse(), Ok(IpAddr::V6(_))),
        None => host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    if !is_host || host.len() > MAX_HOST {
        return Err("the URL has no usable host");
    }
    let port = match port {
        "" | ":" => 80,
        port => number(port.strip_prefix(':').ok_or("the URL has no usable host")?)?,
    };
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    };
    if path.parse::<PathAndQuery>().is_err() {
        return Err("the URL has no usable path");
    }
    let host = in_brackets(host).unwrap_or(host).to_owned();
    Ok(Endpoint::Ws { host, port, path })
}

/// As unix(7) has it on Linux, and shorter on other systems.
const MAX_PATH: usize = match cfg!(any(target_os = "linux", target_os = "android")) {
    true => 107,
    false => 103,
};

fn unix(args: &str) -> Result<Endpoint, &'static str> {
    let name = args.strip_prefix('@');
    if args.contains('\0') || name.unwrap_or(args).len() > MAX_PATH {
        return Err("the path is too long, or has a NUL in it");
    }
    match name {
        Some("") => return Err("an abstract name is not empty"),
        Some(_) if MAX_PATH < 107 => return Err("there are abstract names on Linux only"),
        Some(_) => {}
        None if !args.starts_with('/') => return Err("`unix` needs an absolute path"),
        None if matches!(args.rsplit('/').next(), Some("" | "." | "..")) => {
            return Err("the path names no file");
        }
        None => {}
    }
    Ok(Endpoint::Unix {
        path: args.to_owned(),
    })
}

fn in_brackets(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

fn number(port: &str) -> Result<u16, &'static str> {
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|_| digits);
    port.ok_or("the port is no whole number from 0 to 65535")
}

//! For whom an address is meant, and where a peer is.

use std::{fmt, net::IpAddr, str::FromStr};

use crate::{Error, ErrorKind};

/// For whom an address is meant; as a fact of a connection, from where the peer can have come.
///
/// A transport records it from what it knows itself, such as the real socket addresses, never from what an address
/// says. A connection without this fact is [`Public`](Scope::Public).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// This machine: loopback, or a unix socket.
    Device,
    /// This network: private and link-local addresses (RFC 1918, RFC 3927, RFC 4193, RFC 4291).
    Local,
    /// Everybody.
    Public,
}

impl Scope {
    /// The scope of an IP address. An IPv4 address mapped into IPv6 counts as what it stands for.
    ///
    /// Shared address space (100.64.0.0/10, RFC 6598) counts as public, as in the JavaScript implementation.
    pub fn of_ip(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            ip if ip.is_loopback() => Self::Device,
            IpAddr::V4(ip) if ip.is_private() || ip.is_link_local() => Self::Local,
            IpAddr::V6(ip) if ip.is_unique_local() || ip.is_unicast_link_local() => Self::Local,
            _ => Self::Public,
        }
    }

    /// Its name in text: `device`, `local` or `public`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Local => "local",
            Self::Public => "public",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads `device`, `local` (or its older name `private`) and `public`.
impl FromStr for Scope {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        match s {
            "device" => Ok(Self::Device),
            "local" | "private" => Ok(Self::Local),
            "public" => Ok(Self::Public),
            _ => Err(Error::new(
                ErrorKind::InvalidAddress,
                "a scope is device, local or public",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_of_an_address_is_that_of_its_network() {
        for (ip, scope) in [
            ("127.0.0.1", Scope::Device),
            ("127.9.9.9", Scope::Device),
            ("::1", Scope::Device),
            ("::ffff:127.0.0.1", Scope::Device),
            ("10.1.2.3", Scope::Local),
            ("192.168.1.5", Scope::Local),
            ("172.18.0.1", Scope::Local),
            ("172.32.0.1", Scope::Public),
            ("169.254.3.4", Scope::Local),
            ("fd00::2", Scope::Local),
            ("fe80::1", Scope::Local),
            ("::ffff:192.168.1.5", Scope::Local),
            ("100.64.3.4", Scope::Public),
            ("203.0.113.9", Scope::Public),
            ("2001:db8::2", Scope::Public),
            ("0.0.0.0", Scope::Public),
        ] {
            let ip: IpAddr = ip.parse().expect("an IP address");
            assert_eq!(Scope::of_ip(ip), scope, "{ip}");
        }
    }

    #[test]
    fn a_scope_reads_what_it_prints() {
        for scope in [Scope::Device, Scope::Local, Scope::Public] {
            assert_eq!(scope.to_string().parse::<Scope>().ok(), Some(scope));
        }
        assert_eq!("private".parse::<Scope>().ok(), Some(Scope::Local));
        assert!("Device".parse::<Scope>().is_err());
    }
}

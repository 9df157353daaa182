//! `ip:port`, as an announcement tells it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use tower_multiserver_core::{Address, Error, ErrorKind, Section};

/// An IP address and a port, in the text in which somebody announced it.
///
/// The text is that of Go's [`netip.AddrPort`](https://pkg.go.dev/net/netip#ParseAddrPort): `203.0.113.9:6690` or
/// `[2001:db8::2]:6690`, without a zone, at most 53 bytes, never a name. A signature covers the text, so one that is not
/// in canonical form (`[2001:DB8::2]:06690`) is kept as it came, and is not equal to one that is.
///
/// ```
/// use tower_multiserver::ragep2p::ragedisco::Endpoint;
///
/// let endpoint: Endpoint = "[2001:db8::2]:6690".parse()?;
/// assert_eq!(endpoint.to_address().to_string(), "net:2001:db8::2:6690");
/// assert!("example.org:6690".parse::<Endpoint>().is_err());
/// # Ok::<(), tower_multiserver::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    text: Box<str>,
    socket: SocketAddr,
}

/// From 1 to 10 endpoints, the one to dial first in front: what an announcement holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints(Vec<Endpoint>);

/// The longest text of an address without a zone and of a port: `[0000:0000:0000:0000:0000:ffff:255.255.255.255]:65535`.
pub const MAX_ENDPOINT_LEN: usize = 53;

/// How many endpoints an announcement may hold.
pub const MAX_ENDPOINTS: usize = 10;

impl Endpoint {
    /// The endpoint of `ip` and `port`, in canonical text.
    pub fn new(ip: IpAddr, port: u16) -> Self {
        let socket = SocketAddr::new(ip, port);
        let text = socket.to_string().into();
        Self { text, socket }
    }

    /// Its text, as it was announced.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the text means.
    pub fn socket_addr(&self) -> SocketAddr {
        self.socket
    }

    /// The way to it over TCP, `net:IP:PORT`.
    pub fn to_address(&self) -> Address {
        let section = Section::new("net");
        Address::new(section.arg(self.socket.ip()).arg(self.socket.port()))
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let socket = parse(text).ok_or_else(|| {
            let reason = "an announced address is an IP address and a port, of 53 bytes at most";
            Error::new(ErrorKind::InvalidAddress, reason)
        })?;
        let text = text.into();
        Ok(Self { text, socket })
    }
}

/// Reads what `netip.ParseAddrPort` reads, but for zones.
fn parse(text: &str) -> Option<SocketAddr> {
    if text.len() > MAX_ENDPOINT_LEN {
        return None;
    }
    let (host, port) = text.rsplit_once(':')?;
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let ip = match bracketed {
        Some(host) => IpAddr::V6(host.parse::<Ipv6Addr>().ok()?),
        None => IpAddr::V4(host.parse::<Ipv4Addr>().ok()?),
    };
    // Go takes leading zeros; `u16::from_str` would take a plus sign too.
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|_| is_number)?;
    Some(SocketAddr::new(ip, port))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

impl Endpoints {
    /// The endpoints, the one to dial first in front.
    pub fn as_slice(&self) -> &[Endpoint] {
        &self.0
    }
}

impl TryFrom<Vec<Endpoint>> for Endpoints {
    type Error = Error;

    fn try_from(endpoints: Vec<Endpoint>) -> Result<Self, Error> {
        match endpoints.len() {
            1..=MAX_ENDPOINTS => Ok(Self(endpoints)),
            count => Err(Error::new(
                ErrorKind::InvalidAddress,
                format!("an announcement holds from 1 to {MAX_ENDPOINTS} addresses, not {count}"),
            )),
        }
    }
}

impl From<Endpoint> for Endpoints {
    fn from(endpoint: Endpoint) -> Self {
        Self(vec![endpoint])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONGEST: &str = "[0000:0000:0000:0000:0000:ffff:255.255.255.255]:65535";

    #[test]
    fn an_endpoint_is_an_ip_address_and_a_port_and_keeps_its_text() {
        for (text, means) in [
            ("127.0.0.1:7801", "127.0.0.1:7801"),
            ("0.0.0.0:0", "0.0.0.0:0"),
            ("10.1.2.3:00080", "10.1.2.3:80"),
            ("[::]:65535", "[::]:65535"),
            ("[2001:DB8:0::1]:1", "[2001:db8::1]:1"),
            ("[::ffff:10.1.2.3]:1", "[::ffff:10.1.2.3]:1"),
            (LONGEST, "[::ffff:255.255.255.255]:65535"),
        ] {
            let endpoint: Endpoint = text.parse().expect(text);
            assert_eq!(endpoint.as_str(), text);
            assert_eq!(endpoint.to_string(), text);
            assert_eq!(endpoint.socket_addr(), means.parse().expect("a socket"));
        }
    }

    #[test]
    fn names_zones_and_other_texts_are_refused() {
        for text in [
            "",
            ":",
            ":80",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "127.0.0.1:+1",
            "127.0.0.1:-1",
            "127.0.0.1: 1",
            " 127.0.0.1:1",
            "127.0.0.1:1\n",
            "127.0.0.01:1",
            "127.0.1:1",
            "[127.0.0.1]:1",
            "localhost:1",
            "example.org:1",
            "::1:1",
            "[::1]",
            "[::1:1",
            "[::1]1:1",
            "[fe80::1%1]:1",
            "[fe80::1%eth0]:1",
            "[[::1]]:1",
            "1::1",
        ] {
            let error = text.parse::<Endpoint>().expect_err(text);
            assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{text}");
        }
    }

    #[test]
    fn a_text_of_54_bytes_is_refused_whatever_it_means() {
        assert_eq!(LONGEST.len(), MAX_ENDPOINT_LEN);
        let longer = LONGEST.replace("]:", "]:0");
        assert_eq!(longer.len(), 54);
        assert!(longer.parse::<Endpoint>().is_err());
    }

    #[test]
    fn there_is_one_endpoint_at_least_and_ten_at_most() {
        let endpoints = |count| vec![Endpoint::new([10, 0, 0, 1].into(), 1); count];
        for count in [1, 10] {
            let list = Endpoints::try_from(endpoints(count)).expect("good");
            assert_eq!(list.as_slice().len(), count);
        }
        for count in [0, 11] {
            assert!(Endpoints::try_from(endpoints(count)).is_err(), "{count}");
        }
    }

    proptest! {
        #[test]
        fn the_canonical_text_of_any_ip_address_and_port_is_read_back(ip: IpAddr, port: u16) {
            let endpoint = Endpoint::new(ip, port);
            prop_assert!(endpoint.as_str().len() <= MAX_ENDPOINT_LEN);
            prop_assert_eq!(endpoint.as_str().parse::<Endpoint>().expect("read"), endpoint);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[\\[\\]0-9a-f:.%]{0,60}|.{0,60}") {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.as_str(), text);
            }
        }
    }
}

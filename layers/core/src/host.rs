//! Who shares a limit.

use std::net::{IpAddr, Ipv6Addr};

/// What counts as one host where a limit is shared out: an IPv4 address, or the /64 that an IPv6 host can choose its
/// addresses from (RFC 4291, section 2.5.4).
///
/// ```
/// use tower_multiserver_core::one_host;
///
/// # fn main() -> Result<(), std::net::AddrParseError> {
/// assert_eq!(one_host("2001:db8::1:2:3:4".parse()?), one_host("2001:db8::5".parse()?));
/// assert_ne!(one_host("192.0.2.1".parse()?), one_host("192.0.2.2".parse()?));
/// # Ok(())
/// # }
/// ```
pub fn one_host(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (!0 << 64)).into(),
        v4 => v4,
    }
}

//! Which hosts to tell whom of a listening socket.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use tower_multiserver_core::Scope;

/// The hosts by which peers of each scope reach a socket that was bound as `host` and got the address `bound`.
pub(crate) fn hosts(host: &str, bound: SocketAddr) -> io::Result<Vec<(Scope, String)>> {
    let interfaces = match bound.ip().is_unspecified() {
        true => if_addrs::get_if_addrs()?.iter().map(|i| i.ip()).collect(),
        false => Vec::new(),
    };
    Ok(reachable(host, bound.ip(), &interfaces))
}

/// A wildcard is expanded, since nobody can dial it. A name that was bound is kept, since it may outlive its address.
fn reachable(host: &str, bound: IpAddr, interfaces: &[IpAddr]) -> Vec<(Scope, String)> {
    if !bound.is_unspecified() {
        let literal = without_zone(host).parse::<IpAddr>().is_ok();
        return match is_told(bound) {
            true if literal => vec![(Scope::of_ip(bound), bound.to_string())],
            true => vec![(Scope::of_ip(bound), host.to_owned())],
            false => Vec::new(),
        };
    }
    let mut hosts = vec![(Scope::Device, "localhost".to_owned())];
    let reached = interfaces
        .iter()
        .filter(|ip| bound != Ipv4Addr::UNSPECIFIED || ip.is_ipv4())
        .filter(|ip| !ip.is_loopback() && is_told(**ip))
        .map(|ip| (Scope::of_ip(*ip), ip.to_string()));
    for host in reached {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// An IPv6 link-local address means nothing without the zone of the machine that dials it.
fn is_told(ip: IpAddr) -> bool {
    !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

fn without_zone(host: &str) -> &str {
    host.split_once('%').map_or(host, |(address, _)| address)
}

#[cfg(test)]
#[cfg(all(
    unix,
    feature = "unix",
    feature = "ws",
    feature = "shs",
    feature = "noauth"
))]
mod vectors;

#[cfg(test)]
mod tests {
    use super::*;

    const INTERFACES: [&str; 7] = [
        "127.0.0.1",
        "::1",
        "192.168.1.5",
        "203.0.113.9",
        "fe80::aa:bb",
        "fd00::2",
        "2001:db8::2",
    ];

    fn told(host: &str, bound: &str) -> Vec<String> {
        let interfaces = INTERFACES.map(|ip| ip.parse().expect("an IP address"));
        let bound = bound.parse().expect("an IP address");
        let hosts = reachable(host, bound, &interfaces).into_iter();
        hosts
            .map(|(scope, host)| format!("{scope} {host}"))
            .collect()
    }

    #[test]
    fn a_wildcard_is_told_as_the_interfaces_of_each_scope() {
        let v4 = [
            "device localhost",
            "local 192.168.1.5",
            "public 203.0.113.9",
        ];
        assert_eq!(told("0.0.0.0", "0.0.0.0"), v4);
        let both = [&v4[..], &["local fd00::2", "public 2001:db8::2"]].concat();
        assert_eq!(told("::", "::"), both);
    }

    #[test]
    fn what_was_bound_by_name_is_told_by_name() {
        assert_eq!(told("localhost", "127.0.0.1"), ["device localhost"]);
        assert_eq!(told("127.0.0.1", "127.0.0.1"), ["device 127.0.0.1"]);
        assert_eq!(told("box.lan", "192.168.1.5"), ["local box.lan"]);
        assert_eq!(told("203.0.113.9", "203.0.113.9"), ["public 203.0.113.9"]);
    }

    #[test]
    fn a_zone_never_appears() {
        assert_eq!(told("fe80::aa:bb%eth0", "fe80::aa:bb"), [""; 0]);
    }
}

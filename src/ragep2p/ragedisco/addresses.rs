//! What to announce: the wildcard addresses replaced by those of the interfaces.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
};

use tower_multiserver_core::{Error, ErrorKind, Scope};

use super::{Endpoint, Endpoints, MAX_ENDPOINTS};

impl Endpoints {
    /// What to announce if `configured` is what one is asked to announce: `0.0.0.0` stands for all IPv4 addresses of this
    /// machine, `[::]` for all that it has. Those of public networks come first, then those of private ones, then loopback;
    /// of more than ten the last are left out. IPv6 link-local addresses are, too: elsewhere they mean nothing.
    ///
    /// Asking for the addresses of this machine blocks for a moment.
    ///
    /// # Errors
    ///
    /// When no address is left, or the system does not tell those of its interfaces and there is no other.
    pub fn expand(configured: &[Endpoint]) -> Result<Self, Error> {
        let is_wildcard = |endpoint: &Endpoint| endpoint.socket_addr().ip().is_unspecified();
        let interfaces = match configured.iter().any(is_wildcard) {
            true => if_addrs::get_if_addrs(),
            false => Ok(Vec::new()),
        };
        let interfaces = interfaces.map(|all| all.iter().map(if_addrs::Interface::ip).collect());
        expand(configured, interfaces)
    }
}

fn expand(
    configured: &[Endpoint],
    interfaces: io::Result<Vec<IpAddr>>,
) -> Result<Endpoints, Error> {
    let mut endpoints = Vec::new();
    let mut add = |endpoint: Endpoint| {
        if !endpoints.contains(&endpoint) {
            endpoints.push(endpoint);
        }
    };
    for endpoint in configured {
        let socket = endpoint.socket_addr();
        match &interfaces {
            _ if !socket.ip().is_unspecified() => add(endpoint.clone()),
            Ok(interfaces) => behind(socket.ip(), interfaces)
                .into_iter()
                .for_each(|ip| add(Endpoint::new(ip, socket.port()))),
            Err(_) => {}
        }
    }
    match interfaces {
        Err(error) if endpoints.is_empty() => return Err(error.into()),
        Err(error) => tracing::warn!(%error, "cannot tell which addresses a wildcard stands for"),
        Ok(_) if endpoints.is_empty() => {
            let reason = "there is no address to announce";
            return Err(Error::new(ErrorKind::InvalidAddress, reason));
        }
        Ok(_) => {}
    }
    let left_out = endpoints.len().saturating_sub(MAX_ENDPOINTS);
    if left_out > 0 {
        tracing::warn!(left_out, "more addresses than an announcement holds");
        endpoints.truncate(MAX_ENDPOINTS);
    }
    Endpoints::try_from(endpoints)
}

/// The addresses that a wildcard stands for, the ones that most can reach in front.
fn behind(wildcard: IpAddr, interfaces: &[IpAddr]) -> Vec<IpAddr> {
    let is_told = |ip: &&IpAddr| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let interfaces = interfaces.iter().filter(is_told).copied();
    let mut all: Vec<_> = interfaces
        .filter(|ip| wildcard != Ipv4Addr::UNSPECIFIED || ip.is_ipv4())
        .collect();
    // The system tells them in any order.
    all.sort_by_key(|ip| {
        let nearness = match Scope::of_ip(*ip) {
            Scope::Public => 0,
            Scope::Local => 1,
            Scope::Device => 2,
        };
        (nearness, *ip)
    });
    all
}

#[cfg(test)]
mod tests {
    use super::{super::testing::endpoints, *};

    const INTERFACES: [&str; 8] = [
        "127.0.0.1",
        "::1",
        "192.168.1.5",
        "10.0.0.7",
        "203.0.113.9",
        "fe80::aa:bb",
        "fd00::2",
        "2001:db8::2",
    ];

    fn expanded(configured: &[&str]) -> Result<Vec<String>, Error> {
        let interfaces = INTERFACES.map(|ip| ip.parse().expect("an IP address"));
        expand(endpoints(configured).as_slice(), Ok(interfaces.into())).map(texts)
    }

    fn texts(endpoints: Endpoints) -> Vec<String> {
        let endpoints = endpoints.as_slice().iter();
        endpoints.map(ToString::to_string).collect()
    }

    #[test]
    fn a_wildcard_is_announced_as_what_it_stands_for_the_widest_known_first() {
        let v4 = [
            "203.0.113.9:7",
            "10.0.0.7:7",
            "192.168.1.5:7",
            "127.0.0.1:7",
        ];
        assert_eq!(expanded(&["0.0.0.0:7"]).expect("good"), v4);
        let all = [
            "203.0.113.9:7",
            "[2001:db8::2]:7",
            "10.0.0.7:7",
            "192.168.1.5:7",
            "[fd00::2]:7",
            "127.0.0.1:7",
            "[::1]:7",
        ];
        assert_eq!(expanded(&["[::]:7"]).expect("good"), all);
    }

    #[test]
    fn what_is_no_wildcard_is_announced_as_it_stands_and_nothing_twice() {
        let told = expanded(&["10.0.0.7:7", "[2001:DB8::9]:7", "0.0.0.0:7", "10.0.0.7:7"]);
        let expected = [
            "10.0.0.7:7",
            "[2001:DB8::9]:7",
            "203.0.113.9:7",
            "192.168.1.5:7",
            "127.0.0.1:7",
        ];
        assert_eq!(told.expect("good"), expected);
    }

    #[test]
    fn of_more_than_ten_the_last_are_left_out() {
        let told = expanded(&["[::]:7", "[::]:8"]).expect("good");
        assert_eq!(told.len(), 10);
        assert_eq!(told[9], "10.0.0.7:8");
    }

    #[test]
    fn without_the_interfaces_the_other_addresses_are_announced() {
        let unknown = || Err(io::Error::other("no"));
        let mixed = endpoints(&["0.0.0.0:7", "10.0.0.7:7"]);
        let told = expand(mixed.as_slice(), unknown()).expect("good");
        assert_eq!(texts(told), ["10.0.0.7:7"]);

        let wildcard = endpoints(&["0.0.0.0:7"]);
        let error = expand(wildcard.as_slice(), unknown()).expect_err("none left");
        assert_eq!(error.kind(), ErrorKind::Io);
    }

    #[test]
    fn nothing_to_announce_is_an_error() {
        let none = expand(&[], Ok(Vec::new())).expect_err("none");
        assert_eq!(none.kind(), ErrorKind::InvalidAddress);
        let wildcard = endpoints(&["0.0.0.0:7"]);
        let only_v6 = vec!["2001:db8::2".parse().expect("an IP address")];
        assert!(expand(wildcard.as_slice(), Ok(only_v6)).is_err());
    }

    #[test]
    fn this_machine_has_an_address_to_announce() {
        let wildcard = endpoints(&["0.0.0.0:7"]);
        let told = Endpoints::expand(wildcard.as_slice()).expect("an address");
        let mut told = told.as_slice().iter();
        assert!(told.all(|e| !e.socket_addr().ip().is_unspecified()));
    }
}

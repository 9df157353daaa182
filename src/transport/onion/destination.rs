//! `onion:HOST:PORT`, and what a name that ends in `.onion` must be.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use data_encoding::BASE32_NOPAD;
use sha3::{Digest as _, Sha3_256};
use tokio_socks::TargetAddr;
use tower_multiserver_core::{Error, ErrorKind, FromSection, Section};

use crate::transport::tcp::HostPort;

/// Where a proxy is to connect to: the arguments of `onion:HOST:PORT`.
///
/// A name that ends in `.onion` is checked as far as can be without asking anybody, and read without regard to case and
/// without dots at its end. Other hosts are left as they are.
///
/// ```
/// use tower_multiserver::{FromSection, Section, onion::Destination};
///
/// # fn main() -> Result<(), tower_multiserver::Error> {
/// let name = "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion";
/// let section: Section = format!("onion:{}.:8008", name.to_uppercase()).parse()?;
/// let to = Destination::from_section(&section)?;
/// assert_eq!(to.to_string(), format!("{name}:8008"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination(HostPort);

/// Why a host cannot be dialed by way of a proxy: the source of an [`Error`] of kind
/// [`InvalidAddress`](ErrorKind::InvalidAddress). Nothing was sent to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadDestination {
    /// A name of 16 characters: the second version of onion services, which Tor no longer has.
    Version2,
    /// A version of onion services other than 3.
    Version(u8),
    /// It ends in `.onion`, and before that stand no 56 characters of base32.
    NoOnionName,
    /// The checksum in the name is not that of its key: it was mistyped or cut.
    Checksum,
    /// A character that stands in no name of a host in ASCII.
    Character,
    /// Port 0, where nobody listens.
    Port,
}

impl Destination {
    /// A name, or the text of an IP address; never empty, never in brackets.
    pub fn host(&self) -> &str {
        self.0.host()
    }

    /// The port, never 0.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// What the proxy is told: a name as it is, which nobody resolves on the way.
    pub(super) fn target(&self) -> TargetAddr<'_> {
        match self.host().parse::<IpAddr>() {
            Ok(ip) => TargetAddr::Ip(SocketAddr::new(ip, self.port())),
            Err(_) => TargetAddr::Domain(self.host().into(), self.port()),
        }
    }

    pub(super) fn section(&self) -> Section {
        Section::new("onion").arg(self.host()).arg(self.port())
    }
}

impl TryFrom<HostPort> for Destination {
    type Error = Error;

    fn try_from(to: HostPort) -> Result<Self, Error> {
        check(to).map_err(|bad| Error::new(ErrorKind::InvalidAddress, bad))
    }
}

impl FromSection for Destination {
    fn from_section(section: &Section) -> Result<Self, Error> {
        HostPort::from_section(section)?.try_into()
    }
}

fn check(mut to: HostPort) -> Result<Destination, BadDestination> {
    if to.port == 0 {
        return Err(BadDestination::Port);
    }
    // The scope of an IPv6 address, behind `%`, has its meaning on this machine only.
    let allowed = |c: char| c.is_ascii_graphic() && c != '%';
    if !to.host.chars().all(allowed) {
        return Err(BadDestination::Character);
    }
    let lower = to.host.to_ascii_lowercase();
    // Tor takes the dot at the end for a part of the name, and looks for a while before it says so.
    // More of them are no name at all, which is not for an exit to look up.
    let lower = lower.trim_end_matches('.');
    if let Some(name) = lower.strip_suffix(".onion") {
        // What stands before the last dot is for the server there.
        check_onion(name.rsplit('.').next().unwrap_or(name))?;
        to.host = lower.to_owned();
    }
    Ok(Destination(to))
}

/// The name of a version 3 onion service: base32 of its key, two bytes of checksum and the version
/// (rend-spec-v3, section 6).
fn check_onion(name: &str) -> Result<(), BadDestination> {
    let decoded = BASE32_NOPAD.decode(name.to_ascii_uppercase().as_bytes());
    let decoded = decoded.map_err(|_| BadDestination::NoOnionName)?;
    if decoded.len() == 10 {
        return Err(BadDestination::Version2);
    }
    let decoded: [u8; 35] = decoded
        .try_into()
        .map_err(|_| BadDestination::NoOnionName)?;
    let ([key @ .., _, _, _], [.., first, second, version]) = (&decoded, &decoded);
    if *version != 3 {
        return Err(BadDestination::Version(*version));
    }
    let checksum = Sha3_256::new()
        .chain_update(b".onion checksum")
        .chain_update(key)
        .chain_update([*version])
        .finalize();
    match checksum.starts_with(&[*first, *second]) {
        true => Ok(()),
        false => Err(BadDestination::Checksum),
    }
}

/// Without brackets, as in an address.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for BadDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version2 => f.write_str(
                "an onion name of version 2, which Tor no longer has; one of version 3 has 56 characters",
            ),
            Self::Version(version) => write!(f, "an onion name of version {version}, not 3"),
            Self::NoOnionName => {
                f.write_str("an onion name has 56 characters of base32 before `.onion`")
            }
            Self::Checksum => f.write_str("the checksum in the onion name is wrong"),
            Self::Character => f.write_str("a character in the host that no name in ASCII has"),
            Self::Port => f.write_str("port 0 cannot be dialed"),
        }
    }
}

impl std::error::Error for BadDestination {}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    /// Names of services that are known everywhere: published by their owners.
    const KNOWN: [&str; 3] = [
        "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad",
        "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid",
        "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd",
    ];

    fn parse(host_port: &str) -> Result<Destination, Error> {
        let section: Section = format!("onion:{host_port}").parse()?;
        Destination::from_section(&section)
    }

    fn bad(host_port: &str) -> BadDestination {
        let error = parse(host_port).expect_err(host_port);
        assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{host_port}");
        let source = error.source().expect("a source");
        *source.downcast_ref().expect("one of ours")
    }

    #[test]
    fn names_of_version_3_are_read_in_any_case_and_with_what_stands_before_them() {
        for name in KNOWN {
            for (written, read) in [
                (format!("{name}.onion"), format!("{name}.onion")),
                (format!("{name}.onion."), format!("{name}.onion")),
                (
                    format!("{}.ONION", name.to_uppercase()),
                    format!("{name}.onion"),
                ),
                (format!("www.{name}.onion"), format!("www.{name}.onion")),
            ] {
                let to = parse(&format!("{written}:8008")).expect(&written);
                assert_eq!((to.host(), to.port()), (&*read, 8008));
                assert_eq!(to.target(), TargetAddr::Domain(read.into(), 8008));
            }
        }
    }

    #[test]
    fn every_mistyped_character_of_a_name_is_noticed() {
        let name = KNOWN[0];
        for at in 0..name.len() {
            let other = match &name[at..=at] {
                "a" => "b",
                _ => "a",
            };
            let typed = format!("{}{other}{}.onion:1", &name[..at], &name[at + 1..]);
            let bad = bad(&typed);
            let noticed = [BadDestination::Checksum, BadDestination::Version(0)];
            assert!(
                noticed.contains(&bad) || matches!(bad, BadDestination::Version(_)),
                "{typed}: {bad}"
            );
        }
    }

    #[test]
    fn what_ends_in_onion_and_is_no_name_of_version_3_is_refused_with_the_reason() {
        let name = KNOWN[0];
        assert_eq!(bad("3234j5sv346bpih2.onion:2349"), BadDestination::Version2);
        for no_name in [
            ".onion",
            "x.onion",
            "x.onion..",
            &format!("{}.onion", &name[..55]),
            &format!("{name}a.onion"),
            &format!("{name}aaaaaaaa.onion"),
            &format!("{}1.onion", &name[..55]),
            &format!("{name}..onion"),
            &format!("{name}=.onion"),
        ] {
            assert_eq!(
                bad(&format!("{no_name}:1")),
                BadDestination::NoOnionName,
                "{no_name}"
            );
        }
        // Keys of 32 zero bytes, with the right checksum of version 4 and of version 3.
        for (version, bad_one) in [(4, Some(BadDestination::Version(4))), (3, None)] {
            let mut bytes = [0; 35];
            let checksum = Sha3_256::new()
                .chain_update(b".onion checksum")
                .chain_update([0; 32])
                .chain_update([version])
                .finalize();
            bytes[32..34].copy_from_slice(&checksum[..2]);
            bytes[34] = version;
            let name = BASE32_NOPAD.encode(&bytes);
            assert_eq!(check_onion(&name).err(), bad_one);
        }
    }

    #[test]
    fn other_hosts_are_for_the_proxy_to_know() {
        for host in ["example.com", "Example.com.", "localhost", "onion", "1.2.3"] {
            let to = parse(&format!("{host}:80")).expect(host);
            assert_eq!(to.target(), TargetAddr::Domain(host.into(), 80));
        }
        for (host, ip) in [
            ("192.0.2.1", "192.0.2.1:80"),
            ("[::1]", "[::1]:80"),
            ("::1", "[::1]:80"),
        ] {
            let to = parse(&format!("{host}:80")).expect(host);
            assert_eq!(to.target(), TargetAddr::Ip(ip.parse().expect("an IP")));
        }
    }

    #[test]
    fn a_host_or_port_that_no_proxy_could_use_is_refused() {
        assert_eq!(bad("example.com:0"), BadDestination::Port);
        for host in ["fe80::1%eth0", "[fe80::1%eth0]", "a b", "bücher.example"] {
            assert_eq!(
                bad(&format!("{host}:1")),
                BadDestination::Character,
                "{host}"
            );
        }
        for not_understood in [
            "a\r\nb:1",
            "host",
            "host:99999",
            &format!("{}.onion:1", "x".repeat(256)),
        ] {
            let error = parse(not_understood).expect_err(not_understood);
            assert!(error.is_unsupported(), "{not_understood:?}");
        }
    }
}

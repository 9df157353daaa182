//! `address explain`.

use tower_multiserver::{
    Address, Error, FromSection as _, KeyArgs, PeerId, Section,
    net::HostPort,
    onion::Destination,
    unix,
    ws::{ListenUrl, Url},
};

use crate::{
    address::{line, shown},
    dial,
    failure::{Failure, root},
    input, print,
    report::harmless,
};

/// Says in words what the addresses mean.
pub(crate) fn run(argument: &str) -> Result<(), Failure> {
    let addresses = input::addresses(argument)?;
    let mut report = String::new();
    for (index, address) in addresses.iter().enumerate() {
        if index > 0 {
            report.push_str("or, for who does not understand that,\n");
        }
        report.push_str(&shown(address));
        report.push('\n');
        let (transport, transforms) = split(address);
        part(&mut report, transport, &explain_transport(transport));
        for transform in transforms {
            part(&mut report, transform, &explain_transform(transform));
        }
    }
    print(&report)
}

/// The transport, and what is laid over it.
fn split(address: &Address) -> (&Section, &[Section]) {
    let sections = address.sections().split_first();
    sections.expect("an address is never empty")
}

fn explain_transport(section: &Section) -> String {
    let words = match section.name() {
        "net" => HostPort::from_section(section).map(|to| {
            let (port, host) = (to.port(), here(to.host()));
            format!("TCP, port {port} of {host}")
        }),
        "ws" => url("WebSocket, not encrypted by itself", section),
        "wss" => url("WebSocket over TLS", section),
        "unix" => unix::Endpoint::from_section(section).map(|endpoint| match endpoint {
            unix::Endpoint::Path(path) => {
                format!(
                    "unix domain socket of this machine, file {}",
                    path.display()
                )
            }
            unix::Endpoint::Abstract(name) => {
                format!("unix domain socket of this machine, abstract name {name}")
            }
        }),
        "onion" => Destination::from_section(section).map(|to| {
            let (port, host) = (to.port(), to.host());
            format!("by way of Tor or another SOCKS proxy, port {port} of {host}")
        }),
        "bt" => bluetooth(section),
        "hyperdht" | "hyperswarm" | "dht" => hyperswarm(section),
        "lookup" => dial::domain(section)
            .map(|domain| format!("the addresses in the DNS records (TXT) of {domain}")),
        "channel" if section.args().is_none() => {
            Ok("messages to and from a program, which --pipe names".to_owned())
        }
        "channel" => Err(Error::unsupported("it connects the parts of one process")),
        _ => Err(Error::unsupported("its transport is not known")),
    };
    words.unwrap_or_else(|error| not_understood(&error))
}

/// What can be dialed, or else listened at.
fn url(what: &str, section: &Section) -> Result<String, Error> {
    let (host, port, path) = match Url::from_section(section) {
        Ok(url) => (url.host().to_owned(), url.port(), url.path().to_owned()),
        Err(error) => match ListenUrl::from_section(section) {
            Ok(url) => {
                let path = url.path().unwrap_or("/").to_owned();
                (url.host().to_owned(), url.port(), path)
            }
            Err(_) => return Err(error),
        },
    };
    let host = here(&host);
    Ok(format!("{what}, port {port} of {host}, path {path}"))
}

#[cfg(target_os = "linux")]
fn bluetooth(section: &Section) -> Result<String, Error> {
    use tower_multiserver::bluetooth::DeviceAddress;

    Ok(match DeviceAddress::from_section(section)? {
        DeviceAddress::ANY => "Bluetooth, by any adapter of this machine".to_owned(),
        device => format!("Bluetooth, device {device}"),
    })
}

#[cfg(not(target_os = "linux"))]
fn bluetooth(_: &Section) -> Result<String, Error> {
    Err(Error::unsupported("there is Bluetooth on Linux only"))
}

#[cfg(feature = "hyperswarm")]
fn hyperswarm(section: &Section) -> Result<String, Error> {
    if section.args().is_none() && section.name() == "hyperdht" {
        return Ok("Hyperswarm, under our own key; encrypted".to_owned());
    }
    tower_multiserver::config::check_dial(&Address::new(section.clone()))?;
    Ok(match section.name() {
        "hyperdht" => "Hyperswarm, the peer must prove to hold this key; encrypted",
        _ => "whoever announces this topic in Hyperswarm and is found first; encrypted",
    }
    .to_owned())
}

#[cfg(not(feature = "hyperswarm"))]
fn hyperswarm(_: &Section) -> Result<String, Error> {
    Err(Error::unsupported("this build is without Hyperswarm"))
}

/// An empty host is read as this one.
fn here(host: &str) -> &str {
    match host {
        "localhost" => "this machine",
        host => host,
    }
}

fn explain_transform(section: &Section) -> String {
    let name = section.name();
    match (name, section.args()) {
        ("shs", _) => keyed("Secret Handshake", section),
        ("noise", _) => keyed("the Noise protocol", section),
        ("knock", None) => "the knock of ragep2p, of a peer that does not say its id".to_owned(),
        ("knock", Some(_)) => peer("the knock of ragep2p, at the door of", section),
        ("mtls", None) => {
            "mutual TLS 1.3, of a peer that does not say its id; encrypted".to_owned()
        }
        ("mtls", Some(_)) => peer(
            "mutual TLS 1.3, encrypted; the peer must prove to be",
            section,
        ),
        ("noauth", None) => {
            "nothing is proven or encrypted; on this machine only, where it counts as our own key"
                .to_owned()
        }
        ("gzip" | "zstd" | "deflate", None) => format!("compressed with {name}"),
        ("br", None) => "compressed with Brotli".to_owned(),
        ("noauth" | "gzip" | "zstd" | "deflate" | "br", Some(_)) => {
            "not understood: it takes no arguments".to_owned()
        }
        _ => "not understood: the transform is not known".to_owned(),
    }
}

/// What proves a key.
fn keyed(what: &str, section: &Section) -> String {
    if section.args().is_none() {
        return format!("{what}, of a server that does not say its key; encrypted");
    }
    match KeyArgs::from_section(section) {
        Ok(KeyArgs { key, seed }) => {
            let as_whom = match seed {
                Some(_) => "; we are the key of the seed in it, which is a secret",
                None => "",
            };
            let id = key.public_key().to_ssb_id();
            format!("{what}, the peer must prove to be {id}; encrypted{as_whom}")
        }
        Err(error) => not_understood(&error),
    }
}

/// What names a peer by its id.
fn peer(what: &str, section: &Section) -> String {
    match PeerId::from_section(section) {
        Ok(id) => format!("{what} {id}"),
        Err(error) => not_understood(&error),
    }
}

fn not_understood(error: &Error) -> String {
    format!("not understood: {}", root(error))
}

fn part(report: &mut String, section: &Section, words: &str) {
    let name = harmless(section.redacted().name());
    line(report, &format!("  {name}"), words);
}

//! `address check` and `address explain`.

use std::fmt::Write as _;

use tower_multiserver::{
    Address, Error, FromSection as _, MultiAddress, Section,
    config::check_dial,
    grammar,
    net::HostPort,
    shs, unix,
    ws::{ListenUrl, Url},
};

use crate::{
    failure::{Failure, root},
    input, print,
    report::harmless,
};

/// Says for each address whether it could be dialed. Fails when none could.
pub(crate) fn check(argument: &str) -> Result<(), Failure> {
    let text = input::text(argument)?;
    let strict = grammar::check(&text);
    let addresses = MultiAddress::try_from(text)?;

    let mut report = String::new();
    let mut understood = false;
    for address in &addresses {
        let verdict = match check_dial(address) {
            Ok(()) => {
                understood = true;
                "understood".to_owned()
            }
            Err(error) => format!("not understood: {}", root(&error)),
        };
        line(&mut report, &shown(address), &verdict);
    }
    let strict = match strict {
        Ok(()) => "holds".to_owned(),
        Err(error) => format!("does not hold: {error}"),
    };
    line(&mut report, "strict grammar", &strict);
    print(&report)?;
    match understood {
        true => Ok(()),
        false => Err(Failure::usage("none of the addresses is understood")),
    }
}

/// Says in words what the addresses mean.
pub(crate) fn explain(argument: &str) -> Result<(), Failure> {
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
        "ws" => explain_url(section),
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
        "channel" => Err(Error::unsupported("it connects the parts of one process")),
        _ => Err(Error::unsupported("its transport is not known")),
    };
    words.unwrap_or_else(|error| not_understood(&error))
}

/// What can be dialed, or else listened at.
fn explain_url(section: &Section) -> Result<String, Error> {
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
    Ok(format!(
        "WebSocket, not encrypted by itself, port {port} of {host}, path {path}"
    ))
}

/// An empty host is read as this one.
fn here(host: &str) -> &str {
    match host {
        "localhost" => "this machine",
        host => host,
    }
}

fn explain_transform(section: &Section) -> String {
    match (section.name(), section.args()) {
        ("shs", None) => {
            "Secret Handshake, of a server that does not say its key; encrypted".to_owned()
        }
        ("shs", Some(_)) => match shs::Args::from_section(section) {
            Ok(shs::Args { key, seed }) => {
                let as_whom = match seed {
                    Some(_) => "; we are the key of the seed in it, which is a secret",
                    None => "",
                };
                let id = key.to_ssb_id();
                format!("Secret Handshake, the peer must prove to be {id}; encrypted{as_whom}")
            }
            Err(error) => not_understood(&error),
        },
        ("noauth", None) => {
            "nothing is proven or encrypted; on this machine only, where it counts as our own key"
                .to_owned()
        }
        ("noauth", Some(_)) => "not understood: it takes no arguments".to_owned(),
        _ => "not understood: the transform is not known".to_owned(),
    }
}

fn not_understood(error: &Error) -> String {
    format!("not understood: {}", root(error))
}

/// Without secrets.
fn shown(address: &Address) -> String {
    harmless(&address.redacted().to_string())
}

fn part(report: &mut String, section: &Section, words: &str) {
    let name = harmless(section.redacted().name());
    line(report, &format!("  {name}"), words);
}

fn line(report: &mut String, subject: &str, words: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(report, "{subject}: {}", harmless(words));
}

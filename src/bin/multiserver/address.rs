//! `address check` and `address explain`.

use std::fmt::Write as _;

use tower_multiserver::{Address, Error, FromSection as _, MultiAddress, Section, grammar, shs};

use crate::{
    endpoint::{self, Endpoint},
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
        let verdict = match endpoint::check(address) {
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
        let (transport, transforms) = endpoint::split(address);
        part(&mut report, transport, &explain_transport(transport));
        for transform in transforms {
            part(&mut report, transform, &explain_transform(transform));
        }
    }
    print(&report)
}

fn explain_transport(section: &Section) -> String {
    let here = |host: String| match host.is_empty() {
        true => "this machine".to_owned(),
        false => host,
    };
    match Endpoint::read(section) {
        Ok(Endpoint::Net { host, port }) => format!("TCP, port {port} of {}", here(host)),
        Ok(Endpoint::Ws { host, port, path }) => {
            format!(
                "WebSocket, not encrypted by itself, port {port} of {}, path {path}",
                here(host)
            )
        }
        Ok(Endpoint::Unix { path }) => match path.strip_prefix('@') {
            Some(name) => format!("unix domain socket of this machine, abstract name {name}"),
            None => format!("unix domain socket of this machine, file {path}"),
        },
        Err(error) => not_understood(&error),
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

//! What an address says, without going there: the transports' own reading of it.

use tower_multiserver::{
    Address, Error, FromSection as _, Section,
    net::HostPort,
    shs, unix,
    ws::{ListenUrl, Url},
};

/// Whether `address` can be dialed by one of the stacks of this program.
///
/// # Errors
///
/// Of kind [`Unsupported`](tower_multiserver::ErrorKind::Unsupported), with the reason.
pub(crate) fn check_dial(address: &Address) -> Result<(), Error> {
    let (transport, transforms) = split(address);
    match transport.name() {
        "ws" => drop(Url::from_section(transport)?),
        _ => check_transport(transport)?,
    }
    match transforms {
        [] => Ok(()),
        [shs] if shs.name() == "shs" => shs::Args::from_section(shs).map(drop),
        [noauth] if noauth.name() == "noauth" => <()>::from_section(noauth),
        _ => Err(no_stack(transforms)),
    }
}

/// Whether one of the stacks of this program can listen at `address`.
///
/// # Errors
///
/// As [`check_dial`].
pub(crate) fn check_listen(address: &Address) -> Result<(), Error> {
    let (transport, transforms) = split(address);
    match transport.name() {
        "ws" => drop(ListenUrl::from_section(transport)?),
        _ => check_transport(transport)?,
    }
    match transforms {
        [] => Ok(()),
        // With the key of somebody else the stack itself says so.
        [one] if matches!(one.name(), "shs" | "noauth") => Ok(()),
        _ => Err(no_stack(transforms)),
    }
}

/// The transport, and what is laid over it.
pub(crate) fn split(address: &Address) -> (&Section, &[Section]) {
    let sections = address.sections().split_first();
    sections.expect("an address is never empty")
}

fn check_transport(transport: &Section) -> Result<(), Error> {
    match transport.name() {
        "net" => HostPort::from_section(transport).map(drop),
        "unix" => unix::Endpoint::from_section(transport).map(drop),
        "channel" => Err(Error::unsupported("it connects the parts of one process")),
        _ => Err(Error::unsupported("its transport is not known")),
    }
}

fn no_stack(transforms: &[Section]) -> Error {
    Error::unsupported(match transforms {
        [_] => "its transform is not known",
        _ => "it has more than one transform",
    })
}

//! Whom the arguments name.

use tower_multiserver::{
    Address, FromSection as _, MultiAddress, PeerId, Section, config::check_dial, ssb,
};

use crate::{failure::Failure, input};

/// The layers over each transport.
const LAYERS: [&str; 2] = ["knock", "mtls"];

/// What a host reaches peers by.
const TRANSPORTS: [&str; 5] = ["net", "ws", "wss", "unix", "onion"];

const NONE: &str = "a peer is PEERID, PEERID=ADDRESS or an address with `~knock:PEERID~mtls:PEERID`; \
     a PEERID is `12D3KooW` and 44 characters of base58";

/// A peer, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) id: PeerId,
    /// Each is a transport's alone.
    pub(super) addresses: Option<MultiAddress>,
}

/// The peer that an argument names, in whichever form.
pub(super) fn named(argument: &str) -> Result<Named, Failure> {
    parse(&input::text(argument)?)
}

fn parse(text: &str) -> Result<Named, Failure> {
    let (id, addresses) = match text.split_once('=') {
        Some((id, addresses)) => (id, Some(addresses)),
        None => (text, None),
    };
    let Some(id) = usable(id) else {
        return of_address(text);
    };
    let addresses = addresses.map(ssb::parse).transpose()?;
    for address in addresses.iter().flat_map(|addresses| addresses.iter()) {
        check(address)?;
    }
    Ok(Named { id, addresses })
}

/// `net:HOST:PORT~knock:PEERID~mtls:PEERID`, as a host tells where it is reached.
fn of_address(text: &str) -> Result<Named, Failure> {
    let none = || Failure::usage(NONE);
    let mut peer: Option<Named> = None;
    for address in ssb::parse(text).map_err(|_| none())?.iter() {
        let (transport, layers) = address.sections().split_first().ok_or_else(none)?;
        let id = id_of(layers).ok_or_else(none)?;
        let address = Address::new(transport.clone());
        check(&address)?;
        match &mut peer {
            None => {
                let addresses = Some(address.into());
                peer = Some(Named { id, addresses });
            }
            Some(peer) if peer.id == id => {
                peer.addresses
                    .iter_mut()
                    .for_each(|all| all.extend([address.clone()]));
            }
            Some(_) => return Err(Failure::usage("the addresses are of several peers")),
        }
    }
    peer.ok_or_else(none)
}

/// The id of a key that somebody can hold.
fn usable(id: &str) -> Option<PeerId> {
    PeerId::from_section(&Section::new(LAYERS[0]).arg(id)).ok()
}

/// Of whom both layers speak.
fn id_of(layers: &[Section]) -> Option<PeerId> {
    let mut ids = layers.iter().map(|section| usable(section.args()?));
    let id = ids.next()??;
    let names = layers.iter().map(Section::name);
    (names.eq(LAYERS) && ids.all(|other| other == Some(id))).then_some(id)
}

/// Whether a host could dial it.
fn check(address: &Address) -> Result<(), Failure> {
    only_transport(address)?;
    Ok(check_dial(address)?)
}

/// Whether it is one of the transports, with nothing over it.
pub(super) fn only_transport(address: &Address) -> Result<(), Failure> {
    let (transport, layers) = (address.transport(), address.transforms());
    if !TRANSPORTS.contains(&transport.name()) {
        let names = TRANSPORTS.join(", ");
        return Err(Failure::usage(format!(
            "a ragep2p host has no such transport, but {names}"
        )));
    }
    if !layers.is_empty() {
        let reason = "the address of a ragep2p host is a transport alone, such as `net:10.0.0.7:6690`; \
                      `~knock~mtls` goes without saying";
        return Err(Failure::usage(reason));
    }
    Ok(())
}

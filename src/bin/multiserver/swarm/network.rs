//! By what the peers of a swarm are found.

use std::future::ready;

#[cfg(feature = "hyperswarm")]
use tower_multiserver::peer_socket::HyperNetwork;
use tower_multiserver::{
    Address, FromSection as _, KeyArgs, MultiAddress, MultiServer, Scope, Section,
    config::{Allow, Config, check_dial, check_listen, proves_keys},
    peer_socket::{AddressNetwork, PeerInfo, PeerSockets, PeerSocketsBuilder},
};

use crate::{cli, failure::Failure, input, listen, settings};

/// What the arguments and the file say.
pub(super) fn config(args: &cli::SwarmJoin) -> Result<Config, Failure> {
    let mut config = settings::load(&args.setup)?;
    settings::certify(&mut config, &args.certificate);
    if !args.listen.is_empty() {
        config.listen.clear();
    }
    for argument in &args.listen {
        config.listen.extend(input::addresses(argument)?);
    }
    let has_file = args.setup.config.is_some();
    listen::allow(&mut config, &args.allow, has_file)?;
    // A peer is known by the key that it proves.
    config.plain = Some(false);
    Ok(config)
}

/// Somebody who can join swarms, and the addresses that it has.
pub(super) struct Found {
    pub(super) peers: PeerSockets,
    addresses: Option<AddressNetwork>,
}

/// By the addresses of peers where there are some, else by the name of the swarm.
pub(super) fn find(args: &cli::SwarmJoin, config: &Config) -> Result<Found, Failure> {
    let (identity, _) = settings::identity(config)?;
    // Whatever is wrong with the configuration shows here: the key makes no difference.
    settings::server(config, &identity)?;
    let (builder, addresses) = match config.listen.is_empty() && args.peers.is_empty() {
        true if config.allow.is_none() => {
            return Err(Failure::usage(
                "`allow` of the configuration must say who may come: a list of keys, or \"all\"",
            ));
        }
        true => (by_name(config)?, None),
        false => {
            let network = by_address(args, config)?;
            (PeerSockets::builder(network.clone()), Some(network))
        }
    };
    let builder = match config.allow.clone() {
        Some(Allow::Keys(keys)) => {
            builder.authorize(move |peer: PeerInfo| ready(keys.contains(&peer.id)))
        }
        _ => builder,
    };
    let peers = builder.secret(identity.seed()).build()?;
    Ok(Found { peers, addresses })
}

impl Found {
    /// Where we are reached.
    pub(super) fn addresses(&self) -> Vec<(Scope, Address)> {
        let network = self.addresses.as_ref();
        network.map_or_else(Vec::new, |network| {
            network.addresses(&self.peers.public_key())
        })
    }
}

#[cfg(feature = "hyperswarm")]
fn by_name(config: &Config) -> Result<PeerSocketsBuilder, Failure> {
    let dht = config.bootstrap.clone();
    let network = HyperNetwork::with(move |node| match dht.is_empty() {
        true => node,
        false => node.bootstrap(&dht),
    });
    Ok(PeerSockets::builder(network))
}

#[cfg(not(feature = "hyperswarm"))]
fn by_name(_: &Config) -> Result<PeerSocketsBuilder, Failure> {
    Err(Failure::usage(
        "nobody could be found: say where to listen (--listen) or whom to dial (--peer); only a build with the \
         feature `hyperswarm` finds others by the name of the swarm alone",
    ))
}

fn by_address(args: &cli::SwarmJoin, config: &Config) -> Result<AddressNetwork, Failure> {
    let of_config = config.clone();
    let mut network = AddressNetwork::new(move |identity| {
        let server = of_config.multi_server_as(&identity);
        // A file may have gone meanwhile; then nothing is understood, which is told.
        server.unwrap_or_else(|_| MultiServer::new())
    });
    if let Some(addresses) = config.addresses() {
        for address in &addresses {
            check_listen(address)?;
            check_proof(address)?;
        }
        network = network.listen(addresses)?;
    }
    for argument in &args.peers {
        let addresses: MultiAddress = input::addresses(argument)?;
        for address in &addresses {
            check_dial(address)?;
            check_proof(address)?;
        }
        network.add_peer(addresses)?;
    }
    Ok(network)
}

/// Whether both ends prove their keys, and ours is our own.
fn check_proof(address: &Address) -> Result<(), Failure> {
    let proves = |section: &Section| proves_keys(section) || section.name() == "hyperdht";
    if !address.sections().iter().any(proves) {
        return Err(Failure::usage(
            "in the addresses of a swarm peers prove their keys, as in `net:HOST:PORT~shs:KEY`",
        ));
    }
    let has_seed =
        |section: &Section| KeyArgs::from_section(section).is_ok_and(|args| args.seed.is_some());
    match address.sections().iter().any(has_seed) {
        true => Err(Failure::usage(
            "an address with a seed makes us somebody else; a peer in a swarm has one key",
        )),
        false => Ok(()),
    }
}

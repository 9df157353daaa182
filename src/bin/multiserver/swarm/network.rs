//! By what the peers of a swarm are found.

use tower_multiserver::{
    Address, FromSection as _, Identity, KeyArgs, MultiAddress, MultiServer, PublicKey, Scope,
    Section,
    config::{Allow, Config, check_dial, check_listen, proves_keys},
    peer_socket::{AddressNetwork, PeerInfo, PeerSockets},
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

/// The network of a swarm.
pub(super) enum Found {
    ByAddress(AddressNetwork),
}

/// By the addresses of peers, where there are some.
pub(super) fn of(
    args: &cli::SwarmJoin,
    config: &Config,
    identity: &Identity,
) -> Result<Found, Failure> {
    if config.listen.is_empty() && args.peers.is_empty() {
        return Err(Failure::usage(
            "nobody could be found: say where to listen (--listen) or whom to dial (--peer)",
        ));
    }
    by_address(args, config, identity).map(Found::ByAddress)
}

impl Found {
    /// Who we are there.
    pub(super) fn peers(
        &self,
        config: &Config,
        identity: &Identity,
    ) -> Result<PeerSockets, Failure> {
        let builder = match self {
            Self::ByAddress(network) => PeerSockets::builder(network.clone()),
        };
        let builder = builder.secret(identity.seed());
        let builder = match config.allow.clone() {
            Some(Allow::Keys(keys)) => {
                builder.authorize(move |peer: PeerInfo| std::future::ready(keys.contains(&peer.id)))
            }
            _ => builder,
        };
        Ok(builder.build()?)
    }

    /// Where we are reached.
    pub(super) fn addresses(&self, own: &PublicKey) -> Vec<(Scope, Address)> {
        match self {
            Self::ByAddress(network) => network.addresses(own),
        }
    }
}

fn by_address(
    args: &cli::SwarmJoin,
    config: &Config,
    identity: &Identity,
) -> Result<AddressNetwork, Failure> {
    // Whatever is wrong with the configuration shows here: the key makes no difference.
    settings::server(config, identity)?;
    let of_config = config.clone();
    let network = AddressNetwork::new(move |identity| {
        let server = of_config.multi_server_as(&identity);
        // A file may have gone meanwhile; then nothing is understood, which is told.
        server.unwrap_or_else(|_| MultiServer::new())
    });
    let mut network = network;
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

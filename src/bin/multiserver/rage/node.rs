//! The host that the arguments say.

use std::{error::Error as _, fs};

use tower_multiserver::{
    Address, ErrorKind, Identity, MultiAddress,
    config::{Config, Trust},
    onion::Onion,
    ragep2p::{Host, HostBuilder, KnownPeers, Limits, OpenError, RateLimit, Stream},
    ws::Ws,
    wss::{self, Wss},
};

use super::peer::Named;
use crate::{
    cli::{Certificate, RageNode, RageStream},
    failure::Failure,
    settings,
};

/// A host that knows these peers, and listens at these addresses.
pub(super) async fn start(
    args: &RageNode,
    peers: &[Named],
    listen: Vec<Address>,
    certificate: Option<&Certificate>,
) -> Result<Host, Failure> {
    let mut config = Config::default();
    config.key_file = Some(args.key.clone());
    settings::lead(&mut config, &args.way)?;
    if let Some(certificate) = certificate {
        settings::certify(&mut config, certificate);
    }
    let (identity, _) = settings::identity(&config)?;
    let mut builder = with_transports(identity, &config)?
        .discover(known(peers)?)
        .dial_interval(args.dial_interval)
        .version(args.protocol.into());
    for address in listen {
        builder = builder.listen(MultiAddress::new(address))?;
    }
    Ok(builder.start().await?)
}

/// Where the peers are that have an address. The others are to dial us.
fn known(peers: &[Named]) -> Result<KnownPeers, Failure> {
    let mut known = KnownPeers::new();
    for peer in peers {
        if let Some(addresses) = &peer.addresses {
            known = known.peer(peer.id, addresses.clone())?;
        }
    }
    Ok(known)
}

fn with_transports(identity: Identity, config: &Config) -> Result<HostBuilder, Failure> {
    let mut onion = Onion::new();
    if !config.proxies.is_empty() {
        onion = onion.proxies(config.proxies.iter().cloned());
    }
    let builder = Host::builder(identity)
        .transport(Ws::new())
        .transport(wss(config)?)
        .transport(onion);
    Ok(with_unix(builder))
}

#[cfg(unix)]
fn with_unix(builder: HostBuilder) -> HostBuilder {
    builder.transport(tower_multiserver::unix::Unix::new().abstract_names(true))
}

#[cfg(not(unix))]
fn with_unix(builder: HostBuilder) -> HostBuilder {
    builder
}

fn wss(config: &Config) -> Result<Wss, Failure> {
    let mut wss = Wss::over(Ws::new());
    let of_usage = |error| Failure::from(error).of_usage();
    if let Some(files) = &config.certificate {
        let certificate = wss::Certificate::from_files(&files.chain, &files.key);
        wss = wss.certificate(certificate.map_err(of_usage)?);
    }
    Ok(match &config.trust {
        Some(Trust::Roots(file)) => {
            let pem = fs::read(file);
            let pem = pem.map_err(|error| Failure::io("cannot read --ca", &error).of_usage())?;
            wss.trust(wss::Trust::roots(pem).map_err(of_usage)?)
        }
        Some(Trust::Pins(pins)) => wss.trust(wss::Trust::pinned(pins.iter().copied())),
        _ => wss,
    })
}

/// The stream to a peer.
pub(super) fn open(host: &Host, peer: &Named, args: &RageStream) -> Result<Stream, Failure> {
    let stream = host.stream(peer.id, &*args.name).limits(limits(args));
    stream.open().map_err(not_open)
}

/// Twice as much at once as in a second, but at least a message.
fn limits(args: &RageStream) -> Limits {
    let longest = u32::try_from(args.max_message).unwrap_or(u32::MAX);
    let bytes = args.byte_rate.saturating_mul(2).max(longest);
    Limits {
        outgoing: args.queue,
        incoming: args.queue,
        max_message: args.max_message,
        messages: RateLimit::new(
            args.message_rate.into(),
            args.message_rate.saturating_mul(2),
        ),
        bytes: RateLimit::new(args.byte_rate.into(), bytes),
    }
}

/// Whatever is wrong, something else has to be written.
fn not_open(error: OpenError) -> Failure {
    match error.source() {
        Some(source) => Failure::usage(format!("{error}: {source}")),
        None => Failure::usage(error.to_string()),
    }
}

/// The host has closed, which nobody asked for.
pub(super) fn closed() -> Failure {
    tower_multiserver::Error::new(ErrorKind::Closed, "the streams have ended").into()
}

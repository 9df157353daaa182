//! The protocols that a configuration can name: one entry each.

use tower::Layer;
use tower_multiserver_core::{Error, FromSection, PublicKey, Section};

use super::{any_stack::AnyStack, hyper, parts::Parts};

/// A transport.
pub(super) struct Transport {
    pub(super) name: &'static str,
    pub(super) proof: Proof,
    /// The key that its section names.
    pub(super) named: Named,
    /// Whether its section can be dialed.
    pub(super) dial: fn(&Section) -> Result<(), Error>,
    /// Whether its section can be listened at.
    pub(super) listen: fn(&Section) -> Result<(), Error>,
    /// Whether its listeners can be reached at addresses that they do not know of.
    pub(super) has_external: bool,
    pub(super) stack: fn(&Parts) -> Result<AnyStack, Error>,
}

/// A transform.
pub(super) struct Transform {
    pub(super) name: &'static str,
    pub(super) proof: Proof,
    /// The key that its section names.
    pub(super) named: Named,
    /// Whether its section can be dialed. What a listener must say is the layer's own matter.
    pub(super) dial: fn(&Section) -> Result<(), Error>,
    pub(super) lay: fn(&Parts, AnyStack) -> AnyStack,
}

/// The key that a section names, if it names one.
pub(super) type Named = fn(&Section) -> Option<PublicKey>;

/// What a protocol says of the peer, the less first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Proof {
    /// Nothing.
    Nothing,
    /// A key that it did not prove to hold: whoever has heard it claimed can do so too.
    Claim,
    /// That it is on this machine, and so counts as us.
    Device,
    /// Its key.
    Key,
}

pub(super) static TRANSPORTS: &[Transport] = &[
    #[cfg(feature = "net")]
    Transport {
        name: "net",
        proof: Proof::Nothing,
        named: nobody,
        dial: reads::<crate::net::HostPort>,
        listen: reads::<crate::net::HostPort>,
        has_external: true,
        stack: |parts| {
            let mut net = crate::net::Net::new()
                .dial_timeout(parts.dial_timeout())
                .external(parts.external("net"));
            if let Some(timeout) = parts.config.user_timeout {
                net = net.user_timeout(timeout);
            }
            Ok(AnyStack::new(net))
        },
    },
    #[cfg(feature = "ws")]
    Transport {
        name: "ws",
        proof: Proof::Nothing,
        named: nobody,
        dial: reads::<crate::ws::Url>,
        listen: reads::<crate::ws::ListenUrl>,
        has_external: true,
        stack: |parts| Ok(AnyStack::new(parts.ws("ws"))),
    },
    #[cfg(feature = "wss")]
    Transport {
        name: "wss",
        proof: Proof::Nothing,
        named: nobody,
        dial: reads::<crate::ws::Url>,
        listen: reads::<crate::ws::ListenUrl>,
        has_external: true,
        stack: |parts| Ok(AnyStack::new(super::tls::wss(parts)?)),
    },
    #[cfg(feature = "onion")]
    Transport {
        name: "onion",
        proof: Proof::Nothing,
        named: nobody,
        dial: reads::<crate::onion::Destination>,
        // The transport says what to listen with.
        listen: |_| Ok(()),
        has_external: false,
        stack: |parts| Ok(AnyStack::new(onion(parts))),
    },
    #[cfg(all(feature = "bluetooth", target_os = "linux"))]
    Transport {
        name: "bt",
        proof: Proof::Nothing,
        named: nobody,
        dial: reads::<crate::transport::bluetooth::Peer>,
        listen: reads::<crate::bluetooth::DeviceAddress>,
        has_external: false,
        stack: |parts| Ok(bluetooth(parts)),
    },
    #[cfg(all(feature = "unix", unix))]
    Transport {
        name: "unix",
        proof: Proof::Nothing,
        named: nobody,
        dial: reads::<crate::unix::Endpoint>,
        listen: reads::<crate::unix::Endpoint>,
        has_external: true,
        stack: |parts| {
            let unix = crate::unix::Unix::new()
                .dial_timeout(parts.dial_timeout())
                .external(parts.external("unix"))
                // Who writes such a name wants it.
                .abstract_names(true);
            Ok(AnyStack::new(unix))
        },
    },
    #[cfg(feature = "hyperswarm")]
    Transport {
        name: "hyperdht",
        proof: Proof::Key,
        named: key::<crate::hyperswarm::Key>,
        dial: reads::<crate::hyperswarm::Key>,
        // Whose key it may be, the transport says.
        listen: |_| Ok(()),
        has_external: false,
        stack: |parts| Ok(AnyStack::new(parts.hyper.clone())),
    },
];

pub(super) static TRANSFORMS: &[Transform] = &[
    #[cfg(feature = "shs")]
    Transform {
        name: "shs",
        proof: Proof::Key,
        named: of_args,
        dial: reads::<crate::shs::Args>,
        lay: |parts, below| {
            let shs = crate::shs::ShsLayer::new(parts.identity.clone())
                .app_key(parts.app_key())
                .authorize(parts.guests.clone());
            AnyStack::new(shs.layer(below))
        },
    },
    #[cfg(feature = "noise")]
    Transform {
        name: "noise",
        proof: Proof::Key,
        named: of_args,
        dial: reads::<crate::noise::Args>,
        lay: |parts, below| {
            let noise = crate::noise::NoiseLayer::new(parts.identity.clone())
                .app_key(parts.app_key())
                .authorize(parts.guests.clone());
            AnyStack::new(noise.layer(below))
        },
    },
    #[cfg(feature = "mtls")]
    Transform {
        name: "mtls",
        proof: Proof::Key,
        named: key::<crate::mtls::Args>,
        dial: reads::<crate::mtls::Args>,
        lay: |parts, below| {
            let mtls =
                crate::mtls::MtlsLayer::new(parts.identity.clone()).authorize(parts.guests.clone());
            AnyStack::new(mtls.layer(below))
        },
    },
    #[cfg(feature = "knock")]
    Transform {
        name: "knock",
        proof: Proof::Claim,
        named: key::<tower_multiserver_core::PeerId>,
        dial: reads::<tower_multiserver_core::PeerId>,
        lay: |parts, below| {
            let knock = crate::knock::KnockLayer::new(parts.identity.clone())
                .authorize(super::allow::Knocking(parts.guests.clone()));
            AnyStack::new(knock.layer(below))
        },
    },
    #[cfg(feature = "noauth")]
    Transform {
        name: "noauth",
        proof: Proof::Device,
        named: nobody,
        dial: reads::<()>,
        lay: |parts, below| {
            let noauth = crate::noauth::NoauthLayer::new(parts.identity.public_key());
            AnyStack::new(noauth.layer(below))
        },
    },
    #[cfg(feature = "gzip")]
    Transform {
        name: "gzip",
        proof: Proof::Nothing,
        named: nobody,
        dial: reads::<()>,
        lay: |_, below| AnyStack::new(crate::compression::CompressionLayer::gzip().layer(below)),
    },
    #[cfg(feature = "zstd")]
    Transform {
        name: "zstd",
        proof: Proof::Nothing,
        named: nobody,
        dial: reads::<()>,
        lay: |_, below| AnyStack::new(crate::compression::CompressionLayer::zstd().layer(below)),
    },
    #[cfg(feature = "deflate")]
    Transform {
        name: "deflate",
        proof: Proof::Nothing,
        named: nobody,
        dial: reads::<()>,
        lay: |_, below| AnyStack::new(crate::compression::CompressionLayer::deflate().layer(below)),
    },
    #[cfg(feature = "brotli")]
    Transform {
        name: "br",
        proof: Proof::Nothing,
        named: nobody,
        dial: reads::<()>,
        lay: |_, below| AnyStack::new(crate::compression::CompressionLayer::brotli().layer(below)),
    },
];

#[cfg(feature = "onion")]
fn onion(parts: &Parts) -> crate::onion::Onion {
    let mut onion = crate::onion::Onion::new();
    if let Some(timeout) = parts.config.dial_timeout {
        onion = onion.dial_timeout(timeout);
    }
    match parts.config.proxies.is_empty() {
        true => onion,
        false => onion.proxies(parts.config.proxies.iter().cloned()),
    }
}

#[cfg(all(
    feature = "bluetooth",
    not(feature = "bluetooth-profiles"),
    target_os = "linux"
))]
fn bluetooth(parts: &Parts) -> AnyStack {
    bluetooth_by_channel(parts)
}

#[cfg(all(feature = "bluetooth-profiles", target_os = "linux"))]
fn bluetooth(parts: &Parts) -> AnyStack {
    if parts.config.bluetooth_by_service != Some(true) {
        return bluetooth_by_channel(parts);
    }
    let mut bluetooth = crate::bluetooth::profile::BluetoothProfile::new();
    if let Some(timeout) = parts.config.dial_timeout {
        bluetooth = bluetooth.dial_timeout(timeout);
    }
    AnyStack::new(bluetooth)
}

#[cfg(all(feature = "bluetooth", target_os = "linux"))]
fn bluetooth_by_channel(parts: &Parts) -> AnyStack {
    let bluetooth = crate::bluetooth::Bluetooth::new().dial_timeout(parts.dial_timeout());
    AnyStack::new(bluetooth)
}

/// Whether the section is of a transform that proves the peer's key: `shs`, `noise` or `mtls`.
pub fn proves_keys(section: &Section) -> bool {
    let mut keyed = TRANSFORMS.iter().filter(|entry| entry.proof == Proof::Key);
    keyed.any(|entry| entry.name == section.name())
}

/// Whether the section is of a transport or a transform that this build has.
pub fn is_known(section: &Section) -> bool {
    let name = section.name();
    let is_transport = TRANSPORTS.iter().any(|entry| entry.name == name);
    is_transport || hyper::is_topic(section) || TRANSFORMS.iter().any(|entry| entry.name == name)
}

/// The key that a section names, of whichever protocol.
pub(super) fn named(section: &Section) -> Option<PublicKey> {
    let name = section.name();
    let transport = TRANSPORTS.iter().find(|entry| entry.name == name);
    let transform = TRANSFORMS.iter().find(|entry| entry.name == name);
    let named = transport.map(|entry| entry.named);
    named.or(transform.map(|entry| entry.named))?(section)
}

#[cfg(any(feature = "shs", feature = "noise"))]
fn of_args(section: &Section) -> Option<PublicKey> {
    let args = tower_multiserver_core::KeyArgs::from_section(section);
    Some(args.ok()?.key.public_key())
}

#[cfg(any(feature = "hyperswarm", feature = "knock", feature = "mtls"))]
fn key<A: FromSection + Into<PublicKey>>(section: &Section) -> Option<PublicKey> {
    Some(A::from_section(section).ok()?.into())
}

fn nobody(_: &Section) -> Option<PublicKey> {
    None
}

fn reads<A: FromSection>(section: &Section) -> Result<(), Error> {
    A::from_section(section).map(drop)
}

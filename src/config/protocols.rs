//! The protocols that a configuration can name: one entry each.

use tower::Layer;
use tower_multiserver_core::{Error, FromSection, Section};

use super::{any_stack::AnyStack, chain::Parts};

/// A transport.
pub(super) struct Transport {
    pub(super) name: &'static str,
    /// Whether its section can be dialed.
    pub(super) dial: fn(&Section) -> Result<(), Error>,
    /// Whether its section can be listened at.
    pub(super) listen: fn(&Section) -> Result<(), Error>,
    pub(super) stack: fn(&Parts) -> Result<AnyStack, Error>,
}

/// A transform.
pub(super) struct Transform {
    pub(super) name: &'static str,
    pub(super) proof: Proof,
    /// Whether its section can be dialed. What a listener must say is the layer's own matter.
    pub(super) dial: fn(&Section) -> Result<(), Error>,
    pub(super) lay: fn(&Parts, AnyStack) -> AnyStack,
}

/// What a transform says of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing.
    Nothing,
    /// That it is on this machine, and so counts as us.
    Device,
    /// Its key.
    Key,
}

pub(super) static TRANSPORTS: &[Transport] = &[
    #[cfg(feature = "net")]
    Transport {
        name: "net",
        dial: reads::<crate::net::HostPort>,
        listen: reads::<crate::net::HostPort>,
        stack: |parts| {
            let net = crate::net::Net::new()
                .dial_timeout(parts.dial_timeout())
                .external(parts.external("net"));
            Ok(AnyStack::new(net))
        },
    },
    #[cfg(feature = "ws")]
    Transport {
        name: "ws",
        dial: reads::<crate::ws::Url>,
        listen: reads::<crate::ws::ListenUrl>,
        stack: |parts| {
            let ws = crate::ws::Ws::new()
                .dial_timeout(parts.dial_timeout())
                .external(parts.external("ws"));
            Ok(AnyStack::new(ws))
        },
    },
    #[cfg(all(feature = "unix", unix))]
    Transport {
        name: "unix",
        dial: reads::<crate::unix::Endpoint>,
        listen: reads::<crate::unix::Endpoint>,
        stack: |parts| {
            let unix = crate::unix::Unix::new()
                .dial_timeout(parts.dial_timeout())
                .external(parts.external("unix"))
                // Who writes such a name wants it.
                .abstract_names(true);
            Ok(AnyStack::new(unix))
        },
    },
];

pub(super) static TRANSFORMS: &[Transform] = &[
    #[cfg(feature = "shs")]
    Transform {
        name: "shs",
        proof: Proof::Key,
        dial: reads::<crate::shs::Args>,
        lay: |parts, below| {
            let shs = crate::shs::ShsLayer::new(parts.identity.clone())
                .app_key(parts.app_key())
                .authorize(parts.guests.clone());
            AnyStack::new(shs.layer(below))
        },
    },
    #[cfg(feature = "noauth")]
    Transform {
        name: "noauth",
        proof: Proof::Device,
        dial: reads::<()>,
        lay: |parts, below| {
            let noauth = crate::noauth::NoauthLayer::new(parts.identity.public_key());
            AnyStack::new(noauth.layer(below))
        },
    },
];

/// Whether the section is of a transform that proves the peer's key, such as `shs`.
pub fn proves_keys(section: &Section) -> bool {
    let mut keyed = TRANSFORMS.iter().filter(|entry| entry.proof == Proof::Key);
    keyed.any(|entry| entry.name == section.name())
}

/// Whether the section is of a transport or a transform that this build has.
pub fn is_known(section: &Section) -> bool {
    let name = section.name();
    let is_transport = TRANSPORTS.iter().any(|entry| entry.name == name);
    is_transport || TRANSFORMS.iter().any(|entry| entry.name == name)
}

fn reads<A: FromSection>(section: &Section) -> Result<(), Error> {
    A::from_section(section).map(drop)
}

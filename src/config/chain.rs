//! The one stack of a configured server: it lays the layers that an address names.

use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tower::ServiceExt as _;
use tower_multiserver_core::{
    Accept, Address, Bound, Connection, Error, ErrorKind, Identity, Listen, Section,
};
use tower_service::Service;

use super::{
    Allow, Config, Invalid,
    allow::Guests,
    any_stack::{Accepting, AnyListener, AnySocket, AnyStack},
    hyper::{self, Hyper},
    parts::Parts,
    protocols::{Proof, TRANSFORMS, TRANSPORTS, Transform, named},
};

/// Every stack that the protocols of this build make.
#[derive(Clone)]
pub(super) struct Chain {
    parts: Arc<Parts>,
    transports: Arc<[(String, AnyStack)]>,
}

/// An address as its protocols.
struct Reading {
    /// Of the transport.
    below: Proof,
    transforms: Vec<&'static Transform>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Dial,
    Listen,
}

/// Whether a configured server could dial `address`, if its [`plain`](Config::plain) is set. Nothing is dialed.
///
/// # Errors
///
/// Of kind [`Unsupported`](ErrorKind::Unsupported), with the reason.
pub fn check_dial(address: &Address) -> Result<(), Error> {
    Reading::of(address, Side::Dial, |_| false).map(drop)
}

/// Whether a configured server could listen on `address`, if its [`plain`](Config::plain) is set and whoever it allows.
/// Nothing is bound.
///
/// # Errors
///
/// As [`check_dial`].
pub fn check_listen(address: &Address) -> Result<(), Error> {
    Reading::of(address, Side::Listen, |_| false).map(drop)
}

impl Chain {
    pub(super) fn new(config: Config, identity: Identity) -> Result<Self, Error> {
        for name in config.external.keys() {
            let reason = match TRANSPORTS.iter().find(|entry| entry.name == name) {
                Some(entry) if entry.has_external => continue,
                Some(_) => "listeners of this transport are reached from nowhere else",
                None => "there is no such transport",
            };
            let field = format!("external.{name}");
            return Err(Invalid::error(ErrorKind::Unsupported, field, reason));
        }
        let guests = Guests::new(config.allow.as_ref());
        let parts = Arc::new(Parts {
            hyper: Hyper::new(&config, &identity)?,
            config,
            identity,
            guests,
        });
        let transports = TRANSPORTS.iter();
        let transports =
            transports.map(|entry| Ok((entry.name.to_owned(), (entry.stack)(&parts)?)));
        Ok(Self {
            transports: transports.collect::<Result<_, Error>>()?,
            parts,
        })
    }

    /// With one more transport, or with another one of that name.
    pub(super) fn with(mut self, name: &str, stack: AnyStack) -> Self {
        let others = self.transports.iter().filter(|(known, _)| known != name);
        let own = (name.to_owned(), stack);
        self.transports = others.cloned().chain([own]).collect();
        self
    }

    /// The stack for an address.
    fn stack(&self, address: &Address, side: Side) -> Result<AnyStack, Error> {
        let transport = |name: &str| {
            let mut transports = self.transports.iter();
            transports.find(|(known, _)| known == name)
        };
        let reading = Reading::of(address, side, |name| transport(name).is_some())?;
        let proof = reading.proof();
        if proof <= Proof::Claim && self.parts.config.plain != Some(true) {
            let reason = "nothing in it proves who the peer is, and `plain` is not set";
            return Err(Error::unsupported(reason));
        }
        if side == Side::Listen {
            self.permit(proof).map_err(|e| e.at(|| address.clone()))?;
            if reading.is_proved_below_only() {
                self.parts.hyper.ask_guests();
            }
        }
        let found = transport(address.transport().name());
        let unknown = || Error::unsupported("its transport is not known");
        let (_, transport) = found.ok_or_else(unknown)?;
        let transforms = reading.transforms.iter();
        Ok(transforms.fold(transport.clone(), |below, entry| {
            (entry.lay)(&self.parts, below)
        }))
    }

    /// Whether a server may let peers in of whom this is known.
    fn permit(&self, proof: Proof) -> Result<(), Error> {
        let own = self.parts.identity.public_key();
        let reason = match (&self.parts.config.allow, proof) {
            (None, Proof::Key | Proof::Claim) => {
                "it must say who may connect: a list of keys, or \"all\""
            }
            (Some(Allow::Keys(_)), Proof::Nothing | Proof::Claim) => {
                "a list of keys cannot hold for an address where none is proved"
            }
            (Some(Allow::Keys(keys)), Proof::Device) if !keys.contains(&own) => {
                "a list of keys without our own cannot hold for an address with `noauth`"
            }
            _ => return Ok(()),
        };
        Err(Invalid::error(ErrorKind::Unauthorized, "allow", reason))
    }
}

impl Reading {
    /// `is_own` tells the transports beside those of this build, which check their sections themselves.
    fn of(address: &Address, side: Side, is_own: impl Fn(&str) -> bool) -> Result<Self, Error> {
        let address = match (side, is_topic(address)) {
            (Side::Dial, true) => hyper::as_read(address, named)?,
            (Side::Listen, true) => {
                let reason = "a topic is dialed only; listen at `hyperdht`";
                return Err(Error::unsupported(reason));
            }
            (_, false) => Cow::Borrowed(address),
        };
        let (transport, transforms) = (address.transport(), address.transforms());
        let name = transport.name();
        let entry = TRANSPORTS.iter().find(|entry| entry.name == name);
        match (entry, side) {
            (Some(entry), Side::Dial) => (entry.dial)(transport)?,
            (Some(entry), Side::Listen) => (entry.listen)(transport)?,
            (None, _) if is_own(name) => {}
            (None, _) => return Err(Error::unsupported("its transport is not known")),
        }
        let mut reading = Self {
            below: entry.map_or(Proof::Nothing, |entry| entry.proof),
            transforms: Vec::new(),
        };
        for section in transforms {
            reading.push(section, side)?;
        }
        let mut keys = address.sections().iter().filter_map(named);
        let key = keys.next();
        match keys.all(|other| Some(other) == key) {
            true => Ok(reading),
            false => Err(Error::unsupported("its sections name different peers")),
        }
    }

    fn push(&mut self, section: &Section, side: Side) -> Result<(), Error> {
        let mut known = TRANSFORMS.iter();
        let entry = known.find(|entry| entry.name == section.name());
        let entry = entry.ok_or_else(|| Error::unsupported("its transform is not known"))?;
        if side == Side::Dial {
            (entry.dial)(section)?;
        }
        if self.transforms.iter().any(|laid| laid.name == entry.name) {
            return Err(Error::unsupported("it has a transform twice"));
        }
        if entry.proof > Proof::Claim && self.above() > Proof::Claim {
            let reason = "two of its transforms say who the peer is";
            return Err(Error::unsupported(reason));
        }
        if entry.proof == Proof::Device && self.below == Proof::Key {
            let reason = "its peers are on other machines, and have proved their keys";
            return Err(Error::unsupported(reason));
        }
        self.transforms.push(entry);
        Ok(())
    }

    /// What is known of a peer in the end.
    fn proof(&self) -> Proof {
        self.below.max(self.above())
    }

    /// What is known of it by the transforms.
    fn above(&self) -> Proof {
        let proofs = self.transforms.iter().map(|entry| entry.proof);
        proofs.max().unwrap_or(Proof::Nothing)
    }

    /// Whether no transform asks who may connect, though the transport knows.
    fn is_proved_below_only(&self) -> bool {
        self.below == Proof::Key && self.above() <= Proof::Claim
    }
}

fn is_topic(address: &Address) -> bool {
    hyper::is_topic(address.transport())
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("config", &self.parts.config)
            .finish_non_exhaustive()
    }
}

impl Service<Address> for Chain {
    type Response = Connection;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Connection, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        if is_topic(&address) {
            return match Reading::of(&address, Side::Dial, |_| false) {
                Ok(_) => self.parts.hyper.find(self.clone(), address),
                Err(error) => Box::pin(async { Err(error) }),
            };
        }
        match self.stack(&address, Side::Dial) {
            Ok(stack) => Box::pin(stack.oneshot(address)),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }
}

impl Service<Listen> for Chain {
    type Response = Bound<AnyListener>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Bound<AnyListener>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, listen: Listen) -> Self::Future {
        match self.stack(&listen.0, Side::Listen) {
            Ok(stack) => Box::pin(stack.oneshot(listen)),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }
}

/// The socket knows its stack.
impl Service<Accept<AnySocket>> for Chain {
    type Response = Connection;
    type Error = Error;
    type Future = Accepting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Accept { raw, deadline }: Accept<AnySocket>) -> Self::Future {
        raw.finish(deadline)
    }
}

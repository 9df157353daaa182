//! The transform that proves nothing: `noauth`.
//!
//! It puts no bytes on the wire, on either side. The remote key is the local identity's own, as in the JavaScript
//! multiserver, so that a program on the same machine counts as its owner. That is why it is refused
//!
//! - on a connection whose [`Scope`] is not [`Scope::Device`], and when listening where others could connect, unless
//!   [`NoauthLayer::beyond_device`] says that something else keeps strangers away,
//! - over a layer that already proved a remote key, which it would contradict,
//! - for a section with another name or with arguments: an address that asks for `shs` is never answered in the clear.
//!
//! On this machine it trusts every user who can connect: on TCP that is every local user and, through a web socket, every
//! page in a browser; a unix socket is open to its owner only.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_multiserver_core::Error> {
//! use tokio::io::duplex;
//! use tower_multiserver_core::{Connection, Identity, Role, Scope, Section, Transform};
//! use tower_multiserver_noauth::NoauthLayer;
//!
//! let own_key = Identity::generate()?.public_key();
//! let (io, _peer) = duplex(64);
//! let connection = Connection::new(io, Section::new("pipe")).with(Scope::Device);
//!
//! let layer = NoauthLayer::new(own_key);
//! let connection = layer.upgrade(connection, Role::Accept).await?;
//! assert_eq!(connection.info().remote_key(), Some(own_key));
//! # Ok(())
//! # }
//! ```

// Whatever comes from outside, it is an error at worst.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unwrap_used
    )
)]

use tower_layer::Layer;
use tower_multiserver_core::{
    Connection, Error, ErrorKind, Io, PublicKey, RemoteKey, Role, Scope, Section, Transform,
    Transformed,
};

/// The layer of the section `noauth`.
#[derive(Clone, Debug)]
pub struct NoauthLayer {
    own_key: PublicKey,
    beyond_device: bool,
}

const NAME: &str = "noauth";

impl NoauthLayer {
    /// Takes every peer on this machine for the owner of `own_key`.
    pub fn new(own_key: PublicKey) -> Self {
        Self {
            own_key,
            beyond_device: false,
        }
    }

    /// Takes *every* peer for the owner of the key, wherever it is. Only for where something else keeps strangers away.
    #[must_use]
    pub fn beyond_device(mut self) -> Self {
        self.beyond_device = true;
        self
    }

    fn permit(&self, scope: Scope) -> Result<(), Error> {
        match scope {
            Scope::Device => Ok(()),
            _ if self.beyond_device => Ok(()),
            beyond => Err(refusal(match beyond {
                Scope::Local => "noauth is for peers on this machine, not for the local network",
                _ => "noauth is for peers on this machine, not for the public",
            })),
        }
    }
}

fn refusal(reason: &'static str) -> Error {
    Error::new(ErrorKind::Unauthorized, reason)
}

impl<S> Layer<S> for NoauthLayer {
    type Service = Transformed<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Transformed::new(inner, self.clone())
    }
}

impl Transform for NoauthLayer {
    type Args = ();
    type Io<I: Io> = I;

    fn name(&self) -> &str {
        NAME
    }

    async fn upgrade<I: Io>(
        self,
        connection: Connection<I>,
        _: Role,
    ) -> Result<Connection<I>, Error> {
        self.permit(connection.info().scope())?;
        if connection.info().remote_key().is_some() {
            let reason = "a layer below has proved who the peer is";
            return Err(refusal(reason));
        }
        let connection = connection.layered(Section::new(NAME), |io| io);
        Ok(connection.with(RemoteKey(self.own_key)))
    }

    fn advertise(&self, scope: Scope) -> Result<Section, Error> {
        self.permit(scope).map(|()| self.section())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tower_multiserver_core::Identity;

    use super::*;

    fn key() -> PublicKey {
        Identity::generate().expect("randomness").public_key()
    }

    fn connection() -> Connection<DuplexStream> {
        Connection::new(duplex(1).0, Section::new("test"))
    }

    #[tokio::test]
    async fn a_peer_on_this_machine_has_our_own_key() {
        let (own, io) = (key(), connection().with(Scope::Device));
        let connection = NoauthLayer::new(own).upgrade(io, Role::Accept).await;
        let connection = connection.expect("permitted");
        assert_eq!(connection.info().remote_key(), Some(own));
        assert_eq!(connection.info().address().to_string(), "test~noauth");
    }

    #[tokio::test]
    async fn a_peer_from_beyond_is_refused_unless_code_says_otherwise() {
        let layer = NoauthLayer::new(key());
        for io in [
            connection(),
            connection().with(Scope::Local),
            connection().with(Scope::Public),
        ] {
            let error = layer.clone().upgrade(io, Role::Dial(())).await;
            assert_eq!(error.expect_err("refused").kind(), ErrorKind::Unauthorized);
        }
        let layer = layer.beyond_device();
        assert!(layer.upgrade(connection(), Role::Accept).await.is_ok());
    }

    #[tokio::test]
    async fn a_key_that_was_proved_is_not_contradicted() {
        let io = connection().with(Scope::Device).with(RemoteKey(key()));
        let error = NoauthLayer::new(key()).upgrade(io, Role::Accept).await;
        let error = error.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
    }

    #[test]
    fn it_is_not_advertised_beyond_this_machine() {
        let layer = NoauthLayer::new(key());
        assert!(layer.advertise(Scope::Device).is_ok());
        assert!(layer.advertise(Scope::Local).is_err());
        assert!(layer.advertise(Scope::Public).is_err());
    }
}

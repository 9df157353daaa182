//! Who may connect where the transport alone proves the key.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower_multiserver_core::{
    Accept, Address, Bound, Connection, Error, ErrorKind, Listen, Peer, PublicKey,
};
use tower_service::Service;

use super::{
    allow::Guests,
    any_stack::{Accepting, AnyListener, AnySocket, AnyStack},
    parts::Parts,
};

/// Asks of each peer that was accepted whether it is a guest.
#[derive(Clone)]
pub(super) struct Guard {
    below: AnyStack,
    guests: Guests,
    own: PublicKey,
}

impl Guard {
    pub(super) fn new(below: AnyStack, parts: &Parts) -> Self {
        Self {
            below,
            guests: parts.guests.clone(),
            own: parts.identity.public_key(),
        }
    }
}

impl Service<Address> for Guard {
    type Response = Connection;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Connection, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Service::<Address>::poll_ready(&mut self.below, cx)
    }

    fn call(&mut self, address: Address) -> Self::Future {
        self.below.call(address)
    }
}

impl Service<Listen> for Guard {
    type Response = Bound<AnyListener>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Bound<AnyListener>, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Service::<Listen>::poll_ready(&mut self.below, cx)
    }

    fn call(&mut self, listen: Listen) -> Self::Future {
        self.below.call(listen)
    }
}

impl Service<Accept<AnySocket>> for Guard {
    type Response = Connection;
    type Error = Error;
    type Future = Accepting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, accept: Accept<AnySocket>) -> Accepting {
        let accepting = self.below.call(accept);
        let (guests, own) = (self.guests.clone(), self.own);
        Box::pin(async move {
            let connection = accepting.await?;
            let info = connection.info();
            let key = info
                .remote_key()
                .ok_or_else(|| Error::new(ErrorKind::Handshake, "the transport proved no key"))?;
            let peer = Peer {
                key,
                is_own: key == own,
                info: info.clone(),
            };
            let asked = peer.ask(&guests).await;
            asked.map_err(|error| error.at(|| info.address().clone()))?;
            Ok(connection)
        })
    }
}

//! Ours.

use tower::{BoxError, Service, ServiceBuilder};
use tower_multiserver::{
    Accept, Address, Bound, Connection, Identity, Io, Listen, Listener, Shutdown, StackExt,
    net::Net, noauth::NoauthLayer, noise::NoiseLayer, shs::ShsLayer, unix::Unix, ws::Ws,
};

use crate::{
    Result,
    channel::Bytes,
    stack::{Stack, spawn},
    work::Work,
};

/// A stack of layers, and the address at which it listens.
#[derive(Clone)]
pub(crate) struct Ours<T> {
    layers: T,
    address: String,
}

pub(crate) fn net_shs() -> Result<impl Stack> {
    let shs = ShsLayer::new(Identity::generate()?);
    ours(
        ServiceBuilder::new().layer(shs).service(Net::new()),
        "net:127.0.0.1:0~shs",
    )
}

pub(crate) fn net_noise() -> Result<impl Stack> {
    let noise = NoiseLayer::new(Identity::generate()?);
    ours(
        ServiceBuilder::new().layer(noise).service(Net::new()),
        "net:127.0.0.1:0~noise",
    )
}

pub(crate) fn net_noauth() -> Result<impl Stack> {
    ours(
        ServiceBuilder::new().layer(noauth()?).service(Net::new()),
        "net:127.0.0.1:0~noauth",
    )
}

pub(crate) fn unix_noauth() -> Result<impl Stack> {
    let address = format!("unix:{}~noauth", super::socket_path());
    ours(
        ServiceBuilder::new().layer(noauth()?).service(Unix::new()),
        address,
    )
}

pub(crate) fn ws_shs() -> Result<impl Stack> {
    let shs = ShsLayer::new(Identity::generate()?);
    ours(
        ServiceBuilder::new().layer(shs).service(Ws::new()),
        "ws://127.0.0.1:0~shs",
    )
}

pub(crate) fn ws_noauth() -> Result<impl Stack> {
    ours(
        ServiceBuilder::new().layer(noauth()?).service(Ws::new()),
        "ws://127.0.0.1:0~noauth",
    )
}

fn noauth() -> Result<NoauthLayer> {
    Ok(NoauthLayer::new(Identity::generate()?.public_key()))
}

fn ours<T>(layers: T, address: impl Into<String>) -> Result<Ours<T>> {
    let address = address.into();
    Ok(Ours { layers, address })
}

impl<T, L, I, J> Stack for Ours<T>
where
    T: Service<Address, Response = Connection<I>, Error: Into<BoxError>, Future: Send>,
    T: Service<Listen, Response = Bound<L>, Error: Into<BoxError>, Future: Send>,
    T: Service<Accept<L::Raw>, Response = Connection<J>, Error: Into<BoxError>, Future: Send>,
    T: Clone + Send + Sync + 'static,
    L: Listener,
    I: Io,
    J: Io,
{
    type Channel = Bytes<Connection<I>>;

    async fn serve(self, work: Work, listening: impl FnOnce(String) + Send) -> Result<()> {
        let (_shutdown, closing) = Shutdown::new();
        let mut incoming = self.layers.listen(self.address, closing).await?;
        listening(incoming.addresses()[0].1.to_string());
        while let Some(accepted) = incoming.next().await {
            // So that the task is no longer than what is not yet in it.
            let channel = accepted.map(|connection| Box::new(Bytes(connection)));
            spawn(work, async { Ok(channel?) });
        }
        Ok(())
    }

    async fn dial(&self, address: &str) -> Result<Self::Channel> {
        Ok(Bytes(self.layers.dial(address).await?))
    }
}

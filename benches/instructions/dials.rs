//! Dials through a stack with three of tower's middlewares, and by the transport and the layer alone, one after the other.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::runtime::{Builder, Runtime};
use tower::{BoxError, ServiceBuilder};
use tower_multiserver::{
    Address, FromSection as _, Identity, Role, Seed, Shutdown, StackExt as _, Transform as _,
    channel::Channel,
    shs::{self, ShsLayer},
};

/// How many dials are counted, since no signature costs quite as much as another.
const COUNT: usize = 10;

type Dial = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()>>>>;

/// A server, and a way to dial it. Both ends are counted.
pub struct Dials {
    runtime: Runtime,
    dial: Dial,
    _shutdown: Shutdown,
}

/// The transport, then the layer.
pub fn by_hand() -> Dials {
    dials(|channel, shs, address| {
        Box::new(move || {
            let (channel, shs, address) = (channel.clone(), shs.clone(), address.clone());
            Box::pin(async move {
                let mut sections = address.sections().to_vec();
                let args = shs::Args::from_section(&sections.remove(1));
                let address = Address::new(sections.remove(0));
                let connection = channel.dial(address).await.expect("dialed");
                let role = Role::Dial(args.expect("the address ends with a key"));
                shs.upgrade(connection, role).await.expect("upgraded");
            })
        })
    })
}

/// A stack of both, with a time limit, a limit of dials at once and an error of another type over them.
pub fn through_middlewares() -> Dials {
    dials(|channel, shs, address| {
        let stack = ServiceBuilder::new()
            .map_err(|error: BoxError| error)
            .timeout(Duration::from_secs(10))
            .concurrency_limit(64)
            .layer(shs)
            .service(channel);
        Box::new(move || {
            let (stack, address) = (stack.clone(), address.clone());
            Box::pin(async move {
                stack.dial(address).await.expect("dialed");
            })
        })
    })
}

fn dials(dial: impl FnOnce(Channel, ShsLayer, Address) -> Dial) -> Dials {
    let identity = |byte| Identity::from_seed(&Seed::from_bytes([byte; 32]));
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime of one thread");
    let channel = Channel::new();
    let server = ServiceBuilder::new()
        .layer(ShsLayer::new(identity(2)))
        .service(channel.clone());
    let (shutdown, closing) = Shutdown::new();
    let incoming = runtime.block_on(server.listen("channel:here~shs", closing));
    let mut incoming = incoming.expect("the name is free");
    let address = incoming.addresses()[0].1.clone();
    runtime.spawn(async move { while incoming.next().await.is_some() {} });
    let dial = dial(channel, ShsLayer::new(identity(1)), address);
    // What a process does once is not counted.
    runtime.block_on(dial());
    Dials {
        runtime,
        dial,
        _shutdown: shutdown,
    }
}

/// Dials several times. It gives all back, so that their end is not counted.
pub fn dial(dials: Dials) -> Dials {
    dials.runtime.block_on(async {
        for _ in 0..COUNT {
            (dials.dial)().await;
        }
    });
    dials
}

//! What connections take from the allocator: nothing while they run, and little while they wait.

#![cfg(test)]

mod support;

use std::{alloc::System, sync::Mutex};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{connected, identity};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tower::{BoxError, Service, ServiceBuilder};
use tower_multiserver::{
    Accept, Address, Bound, Connection, FromSection as _, Io, Listen, Listener, Role, Shutdown,
    StackExt as _, Transform as _,
    net::Net,
    noauth::NoauthLayer,
    noise::NoiseLayer,
    shs::{self, ShsLayer},
    unix::Unix,
    ws::Ws,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The counts are of the whole process, so one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// What is sent at once.
const CHUNK: usize = 64 * 1024;

fn alone<T>(test: impl Future<Output = T>) -> T {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test)
}

async fn send(io: &mut (impl AsyncWrite + Unpin), chunk: &[u8], times: usize) {
    for _ in 0..times {
        io.write_all(chunk).await.unwrap();
    }
    io.flush().await.unwrap();
}

async fn receive(io: &mut (impl AsyncRead + Unpin), buffer: &mut [u8], times: usize) {
    let mut left = times * CHUNK;
    while left > 0 {
        let room = left.min(buffer.len());
        left -= io.read(&mut buffer[..room]).await.unwrap();
    }
}

/// The allocations while 8 MiB go each way, the least of several times: where the kernel cuts a read decides when a thread
/// first has every buffer that it keeps.
async fn allocations(mut near: impl Io, mut far: impl Io) -> usize {
    let (chunk, mut buffer) = (vec![7; CHUNK], vec![0; CHUNK]);
    let mut least = usize::MAX;
    for _ in 0..5 {
        let region = Region::new(ALLOCATOR);
        tokio::join!(
            send(&mut near, &chunk, 128),
            receive(&mut far, &mut buffer, 128)
        );
        tokio::join!(
            send(&mut far, &chunk, 128),
            receive(&mut near, &mut buffer, 128)
        );
        let change = region.change();
        least = least.min(change.allocations + change.reallocations);
    }
    least
}

#[test]
fn a_stream_that_runs_allocates_nothing() {
    alone(async {
        let directory = tempfile::tempdir().unwrap();
        let unix = format!("unix:{}/socket~noauth", directory.path().display());
        let shs = ShsLayer::new(identity("alice"));
        let noise = NoiseLayer::new(identity("alice"));
        let noauth = NoauthLayer::new(identity("alice").public_key());

        let stack = ServiceBuilder::new().layer(shs.clone()).service(Net::new());
        let (near, far) = connected(stack, "net:127.0.0.1:0~shs").await;
        assert_eq!(allocations(near, far).await, 0, "net~shs");
        let stack = ServiceBuilder::new().layer(shs).service(Ws::new());
        let (near, far) = connected(stack, "ws://127.0.0.1:0~shs").await;
        assert_eq!(allocations(near, far).await, 0, "ws~shs");
        let stack = ServiceBuilder::new().layer(noise).service(Net::new());
        let (near, far) = connected(stack, "net:127.0.0.1:0~noise").await;
        assert_eq!(allocations(near, far).await, 0, "net~noise");
        let stack = ServiceBuilder::new().layer(noauth).service(Unix::new());
        let (near, far) = connected(stack, &unix).await;
        assert_eq!(allocations(near, far).await, 0, "unix~noauth");
    });
}

/// Sends back the first chunk, then waits. It holds no buffer meanwhile.
async fn answer(mut io: impl Io) {
    let mut chunk = vec![0; CHUNK];
    io.read_exact(&mut chunk).await.unwrap();
    send(&mut io, &chunk, 1).await;
    drop(chunk);
    // However it ends.
    let _ = io.read(&mut [0]).await;
}

/// The bytes that a connection of each end holds while it waits, with the task that serves it.
async fn held<S, L, I, J>(stack: S, address: &str) -> usize
where
    S: Service<Address, Response = Connection<I>, Error: Into<BoxError>, Future: Send>,
    S: Service<Listen, Response = Bound<L>, Error: Into<BoxError>, Future: Send>,
    S: Service<Accept<L::Raw>, Response = Connection<J>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + Sync + 'static,
    L: Listener,
    I: Io,
    J: Io,
{
    const COUNT: usize = 100;
    let (_shutdown, closing) = Shutdown::new();
    let mut incoming = stack.listen(address, closing).await.unwrap();
    let address = incoming.addresses()[0].1.clone();
    let server = tokio::spawn(async move {
        while let Some(accepted) = incoming.next().await {
            tokio::spawn(answer(accepted.unwrap()));
        }
    });
    let (chunk, mut buffer) = (vec![7; CHUNK], vec![0; CHUNK]);
    let mut exchange = async |mut io: Connection<I>| {
        send(&mut io, &chunk, 1).await;
        receive(&mut io, &mut buffer, 1).await;
        io
    };
    // What a process has once is not counted.
    exchange(stack.dial(address.clone()).await.unwrap()).await;
    let mut connections = Vec::with_capacity(COUNT);
    let region = Region::new(ALLOCATOR);
    for _ in 0..COUNT {
        connections.push(exchange(stack.dial(address.clone()).await.unwrap()).await);
    }
    tokio::task::yield_now().await;
    let change = region.change();
    server.abort();
    (change.bytes_allocated - change.bytes_deallocated) / COUNT
}

/// All that it has used is given back, though 64 KiB went either way before. The bounds are those of both ends.
#[test]
fn a_connection_that_waits_holds_little() {
    alone(async {
        let shs = ShsLayer::new(identity("alice"));
        let stack = ServiceBuilder::new().layer(shs.clone()).service(Net::new());
        let held_by_net = held(stack, "net:127.0.0.1:0~shs").await;
        let stack = ServiceBuilder::new().layer(shs).service(Ws::new());
        let held_by_ws = held(stack, "ws://127.0.0.1:0~shs").await;
        assert!(held_by_net < 2 * 3 * 1024, "{held_by_net} bytes of net~shs");
        assert!(held_by_ws < 2 * 8 * 1024, "{held_by_ws} bytes of ws~shs");
    });
}

/// A stack costs a connection next to nothing beyond the layers in it, written one after the other by hand.
#[test]
fn three_middlewares_cost_a_dial_a_few_allocations() {
    alone(async {
        let shs = ShsLayer::new(identity("alice"));
        let plain = ServiceBuilder::new().layer(shs.clone()).service(Net::new());
        let stack = ServiceBuilder::new()
            .timeout(std::time::Duration::from_secs(10))
            .load_shed()
            .concurrency_limit(64)
            .layer(shs.clone())
            .service(Net::new());
        let (_shutdown, closing) = Shutdown::new();
        let mut incoming = plain.listen("net:127.0.0.1:0~shs", closing).await.unwrap();
        let address = incoming.addresses()[0].1.clone();
        tokio::spawn(async move { while incoming.next().await.is_some() {} });

        let (to_net, key) = {
            let mut sections = address.sections().to_vec();
            let key = sections.pop().unwrap();
            (Address::new(sections.remove(0)), key)
        };
        let by_hand = async || {
            let connection = Net::new().dial(to_net.clone()).await.unwrap();
            let args = shs::Args::from_section(&key).unwrap();
            let upgraded = shs.clone().upgrade(connection, Role::Dial(args)).await;
            drop(upgraded.unwrap());
        };
        let by_stack = async || drop(stack.dial(address.clone()).await.unwrap());
        let (mut hand, mut stacked) = (usize::MAX, usize::MAX);
        // The server's part of a connection may fall into either, so the least of several counts.
        for _ in 0..20 {
            let region = Region::new(ALLOCATOR);
            by_hand().await;
            hand = hand.min(region.change().allocations);
            let region = Region::new(ALLOCATOR);
            by_stack().await;
            stacked = stacked.min(region.change().allocations);
        }
        eprintln!("{hand} {stacked}");
        assert!(
            stacked <= hand + 20,
            "{stacked} by the stack, {hand} by hand"
        );
    });
}

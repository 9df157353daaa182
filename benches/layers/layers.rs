//! What a layer does in a second, by itself: over a pipe within one thread. WebSockets have a socket of their own beneath.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use multiserver_layers::{BULK, CHUNK, bulk, ping, text};
use tokio::{
    io::{DuplexStream, duplex},
    runtime::{Builder, Runtime},
};
use tower_multiserver::{
    Connection, Identity, Io, Role, Scope, Section, Shutdown, StackExt as _, Transform,
    compression::CompressionLayer,
    noauth::NoauthLayer,
    noise::{self, NoiseLayer},
    shs::{self, ShsLayer},
    ws::Ws,
};

fn all(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime of one thread");
    let identity = || Identity::generate().expect("random numbers");
    let server = identity();
    let key = server.public_key().try_into().expect("a usable key");

    let mut measure = Measure { criterion, runtime };
    measure.ends("pipe", duplex(CHUNK));
    let [near, far] = [identity(), server.clone()].map(ShsLayer::new);
    measure.layer("shs", near, shs::Args { key, seed: None }, far);
    let [near, far] = [identity(), server.clone()].map(NoiseLayer::new);
    measure.layer("noise", near, noise::Args { key, seed: None }, far);
    let noauth = NoauthLayer::new(server.public_key());
    measure.layer("noauth", noauth.clone(), (), noauth);
    let [near, far] = [CompressionLayer::gzip(), CompressionLayer::gzip()];
    measure.layer("gzip", near, (), far);
    let [near, far] = [CompressionLayer::zstd(), CompressionLayer::zstd()];
    measure.layer("zstd", near, (), far);
    measure.ws();
}

struct Measure<'a> {
    criterion: &'a mut Criterion,
    runtime: Runtime,
}

impl Measure<'_> {
    fn layer<T: Transform>(&mut self, name: &str, near: T, args: T::Args, far: T) {
        // On this machine, or `noauth` refuses it.
        let pipe = |io: DuplexStream| Connection::new(io, Section::new("pipe")).with(Scope::Device);
        let (a, b) = duplex(CHUNK);
        let (near, far) = self.runtime.block_on(async {
            tokio::join!(
                near.upgrade(pipe(a), Role::Dial(args)),
                far.upgrade(pipe(b), Role::Accept)
            )
        });
        self.ends(name, (near.expect("dialed"), far.expect("accepted")));
    }

    fn ws(&mut self) {
        let ends = self.runtime.block_on(async {
            let (_shutdown, closing) = Shutdown::new();
            let incoming = Ws::new().listen("ws://127.0.0.1:0", closing).await;
            let mut incoming = incoming.expect("a port is free");
            let address = incoming.addresses()[0].1.clone();
            let (near, far) = tokio::join!(Ws::new().dial(address), incoming.next());
            (near.expect("dialed"), far.expect("one").expect("accepted"))
        });
        self.ends("ws", ends);
    }

    fn ends(&mut self, name: &str, (mut near, mut far): (impl Io, impl Io)) {
        let text = text();
        let mut group = self.criterion.benchmark_group("one way, 64 KiB at once");
        group.throughput(Throughput::Bytes(BULK as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| self.runtime.block_on(bulk(&mut near, &mut far, &text)));
        });
        group.finish();
        let mut group = self.criterion.benchmark_group("64 bytes there and back");
        group.bench_function(name, |bencher| {
            bencher.iter(|| self.runtime.block_on(ping(&mut near, &mut far)));
        });
        group.finish();
    }
}

criterion_group!(layers, all);
criterion_main!(layers);

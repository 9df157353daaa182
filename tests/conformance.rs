//! What must hold of whole stacks, over a transport that gives, takes and fails as a seed says.
//!
//! `MULTISERVER_SEEDS` sets how many seeds are run, `MULTISERVER_SEED` runs one alone.

#![cfg(test)]

use tower_multiserver::{
    Connection, Error, FromSection, Identity, Io, Role, Transform, compression::CompressionLayer,
    knock::KnockLayer, mtls::MtlsLayer, noauth::NoauthLayer, noise::NoiseLayer, shs::ShsLayer,
};
use tower_multiserver_core::{
    Scope,
    testing::{self, Promise, Suite, Wire},
};

fn identity() -> Identity {
    Identity::generate().expect("the system has randomness")
}

async fn dial<T: Transform, I: Io>(
    layer: &T,
    server: &T,
    connection: Connection<I>,
) -> Result<Connection<T::Io<I>>, Error> {
    let args = T::Args::from_section(&server.section())?;
    layer.clone().upgrade(connection, Role::Dial(args)).await
}

async fn accept<T: Transform, I: Io>(
    layer: &T,
    connection: Connection<I>,
) -> Result<Connection<T::Io<I>>, Error> {
    layer.clone().upgrade(connection, Role::Accept).await
}

/// The checks of two layers, the inner one first.
#[expect(
    clippy::type_complexity,
    reason = "the two closures have no names, and a suite is used as a whole"
)]
fn stack<A: Transform, B: Transform>(
    [client_a, server_a]: [A; 2],
    [client_b, server_b]: [B; 2],
) -> Suite<
    impl AsyncFn(Connection<Wire>) -> Result<Connection<B::Io<A::Io<Wire>>>, Error>,
    impl AsyncFn(Connection<Wire>) -> Result<Connection<B::Io<A::Io<Wire>>>, Error>,
> {
    let name = format!("{}~{}", server_a.name(), server_b.name());
    let (inner, outer) = (server_a.clone(), server_b.clone());
    testing::connections(
        &name,
        async move |connection| {
            let connection = dial(&client_a, &inner, connection).await?;
            dial(&client_b, &outer, connection).await
        },
        async move |connection| {
            let connection = accept(&server_a, connection).await?;
            accept(&server_b, connection).await
        },
    )
}

fn twice<T: Clone>(layer: T) -> [T; 2] {
    [layer.clone(), layer]
}

#[tokio::test(start_paused = true)]
async fn shs_and_gzip_keep_what_every_layer_promises() {
    let shs = [identity(), identity()].map(ShsLayer::new);
    let gzip = twice(CompressionLayer::gzip());
    stack(shs, gzip).run(100).await;
}

#[tokio::test(start_paused = true)]
async fn noise_and_zstd_keep_what_every_layer_promises() {
    let noise = [identity(), identity()].map(NoiseLayer::new);
    let zstd = twice(CompressionLayer::zstd());
    stack(noise, zstd).run(100).await;
}

#[tokio::test(start_paused = true)]
async fn knock_and_mtls_keep_what_every_layer_promises() {
    let (alice, bob) = (identity(), identity());
    let knock = [alice.clone(), bob.clone()].map(KnockLayer::new);
    let mtls = [alice, bob].map(MtlsLayer::new);
    stack(knock, mtls)
        .without([Promise::Unflushed])
        .needs_room(6)
        .run(100)
        .await;
}

#[tokio::test(start_paused = true)]
async fn noauth_keeps_what_every_layer_promises() {
    let [alice, bob] = [identity(), identity()];
    let client = NoauthLayer::new(alice.public_key());
    let server = NoauthLayer::new(bob.public_key());
    // It asks where the peer is.
    let on_this_machine = |connection: Connection<Wire>| connection.with(Scope::Device);
    let other = server.clone();
    testing::connections(
        "noauth",
        async move |connection| dial(&client, &other, on_this_machine(connection)).await,
        async move |connection| accept(&server, on_this_machine(connection)).await,
    )
    .without([Promise::Cuts, Promise::Changes])
    .run(200)
    .await;
}

//! Two ragep2p hosts that play ping-pong. One of them goes away and comes back, and the stream heals by itself.
//!
//! ```console
//! $ cargo run --features ragep2p --example rage_pingpong
//! alice is 12D3KooW…
//! bob is 12D3KooW… at net:127.0.0.1:40123
//! ping 1, pong 1
//! ping 2, pong 2
//! bob has gone
//! ping 3, no pong yet
//! bob is back, as a new host
//! ping 3, pong 3
//! ping 4, pong 4
//! bob is still the one who proved his key: 12D3KooW…
//! ```

use std::time::Duration;

use tokio::{task::JoinHandle, time::timeout};
use tower::BoxError;
use tower_multiserver::{
    Address, Identity, PeerId,
    ragep2p::{Host, KnownPeers, Stream},
};

/// Both ends give the stream this name.
const TABLE: &str = "ping-pong/v1";

/// How long to wait for a pong. A message can be lost with the connection, so a ping without an answer is sent again.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often to dial a peer to whom there is no connection.
const DIAL_INTERVAL: Duration = Duration::from_millis(100);

/// Bob's host, and the task that answers pings.
async fn bob(
    identity: &Identity,
    at: &str,
    alice: PeerId,
) -> Result<(Host, JoinHandle<()>), BoxError> {
    let host = Host::builder(identity.clone())
        .listen(at)?
        .dial_interval(DIAL_INTERVAL)
        .start()
        .await?;
    let mut table = host.stream(alice, TABLE).open()?;
    let playing = tokio::spawn(async move {
        // It ends when the host is closed.
        while let Some(ping) = table.recv().await {
            let pong = String::from_utf8_lossy(&ping).replace("ping", "pong");
            if table.send(pong).is_err() {
                return;
            }
        }
    });
    Ok((host, playing))
}

/// Sends a ping once; whether the pong came.
async fn ping(table: &mut Stream, number: u32) -> Result<bool, BoxError> {
    // Where there is no connection it waits, and goes over the next.
    let _ = table.send(format!("ping {number}"))?;
    let pong = format!("pong {number}");
    let answered = timeout(PATIENCE, async {
        // Others are those of pings that were sent twice.
        while table.recv().await? != pong.as_bytes() {}
        Some(())
    });
    Ok(matches!(answered.await, Ok(Some(()))))
}

/// Sends a ping until the pong comes.
async fn play(table: &mut Stream, number: u32) -> Result<(), BoxError> {
    while !ping(table, number).await? {}
    println!("ping {number}, pong {number}");
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (alice, bobs) = (Identity::generate()?, Identity::generate()?);
    let [alice_id, bob_id] = [&alice, &bobs].map(|identity| PeerId::from(identity.public_key()));

    let (host, playing) = bob(&bobs, "net:127.0.0.1:0", alice_id).await?;
    // In front of the layers, which all hosts have, is the transport.
    let (_, address) = host.addresses().first().ok_or("bob listens")?;
    let at = Address::new(address.transport().clone()).to_string();
    println!("alice is {alice_id}");
    println!("bob is {bob_id} at {at}");

    let alice = Host::builder(alice)
        .discover(KnownPeers::new().peer(bob_id, &*at)?)
        .dial_interval(DIAL_INTERVAL)
        .start()
        .await?;
    let mut table = alice.stream(bob_id, TABLE).open()?;
    play(&mut table, 1).await?;
    play(&mut table, 2).await?;

    host.close().await;
    playing.await?;
    println!("bob has gone");
    assert!(!ping(&mut table, 3).await?);
    println!("ping 3, no pong yet");

    let (host, playing) = bob(&bobs, &at, alice_id).await?;
    println!("bob is back, as a new host");
    // Alice has done nothing about it: it is the same stream.
    play(&mut table, 3).await?;
    play(&mut table, 4).await?;
    println!("bob is still the one who proved his key: {}", table.peer());
    assert_eq!(table.peer(), bob_id);

    alice.close().await;
    host.close().await;
    playing.await?;
    Ok(())
}

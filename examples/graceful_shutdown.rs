//! A server that ends without cutting anybody off: it stops accepting, tells its peers, and waits for the last one.
//!
//! ```console
//! $ cargo run --example graceful_shutdown
//! listening on net:127.0.0.1:40123~shs:…
//! peer 1: still here? yes
//! shutting down
//! peer 1: told goodbye
//! a new peer is refused
//! the last peer has gone
//! ```

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, BufWriter, split};
use tokio::sync::oneshot;
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_multiserver::{Connection, Identity, MultiServer, Scope, net::Net, shs::ShsLayer};

/// Answers each line, until the peer ends or the server closes.
async fn handle(mut peer: Connection) -> Result<(), BoxError> {
    let mut closing = peer.closing_handle().ok_or("dialed, not accepted")?;
    let (reader, mut writer) = split(&mut peer);
    let mut lines = BufReader::new(reader).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => writer.write_all(format!("{line} yes\n").as_bytes()).await?,
                None => break,
            },
            () = closing.wait() => {
                writer.write_all(b"goodbye\n").await?;
                break;
            }
        }
    }
    writer.shutdown().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let multi = || -> Result<MultiServer, BoxError> {
        let shs = ShsLayer::new(Identity::generate()?);
        let stack = ServiceBuilder::new().layer(shs).service(Net::new());
        Ok(MultiServer::new().stack(stack))
    };

    let server = multi()?.listen("net:127.0.0.1:0~shs").await?;
    let address = server.addresses(Scope::Device).ok_or("no address")?;
    println!("listening on {address}");

    // In a program of your own the signal is `tokio::signal::ctrl_c()`.
    let (stop, stopped) = oneshot::channel::<()>();
    let signal = async { drop(stopped.await) };
    let serving = tokio::spawn(server.serve(service_fn(handle), signal));

    let mut peer = BufReader::new(BufWriter::new(multi()?.dial(address.clone()).await?));
    peer.write_all(b"still here?\n").await?;
    peer.flush().await?;
    let mut answer = String::new();
    peer.read_line(&mut answer).await?;
    print!("peer 1: {answer}");
    assert_eq!(answer, "still here? yes\n");

    println!("shutting down");
    drop(stop);

    answer.clear();
    peer.read_line(&mut answer).await?;
    println!("peer 1: told {}", answer.trim());
    assert_eq!(answer, "goodbye\n");

    assert!(multi()?.dial(address).await.is_err());
    println!("a new peer is refused");

    drop(peer);
    serving.await?;
    println!("the last peer has gone");
    Ok(())
}

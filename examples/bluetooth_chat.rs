//! Two devices that chat by Bluetooth, with proven keys. Linux.
//!
//! On the one, with the address of its adapter (`bluetoothctl list`), and then on the other:
//!
//! ```console
//! $ cargo run --features bluetooth --example bluetooth_chat listen bt:65D900DDB353~shs
//! waiting on bt:65D900DDB353~shs:…
//! $ cargo run --features bluetooth --example bluetooth_chat dial bt:65D900DDB353~shs:…
//! @….ed25519 is there by bt:65D900DDB353~shs:…
//! ```
//!
//! Each then types lines. Without arguments it looks whether there is Bluetooth here, and chats with itself:
//!
//! ```console
//! $ cargo run --features bluetooth --example bluetooth_chat
//! no Bluetooth here: not available at `bt:000000000000`
//! @….ed25519 is there by channel:here~shs:…
//! @….ed25519 is there by channel:here~shs:…
//! > hello from bob
//! > hello from alice
//! ```

#[cfg(target_os = "linux")]
mod chat {
    use tokio::io::{
        AsyncBufRead, AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, split, stdin,
    };
    use tower::{BoxError, ServiceBuilder};
    use tower_multiserver::{
        Connection, ErrorKind, Identity, MultiServer, bluetooth::Bluetooth, channel::Channel,
        shs::ShsLayer,
    };

    fn multi_server() -> Result<MultiServer, BoxError> {
        let shs = ShsLayer::new(Identity::generate()?);
        let bluetooth = ServiceBuilder::new()
            .layer(shs.clone())
            .service(Bluetooth::new());
        let here = ServiceBuilder::new().layer(shs).service(Channel::global());
        Ok(MultiServer::new().stack(bluetooth).stack(here))
    }

    /// Sends our lines and prints the peer's, until both have ended. Gives back what the peer said.
    async fn chat(peer: Connection, ours: impl AsyncBufRead + Unpin) -> Result<String, BoxError> {
        let who = peer.info().remote_key().ok_or("a stranger")?;
        println!("@{who}.ed25519 is there by {}", peer.info().address());
        let (reader, mut writer) = split(peer);
        let speak = async {
            let mut lines = ours.lines();
            while let Some(line) = lines.next_line().await? {
                writer.write_all(format!("{line}\n").as_bytes()).await?;
                writer.flush().await?;
            }
            writer.shutdown().await
        };
        let listen = async {
            let mut heard = String::new();
            let mut lines = BufReader::new(reader).lines();
            while let Some(line) = lines.next_line().await? {
                // Escaped, since the peer could write all over our terminal.
                println!("> {}", line.escape_debug());
                heard += &line;
            }
            Ok(heard)
        };
        let ((), heard) = tokio::try_join!(speak, listen)?;
        Ok(heard)
    }

    async fn wait(at: &str) -> Result<Connection, BoxError> {
        let mut listening = multi_server()?.listen(at).await?;
        for (_, address) in listening.all_addresses() {
            println!("waiting on {address}");
        }
        Ok(listening.next().await.ok_or("closed")??)
    }

    async fn with_oneself() -> Result<(), BoxError> {
        match multi_server()?.listen("bt:000000000000~shs").await {
            Ok(_listening) => println!("there is Bluetooth here, so try it with two devices"),
            Err(error) => {
                println!("no Bluetooth here: {error}");
                assert_eq!(error.kind(), ErrorKind::Unavailable);
            }
        }
        let mut listening = multi_server()?.listen("channel:here~shs").await?;
        let (_, address) = listening.all_addresses()[0].clone();
        let client = multi_server()?;
        let (alice, bob) = tokio::join!(client.dial(address), listening.next());
        let alice = chat(alice?, &b"hello from alice"[..]);
        let bob = chat(bob.ok_or("closed")??, &b"hello from bob"[..]);
        let (alice_heard, bob_heard) = tokio::try_join!(alice, bob)?;
        assert_eq!(alice_heard, "hello from bob");
        assert_eq!(bob_heard, "hello from alice");
        Ok(())
    }

    pub(crate) async fn main() -> Result<(), BoxError> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let peer = match *arguments {
            [] => return with_oneself().await,
            ["listen", at] => wait(at).await?,
            ["dial", to] => multi_server()?.dial(to).await?,
            _ => return Err("see the head of examples/bluetooth_chat.rs".into()),
        };
        chat(peer, BufReader::new(stdin())).await?;
        tower_multiserver::transport::lingered().await;
        Ok(())
    }
}

#[cfg(target_os = "linux")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), tower::BoxError> {
    chat::main().await
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("there is Bluetooth for Linux only");
}

//! Sockets without anything over them: what a hand-written loop costs.

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::{
    Result,
    channel::Bytes,
    stack::{Stack, spawn},
    work::Work,
};

#[derive(Clone)]
pub(crate) struct Tcp;

impl Stack for Tcp {
    type Channel = Bytes<TcpStream>;

    async fn serve(self, work: Work, listening: impl FnOnce(String) + Send) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        listening(listener.local_addr()?.to_string());
        loop {
            let (stream, _) = listener.accept().await?;
            spawn(work, async move {
                stream.set_nodelay(true)?;
                Ok(Bytes(stream))
            });
        }
    }

    async fn dial(&self, address: &str) -> Result<Self::Channel> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Bytes(stream))
    }
}

#[derive(Clone)]
pub(crate) struct Unix;

impl Stack for Unix {
    type Channel = Bytes<UnixStream>;

    async fn serve(self, work: Work, listening: impl FnOnce(String) + Send) -> Result<()> {
        let path = super::socket_path();
        let listener = UnixListener::bind(&path)?;
        listening(path);
        loop {
            let (stream, _) = listener.accept().await?;
            spawn(work, async move { Ok(Bytes(stream)) });
        }
    }

    async fn dial(&self, address: &str) -> Result<Self::Channel> {
        Ok(Bytes(UnixStream::connect(address).await?))
    }
}

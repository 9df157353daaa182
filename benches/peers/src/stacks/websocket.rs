//! WebSockets by others, in binary messages.

use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload};
use futures::{SinkExt as _, StreamExt as _};
use http_body_util::Empty;
use hyper::{Request, header, service::service_fn, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async, tungstenite::Message};

use crate::{
    Result,
    channel::Channel,
    stack::{Stack, spawn},
    work::Work,
};

#[derive(Clone)]
pub(crate) struct Tungstenite;

/// A stream of messages, and the rest of one.
pub(crate) struct Messages {
    stream: WebSocketStream<TcpStream>,
    rest: Bytes,
}

impl Messages {
    fn new(stream: WebSocketStream<TcpStream>) -> Self {
        let rest = Bytes::new();
        Self { stream, rest }
    }
}

impl Stack for Tungstenite {
    type Channel = Messages;

    async fn serve(self, work: Work, listening: impl FnOnce(String) + Send) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        listening(listener.local_addr()?.to_string());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            spawn(work, async {
                Ok(Messages::new(accept_async(stream).await?))
            });
        }
    }

    async fn dial(&self, address: &str) -> Result<Messages> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (stream, _) = client_async(format!("ws://{address}/"), stream).await?;
        Ok(Messages::new(stream))
    }
}

impl Channel for Messages {
    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Ok(self.stream.feed(message).await?)
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(self.stream.flush().await?)
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.rest.is_empty() {
            match self.stream.next().await {
                None => return Ok(0),
                Some(message) => {
                    if let Message::Binary(bytes) = message? {
                        self.rest = bytes;
                    }
                }
            }
        }
        let count = buffer.len().min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}

#[derive(Clone)]
pub(crate) struct Fast;

/// A stream of frames, and the rest of one.
pub(crate) struct Frames {
    stream: FragmentCollector<TokioIo<Upgraded>>,
    rest: Bytes,
    /// What a client masks.
    copy: Vec<u8>,
}

impl Frames {
    fn new(stream: fastwebsockets::WebSocket<TokioIo<Upgraded>>) -> Self {
        Self {
            stream: FragmentCollector::new(stream),
            rest: Bytes::new(),
            copy: Vec::new(),
        }
    }
}

impl Stack for Fast {
    type Channel = Frames;

    async fn serve(self, work: Work, listening: impl FnOnce(String) + Send) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        listening(listener.local_addr()?.to_string());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = service_fn(move |mut request| async move {
                let (response, upgraded) = fastwebsockets::upgrade::upgrade(&mut request)?;
                spawn(work, async { Ok(Frames::new(upgraded.await?)) });
                Result::Ok(response)
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades(),
            );
        }
    }

    async fn dial(&self, address: &str) -> Result<Frames> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = Request::get(format!("http://{address}/"))
            .header(header::HOST, address)
            .header(header::UPGRADE, "websocket")
            .header(header::CONNECTION, "upgrade")
            .header(
                header::SEC_WEBSOCKET_KEY,
                fastwebsockets::handshake::generate_key(),
            )
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .body(Empty::<Bytes>::new())?;
        let (stream, _) =
            fastwebsockets::handshake::client(&TokioExecutor::new(), request, stream).await?;
        Ok(Frames::new(stream))
    }
}

impl Channel for Frames {
    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.copy.clear();
        self.copy.extend_from_slice(bytes);
        let payload = Payload::BorrowedMut(&mut self.copy);
        Ok(self.stream.write_frame(Frame::binary(payload)).await?)
    }

    async fn flush(&mut self) -> Result<()> {
        // A frame is flushed when it is written.
        Ok(())
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.rest.is_empty() {
            let frame = self.stream.read_frame().await?;
            match frame.opcode {
                OpCode::Close => return Ok(0),
                OpCode::Binary => self.rest = Vec::from(frame.payload).into(),
                _ => {}
            }
        }
        let count = buffer.len().min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}

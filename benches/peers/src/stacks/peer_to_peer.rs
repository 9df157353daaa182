//! libp2p: TCP, Noise and yamux, as its users combine them; a connection is a substream of yamux.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::{
    Multiaddr, PeerId, Transport as _,
    core::{
        muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox},
        transport::{Boxed, DialOpts, ListenerId, PortUse, TransportEvent},
        upgrade::Version,
    },
    identity::Keypair,
    noise, tcp, yamux,
};

use crate::{
    Result,
    channel::Channel,
    stack::{Stack, spawn},
    work::Work,
};

#[derive(Clone)]
pub(crate) struct Libp2p(Arc<Mutex<Boxed<(PeerId, StreamMuxerBox)>>>);

impl Libp2p {
    pub(crate) fn new() -> Result<Self> {
        let identity = Keypair::generate_ed25519();
        let transport = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(&identity)?)
            .multiplex(yamux::Config::default())
            .boxed();
        Ok(Self(Arc::new(Mutex::new(transport))))
    }
}

/// A substream, and the task that moves its connection.
pub(crate) struct Substream {
    stream: SubstreamBox,
    _connection: Option<Task>,
}

/// A task that ends when this is dropped.
struct Task(tokio::task::JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Stack for Libp2p {
    type Channel = Substream;

    async fn serve(self, work: Work, listening: impl FnOnce(String) + Send) -> Result<()> {
        let mut transport = {
            let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(
                &mut *shared,
                libp2p::core::transport::dummy::DummyTransport::new().boxed(),
            )
        };
        transport.listen_on(ListenerId::next(), "/ip4/127.0.0.1/tcp/0".parse()?)?;
        let mut listening = Some(listening);
        loop {
            let event = poll_fn(|cx| Pin::new(&mut transport).poll(cx)).await;
            match event {
                TransportEvent::NewAddress { listen_addr, .. } => {
                    if let Some(listening) = listening.take() {
                        listening(listen_addr.to_string());
                    }
                }
                TransportEvent::Incoming { upgrade, .. } => {
                    tokio::spawn(async move {
                        if let Ok((_, muxer)) = upgrade.await {
                            take_substreams(muxer, work).await;
                        }
                    });
                }
                _ => {}
            }
        }
    }

    async fn dial(&self, address: &str) -> Result<Substream> {
        let dialing = {
            let mut transport = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let opts = DialOpts {
                role: libp2p::core::Endpoint::Dialer,
                port_use: PortUse::New,
            };
            transport.dial(address.parse::<Multiaddr>()?, opts)?
        };
        let (_, mut muxer) = dialing.await?;
        let mut stream = poll_fn(|cx| {
            if let Poll::Ready(opened) = muxer.poll_outbound_unpin(cx) {
                return Poll::Ready(opened);
            }
            let _ = muxer.poll_unpin(cx);
            Poll::Pending
        })
        .await?;
        let connection = tokio::spawn(async move {
            let moved = poll_fn(|cx| {
                loop {
                    match muxer.poll_unpin(cx) {
                        Poll::Ready(Ok(_)) => {}
                        other => return other.map(|_| ()),
                    }
                }
            });
            moved.await;
        });
        // yamux tells the other side of a substream with its first bytes.
        stream.write_all(&[1]).await?;
        stream.flush().await?;
        Ok(Substream {
            stream,
            _connection: Some(Task(connection)),
        })
    }
}

async fn take_substreams(mut muxer: StreamMuxerBox, work: Work) {
    let substreams = futures::stream::poll_fn(move |cx| {
        loop {
            if let Poll::Ready(opened) = muxer.poll_inbound_unpin(cx) {
                return Poll::Ready(opened.ok());
            }
            match muxer.poll_unpin(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    let mut substreams = Box::pin(substreams);
    while let Some(mut stream) = substreams.next().await {
        spawn(work, async move {
            stream.read_exact(&mut [0]).await?;
            Ok(Substream {
                stream,
                _connection: None,
            })
        });
    }
}

impl Channel for Substream {
    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(self.stream.flush().await?)
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        Ok(self.stream.read(buffer).await?)
    }
}

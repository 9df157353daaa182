//! Streams of UDX: reliable, ordered, in both directions, over UDP.
//!
//! The wire is that of npm udx-native 1 and its C library [libudx](https://github.com/holepunchto/libudx), without the probing
//! for larger packets. Congestion is avoided as RFC 5681 says, losses are found by what arrives later, and a peer is told how
//! much room there is.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod packet;
mod port;
mod receive;
#[cfg(test)]
mod road;
mod send;
mod state;
#[cfg(test)]
mod tests;

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use libudx::{UdxError, UdxRuntime, UdxStream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{Notify, mpsc},
    time::{Instant, sleep_until, timeout},
};

use self::{packet::Packet, port::Relays, state::State};
use crate::{fits::read_into, lock::lock};

pub(super) use self::port::Port;

/// One end of a stream. A drop destroys what has not ended in both directions.
pub(super) struct Stream(Arc<Shared>);

struct Shared {
    inner: Mutex<Inner>,
    work: Notify,
}

struct Inner {
    state: State,
    readers: Option<Waker>,
    writers: Vec<Waker>,
    dropped: bool,
    heard: Arc<Mutex<Instant>>,
}

impl Stream {
    /// A stream whose packets `outer` relays, a stream on the node's socket that has its peer or waits for it; and the work
    /// that is to be done for it.
    pub(super) async fn over(
        port: &Arc<Port>,
        udx: &UdxRuntime,
        outer: Arc<UdxStream>,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static + use<>), UdxError> {
        let (relays, packets) = port.relay(udx, outer).await?;
        let shared = Arc::new(Shared {
            inner: Mutex::new(Inner {
                state: State::new(relays.out),
                readers: None,
                writers: Vec::new(),
                dropped: false,
                heard: Arc::new(Mutex::new(Instant::now())),
            }),
            work: Notify::new(),
        });
        Ok((Self(shared.clone()), run(shared, relays, packets)))
    }

    /// Where it says when a packet came last, an acknowledgement too.
    pub(super) fn heard(&self) -> Arc<Mutex<Instant>> {
        lock(&self.0.inner).heard.clone()
    }
}

/// Moves the packets of a stream until it is over.
async fn run(shared: Arc<Shared>, relays: Relays, mut packets: mpsc::Receiver<Vec<u8>>) {
    loop {
        let timer = {
            let inner = lock(&shared.inner);
            if inner.dropped || inner.state.failed.is_some() {
                break;
            }
            inner.state.timer()
        };
        let tick = async {
            match timer {
                Some(timer) => sleep_until(timer).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            packet = packets.recv() => {
                let Some(packet) = packet else { break };
                let mut inner = lock(&shared.inner);
                let now = Instant::now();
                inner.receive(&packet, now);
                // Those that came with it are acknowledged with it.
                for _ in 0..BATCH {
                    match packets.try_recv() {
                        Ok(packet) => inner.receive(&packet, now),
                        Err(_) => break,
                    }
                }
                inner.wake();
            }
            () = shared.work.notified() => {}
            () = tick => {
                let mut inner = lock(&shared.inner);
                inner.state.tick(Instant::now());
                inner.wake();
            }
        }
        loop {
            let packet = lock(&shared.inner).state.send(Instant::now());
            match packet {
                Some(packet) => relays.send(&packet).await,
                None => break,
            }
        }
        lock(&shared.inner).wake();
    }
    let farewell = {
        let mut inner = lock(&shared.inner);
        inner.wake();
        (!inner.state.is_over()).then(|| inner.state.destroy())
    };
    if let Some(packet) = &farewell {
        relays.send(packet).await;
    }
    // The relays hand a last packet on in tasks of their own, which end with them; and the peer sends its end again if it did
    // not hear that it came.
    let repeat = async {
        while let Some(packet) = packets.recv().await {
            let answer = {
                let mut inner = lock(&shared.inner);
                inner.receive(&packet, Instant::now());
                inner.state.send(Instant::now())
            };
            if let Some(answer) = farewell.as_ref().or(answer.as_ref()) {
                relays.send(answer).await;
            }
        }
    };
    let _ = timeout(FAREWELL, repeat).await;
}

/// How many packets are taken before answers are sent.
const BATCH: usize = 16;

/// How long a peer that did not hear of the end is told again.
const FAREWELL: Duration = Duration::from_secs(1);

impl Inner {
    fn receive(&mut self, packet: &[u8], now: Instant) {
        if let Some(packet) = Packet::decode(packet) {
            *lock(&self.heard) = now;
            self.state.receive(&packet, now);
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.readers.take() {
            waker.wake();
        }
        self.writers.drain(..).for_each(Waker::wake);
    }

    fn check(&self) -> io::Result<()> {
        match self.state.failed {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }

    fn wait_to_write(&mut self, cx: &Context<'_>) {
        if !self.writers.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.writers.push(cx.waker().clone());
        }
    }

    fn poll_acknowledged(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.state.is_acknowledged() {
            return Poll::Ready(Ok(()));
        }
        self.check()?;
        self.wait_to_write(cx);
        Poll::Pending
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = lock(&self.0.inner);
        let read = inner.state.read(|part| read_into(buf, part));
        if read.is_none() {
            inner.check()?;
            inner.readers = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let owes = inner.state.owes_ack();
        drop(inner);
        if owes {
            self.0.work.notify_one();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut inner = lock(&self.0.inner);
        inner.check()?;
        let count = inner.state.write(buf);
        if count == 0 && !buf.is_empty() {
            inner.wait_to_write(cx);
            return Poll::Pending;
        }
        drop(inner);
        self.0.work.notify_one();
        Poll::Ready(Ok(count))
    }

    /// Waits until the peer has acknowledged all that was written.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0.inner).poll_acknowledged(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = lock(&self.0.inner);
        inner.state.end();
        let done = inner.poll_acknowledged(cx);
        drop(inner);
        self.0.work.notify_one();
        done
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        lock(&self.0.inner).dropped = true;
        self.0.work.notify_one();
    }
}

//! Counting and limiting the raw bytes below the encryption, for all connections of a peer together.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tower_layer::Layer;

use super::{RateLimit, TokenBucket, violation::Violation};
use crate::{Connection, Io, Role, Wrap, Wrapped};

/// Layer that counts and limits the bytes of a connection that has the fact [`Meter`]. It has no section.
///
/// A layer below leaves the meter: a [`KnockLayer`](crate::knock::KnockLayer) does, where its hook grants one. The layer adds
/// the fact [`Metered`], with which whoever holds the finished connection starts the limits, once the handshakes above are
/// over. Without a meter it passes everything through.
///
/// ```
/// use tokio::io::{AsyncReadExt as _, duplex};
/// use tower_multiserver::{
///     Connection, Role, Section, Wrap as _,
///     ragep2p::{Meter, MeterLayer, Metered, RateLimit},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let meter = Meter::new();
/// meter.limit(RateLimit::new(0.0, 4));
/// meter.allow(4);
///
/// let (ours, theirs) = duplex(64);
/// let connection = Connection::new(ours, Section::new("pipe")).with(meter.clone());
/// let mut connection = MeterLayer.wrap(connection, Role::Accept);
/// connection.info().get::<Metered>().unwrap().start();
///
/// tokio::io::AsyncWriteExt::write_all(&mut { theirs }, b"1234").await.unwrap();
/// let mut read = [0; 4];
/// connection.read_exact(&mut read).await.unwrap();
/// assert_eq!(meter.received(), 4);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct MeterLayer;

/// A fact, and the count of all connections of a peer together. Clones share it.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    received: AtomicU64,
    sent: AtomicU64,
    /// None where there is no limit.
    bucket: Mutex<Option<TokenBucket>>,
}

/// A fact: the count of this one connection.
#[derive(Clone, Debug, Default)]
pub struct Metered(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    started: AtomicBool,
    /// Whether a byte of content must come with so many raw ones.
    bounds_overhead: AtomicBool,
    /// Raw bytes since the start.
    raw: AtomicU64,
    /// Bytes of content.
    content: AtomicU64,
}

/// Raw bytes that need no content: handshakes, alerts, keep-alives.
const FREE_OVERHEAD: u64 = 102_400;

/// So many raw bytes may come with a byte of content.
const OVERHEAD_FACTOR: u64 = 2;

impl Meter {
    /// One without limits.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            bucket: Mutex::new(None),
        }))
    }

    /// Limits what is received from now on over all connections. What had been saved up stays; the first limit starts with
    /// nothing.
    pub fn limit(&self, limit: RateLimit) {
        let now = Instant::now();
        self.bucket(|bucket| {
            let bucket = bucket.get_or_insert_with(|| TokenBucket::empty(now));
            bucket.set(limit, now);
        });
    }

    /// Takes the limit away.
    pub fn unlimit(&self) {
        self.bucket(|bucket| *bucket = None);
    }

    /// Allows so many bytes more.
    pub fn allow(&self, bytes: u32) {
        self.bucket(|bucket| {
            if let Some(bucket) = bucket {
                bucket.add(bytes);
            }
        });
    }

    /// How many bytes have been received.
    pub fn received(&self) -> u64 {
        self.0.received.load(Ordering::Relaxed)
    }

    /// How many bytes have been sent.
    pub fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let now = Instant::now();
        self.bucket(|bucket| bucket.as_mut().is_none_or(|bucket| bucket.take(bytes, now)))
    }

    fn bucket<T>(&self, act: impl FnOnce(&mut Option<TokenBucket>) -> T) -> T {
        act(&mut self.0.bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl Metered {
    /// Begins to charge the [`Meter`]'s limit. Until then bytes are only counted.
    pub fn start(&self) {
        self.0.started.store(true, Ordering::Relaxed);
    }

    /// Begins to charge the limit, and to end the connection when raw bytes are more than twice those of content and
    /// 100 KiB. Whoever reads the content must [tell](Self::content) how much there was.
    pub fn start_bounding_overhead(&self) {
        self.0.bounds_overhead.store(true, Ordering::Relaxed);
        self.start();
    }

    /// Tells how much content was read.
    pub fn content(&self, bytes: usize) {
        self.0.content.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts what came, once it counts.
    fn receive(&self, meter: &Meter, bytes: usize) -> Result<(), Violation> {
        meter.0.received.fetch_add(bytes as u64, Ordering::Relaxed);
        if !self.0.started.load(Ordering::Relaxed) {
            return Ok(());
        }
        if !meter.take(bytes) {
            return Err(Violation::RateExceeded);
        }
        let before = self.0.raw.fetch_add(bytes as u64, Ordering::Relaxed);
        let raw = before.saturating_add(bytes as u64);
        let content = self.0.content.load(Ordering::Relaxed);
        let allowed = content
            .saturating_mul(OVERHEAD_FACTOR)
            .saturating_add(FREE_OVERHEAD);
        match self.0.bounds_overhead.load(Ordering::Relaxed) && raw > allowed {
            true => Err(Violation::Overhead),
            false => Ok(()),
        }
    }
}

impl<S> Layer<S> for MeterLayer {
    type Service = Wrapped<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Wrapped::new(inner, *self)
    }
}

impl Wrap for MeterLayer {
    type Io<I: Io> = MeterIo<I>;

    fn wrap<I: Io>(&self, connection: Connection<I>, _: Role) -> Connection<MeterIo<I>> {
        let meter = connection.info().get::<Meter>().cloned();
        let metered = Metered::default();
        let counts = meter.map(|meter| (meter, metered.clone()));
        connection.with(metered).map(|io| MeterIo { io, counts })
    }
}

/// The stream of [`MeterLayer`].
#[pin_project]
#[derive(Debug)]
pub struct MeterIo<I> {
    #[pin]
    io: I,
    counts: Option<(Meter, Metered)>,
}

impl<I: AsyncRead> AsyncRead for MeterIo<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buf.filled().len();
        ready!(this.io.poll_read(cx, buf))?;
        if let Some((meter, metered)) = this.counts {
            let received = metered.receive(meter, buf.filled().len().saturating_sub(before));
            received.map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<I> MeterIo<I> {
    fn sent(counts: &Option<(Meter, Metered)>, written: &Poll<io::Result<usize>>) {
        if let (Some((meter, _)), Poll::Ready(Ok(bytes))) = (counts, written) {
            meter.0.sent.fetch_add(*bytes as u64, Ordering::Relaxed);
        }
    }
}

impl<I: AsyncWrite> AsyncWrite for MeterIo<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.io.poll_write(cx, buf);
        Self::sent(this.counts, &written);
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.io.poll_write_vectored(cx, bufs);
        Self::sent(this.counts, &written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

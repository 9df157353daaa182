//! Bytes from one end to another.

use std::{io, pin::pin};

use futures_util::{
    FutureExt as _,
    future::{Either, select},
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tower_multiserver::{Error, Info};

use crate::{
    failure::Failure,
    progress::{self, Direction},
};

/// A read of this size fills many encrypted frames at once, and is as much as one web socket message takes.
const BUFFER: usize = 64 * 1024;

/// Which end of a copy failed.
#[derive(Debug)]
pub(crate) enum Broken<E = Failure> {
    /// What was read from.
    Source(E),
    /// What was written to.
    Sink(E),
}

/// Copies until `source` ends, and flushes `sink` whenever `source` has nothing more ready. It does not shut `sink` down.
pub(crate) async fn copy(
    source: &mut (impl AsyncRead + Unpin),
    sink: &mut (impl AsyncWrite + Unpin),
    direction: Direction,
) -> Result<(), Broken<io::Error>> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = match source.read(&mut buffer).now_or_never() {
            Some(read) => read,
            None => {
                sink.flush().await.map_err(Broken::Sink)?;
                source.read(&mut buffer).await
            }
        };
        match read.map_err(Broken::Source)? {
            0 => return sink.flush().await.map_err(Broken::Sink),
            n => {
                sink.write_all(&buffer[..n]).await.map_err(Broken::Sink)?;
                progress::moved(direction, n);
            }
        }
    }
}

/// As [`copy`], then shuts `sink` down.
pub(crate) async fn copy_all(
    source: &mut (impl AsyncRead + Unpin),
    sink: &mut (impl AsyncWrite + Unpin),
    direction: Direction,
) -> Result<(), Broken<io::Error>> {
    copy(source, sink, direction).await?;
    sink.shutdown().await.map_err(Broken::Sink)
}

/// Runs the two directions of a connection until both are over.
///
/// Where one can write no more, the other goes on: who takes nothing any more may still have something to say. Where one
/// can read no more, both are over.
pub(crate) async fn both<E>(
    there: impl Future<Output = Result<(), Broken<E>>>,
    back: impl Future<Output = Result<(), Broken<E>>>,
) -> Result<(), Broken<E>> {
    match select(pin!(there), pin!(back)).await {
        Either::Left((there, back)) => then(there, back).await,
        Either::Right((back, there)) => then(back, there).await,
    }
}

/// As [`both`], but the end of `back` ends all.
pub(crate) async fn until<E>(
    back: impl Future<Output = Result<(), Broken<E>>>,
    there: impl Future<Output = Result<(), Broken<E>>>,
) -> Result<(), Broken<E>> {
    match select(pin!(back), pin!(there)).await {
        Either::Left((back, _)) => back,
        Either::Right((there, back)) => then(there, back).await,
    }
}

/// As [`both`], but the end of either ends all.
pub(crate) async fn first<E>(
    there: impl Future<Output = Result<(), Broken<E>>>,
    back: impl Future<Output = Result<(), Broken<E>>>,
) -> Result<(), Broken<E>> {
    match select(pin!(there), pin!(back)).await {
        Either::Left((Ok(()), _)) | Either::Right((Ok(()), _)) => Ok(()),
        Either::Left((there, back)) => then(there, back).await,
        Either::Right((back, there)) => then(back, there).await,
    }
}

async fn then<E>(
    first: Result<(), Broken<E>>,
    other: impl Future<Output = Result<(), Broken<E>>>,
) -> Result<(), Broken<E>> {
    match first {
        Ok(()) => other.await,
        Err(Broken::Sink(error)) => other.await.and(Err(Broken::Sink(error))),
        Err(broken) => Err(broken),
    }
}

impl<E> Broken<E> {
    /// The cause.
    pub(crate) fn into_inner(self) -> E {
        match self {
            Self::Source(error) | Self::Sink(error) => error,
        }
    }
}

impl Broken<io::Error> {
    /// Says whose ends they were, by [`of_peer`] and [`of_ours`].
    pub(crate) fn between(
        self,
        source: impl FnOnce(io::Error) -> Failure,
        sink: impl FnOnce(io::Error) -> Failure,
    ) -> Broken {
        match self {
            Self::Source(error) => Broken::Source(source(error)),
            Self::Sink(error) => Broken::Sink(sink(error)),
        }
    }
}

/// A connection is broken off.
pub(crate) fn of_peer(peer: &Info) -> impl Fn(io::Error) -> Failure {
    |error| Error::from(error).at(|| peer.address().clone()).into()
}

/// Something on this machine failed.
pub(crate) fn of_ours(what: &str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::io(what, &error)
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        pin::Pin,
        task::{Context, Poll},
        time::Duration,
    };

    use tokio::{
        io::{BufWriter, duplex},
        time::timeout,
    };

    use super::*;

    fn error() -> io::Error {
        io::ErrorKind::BrokenPipe.into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_not_held_back_while_the_source_is_silent() {
        let (mut input, mut source) = duplex(1024);
        let (sink, mut output) = duplex(1024);
        let mut sink = BufWriter::with_capacity(1024, sink);
        let copying = async { copy(&mut source, &mut sink, Direction::In).await };
        let talking = async {
            let mut heard = [0; 5];
            input.write_all(b"hello").await.unwrap();
            output.read_exact(&mut heard).await.unwrap();
            heard
        };
        tokio::select! {
            heard = timeout(Duration::from_secs(1), talking) => assert_eq!(&heard.unwrap(), b"hello"),
            _ = copying => panic!("the source has not ended"),
        }
    }

    #[tokio::test]
    async fn all_of_it_arrives_through_a_small_pipe_and_then_the_end() {
        let data: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (mut sink, mut output) = duplex(100);
        let mut source = &data[..];
        let mut received = Vec::new();
        let (copied, read) = tokio::join!(
            copy_all(&mut source, &mut sink, Direction::In),
            output.read_to_end(&mut received)
        );
        copied.unwrap();
        read.unwrap();
        assert_eq!(received, data);
    }

    #[tokio::test]
    async fn the_other_direction_goes_on_where_one_can_write_no_more() {
        let mut polled = false;
        let other = std::future::poll_fn(|cx| {
            // Over at its second poll.
            match std::mem::replace(&mut polled, true) {
                true => Poll::Ready(Ok(())),
                false => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        });
        let result = both(ready(Err(Broken::Sink(error()))), other).await;
        assert!(matches!(result, Err(Broken::Sink(_))));
        assert!(polled);
    }

    #[tokio::test]
    async fn both_directions_are_over_where_one_can_read_no_more() {
        let result = both(pending(), ready(Err(Broken::Source(error())))).await;
        assert!(matches!(result, Err(Broken::Source(_))));
    }

    /// Fails to read, then to write.
    struct Bad;

    impl AsyncRead for Bad {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }

    #[tokio::test]
    async fn the_end_that_failed_is_told() {
        let source = copy(&mut Bad, &mut tokio::io::sink(), Direction::In).await;
        assert!(matches!(source, Err(Broken::Source(_))));
        let (mut sink, gone) = duplex(1);
        drop(gone);
        let sink = copy(&mut &b"x"[..], &mut sink, Direction::In).await;
        assert!(matches!(sink, Err(Broken::Sink(_))));
    }
}

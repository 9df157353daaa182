//! The byte stream of a connection.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    HyperMessages,
    shared::{Handle, Shared},
};
use crate::fits::read_into;

/// A connection of Hyperswarm as a stream of bytes; the borders of its messages mean nothing.
///
/// A shutdown ends our direction once the peer has acknowledged all that was written. A drop does the same, then cuts
/// the connection if the peer has not ended within a second. A peer that destroys it makes both directions fail.
///
/// A flush says that all was handed to UDX, not that it was acknowledged.
pub struct HyperIo(Handle);

impl HyperIo {
    pub(super) fn new() -> (Self, Arc<Shared>) {
        let (handle, shared) = Handle::new();
        (Self(handle), shared)
    }

    /// The same connection with the borders of its messages. What was read of a message before is missing in it.
    pub fn into_messages(self) -> HyperMessages {
        HyperMessages::new(self.0)
    }
}

impl AsyncRead for HyperIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll_bytes(cx, |bytes| read_into(buf, bytes))
    }
}

impl AsyncWrite for HyperIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.0.poll_room(cx))?;
        Poll::Ready(Ok(self.0.write_bytes(buf)))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }
}

impl fmt::Debug for HyperIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperIo").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_test::{assert_pending, assert_ready_ok, task};

    use super::*;
    use crate::transport::hyperswarm::shared::{MAX_CHUNK, MAX_INCOMING, MAX_OUTGOING, Task};

    #[tokio::test]
    async fn messages_are_read_as_bytes_and_the_end_comes_behind_them() {
        let (mut io, shared) = HyperIo::new();
        shared.deliver(b"hel".to_vec()).await;
        shared.deliver(b"lo".to_vec()).await;
        shared.end_incoming(Ok(()));
        let mut text = String::new();
        io.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
    }

    #[tokio::test]
    async fn the_peer_waits_while_nobody_reads() {
        let (mut io, shared) = HyperIo::new();
        shared.deliver(vec![1; MAX_INCOMING]).await;
        let mut delivering = task::spawn(shared.deliver(vec![2; 4]));
        assert_pending!(delivering.poll());
        io.read_exact(&mut [0; 4]).await.unwrap();
        assert!(delivering.is_woken());
        assert_eq!(delivering.poll(), Poll::Ready(()));
    }

    #[tokio::test]
    async fn an_error_is_told_behind_what_came_before_and_again() {
        let (mut io, shared) = HyperIo::new();
        shared.deliver(b"x".to_vec()).await;
        shared.fail((io::ErrorKind::ConnectionReset, "gone"));
        assert_eq!(io.read_u8().await.unwrap(), b'x');
        for _ in 0..2 {
            let error = io.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        let error = io.write_all(b"y").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_writer_waits_while_the_pump_does_not_take() {
        let (mut io, shared) = HyperIo::new();
        let big = vec![0; MAX_OUTGOING];
        assert_ready_ok!(task::spawn(io.write_all(&big)).poll());
        let mut writing = task::spawn(io.write_all(b"more"));
        assert_pending!(writing.poll());
        let Some(Task::Write(frame)) = shared.task() else {
            panic!("nothing to write");
        };
        assert_eq!(frame.len(), MAX_CHUNK);
        assert!(writing.is_woken());
        assert_ready_ok!(writing.poll());
    }

    #[test]
    fn a_drop_ends_our_direction_behind_what_was_written() {
        let (mut io, shared) = HyperIo::new();
        assert_ready_ok!(task::spawn(io.write_all(b"last")).poll());
        drop(io);
        assert!(matches!(shared.task(), Some(Task::Write(frame)) if frame == b"last"));
        assert!(matches!(shared.task(), Some(Task::End)));
    }

    #[test]
    fn a_write_behind_a_shutdown_is_a_broken_pipe() {
        let (mut io, shared) = HyperIo::new();
        assert_pending!(task::spawn(io.shutdown()).poll());
        shared.end_outgoing(Ok(()));
        assert_ready_ok!(task::spawn(io.shutdown()).poll());
        let written = task::spawn(io.write_all(b"x")).poll();
        let Poll::Ready(Err(error)) = written else {
            panic!("{written:?}");
        };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}

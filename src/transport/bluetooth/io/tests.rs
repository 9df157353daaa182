use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};

use super::*;

/// What the kernel does: reads in this order, then nothing.
#[derive(Clone, Default)]
struct Kernel(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    reads: VecDeque<Result<&'static [u8], i32>>,
    /// Told by the next write.
    write_error: Option<i32>,
    /// There is something, though no read was woken for it yet.
    unread: bool,
    written: Vec<u8>,
    closed: usize,
}

impl Kernel {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl AsyncRead for Kernel {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.state().reads.pop_front() {
            None => return Poll::Pending,
            Some(Ok(bytes)) => buf.put_slice(bytes),
            Some(Err(number)) => return Poll::Ready(Err(io::Error::from_raw_os_error(number))),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Kernel {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if let Some(number) = state.write_error.take() {
            return Poll::Ready(Err(io::Error::from_raw_os_error(number)));
        }
        state.written.extend(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state().closed += 1;
        Poll::Ready(Ok(()))
    }
}

impl Socket for Kernel {
    fn has_unread(&self) -> bool {
        self.state().unread
    }
}

impl<S: Socket> AsyncRead for Closing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Closing::poll_read(&mut self, cx, buf)
    }
}

impl<S: Socket> AsyncWrite for Closing<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Closing::poll_write(&mut self, cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Closing::poll_shutdown(&mut self, cx)
    }
}

fn connection(reads: &[Result<&'static [u8], i32>]) -> (Kernel, Closing<Kernel>) {
    let kernel = Kernel::default();
    kernel.state().reads.extend(reads);
    (kernel.clone(), Closing::new(kernel))
}

#[tokio::test]
async fn a_close_is_an_end_told_again_and_again_behind_all_that_was_sent() {
    for close in [Ok(&b""[..]), Err(libc::ECONNRESET)] {
        let (_kernel, mut io) = connection(&[Ok(b"last "), Ok(b"words"), close]);
        let mut heard = String::new();
        io.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "last words");
        // The kernel would tell nothing any more.
        for _ in 0..3 {
            assert_eq!(io.read(&mut [0]).await.unwrap(), 0);
        }
    }
}

#[tokio::test]
async fn a_lost_link_is_an_error() {
    let (_kernel, mut io) = connection(&[Ok(b"half a"), Err(libc::ETIMEDOUT)]);
    let error = io.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_reader_learns_of_the_close_that_a_writer_was_told() {
    for told in [libc::ECONNRESET, libc::ENOTCONN] {
        let (kernel, mut io) = connection(&[]);
        kernel.state().write_error = Some(told);
        let error = io.write_all(b"late").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let error = io.write_all(b"later").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);

        // What came before it is not lost, even where the reader was not woken for it yet.
        kernel.state().unread = true;
        assert_pending!(task::spawn(io.read(&mut [0; 4])).poll());
        kernel.state().reads.push_back(Ok(b"rest"));
        kernel.state().unread = false;
        let mut rest = Vec::new();
        io.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"rest");
    }
}

#[tokio::test]
async fn a_shutdown_is_held_until_the_peer_has_closed() {
    let (kernel, mut io) = connection(&[Ok(b"answer")]);
    io.write_all(b"question").await.unwrap();
    io.shutdown().await.unwrap();
    let error = assert_ready_err!(task::spawn(io.write(b"late")).poll());
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(kernel.state().written, b"question");
    assert_eq!(kernel.state().closed, 0);

    let mut answer = [0; 6];
    io.read_exact(&mut answer).await.unwrap();
    assert_eq!((&answer, kernel.state().closed), (b"answer", 0));
    kernel.state().reads.push_back(Err(libc::ECONNRESET));
    assert_eq!(assert_ready_ok!(task::spawn(io.read(&mut [0])).poll()), 0);
    assert_eq!(kernel.state().closed, 1);
    drop(io);
    assert_eq!(kernel.state().closed, 1);
}

#[tokio::test]
async fn a_shutdown_after_the_peers_close_closes_at_once() {
    let (kernel, mut io) = connection(&[Err(libc::ECONNRESET)]);
    assert_eq!(io.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(kernel.state().closed, 0);
    io.shutdown().await.unwrap();
    io.shutdown().await.unwrap();
    assert_eq!(kernel.state().closed, 1);
}

#[test]
fn a_drop_closes_with_and_without_a_shutdown() {
    for shut_down in [false, true] {
        let (kernel, mut io) = connection(&[]);
        if shut_down {
            assert_ready!(task::spawn(io.shutdown()).poll()).unwrap();
        }
        assert_eq!(kernel.state().closed, 0);
        drop(io);
        assert_eq!(kernel.state().closed, 1);
    }
}

#[tokio::test]
async fn an_empty_buffer_reads_no_end() {
    let (_kernel, mut io) = connection(&[Ok(b"more")]);
    assert_eq!(io.read(&mut []).await.unwrap(), 0);
    let mut more = [0; 4];
    io.read_exact(&mut more).await.unwrap();
    assert_eq!(&more, b"more");
}

//! The head of the first request, which is waited for with less memory than HTTP takes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tower_multiserver_core::Io;

use super::MAX_HEAD;

/// What a head is read into at first. As a rule it needs no more.
const USUAL_HEAD: usize = 1024;

/// As many as HTTP allows.
const MAX_HEADERS: usize = 100;

/// Waits for the head of a first request, and gives the stream back with it in front. From the first byte on [`hyper`] holds
/// 8 KiB for its answer, which whoever never ends a head shall not cost.
///
/// What is no request, is too long or ends too early comes back as well, for HTTP to say so.
pub(super) async fn first_head<I: Io>(mut io: I) -> io::Result<Rewound<I>> {
    let mut head = BytesMut::with_capacity(USUAL_HEAD);
    let mut left = MAX_HEAD;
    loop {
        let known = head.len();
        let more = (&mut io).take(left as u64).read_buf(&mut head).await?;
        left = left.saturating_sub(more);
        if known == 0 {
            // Empty lines before a request are nothing (RFC 9112, section 2.2).
            let empty = head.iter().take_while(|byte| b"\r\n".contains(byte));
            head.advance(empty.count());
        }
        let is_whole = head
            .get(known.saturating_sub(2)..)
            .is_some_and(has_empty_line);
        if more == 0 || left == 0 || is_whole || known == 0 && !begins_request(&head) {
            return Ok(Rewound { head, io });
        }
    }
}

fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

fn begins_request(bytes: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    httparse::Request::new(&mut headers).parse(bytes).is_ok()
}

/// A stream from which the beginning is read once more.
pub(super) struct Rewound<I> {
    head: BytesMut,
    io: I,
}

impl<I: Io> AsyncRead for Rewound<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.head.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let count = self.head.len().min(buf.remaining());
        self.head.copy_to_slice(buf.initialize_unfilled_to(count));
        buf.advance(count);
        if self.head.is_empty() {
            self.head = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: Io> AsyncWrite for Rewound<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    const REQUEST: &str = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

    #[tokio::test]
    async fn wherever_it_is_cut_a_head_is_waited_for_and_all_is_read_again() {
        for request in [REQUEST.to_owned(), REQUEST.replace("\r\n", "\n")] {
            for cut in 1..request.len() {
                let (mut client, server) = duplex(1024);
                let (begins, ends) = request.split_at(cut);
                let mut head = Box::pin(first_head(server));
                client.write_all(b"\r\n\r\n").await.unwrap();
                assert!(head.as_mut().now_or_never().is_none());
                client.write_all(begins.as_bytes()).await.unwrap();
                assert!(head.as_mut().now_or_never().is_none(), "{begins:?}");
                let ends = format!("{ends}and more");
                client.write_all(ends.as_bytes()).await.unwrap();
                let mut rewound = head.now_or_never().expect("it is whole").unwrap();
                client.write_all(b", later").await.unwrap();
                client.shutdown().await.unwrap();
                let mut all = String::new();
                rewound.read_to_string(&mut all).await.unwrap();
                assert_eq!(all, format!("{request}and more, later"));
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_request_too_long_or_cut_off_is_not_waited_for() {
        let long = REQUEST.replace("\r\n\r\n", &"x".repeat(MAX_HEAD));
        for (said, ends) in [
            ("\x16\x03\x01", false),
            ("SSH-2.0-x\r\n", false),
            (&long, false),
            (&"\r\n".repeat(MAX_HEAD), false),
            ("GET / HT", true),
            ("", true),
        ] {
            let (mut client, server) = duplex(4 * MAX_HEAD);
            client.write_all(said.as_bytes()).await.unwrap();
            if ends {
                client.shutdown().await.unwrap();
            }
            let rewound = first_head(server).now_or_never().expect("no wait");
            let held = rewound.unwrap().head.len();
            assert_eq!(held, said.trim_start().len().min(MAX_HEAD), "{said:?}");
        }
    }
}

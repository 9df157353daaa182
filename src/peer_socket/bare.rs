//! The framing of 2018: a socket that is a whole stream.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{Sink, SinkExt, StreamExt as _};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::codec::Framed;

use super::{
    MAX_CONTENT_TYPE, MAX_SESSION_DATA, Message, SendError,
    frame::{self, Frame, Kind},
    lengths::{Lengths, Prefix},
    peers::DEFAULT_MAX_MESSAGE,
    session_data,
};
use crate::Io;

/// A socket that has a stream for itself, with the framing that the browser's PeerSocket had in 2018: each message has its
/// length in front, and there are no channels.
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use serde_json::json;
/// use tower_multiserver::peer_socket::{BareSocket, Message};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (ours, theirs) = tokio::io::duplex(1024);
/// let (mut ours, mut theirs) = (BareSocket::new(ours), BareSocket::new(theirs));
///
/// ours.set_session_data(json!({ "name": "bob" })).await?;
/// ours.send(json!("hello").into()).await?;
/// assert_eq!(theirs.next().await.expect("a message")?, Message::Json(json!("hello")));
/// assert_eq!(*theirs.session_data().borrow(), Some(json!({ "name": "bob" })));
/// # Ok(())
/// # }
/// ```
pub struct BareSocket<I> {
    framed: Framed<I, Lengths>,
    max_message: usize,
    session: watch::Sender<Option<Value>>,
    failed: bool,
}

impl<I: Io> BareSocket<I> {
    /// A socket over `io`, with messages of [`DEFAULT_MAX_MESSAGE`] bytes at most.
    pub fn new(io: I) -> Self {
        Self::with_max_message(io, DEFAULT_MAX_MESSAGE)
    }

    /// A socket over `io`, with messages whose content has so many bytes at most.
    pub fn with_max_message(io: I, max_message: usize) -> Self {
        let max_frame = frame::max_len(max_message.max(MAX_SESSION_DATA));
        Self {
            framed: Framed::new(io, Lengths::new(Prefix::Varint, max_frame)),
            max_message,
            session: watch::Sender::new(None),
            failed: false,
        }
    }

    /// Says to the peer what we are.
    ///
    /// # Errors
    ///
    /// It has more than [`MAX_SESSION_DATA`] bytes as JSON, or the stream failed.
    pub async fn set_session_data(&mut self, data: impl Into<Value>) -> io::Result<()> {
        let json = session_data::encode(&data.into());
        let json = json.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.framed.send(Frame::session_data(json)).await
    }

    /// What the peer says that it is. It is read while messages are waited for.
    pub fn session_data(&self) -> watch::Receiver<Option<Value>> {
        self.session.subscribe()
    }

    /// The stream. What was read of it and is no whole message yet is lost.
    pub fn into_inner(self) -> I {
        self.framed.into_inner()
    }

    /// A message, or `None` of what is none.
    fn read(&self, bytes: Bytes) -> io::Result<Option<Message>> {
        let frame = Frame::decode(bytes)?;
        match frame.kind {
            Kind::Message if frame.content.len() > self.max_message => {
                Err(super::Malformed::TooLong.into())
            }
            Kind::Message => Ok(Some(Message::from_frame(frame)?)),
            Kind::SessionData => {
                let data = session_data::decode(&frame.content)?;
                self.session.send_replace(Some(data));
                Ok(None)
            }
            Kind::Other => Ok(None),
        }
    }
}

/// Ends after an error.
impl<I: Io> Stream for BareSocket<I> {
    type Item = io::Result<Message>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.failed {
            let Some(bytes) = ready!(self.framed.poll_next_unpin(cx)) else {
                return Poll::Ready(None);
            };
            match bytes.and_then(|bytes| self.read(bytes)) {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                Ok(None) => {}
                Err(error) => {
                    self.failed = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        Poll::Ready(None)
    }
}

/// Waits while the stream takes nothing.
impl<I: Io> Sink<Message> for BareSocket<I> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        SinkExt::<Frame>::poll_ready_unpin(&mut self.framed, cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> io::Result<()> {
        if message.content_type().len() > MAX_CONTENT_TYPE {
            return Err(SendError::ContentType.into());
        }
        let frame = message.into_frame();
        let (len, max) = (frame.content.len(), self.max_message);
        if len > max {
            return Err(SendError::TooLong { len, max }.into());
        }
        self.framed.start_send_unpin(frame)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        SinkExt::<Frame>::poll_flush_unpin(&mut self.framed, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        SinkExt::<Frame>::poll_close_unpin(&mut self.framed, cx)
    }
}

impl<I> fmt::Debug for BareSocket<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BareSocket").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn what_goes_over_the_stream_is_that_of_2018() {
        let (ours, mut theirs) = duplex(1024);
        let mut socket = BareSocket::new(ours);
        socket
            .set_session_data(json!({"name": "bob"}))
            .await
            .unwrap();
        socket.send(Message::from(vec![1, 2, 3])).await.unwrap();
        drop(socket);
        let mut wire = Vec::new();
        theirs.read_to_end(&mut wire).await.unwrap();
        assert_eq!(
            hex::encode(wire),
            "240801120e7b226e616d65223a22626f62227d1a106170706c69636174696f6e2f6a736f6e\
             21080012030102031a186170706c69636174696f6e2f6f637465742d73747265616d"
        );
    }

    #[tokio::test]
    async fn a_bad_frame_is_an_error_and_the_end() {
        for (wire, error) in [
            (&b"\x02\x08\x00\x00"[..], io::ErrorKind::InvalidData),
            (b"\xff\xff\xff\xff\x0f", io::ErrorKind::InvalidData),
            (b"\x05\x12\x03ab", io::ErrorKind::UnexpectedEof),
        ] {
            let (ours, mut theirs) = duplex(1024);
            theirs.write_all(wire).await.unwrap();
            drop(theirs);
            let mut socket = BareSocket::new(ours);
            assert_eq!(socket.next().await.unwrap().unwrap_err().kind(), error);
            assert!(socket.next().await.is_none());
        }
    }

    #[tokio::test]
    async fn messages_may_be_of_any_length() {
        let (ours, theirs) = duplex(1024);
        let mut ours = BareSocket::new(ours);
        let mut theirs = BareSocket::with_max_message(theirs, usize::MAX);
        let message = Message::from(vec![7; 100]);
        ours.send(message.clone()).await.unwrap();
        assert_eq!(theirs.next().await.unwrap().unwrap(), message);
    }

    #[tokio::test]
    async fn session_data_of_257_bytes_is_refused_at_both_ends() {
        let (ours, theirs) = duplex(4096);
        let (mut ours, mut theirs) = (BareSocket::new(ours), BareSocket::new(theirs));
        let long = "x".repeat(255);
        let error = ours.set_session_data(long.clone()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let json = json!(long).to_string();
        let frame = Frame::session_data(json.into());
        ours.framed.send(frame).await.unwrap();
        let error = theirs.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(*theirs.session_data().borrow(), None);
    }
}

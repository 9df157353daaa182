//! What of a stream has arrived and was not read yet.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::{Next, Open, buffer::Buffer};

/// The receiving direction.
#[derive(Debug)]
pub(super) struct Reader<O> {
    opener: O,
    /// What the transport gave and is not open yet: at most a large buffer, and part of a frame while waiting for more.
    sealed: Option<Buffer>,
    /// The rest of a frame that was longer than the caller's buffer.
    text: Option<Buffer>,
}

/// What came of [`Reader::deliver`].
#[derive(Debug)]
pub(super) enum Delivery {
    /// The caller got something.
    Some,
    /// The peer has ended the stream.
    End,
    /// It needs [`Reader::poll_fill`].
    Nothing,
    /// There is more to open, but others should have their turn.
    Yield,
}

impl<O> Reader<O> {
    pub(super) fn new(opener: O) -> Self {
        Self {
            opener,
            sealed: None,
            text: None,
        }
    }

    /// The memory held in buffers, in bytes.
    pub(super) fn held(&self) -> usize {
        [&self.sealed, &self.text]
            .into_iter()
            .flatten()
            .map(Buffer::size)
            .sum()
    }
}

impl<O: Open> Reader<O> {
    /// Whether nothing more can come: the peer has ended the stream, or it failed.
    pub(super) fn is_over(&self) -> bool {
        self.opener.is_over()
    }

    /// Opens what has arrived into `buf`, which has room.
    pub(super) fn deliver(&mut self, buf: &mut ReadBuf<'_>) -> Result<Delivery, O::Error> {
        if let Some(text) = self.text.take() {
            self.text = copy(text, buf);
            return Ok(Delivery::Some);
        }
        let Some(mut sealed) = self.sealed.take() else {
            // No bytes, but perhaps an end or an error that stands.
            return self
                .opener
                .open(&[], &mut [])
                .map(|opened| match opened.next {
                    Next::Nothing => Delivery::End,
                    _ => Delivery::Nothing,
                });
        };
        // The text is shorter than its frames, so a large buffer need not be cleared as a whole.
        let room = buf.remaining().min(sealed.filled().len());
        let opened = self
            .opener
            .open(sealed.filled(), buf.initialize_unfilled_to(room))?;
        buf.advance(opened.written);
        sealed.consume(opened.read);
        let delivery = match opened.next {
            _ if opened.written > 0 => Delivery::Some,
            Next::Nothing => return Ok(Delivery::End),
            Next::Sealed => Delivery::Nothing,
            Next::Call => Delivery::Yield,
            Next::Room(length) => {
                let mut text = Buffer::with_room(length);
                let (room, _) = text.room().split_at_mut(length);
                let opened = self.opener.open(sealed.filled(), room)?;
                text.fill(opened.written);
                sealed.consume(opened.read);
                self.text = copy(text, buf);
                Delivery::Some
            }
        };
        self.sealed = (!sealed.is_empty()).then_some(sealed);
        Ok(delivery)
    }

    /// Reads once from the transport, all that is there and has room.
    pub(super) fn poll_fill(
        &mut self,
        io: Pin<&mut impl AsyncRead>,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut sealed = match self.sealed.take() {
            Some(sealed) => sealed.spacious(),
            None => Buffer::large(),
        };
        let mut buf = ReadBuf::new(sealed.room());
        let polled = io.poll_read(cx, &mut buf);
        let count = buf.filled().len();
        sealed.fill(count);
        self.sealed = match count {
            0 => sealed.small(),
            _ => Some(sealed),
        };
        if polled.is_pending() {
            self.opener.pause();
        }
        ready!(polled)?;
        if count == 0 {
            self.opener.end().map_err(Into::into)?;
        }
        Poll::Ready(Ok(()))
    }
}

/// Copies as much as there is room for, and returns the rest.
fn copy(mut text: Buffer, buf: &mut ReadBuf<'_>) -> Option<Buffer> {
    let count = text.filled().len().min(buf.remaining());
    buf.put_slice(text.filled().split_at(count).0);
    text.consume(count);
    (!text.is_empty()).then_some(text)
}

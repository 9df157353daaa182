//! What of a compressed stream has arrived and was not read yet.

use std::{
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::{
    CompressionError,
    decompressor::{Decompressor, Next},
};

/// So much is taken from the transport at once.
pub(super) const ARRIVED: usize = 16 << 10;

/// So much is decoded at once, so that others get their turn and a large buffer need not be cleared as a whole.
const DELIVERY: usize = 64 << 10;

/// The receiving direction.
#[derive(Debug)]
pub(super) struct Reader {
    decompressor: Decompressor,
    /// Allocated with the first read, and given back at the end.
    arrived: Box<[u8]>,
    filled: Range<usize>,
}

/// What came of [`Reader::deliver`].
#[derive(Debug)]
pub(super) enum Delivery {
    /// The caller got something.
    Some,
    /// The peer has ended the stream.
    End,
    /// Nothing yet.
    Nothing,
    /// It needs [`Reader::poll_fill`].
    Empty,
}

impl Reader {
    pub(super) fn new(decompressor: Decompressor) -> Self {
        Self {
            decompressor,
            arrived: Box::default(),
            filled: 0..0,
        }
    }

    /// Whether nothing more can come: the peer has ended the stream, or it failed.
    pub(super) fn is_over(&self) -> bool {
        self.decompressor.is_over()
    }

    /// Decodes into `buf`, which has room, some of what has arrived.
    pub(super) fn deliver(&mut self, buf: &mut ReadBuf<'_>) -> Result<Delivery, CompressionError> {
        let room = buf.remaining().min(DELIVERY);
        let arrived = self.arrived.get(self.filled.clone()).unwrap_or_default();
        let decoded = self
            .decompressor
            .decode(arrived, buf.initialize_unfilled_to(room));
        if self.decompressor.is_over() {
            self.arrived = Box::default();
            self.filled = 0..0;
        }
        let decoded = decoded?;
        buf.advance(decoded.written);
        let start = self.filled.start.saturating_add(decoded.read);
        self.filled.start = start.min(self.filled.end);
        Ok(match decoded.next {
            _ if decoded.written > 0 => Delivery::Some,
            Next::Nothing => Delivery::End,
            Next::Input => Delivery::Empty,
            Next::Call => Delivery::Nothing,
        })
    }

    /// Reads once from the transport, when all that had arrived is done with. What its end means, the next delivery tells.
    pub(super) fn poll_fill(
        &mut self,
        io: Pin<&mut impl AsyncRead>,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.arrived.is_empty() {
            self.arrived = vec![0; ARRIVED].into();
        }
        let mut buf = ReadBuf::new(&mut self.arrived);
        ready!(io.poll_read(cx, &mut buf))?;
        self.filled = 0..buf.filled().len();
        if self.filled.is_empty() {
            self.decompressor.end();
        }
        Poll::Ready(Ok(()))
    }
}

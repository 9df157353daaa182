//! What [`WsIo`](super::WsIo) is made of: the decoder, the buffers, and how a connection ends.

mod read;
mod write;

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Poll, ready},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadBuf},
    time::Sleep,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, OpCode};
use tower_multiserver_core::{Io, Wakers};

use super::{
    decode::{Decoder, Patience},
    frame::{self, Keys, Side},
    spare,
    violation::{Aborted, CloseCode, Violation},
};

pub(super) struct Stream<I> {
    io: I,
    side: Side,
    keys: Keys,

    decoder: Decoder,
    patience: Patience,
    /// Read and not yet decoded.
    input: BytesMut,
    read_size: usize,
    /// How reading ended.
    end: Option<End>,

    /// Whole frames, less what is written already.
    out: BytesMut,
    /// The latest ping, to be answered when there is room: the others need no answer (section 5.5.3).
    pong: Option<Vec<u8>>,
    /// Something is in `out`, or the transport may hold it back: for the reader to write where nobody else does.
    unflushed: bool,
    /// Our direction is over.
    ended: bool,
    /// Our close frame is written, or in `out`.
    closed: bool,
    /// The transport is shut down.
    shut_down: bool,
    /// Nothing can be written any more.
    broken: bool,
    last_call: Option<Pin<Box<Sleep>>>,
    wakers: Wakers,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Closed(CloseCode),
    Aborted(Aborted),
    Violation(Violation),
    Truncated,
}

/// The longest header of a frame.
const MAX_HEADER: usize = 14;

/// The status code of a normal end (section 7.4.1).
const NORMAL: u16 = 1000;

impl<I: Io> Stream<I> {
    pub(super) fn new(io: I, side: Side, input: BytesMut) -> Self {
        Self {
            io,
            side,
            keys: Keys::default(),
            decoder: Decoder::new(side),
            patience: Patience::new(),
            input,
            read_size: read::MIN_READ,
            end: None,
            out: BytesMut::new(),
            pong: None,
            unflushed: false,
            ended: false,
            closed: false,
            shut_down: false,
            broken: false,
            last_call: None,
            wakers: Wakers::new(),
        }
    }

    /// Lets our close frame follow what is still to be written.
    fn close(&mut self, payload: &[u8]) {
        self.pong = None;
        if !self.closed {
            self.closed = true;
            // Without entropy there is no frame, and the drop ends the transport.
            let opcode = OpCode::Control(Control::Close);
            self.broken |= self.append(opcode, [payload], payload.len()).is_err();
        }
    }

    /// Appends a whole message.
    fn append<'a>(
        &mut self,
        opcode: OpCode,
        parts: impl IntoIterator<Item = &'a [u8]>,
        len: usize,
    ) -> io::Result<()> {
        let key = match self.side {
            Side::Client => Some(self.keys.next()?),
            Side::Server => None,
        };
        if self.out.capacity() == 0 {
            self.out = spare::take(len.saturating_add(MAX_HEADER));
        }
        frame::append(&mut self.out, opcode, key, parts, len)
    }

    /// Writes what waits and, where both directions are over, ends the transport: the server does (section 7.1.1).
    fn poll_finish(&mut self) -> Poll<io::Result<()>> {
        ready!(self.poll_drain())?;
        let cx = &mut self.wakers.context();
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.unflushed = false;
        if self.closed && self.end.is_some() && self.side == Side::Server && !self.shut_down {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            self.shut_down = true;
        }
        Poll::Ready(Ok(()))
    }

    /// The sizes of all buffers.
    #[cfg(any(test, fuzzing))]
    pub(super) fn buffered(&self) -> usize {
        self.input.capacity() + self.out.capacity() + self.pong.as_ref().map_or(0, Vec::len)
    }

    /// Whether the peer is to be told, or to be waited for, before the transport goes.
    pub(super) fn lingers(&self) -> bool {
        let over = matches!(self.end, Some(End::Truncated)) || self.shut_down || self.broken;
        (self.ended || self.closed) && !over
    }

    /// Ends what was shut down: our close frame, the peer's, the transport.
    pub(super) async fn linger(mut self) {
        match self.end {
            Some(End::Closed(code)) => self.close(&code.echo()),
            _ => self.close(&NORMAL.to_be_bytes()),
        }
        let mut unread = [0; 1024];
        while self.end.is_none() {
            let mut buf = ReadBuf::new(&mut unread);
            if poll_fn(|cx| self.poll_read(cx, &mut buf)).await.is_err() {
                break;
            }
        }
        let finished = poll_fn(|cx| {
            self.wakers.keep_writer(cx);
            self.poll_finish()
        });
        if finished.await.is_ok() {
            // A socket that is closed with unread data in it sends a reset, which can overtake our close frame.
            while matches!(self.io.read(&mut unread).await, Ok(1..)) {}
            // The server has said so already; over TLS a client says it too.
            let _ = self.io.shutdown().await;
        }
    }
}

impl End {
    fn result(self) -> io::Result<()> {
        match self {
            Self::Closed(_) => Ok(()),
            Self::Aborted(aborted) => Err(aborted.into()),
            Self::Violation(violation) => Err(violation.into()),
            Self::Truncated => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the transport ended without a close frame",
            )),
        }
    }
}

//! What [`WsIo`](super::WsIo) is made of: the decoder, the buffers, and how a connection ends.

use std::{
    future::{Future as _, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker, ready},
    time::Duration,
};

use bytes::{Buf as _, BytesMut};
use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncReadExt as _, ReadBuf},
    task::coop,
    time::{Sleep, sleep},
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tower_multiserver_core::Io;

use super::{
    decode::{Decoder, Event, Patience},
    frame::{self, Keys, Side},
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
    /// Our direction is over.
    ended: bool,
    /// Our close frame is written, or in `out`.
    closed: bool,
    /// The transport is shut down.
    shut_down: bool,
    /// Nothing can be written any more.
    broken: bool,
    last_call: Option<Pin<Box<Sleep>>>,
    wakers: Arc<Wakers>,
    /// Wakes both.
    waker: Waker,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Closed(CloseCode),
    Aborted(Aborted),
    Violation(Violation),
    Truncated,
}

/// A read buffer is of this size at first, so that thousands of quiet peers cost little, doubles up to
/// [`MAX_READ`] as long as reads fill it, and is given back when there is nothing to read.
const MIN_READ: usize = 512;
const MAX_READ: usize = 64 * 1024;

/// A caller's buffer of this size or more is read into directly, where it cannot hold more than the frame.
const MIN_DIRECT: usize = 4 * 1024;

/// The most payload of a message that we send, so that what is buffered is bounded.
const MAX_WRITE: usize = 64 * 1024;

/// How long we may go on writing after the peer's close frame: as long as the JavaScript implementation waits for ours.
const LAST_CALL: Duration = Duration::from_secs(30);

/// The status code of a normal end (section 7.4.1).
const NORMAL: u16 = 1000;

impl<I: Io> Stream<I> {
    pub(super) fn new(io: I, side: Side, input: BytesMut) -> Self {
        let wakers = Arc::new(Wakers::default());
        Self {
            io,
            side,
            keys: Keys::default(),
            decoder: Decoder::new(side),
            patience: Patience::new(),
            input,
            read_size: MIN_READ,
            end: None,
            out: BytesMut::new(),
            pong: None,
            ended: false,
            closed: false,
            shut_down: false,
            broken: false,
            last_call: None,
            waker: Waker::from(wakers.clone()),
            wakers,
        }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.poll_payload(cx, buf);
        if self.pong.is_some() || self.closed {
            // What fails here, the next write tells.
            self.wakers.reader.register(cx.waker());
            let _ = self.poll_finish();
        }
        read
    }

    /// Hands on all the payload that is here, and waits only when there is none.
    fn poll_payload(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        while buf.remaining() > 0 {
            let got = buf.filled().len();
            let waits = if let Some(end) = self.end {
                return match got > before {
                    true => Poll::Ready(Ok(())),
                    false => Poll::Ready(end.result()),
                };
            } else if self.decoder.left() == 0 {
                match self.decoder.next(&mut self.input) {
                    Ok(None) => true,
                    Ok(Some(event)) => {
                        self.on_event(event);
                        match coop::poll_proceed(cx) {
                            Poll::Ready(coop) => coop.made_progress(),
                            Poll::Pending if got > before => break,
                            Poll::Pending => return Poll::Pending,
                        }
                        false
                    }
                    Err(violation) => {
                        self.fail(violation);
                        false
                    }
                }
            } else if self.input.is_empty() {
                true
            } else {
                let left = usize::try_from(self.decoder.left()).unwrap_or(usize::MAX);
                let len = left.min(self.input.len()).min(buf.remaining());
                buf.put_slice(&self.input[..len]);
                self.input.advance(len);
                self.decoder.payload(&mut buf.filled_mut()[got..]);
                self.patience.renew();
                false
            };
            if waits && got > before {
                break;
            }
            if waits
                && buf.remaining() >= MIN_DIRECT
                && self.decoder.left() >= buf.remaining() as u64
            {
                ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
                let payload = &mut buf.filled_mut()[got..];
                match payload.is_empty() {
                    true => self.end = Some(End::Truncated),
                    false => self.decoder.payload(payload),
                }
                self.patience.renew();
            } else if waits && ready!(self.poll_fill(cx))? == 0 {
                self.end = Some(End::Truncated);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what there is into the buffer.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.reserve(self.read_size);
        let Poll::Ready(read) = pin!(self.io.read_buf(&mut self.input)).poll(cx) else {
            if self.input.is_empty() {
                self.input = BytesMut::new();
            }
            return Poll::Pending;
        };
        let read = read?;
        if read >= self.read_size {
            self.read_size = (self.read_size * 2).min(MAX_READ);
        } else if read < self.read_size / 4 {
            self.read_size = (self.read_size / 2).max(MIN_READ);
        }
        Poll::Ready(Ok(read))
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Data => return,
            Event::Nothing => {}
            Event::Ping(payload) => self.pong = Some(payload).filter(|_| !self.closed),
            Event::Close(code) => return self.on_close(code),
        }
        if let Err(violation) = self.patience.spend() {
            self.fail(violation);
        }
    }

    fn on_close(&mut self, code: CloseCode) {
        self.input = BytesMut::new();
        let aborted = code.aborted();
        self.end = Some(aborted.map_or(End::Closed(code), End::Aborted));
        match self.ended || aborted.is_some() {
            true => self.close(&code.echo()),
            false => self.last_call = Some(Box::pin(sleep(LAST_CALL))),
        }
    }

    fn fail(&mut self, violation: Violation) {
        tracing::debug!(error = %violation, "closing");
        self.input = BytesMut::new();
        self.end = Some(End::Violation(violation));
        self.close(&violation.code().to_be_bytes());
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
        frame::append(&mut self.out, opcode, key, parts, len);
        Ok(())
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.ended || self.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(self.poll_written(cx))?;
        let all = bufs
            .iter()
            .fold(0, |all: usize, buf| all.saturating_add(buf.len()));
        let len = all.min(MAX_WRITE);
        let mut room = len;
        let parts = bufs.iter().map(|buf| {
            let part = &buf[..buf.len().min(room)];
            room -= part.len();
            part
        });
        if len > 0 {
            self.append(OpCode::Data(Data::Binary), parts, len)?;
            // At once, so that a message does not wait for a flush. What does not fit waits for the next call.
            if let Poll::Ready(written) = self.poll_drain() {
                written?;
            }
        }
        Poll::Ready(Ok(len))
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_written(cx))?;
        let cx = &mut Context::from_waker(&self.waker);
        Pin::new(&mut self.io).poll_flush(cx)
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        self.ended = true;
        if let Some(End::Closed(code)) = self.end {
            self.close(&code.echo());
        }
        self.poll_finish()
    }

    /// Writes all that waits, as long as the peer allows.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wakers.writer.register(cx.waker());
        if let Some(last_call) = &mut self.last_call
            && last_call.as_mut().poll(cx).is_ready()
        {
            self.last_call = None;
            self.give_up();
            let reason = "still writing long after the peer's close frame";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason)));
        }
        self.poll_drain()
    }

    /// Writes `out`, then the pong. Wakes reader and writer alike, since either may have to go on.
    fn poll_drain(&mut self) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        loop {
            while !self.out.is_empty() {
                let cx = &mut Context::from_waker(&self.waker);
                match ready!(Pin::new(&mut self.io).poll_write(cx, &self.out)) {
                    Ok(0) => {
                        self.give_up();
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    Ok(written) => self.out.advance(written),
                    Err(error) => {
                        self.give_up();
                        return Poll::Ready(Err(error));
                    }
                }
            }
            match self.pong.take() {
                Some(payload) => {
                    let opcode = OpCode::Control(Control::Pong);
                    self.append(opcode, [&payload[..]], payload.len())?;
                }
                None => break,
            }
        }
        self.out = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    fn give_up(&mut self) {
        self.broken = true;
        self.pong = None;
        self.out = BytesMut::new();
    }

    /// Writes what waits and, where both directions are over, ends the transport: the server does (section 7.1.1).
    fn poll_finish(&mut self) -> Poll<io::Result<()>> {
        ready!(self.poll_drain())?;
        let cx = &mut Context::from_waker(&self.waker);
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        if self.closed && self.end.is_some() && self.side == Side::Server && !self.shut_down {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            self.shut_down = true;
        }
        Poll::Ready(Ok(()))
    }

    /// The sizes of all buffers.
    #[cfg(test)]
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
            self.wakers.writer.register(cx.waker());
            self.poll_finish()
        });
        if finished.await.is_ok() {
            // A socket that is closed with unread data in it sends a reset, which can overtake our close frame.
            while matches!(self.io.read(&mut unread).await, Ok(1..)) {}
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

/// Both halves of a split connection write to the transport, which remembers one waker only: this one wakes both.
#[derive(Debug, Default)]
struct Wakers {
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.reader.wake();
        self.writer.wake();
    }
}

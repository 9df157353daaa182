//! One connection of a peer: reading and writing frames.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;

use std::{
    fmt,
    io::{self, Write as _},
    pin::pin,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf, split},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Metered, StreamId, Version,
    frame::{FrameType, HEADER_LEN, Header, REQUEST_ID_LEN, RequestId},
    mux::{Inbound, OutFrame, Verdict},
    peer::Peer,
    violation::Violation,
};
use crate::{Connection, by_turns::by_turns};

/// How long a write may take, and the end of a connection: a peer that does not read holds nobody up for longer.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// When streams are opened a second time, since a host of [`Version::V2`] may not have heard it at first.
const REPEAT_AFTER: Duration = Duration::from_millis(100);

/// What is collected before it is written: the content of a TLS record.
const BATCH: usize = 16 << 10;

/// What is read at once.
const READ_BUFFER: usize = 32 << 10;

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// We ended it: it was replaced, the last stream was closed, or the host.
    Here,
    /// The peer broke the rules.
    Violated(Violation),
    /// The peer ended it, or it failed.
    Broken(io::Error),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str("ended here"),
            Self::Violated(violation) => write!(f, "the peer sent {violation}"),
            Self::Broken(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        match cause {
            Some(violation) => Self::Violated(*violation),
            None => Self::Broken(error),
        }
    }
}

impl From<Violation> for Ended {
    fn from(violation: Violation) -> Self {
        Self::Violated(violation)
    }
}

/// Reads and writes until the connection ends, however it does.
pub(super) async fn run(peer: &Peer, connection: Connection, cancel: &CancellationToken) -> Ended {
    let metered = connection.info().get::<Metered>().cloned();
    let metered = metered.unwrap_or_default();
    match peer.version {
        Version::V1 => metered.start(),
        Version::V2 => metered.start_bounding_overhead(),
    }
    let (from, mut to) = split(connection);
    let reader = Reader {
        peer,
        io: BufReader::with_capacity(READ_BUFFER, from),
        metered,
    };
    let ended = tokio::select! {
        biased;
        // Another connection waits: at once, whatever is being written.
        () = cancel.cancelled() => Ok(Ended::Here),
        ended = by_turns(reader.run(), write(peer, &mut to)) => ended,
    };
    let ended = ended.unwrap_or_else(|ended| ended);
    peer.metrics
        .raw(peer.meter().received(), peer.meter().sent());
    if matches!(ended, Ended::Here | Ended::Violated(_)) {
        // The peer need not hear it.
        let _ = timeout(WRITE_TIMEOUT, to.shutdown()).await;
    }
    ended
}

/// Writes what the streams have, until there are none: then what had been taken of them is written still.
async fn write(peer: &Peer, to: &mut WriteHalf<Connection>) -> Result<Ended, Ended> {
    let mut repeat = pin!(sleep(REPEAT_AFTER));
    let mut repeated = false;
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        if peer.gone.is_cancelled() {
            return Ok(Ended::Here);
        }
        let rest = collect(peer, &mut batch);
        if batch.is_empty() {
            tokio::select! {
                biased;
                () = peer.gone.cancelled() => {}
                () = &mut repeat, if !repeated => {
                    repeated = true;
                    peer.mux().repeat_opens();
                }
                () = peer.work.notified() => {}
            }
            continue;
        }
        let written = timeout(WRITE_TIMEOUT, async {
            to.write_all(&batch).await?;
            to.write_all(&rest).await?;
            to.flush().await
        });
        written
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        peer.metrics
            .written
            .increment(batch.len().saturating_add(rest.len()) as u64);
        batch.clear();
    }
}

/// Puts the next frames into `batch`, as far as they fit. What does not of the last comes back.
fn collect(peer: &Peer, batch: &mut Vec<u8>) -> Bytes {
    let now = Instant::now();
    let mut mux = peer.mux();
    while batch.len() < BATCH - HEADER_LEN - REQUEST_ID_LEN {
        let Some(frame) = mux.next_frame(now) else {
            break;
        };
        let OutFrame {
            header,
            request,
            mut payload,
        } = frame;
        batch.extend_from_slice(&header.encode());
        batch.extend_from_slice(request.as_ref().map_or(&[], |id| id));
        if matches!(
            header.frame,
            FrameType::Message | FrameType::Request | FrameType::Response
        ) {
            peer.metrics.message_bytes.record(header.len);
        }
        let fits = payload.len().min(BATCH.saturating_sub(batch.len()));
        batch.extend_from_slice(&payload.split_to(fits));
        if !payload.is_empty() {
            return payload;
        }
    }
    Bytes::new()
}

struct Reader<'a> {
    peer: &'a Peer,
    io: BufReader<ReadHalf<Connection>>,
    metered: Metered,
}

impl Reader<'_> {
    async fn run(mut self) -> Result<Ended, Ended> {
        loop {
            self.frame().await?;
        }
    }

    async fn frame(&mut self) -> Result<(), Ended> {
        let header = Header::decode(&self.array().await?)?;
        let request = match header.frame {
            FrameType::Request | FrameType::Response if self.peer.version == Version::V1 => {
                return Err(Violation::UnsupportedFrame.into());
            }
            FrameType::Request | FrameType::Response => Some(self.array().await?),
            _ => None,
        };
        let verdict = self
            .peer
            .mux()
            .judge(&header, request.as_ref(), Instant::now())?;
        let len = header.len as usize;
        match verdict {
            Verdict::Done => {}
            Verdict::Name => {
                let name = self.payload(len).await?;
                self.opened(&header.stream, &name);
            }
            Verdict::Take => {
                let payload = Bytes::from(self.payload(len).await?);
                self.deliver(&header, request, payload);
            }
            Verdict::Skip(reason) => {
                if let Some(count) = self.peer.skipped.tick() {
                    let (peer, stream) = (&self.peer.id, &header.stream);
                    tracing::debug!(%peer, ?stream, len, ?reason, count, "message dropped");
                }
                self.skip(len).await?;
                self.peer.metrics.read_skipped.increment(len as u64);
                return Ok(());
            }
        }
        Ok(())
    }

    /// The peer has opened a stream. Work may wait for that.
    fn opened(&self, stream: &StreamId, name: &[u8]) {
        self.peer.work.notify_one();
        if !self.peer.is_named(stream, name)
            && let Some(count) = self.peer.misnamed.tick()
        {
            // Only we go by the name; the peer goes by the id.
            tracing::debug!(peer = %self.peer.id, ?stream, count, "a stream goes by another's name");
        }
    }

    fn deliver(&self, header: &Header, request: Option<RequestId>, payload: Bytes) {
        let message = match (header.frame, request) {
            (FrameType::Request, Some(id)) => Inbound::Request(id, payload),
            (FrameType::Response, _) => Inbound::Response(payload),
            _ => Inbound::Message(payload),
        };
        if self.peer.mux().deliver(&header.stream, message)
            && let Some(count) = self.peer.evicted.tick()
        {
            let (peer, stream) = (&self.peer.id, &header.stream);
            tracing::debug!(%peer, ?stream, count, "message dropped: nobody read the oldest in time");
        }
    }

    async fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        let mut room = bytes.as_mut_slice();
        while !room.is_empty() {
            // As much as there is room for.
            let count = room.write(self.available().await?)?;
            self.io.consume(count);
        }
        self.peer.metrics.read_processed.increment(N as u64);
        Ok(bytes)
    }

    /// Takes memory as the bytes come: at first no more than is read at once, whatever the header says.
    async fn payload(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut payload = Vec::with_capacity(len.min(READ_BUFFER));
        let mut left = len;
        while left > 0 {
            let available = self.available().await?;
            let available = available.get(..left).unwrap_or(available);
            let count = available.len();
            if payload.capacity().saturating_sub(payload.len()) < count {
                // Twice what has come, but never more than will.
                payload.reserve_exact(payload.len().max(count).min(left));
            }
            payload.extend_from_slice(available);
            self.io.consume(count);
            left = left.saturating_sub(count);
        }
        self.peer.metrics.read_processed.increment(len as u64);
        Ok(payload)
    }

    async fn skip(&mut self, mut len: usize) -> io::Result<()> {
        while len > 0 {
            let count = self.available().await?.len().min(len);
            self.io.consume(count);
            len = len.saturating_sub(count);
        }
        Ok(())
    }

    /// What has been read and not taken yet. There is always something.
    async fn available(&mut self) -> io::Result<&[u8]> {
        if self.io.buffer().is_empty() {
            let read = self.io.fill_buf().await?.len();
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.metered.content(read);
            let peer = self.peer;
            peer.metrics
                .raw(peer.meter().received(), peer.meter().sent());
        }
        Ok(self.io.buffer())
    }
}

#[cfg(test)]
mod seeds;
#[cfg(test)]
mod tests;

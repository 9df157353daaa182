//! What moves the bytes of a connection.

use std::{io, pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use peeroxide_dht::secret_stream::{
    SecretStream, SecretStreamError, SecretStreamReadHalf, SecretStreamWriteHalf,
};
use tokio::{
    io::{ReadHalf, WriteHalf},
    time::{Instant, interval, sleep},
};

use super::{
    raw::{Moved, Raw},
    shared::{Failure, Shared, Task},
};

/// A connection below its [`HyperIo`](super::HyperIo).
pub(super) struct Pump {
    pub(super) shared: Arc<Shared>,
    pub(super) moved: Arc<Moved>,
    pub(super) idle: Duration,
}

/// After so much silence of ours a message without content says that we live; as npm hyperdht does.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How long a dropped connection waits for the peer's end; as other transports do.
const LINGER: Duration = Duration::from_secs(1);

const LOST: Failure = (
    io::ErrorKind::ConnectionReset,
    "the peer destroyed the connection",
);
const SILENT: Failure = (io::ErrorKind::TimedOut, "the peer has fallen silent");

impl Pump {
    /// Runs until the connection is over. Neither a read nor a write is given up before that: both would lose their place
    /// in the middle of a frame.
    pub(super) async fn run(self, stream: SecretStream<Raw>) {
        let (read, write) = stream.into_split();
        let reading = pin!(self.read(read));
        let writing = pin!(self.write(write));
        let in_peace = match select(reading, writing).await {
            Either::Left(((), writing)) => writing.await,
            Either::Right((in_peace, reading)) => {
                in_peace
                    && matches!(
                        select(reading, pin!(self.lingered())).await,
                        Either::Left(_)
                    )
            }
        };
        self.shared.release();
        if !in_peace || !self.shared.has_ended() {
            self.shared.fail(SILENT);
        }
    }

    async fn read(&self, mut half: SecretStreamReadHalf<ReadHalf<Raw>>) {
        loop {
            match half.read().await {
                Ok(Some(message)) => self.shared.deliver(message).await,
                Ok(None) => return self.shared.end_incoming(Ok(())),
                Err(error) => return self.shared.cut(failure(error)),
            }
        }
    }

    /// Whether our direction ended as it should.
    async fn write(&self, mut half: SecretStreamWriteHalf<WriteHalf<Raw>>) -> bool {
        let mut keep_alive = interval(KEEP_ALIVE);
        keep_alive.reset();
        loop {
            let written = match self.shared.task() {
                Some(Task::Write(frame)) => self.watched(half.write(&frame)).await,
                Some(Task::End) => {
                    let ended = self.watched(half.shutdown()).await;
                    match ended {
                        Ok(()) => self.shared.end_outgoing(Ok(())),
                        Err(failure) => self.shared.fail(failure),
                    }
                    return ended.is_ok();
                }
                Some(Task::Cut) => return false,
                None => {
                    let work = pin!(self.shared.work.notified());
                    match select(work, pin!(keep_alive.tick())).await {
                        Either::Left(_) => continue,
                        // It is waited for, so that a peer that is gone is noticed.
                        Either::Right(_) => {
                            self.moved.sync(true);
                            let written = self.watched(half.write(&[])).await;
                            self.moved.sync(false);
                            written
                        }
                    }
                }
            };
            if let Err(failure) = written {
                self.shared.fail(failure);
                return false;
            }
            keep_alive.reset();
        }
    }

    /// Awaits a write as long as the peer gives signs of life.
    async fn watched(
        &self,
        write: impl Future<Output = Result<(), SecretStreamError>>,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let mut write = pin!(write);
        let mut cut = pin!(self.shared.is_cut());
        loop {
            let silent = pin!(sleep(self.patience(began)));
            match select(&mut write, select(silent, &mut cut)).await {
                Either::Left((written, _)) => return written.map_err(failure),
                Either::Right((Either::Right(_), _)) => return Err(LOST),
                Either::Right((Either::Left(_), _)) => {
                    if self.patience(began).is_zero() {
                        return Err(SILENT);
                    }
                }
            }
        }
    }

    /// How much longer a peer may say nothing.
    fn patience(&self, began: Instant) -> Duration {
        let silent = self.moved.last_heard().max(began).elapsed();
        self.idle.saturating_sub(silent)
    }

    /// Until the stream was dropped a second ago, or the peer is silent for too long.
    async fn lingered(&self) {
        let began = Instant::now();
        let mut gone = pin!(self.shared.is_gone());
        while !self.patience(began).is_zero() {
            let silent = pin!(sleep(self.patience(began)));
            if let Either::Left(_) = select(&mut gone, silent).await {
                return sleep(LINGER).await;
            }
        }
    }
}

fn failure(error: SecretStreamError) -> Failure {
    match error {
        SecretStreamError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => (
            io::ErrorKind::UnexpectedEof,
            "the peer ended in the middle of a message",
        ),
        SecretStreamError::Io(error) if error.kind() == io::ErrorKind::TimedOut => SILENT,
        SecretStreamError::Io(_) => LOST,
        _ => (
            io::ErrorKind::InvalidData,
            "the peer sent what does not decrypt",
        ),
    }
}

//! Messages on stdout.

use std::io;

use data_encoding::BASE64;
use serde_json::json;
use tokio::io::{AsyncWriteExt as _, Stdout, stdout};
use tower_multiserver::PeerId;

use crate::{failure::Failure, report::Report};

/// Where messages are written, each at once.
pub(super) struct Messages {
    stdout: Stdout,
    stream: String,
    json: bool,
}

/// Why no more are.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// Nobody reads them any more, which is no failure.
    Unread,
    Failed(Failure),
}

impl Messages {
    pub(super) fn new(stream: &str, report: Report) -> Self {
        Self {
            stdout: stdout(),
            stream: stream.to_owned(),
            json: report.is_json(),
        }
    }

    pub(super) async fn write(&mut self, peer: PeerId, message: &[u8]) -> Result<(), Unwritten> {
        let mut line = match self.json {
            true => json!({
                "event": "message",
                "peer": peer.to_string(),
                "stream": self.stream,
                "data": BASE64.encode(message),
            })
            .to_string()
            .into_bytes(),
            false => message.to_vec(),
        };
        line.push(b'\n');
        self.stdout.write_all(&line).await?;
        Ok(self.stdout.flush().await?)
    }
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Failed(Failure::io("cannot write to stdout", &error)),
        }
    }
}

impl Unwritten {
    /// As the end of the program.
    pub(super) fn into_result(self) -> Result<(), Failure> {
        match self {
            Self::Unread => Ok(()),
            Self::Failed(failure) => Err(failure),
        }
    }
}

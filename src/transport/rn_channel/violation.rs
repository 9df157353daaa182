//! How a connection fails.

use std::{error, fmt, io};

use tower_multiserver_core::{Error, ErrorKind};

/// A peer's breach of the protocol. Reading gives an [`io::Error`] of kind [`InvalidData`](io::ErrorKind::InvalidData)
/// with this as its inner error; [`TooLong`](Self::TooLong) and [`TooFar`](Self::TooFar) stand in a
/// [`tower_multiserver::Error`](Error) of kind [`Limit`](ErrorKind::Limit) there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// No JSON object with a text `type` and a whole number `seq`.
    Syntax,
    /// A `type` other than `data`, `end` and `error`.
    Type,
    /// A `format` other than `buffer` and `json`.
    Format,
    /// Data that is no bytes: neither base64 (of the format `buffer`) nor a text (of the format `json`).
    Data,
    /// A `seq` that was there before, or 0: the first is 1.
    Repeated,
    /// A message of more than 16 MiB.
    TooLong,
    /// Behind a message that is missing come more than 1,024 others, or more than 16 MiB.
    TooFar,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "a message that is not of the protocol's form",
            Self::Type => "a message of an unknown type",
            Self::Format => "data of an unknown format",
            Self::Data => "data that is neither base64 nor a text",
            Self::Repeated => "a sequence number for the second time",
            Self::TooLong => "a message that is too long",
            Self::TooFar => "too much behind a missing message",
        })
    }
}

impl error::Error for Violation {}

impl From<Violation> for io::Error {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::TooLong | Violation::TooFar => Self::new(
                io::ErrorKind::InvalidData,
                Error::new(ErrorKind::Limit, violation),
            ),
            _ => Self::new(io::ErrorKind::InvalidData, violation),
        }
    }
}

/// The peer sent an error message: what it sent before may not be all.
///
/// Reading gives an [`io::Error`] of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) with this as its inner
/// error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aborted {
    reason: String,
}

/// More than any message for people needs. The rest is cut off.
const MAX_REASON: usize = 1024;

impl Aborted {
    pub(super) fn new(reason: &str) -> Self {
        let most = reason.len().min(MAX_REASON);
        let mut starts = (0..=most).rev().filter_map(|end| reason.get(..end));
        Self {
            reason: starts.next().unwrap_or_default().to_owned(),
        }
    }

    /// What the peer said: its text, or other JSON as it came, at most 1,024 bytes of it. (Of an `Error` object
    /// JavaScript leaves nothing but `{}`.)
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer broke off: {}", self.reason.escape_debug())
    }
}

impl error::Error for Aborted {}

impl From<Aborted> for io::Error {
    fn from(aborted: Aborted) -> Self {
        Self::new(io::ErrorKind::ConnectionAborted, aborted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_much_of_a_reason_is_kept_and_no_half_character() {
        let aborted = Aborted::new(&"é".repeat(600));
        assert_eq!(aborted.reason(), "é".repeat(512));
        let aborted = Aborted::new(&format!("x{}", "é".repeat(600)));
        assert_eq!(aborted.reason().len(), 1023);
        assert_eq!(Aborted::new("short").reason(), "short");
    }

    #[test]
    fn a_reason_forges_no_line_of_a_log() {
        let shown = Aborted::new("a\n\u{1b}[31m").to_string();
        assert!(!shown.contains(['\n', '\u{1b}']), "{shown}");
    }
}

//! What a peer must not send, and how connections close (RFC 6455, sections 5 and 7).

use std::{error, fmt, io};

/// A peer's breach of the protocol. The connection is closed with [`code`](Self::code), and reading it gives an
/// [`io::Error`] of kind [`InvalidData`](io::ErrorKind::InvalidData) with this as its inner error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// A reserved bit or opcode: no extension was agreed on (section 5.2).
    Reserved,
    /// A client's frame that is not masked, or a server's that is (section 5.1).
    Masking,
    /// A length of 2^63 or more (section 5.2).
    Length,
    /// A control frame that is fragmented or of more than 125 bytes (section 5.5).
    Control,
    /// A continuation of nothing, or a new message within a message (section 5.4).
    Fragments,
    /// A close frame with half a code, or a code that must not be sent (section 7.4).
    CloseCode,
    /// A close frame with a reason that is not UTF-8 (section 5.5.1).
    CloseReason,
    /// A text message: a byte stream is made of binary ones.
    Text,
    /// Thousands of frames without a byte of payload for us.
    Flood,
}

impl Violation {
    /// The status code that our close frame says (section 7.4.1).
    pub fn code(self) -> u16 {
        match self {
            Self::Text => 1003,
            Self::CloseReason => 1007,
            Self::Flood => 1008,
            _ => 1002,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reserved => "a reserved bit or opcode",
            Self::Masking => "wrong masking",
            Self::Length => "a length of more than 63 bits",
            Self::Control => "a control frame that is too long or fragmented",
            Self::Fragments => "fragments out of order",
            Self::CloseCode => "an invalid close code",
            Self::CloseReason => "a close reason that is not UTF-8",
            Self::Text => "a text message",
            Self::Flood => "too many frames without payload",
        })
    }
}

impl error::Error for Violation {}

impl From<Violation> for io::Error {
    fn from(violation: Violation) -> Self {
        Self::new(io::ErrorKind::InvalidData, violation)
    }
}

/// The peer closed because something went wrong, such as 1011 for an error on its side: what it sent may not be all.
///
/// Reading gives an [`io::Error`] of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) with this as its inner
/// error. A close without a code, with 1000, 1001 or an application's own code (3000 and up) is a clean end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Aborted {
    code: u16,
}

impl Aborted {
    /// The status code of the peer's close frame (section 7.4.1).
    pub fn code(self) -> u16 {
        self.code
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer closed with code {}", self.code)
    }
}

impl error::Error for Aborted {}

impl From<Aborted> for io::Error {
    fn from(aborted: Aborted) -> Self {
        Self::new(io::ErrorKind::ConnectionAborted, aborted)
    }
}

/// The code of a peer's close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CloseCode(Option<u16>);

impl CloseCode {
    /// Reads the payload of a close frame (section 5.5.1).
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Violation> {
        let (code, reason) = match payload {
            [] => return Ok(Self(None)),
            [_] => return Err(Violation::CloseCode),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        // What is defined for close frames (section 7.4 and its registry) or free for applications; the rest is not for
        // the wire.
        if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            return Err(Violation::CloseCode);
        }
        match std::str::from_utf8(reason) {
            Ok(_) => Ok(Self(Some(code))),
            Err(_) => Err(Violation::CloseReason),
        }
    }

    /// The payload of our answer: the same code.
    pub(super) fn echo(self) -> Vec<u8> {
        self.0
            .map_or_else(Vec::new, |code| code.to_be_bytes().into())
    }

    pub(super) fn aborted(self) -> Option<Aborted> {
        match self.0 {
            None | Some(1000 | 1001 | 3000..) => None,
            Some(code) => Some(Aborted { code }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_code_is_one_that_may_be_sent() {
        for code in [
            1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4999,
        ] {
            let payload = u16::to_be_bytes(code);
            let close = CloseCode::parse(&payload).expect("a valid code");
            assert_eq!(close.echo(), payload);
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            let parsed = CloseCode::parse(&u16::to_be_bytes(code));
            assert_eq!(parsed, Err(Violation::CloseCode), "{code}");
        }
        assert_eq!(CloseCode::parse(&[3]), Err(Violation::CloseCode));
        assert_eq!(CloseCode::parse(&[]), Ok(CloseCode(None)));
    }

    #[test]
    fn a_close_reason_is_utf8() {
        assert!(CloseCode::parse(b"\x03\xe8done \xe2\x9c\x93").is_ok());
        let broken = CloseCode::parse(b"\x03\xe8\xff");
        assert_eq!(broken, Err(Violation::CloseReason));
    }

    #[test]
    fn only_a_close_for_an_error_is_an_abort() {
        let aborted = |code: u16| CloseCode(Some(code)).aborted().map(Aborted::code);
        assert_eq!(CloseCode(None).aborted(), None);
        for clean in [1000, 1001, 3000, 4000] {
            assert_eq!(aborted(clean), None);
        }
        for error in [1002, 1003, 1007, 1008, 1009, 1011, 1012] {
            assert_eq!(aborted(error), Some(error));
        }
    }
}

//! What a peer says of itself to everybody in a swarm: a little JSON.

use std::{error, fmt};

use bytes::Bytes;
use serde_json::Value;

use super::{MAX_SESSION_DATA, Malformed};

/// Session data is longer than [`MAX_SESSION_DATA`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionDataTooLong {
    /// How long it is as JSON, in bytes.
    pub len: usize,
}

impl fmt::Display for SessionDataTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.len;
        write!(
            f,
            "session data of {len} bytes, where {MAX_SESSION_DATA} are allowed"
        )
    }
}

impl error::Error for SessionDataTooLong {}

pub(super) fn encode(value: &Value) -> Result<Bytes, SessionDataTooLong> {
    let json = value.to_string();
    match json.len() {
        ..=MAX_SESSION_DATA => Ok(json.into()),
        len => Err(SessionDataTooLong { len }),
    }
}

/// Never cuts what is too long: it would be another value, or none.
pub(super) fn decode(json: &[u8]) -> Result<Value, Malformed> {
    match json.len() {
        ..=MAX_SESSION_DATA => serde_json::from_slice(json).map_err(|_| Malformed::SessionData),
        _ => Err(Malformed::SessionData),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_len(len: usize) -> Value {
        // Two are the quotes.
        Value::from("x".repeat(len - 2))
    }

    #[test]
    fn it_has_256_bytes_at_most_at_both_ends() {
        let json = encode(&of_len(256)).unwrap();
        assert_eq!(decode(&json), Ok(of_len(256)));
        assert_eq!(encode(&of_len(257)), Err(SessionDataTooLong { len: 257 }));
        let json = of_len(257).to_string();
        assert_eq!(decode(json.as_bytes()), Err(Malformed::SessionData));
    }

    #[test]
    fn it_is_json() {
        assert_eq!(decode(b"null"), Ok(Value::Null));
        assert_eq!(decode(b"{\"name\":"), Err(Malformed::SessionData));
        assert_eq!(decode(b""), Err(Malformed::SessionData));
    }
}

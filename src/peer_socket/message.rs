//! What goes over a socket.

use bytes::Bytes;
use serde_json::Value;

use super::{
    Malformed,
    frame::{BYTES, Frame, JSON},
};

/// A message: any JSON value, bytes, or content of another type.
///
/// ```
/// use serde_json::json;
/// use tower_multiserver::peer_socket::Message;
///
/// let message = Message::from(json!({ "type": "text", "text": "Hello!" }));
/// assert_eq!(message.content_type(), "application/json");
/// assert_eq!(Message::from(&b"bytes"[..]).content_type(), "application/octet-stream");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// `application/json`. `0`, `""`, `false` and `null` are messages as any other.
    Json(Value),
    /// `application/octet-stream`.
    Bytes(Bytes),
    /// Another type.
    Other {
        /// Of which type, as in HTTP. At most [`MAX_CONTENT_TYPE`](super::MAX_CONTENT_TYPE) bytes.
        content_type: String,
        /// What it is.
        content: Bytes,
    },
}

impl Message {
    /// The type of its content.
    pub fn content_type(&self) -> &str {
        match self {
            Self::Json(_) => JSON,
            Self::Bytes(_) => BYTES,
            Self::Other { content_type, .. } => content_type,
        }
    }

    pub(super) fn into_frame(self) -> Frame {
        let content_type = Some(self.content_type().to_owned());
        let content = match self {
            Self::Json(value) => Bytes::from(value.to_string()),
            Self::Bytes(content) | Self::Other { content, .. } => content,
        };
        Frame::message(content, content_type)
    }

    pub(super) fn from_frame(frame: Frame) -> Result<Self, Malformed> {
        Ok(match frame.content_type {
            Some(content_type) if content_type == JSON => {
                Self::Json(serde_json::from_slice(&frame.content).map_err(|_| Malformed::Json)?)
            }
            Some(content_type) if content_type != BYTES => Self::Other {
                content_type,
                content: frame.content,
            },
            _ => Self::Bytes(frame.content),
        })
    }
}

impl From<Value> for Message {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<&'static [u8]> for Message {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Bytes(Bytes::from_static(bytes))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_json_value_comes_back() {
        for value in [
            json!(0),
            json!(""),
            json!(false),
            json!(null),
            json!([]),
            json!({"a": 1}),
        ] {
            let frame = Message::Json(value.clone()).into_frame();
            assert_eq!(Message::from_frame(frame), Ok(Message::Json(value)));
        }
    }

    #[test]
    fn what_has_no_type_is_bytes() {
        let frame = Frame::message(Bytes::from_static(b"x"), None);
        let bytes = Message::from(&b"x"[..]);
        assert_eq!(Message::from_frame(frame), Ok(bytes));
    }

    #[test]
    fn what_only_claims_to_be_json_is_refused() {
        for text in ["", "{", "[1,]", "nul", &"[".repeat(100_000)] {
            let frame = Frame::message(Bytes::from(text.to_owned()), Some(JSON.to_owned()));
            assert_eq!(Message::from_frame(frame), Err(Malformed::Json));
        }
    }
}

//! The frames in which everything travels: a header of 37 bytes, then what it announces.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | type: 1 open, 2 close, 3 message, 4 request, 5 response |
//! | 1 | 32 | stream id |
//! | 33 | 4 | length of the payload, big endian |
//! | 37 | 32 | request id, of types 4 and 5 only; the length does not count it |

use super::{StreamId, violation::Violation};

/// The length of the header that every frame has.
pub(super) const HEADER_LEN: usize = 37;

/// The length of a request's name.
pub(super) const REQUEST_ID_LEN: usize = 32;

/// By which a response says what it answers.
pub(super) type RequestId = [u8; REQUEST_ID_LEN];

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameType {
    Open = 1,
    Close = 2,
    Message = 3,
    Request = 4,
    Response = 5,
}

/// What stands before every payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) frame: FrameType,
    pub(super) stream: StreamId,
    pub(super) len: u32,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = self.frame as u8;
        bytes[1..33].copy_from_slice(self.stream.as_bytes());
        bytes[33..].copy_from_slice(&self.len.to_be_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, Violation> {
        let [frame, stream @ .., len_a, len_b, len_c, len_d] = *bytes;
        Ok(Self {
            frame: match frame {
                1 => FrameType::Open,
                2 => FrameType::Close,
                3 => FrameType::Message,
                4 => FrameType::Request,
                5 => FrameType::Response,
                unknown => return Err(Violation::UnknownFrame(unknown)),
            },
            stream: StreamId::from_bytes(stream),
            len: u32::from_be_bytes([len_a, len_b, len_c, len_d]),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ragep2p::vectors;

    /// Computed by the Go package (smartcontractkit/libocr at 0a5e2f907dda).
    #[test]
    fn headers_are_those_of_the_go_package() {
        let stream = StreamId::new(&vectors::alice(), &vectors::bob(), "echo/v1");
        let header = |frame, len| hex::encode(Header { frame, stream, len }.encode());
        let id = "47dc847fb4fcc17c9a60770afe341e3292ed5b1d68796190f76f0c73066d2378";
        assert_eq!(header(FrameType::Open, 7), format!("01{id}00000007"));
        assert_eq!(header(FrameType::Close, 0), format!("02{id}00000000"));
        assert_eq!(header(FrameType::Message, 2), format!("03{id}00000002"));
    }

    proptest! {
        #[test]
        fn any_header_is_read_back_or_refused(start in any::<u8>(), rest in any::<[u8; 32]>(), len in any::<u32>()) {
            let mut bytes = [0; HEADER_LEN];
            bytes[0] = start;
            bytes[1..33].copy_from_slice(&rest);
            bytes[33..].copy_from_slice(&len.to_be_bytes());
            match Header::decode(&bytes) {
                Ok(header) => prop_assert_eq!(header.encode(), bytes),
                Err(violation) => {
                    prop_assert!(!(1..=5).contains(&start));
                    prop_assert_eq!(violation, Violation::UnknownFrame(start));
                }
            }
        }
    }
}

//! The protocol buffer of 2018, `PeerSocketMessage`: a kind, the content, and its type.
//!
//! ```proto
//! message PeerSocketMessage {
//!   optional PeerSocketMessageType messageType = 1 [default = MESSAGE]; // MESSAGE = 0, SESSION_DATA = 1
//!   required bytes content = 2;
//!   optional string contentType = 3;
//! }
//! ```

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::{MAX_CONTENT_TYPE, Malformed, put::Put, varint};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) content: Bytes,
    pub(super) content_type: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    SessionData,
    /// One that is not known, which is to be ignored.
    Other,
}

/// The types of content that are known.
pub(super) const JSON: &str = "application/json";
pub(super) const BYTES: &str = "application/octet-stream";

/// What a frame has beside content and type, at most: three tags, a kind, two lengths.
const OVERHEAD: usize = 3 + 1 + 5 + 2;

/// How long a frame may be whose content may have `max` bytes. Unknown fields take of the room for a type.
pub(super) const fn max_len(max: usize) -> usize {
    max.saturating_add(MAX_CONTENT_TYPE + OVERHEAD)
}

impl Frame {
    pub(super) fn message(content: Bytes, content_type: Option<String>) -> Self {
        Self {
            kind: Kind::Message,
            content,
            content_type,
        }
    }

    pub(super) fn session_data(json: Bytes) -> Self {
        Self {
            kind: Kind::SessionData,
            content: json,
            content_type: Some(JSON.to_owned()),
        }
    }

    /// Fields may come in any order, the last of several counts, and unknown ones are passed over.
    pub(super) fn decode(mut bytes: Bytes) -> Result<Self, Malformed> {
        let (mut kind, mut content, mut content_type) = (Kind::Message, None, None);
        while bytes.has_remaining() {
            let tag = varint::take(&mut bytes)?;
            match (tag >> 3, tag & 7) {
                (0, _) => return Err(Malformed::Frame),
                (1, 0) => {
                    kind = match varint::take(&mut bytes)? {
                        0 => Kind::Message,
                        1 => Kind::SessionData,
                        _ => Kind::Other,
                    }
                }
                (2, 2) => content = Some(take_bytes(&mut bytes)?),
                (3, 2) => {
                    let text = take_bytes(&mut bytes)?;
                    if text.len() > MAX_CONTENT_TYPE {
                        return Err(Malformed::ContentType);
                    }
                    let text = str::from_utf8(&text).map_err(|_| Malformed::ContentType)?;
                    content_type = Some(text.to_owned());
                }
                (_, 0) => {
                    varint::take(&mut bytes)?;
                }
                (_, 1) => skip(&mut bytes, 8)?,
                (_, 2) => {
                    take_bytes(&mut bytes)?;
                }
                (_, 5) => skip(&mut bytes, 4)?,
                // Groups, which are no more, and what never was.
                _ => return Err(Malformed::Frame),
            }
        }
        Ok(Self {
            kind,
            content: content.ok_or(Malformed::Frame)?,
            content_type,
        })
    }
}

impl Put for Frame {
    fn len(&self) -> usize {
        let field = |len: usize| {
            varint::len(len as u64)
                .saturating_add(1)
                .saturating_add(len)
        };
        let content_type = self.content_type.as_ref();
        field(self.content.len())
            .saturating_add(content_type.map_or(0, |text| field(text.len())))
            .saturating_add(2)
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_slice(&[0x08, u8::from(self.kind == Kind::SessionData), 0x12]);
        varint::put(out, self.content.len() as u64);
        out.put_slice(&self.content);
        if let Some(content_type) = &self.content_type {
            out.put_u8(0x1a);
            varint::put(out, content_type.len() as u64);
            out.put_slice(content_type.as_bytes());
        }
    }
}

fn take_bytes(bytes: &mut Bytes) -> Result<Bytes, Malformed> {
    let len = varint::take(bytes)?;
    match usize::try_from(len) {
        Ok(len) if len <= bytes.len() => Ok(bytes.split_to(len)),
        _ => Err(Malformed::Frame),
    }
}

fn skip(bytes: &mut Bytes, len: usize) -> Result<(), Malformed> {
    if len > bytes.len() {
        return Err(Malformed::Frame);
    }
    bytes.advance(len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Made by hand from the schema of beaker-core's branch `peersocketapi`, 2018, with the length in front.
    fn vectors() -> [(Frame, &'static str); 3] {
        [
            (
                Frame::message(
                    Bytes::from_static(br#"{"type":"text","text":"Hello!"}"#),
                    Some(JSON.to_owned()),
                ),
                "350800121f7b2274797065223a2274657874222c2274657874223a2248656c6c6f21227d1a106170706c69636174696f6e2f6a736f6e",
            ),
            (
                Frame::session_data(Bytes::from_static(br#"{"name":"bob"}"#)),
                "240801120e7b226e616d65223a22626f62227d1a106170706c69636174696f6e2f6a736f6e",
            ),
            (
                Frame::message(Bytes::from_static(&[1, 2, 3]), Some(BYTES.to_owned())),
                "21080012030102031a186170706c69636174696f6e2f6f637465742d73747265616d",
            ),
        ]
    }

    #[test]
    fn frames_are_those_of_the_schema_both_ways() {
        for (frame, hex) in vectors() {
            let bytes = hex::decode(hex).unwrap();
            assert_eq!(frame.to_bytes(), bytes[1..]);
            assert_eq!(usize::from(bytes[0]), bytes.len() - 1);
            assert_eq!(Frame::decode(bytes[1..].to_vec().into()), Ok(frame));
        }
    }

    #[test]
    fn fields_come_in_any_order_and_unknown_ones_are_passed_over() {
        let bytes = [
            &b"\x1a\x01t"[..],       // content type
            b"\x48\x85\x01",         // field 9, a varint
            b"\x4a\x03abc",          // field 9, bytes
            b"\x49\0\0\0\0\0\0\0\0", // field 9, eight bytes
            b"\x12\x02hi",           // content
            b"\x4d\0\0\0\0",         // field 9, four bytes
            b"\x08\x01",             // kind
        ]
        .concat();
        let frame = Frame {
            kind: Kind::SessionData,
            content: Bytes::from_static(b"hi"),
            content_type: Some("t".to_owned()),
        };
        assert_eq!(Frame::decode(bytes.into()), Ok(frame));
    }

    #[test]
    fn what_is_left_out_has_its_default_and_content_must_be_there() {
        let frame = Frame::decode(Bytes::from_static(b"\x12\0"));
        assert_eq!(frame, Ok(Frame::message(Bytes::new(), None)));
        assert_eq!(Frame::decode(Bytes::new()), Err(Malformed::Frame));
        let no_content = Bytes::from_static(b"\x08\x01");
        assert_eq!(Frame::decode(no_content), Err(Malformed::Frame));
    }

    #[test]
    fn a_cut_or_lying_frame_is_refused() {
        let whole =
            Frame::message(Bytes::from_static(b"content"), Some("type".to_owned())).to_bytes();
        for len in 0..whole.len() {
            // Where the content is whole and what follows is left out, it is a frame.
            if len != 2 + 2 + 7 {
                assert!(Frame::decode(whole.slice(..len)).is_err(), "{len}");
            }
        }
        for bad in [
            &b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..], // a length of 2^64 - 1
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  // a varint of eleven bytes
            b"\x13\x00",                                          // a group
            b"\x00\x00",                                          // field zero
        ] {
            assert_eq!(
                Frame::decode(Bytes::from_static(bad)),
                Err(Malformed::Frame)
            );
        }
        let mut long = b"\x12\0\x1a\x81\x02".to_vec();
        long.extend([b'a'; 257]);
        assert_eq!(Frame::decode(long.into()), Err(Malformed::ContentType));
    }

    proptest! {
        #[test]
        fn no_bytes_upset_it(bytes: Vec<u8>) {
            let _ = Frame::decode(bytes.into());
        }

        #[test]
        fn what_is_encoded_is_decoded(content: Vec<u8>, content_type in proptest::option::of("[ -~]{0,99}")) {
            let frame = Frame::message(content.into(), content_type);
            let bytes = frame.to_bytes();
            prop_assert_eq!(bytes.len(), frame.len());
            prop_assert!(bytes.len() <= max_len(frame.content.len()));
            prop_assert_eq!(Frame::decode(bytes), Ok(frame));
        }
    }
}

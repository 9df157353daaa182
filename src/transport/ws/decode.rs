//! Bytes in, payload out: the reading half of the protocol, without IO.

use std::{io::Cursor, time::Duration};

use bytes::{Buf as _, BytesMut};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

use super::{
    frame::{MAX_CONTROL, Mask, Side},
    violation::{CloseCode, Violation},
};

/// The reading half. Where messages begin and end is checked and means nothing: payload is handed on as it arrives.
///
/// [`next`](Self::next) is for between frames, [`payload`](Self::payload) for the [`left`](Self::left) bytes of a data
/// frame; so nothing is ever kept of a frame but the 139 bytes of a control frame, whatever length it declares.
#[derive(Debug)]
pub(super) struct Decoder {
    side: Side,
    in_message: bool,
    left: u64,
    mask: Mask,
}

/// What stood between two pieces of payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The header of a data frame; its payload follows.
    Data,
    /// A data frame without payload, or a pong.
    Nothing,
    /// What the pong must say.
    Ping(Vec<u8>),
    /// The peer sends no more.
    Close(CloseCode),
}

impl Decoder {
    /// The decoder of what comes to us at this side.
    pub(super) fn new(side: Side) -> Self {
        Self {
            side,
            in_message: false,
            left: 0,
            mask: Mask::default(),
        }
    }

    /// How many bytes of the data frame's payload are still to come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Turns the next bytes of the data frame, at most [`left`](Self::left), into what the peer wrote.
    pub(super) fn payload(&mut self, bytes: &mut [u8]) {
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if self.side == Side::Server {
            self.mask.apply(bytes);
        }
    }

    /// Takes the next data frame's header, or the next control frame, off `input`. `None` when it is not all there.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Event>, Violation> {
        debug_assert_eq!(self.left, 0, "between frames");
        let mut cursor = Cursor::new(&input[..]);
        // Its only error is a reserved opcode.
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Reserved)?;
        let Some((header, len)) = parsed else {
            return Ok(None);
        };
        self.check(&header, len)?;
        let header_len = cursor.position() as usize;
        match header.opcode {
            OpCode::Data(_) => {
                input.advance(header_len);
                self.in_message = !header.is_final;
                self.left = len;
                self.mask = Mask::new(header.mask.unwrap_or_default());
                let event = if len == 0 {
                    Event::Nothing
                } else {
                    Event::Data
                };
                Ok(Some(event))
            }
            OpCode::Control(control) => {
                let len = len as usize;
                let (_, rest) = input.split_at(header_len);
                let Some(payload) = rest.get(..len) else {
                    return Ok(None);
                };
                let mut payload = payload.to_vec();
                input.advance(header_len);
                input.advance(len);
                Mask::new(header.mask.unwrap_or_default()).apply(&mut payload);
                Ok(Some(match control {
                    Control::Close => Event::Close(CloseCode::parse(&payload)?),
                    Control::Ping => Event::Ping(payload),
                    Control::Pong | Control::Reserved(_) => Event::Nothing,
                }))
            }
        }
    }

    fn check(&self, header: &FrameHeader, len: u64) -> Result<(), Violation> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation::Reserved);
        }
        if header.mask.is_some() != (self.side == Side::Server) {
            return Err(Violation::Masking);
        }
        if len > i64::MAX as u64 {
            return Err(Violation::Length);
        }
        match header.opcode {
            OpCode::Control(_) if !header.is_final || len > MAX_CONTROL as u64 => {
                Err(Violation::Control)
            }
            OpCode::Control(_) => Ok(()),
            OpCode::Data(data) if (data == Data::Continue) != self.in_message => {
                Err(Violation::Fragments)
            }
            OpCode::Data(Data::Text) => Err(Violation::Text),
            OpCode::Data(_) => Ok(()),
        }
    }
}

/// Our patience with frames that bring nothing: allowed, and useless in thousands. Payload renews it, and so does time.
#[derive(Debug)]
pub(super) struct Patience {
    left: u32,
    since: Option<Instant>,
}

impl Patience {
    /// More than any keep-alive needs within [`PERIOD`](Self::PERIOD), and the work of a few milliseconds.
    pub(super) const FRAMES: u32 = 4096;
    pub(super) const PERIOD: Duration = Duration::from_secs(10);

    pub(super) fn new() -> Self {
        Self {
            left: Self::FRAMES,
            since: None,
        }
    }

    pub(super) fn renew(&mut self) {
        *self = Self::new();
    }

    /// Bears one more.
    pub(super) fn spend(&mut self) -> Result<(), Violation> {
        if self.left == 0 {
            match self.since {
                Some(since) if since.elapsed() < Self::PERIOD => return Err(Violation::Flood),
                _ => self.renew(),
            }
        }
        self.since.get_or_insert_with(Instant::now);
        self.left = self.left.saturating_sub(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that a decoder makes of `bytes`, fed `step` at a time: events and payload.
    fn decode(side: Side, bytes: &[u8], step: usize) -> Result<(Vec<Event>, Vec<u8>), Violation> {
        let mut decoder = Decoder::new(side);
        let mut input = BytesMut::new();
        let (mut events, mut payload) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(step) {
            input.extend_from_slice(piece);
            loop {
                if decoder.left() > 0 {
                    let len = input.len().min(decoder.left() as usize);
                    if len == 0 {
                        break;
                    }
                    let mut some = input.split_to(len);
                    decoder.payload(&mut some);
                    payload.extend_from_slice(&some);
                } else {
                    match decoder.next(&mut input)? {
                        Some(event) => events.push(event),
                        None => break,
                    }
                }
            }
        }
        Ok((events, payload))
    }

    fn refused(side: Side, bytes: &[u8]) -> Violation {
        decode(side, bytes, 1000).expect_err("a violation")
    }

    #[test]
    fn fragments_with_control_frames_between_them_are_one_stream_in_any_pieces() {
        let mut bytes = b"\x02\x03abc".to_vec(); // begins a message
        bytes.extend(b"\x89\x02hi"); // ping
        bytes.extend(b"\x00\x00"); // an empty continuation
        bytes.extend(b"\x8a\x01x"); // a pong that nobody asked for
        bytes.extend(b"\x80\x7e\x00\x02de"); // the end, its length not in the shortest form
        bytes.extend(b"\x82\x01f"); // another message
        bytes.extend(b"\x88\x02\x03\xe8"); // close
        for step in 1..bytes.len() {
            let (events, payload) = decode(Side::Client, &bytes, step).expect("no violation");
            assert_eq!(payload, b"abcdef");
            let close = CloseCode::parse(&[3, 0xe8]).expect("1000");
            let expected = [
                Event::Data,
                Event::Ping(b"hi".to_vec()),
                Event::Nothing,
                Event::Nothing,
                Event::Data,
                Event::Data,
                Event::Close(close),
            ];
            assert_eq!(events, expected);
        }
    }

    #[test]
    fn a_masked_frame_is_unmasked_in_any_pieces() {
        let mut bytes = b"\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec();
        bytes.extend(b"\x89\x81\x01\x02\x03\x04\x60");
        for step in 1..bytes.len() {
            let (events, payload) = decode(Side::Server, &bytes, step).expect("no violation");
            assert_eq!(payload, b"Hello");
            assert_eq!(events, [Event::Data, Event::Ping(b"a".to_vec())]);
        }
    }

    #[test]
    fn what_the_rfc_forbids_is_refused() {
        use Violation::*;
        for (violation, bytes) in [
            (Reserved, &b"\xc2\x00"[..]),
            (Reserved, b"\xa2\x00"),
            (Reserved, b"\x92\x00"),
            (Reserved, b"\x83\x00"),
            (Reserved, b"\x87\x00"),
            (Reserved, b"\x8b\x00"),
            (Reserved, b"\x8f\x00"),
            (Masking, b"\x82\x80\x00\x00\x00\x00"),
            (Length, b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"),
            (Control, b"\x09\x00"),
            (Control, b"\x89\x7e\x00\x7e"),
            (Control, b"\x88\x7f\x00\x00\x00\x00\x00\x00\x01\x00"),
            (Fragments, b"\x80\x01a"),
            (Fragments, b"\x02\x01a\x82\x01b"),
            (Text, b"\x81\x01a"),
            (Text, b"\x01\x00"),
            (CloseCode, b"\x88\x01a"),
            (CloseCode, b"\x88\x02\x03\xed"),
            (CloseReason, b"\x88\x03\x03\xe8\xff"),
        ] {
            assert_eq!(refused(Side::Client, bytes), violation, "{bytes:02x?}");
        }
        assert_eq!(refused(Side::Server, b"\x82\x01a"), Masking);
        assert_eq!(refused(Side::Server, b"\x89\x00"), Masking);
    }

    #[test]
    fn a_text_fragment_in_a_binary_message_is_out_of_order_first() {
        let violation = refused(Side::Client, b"\x02\x01a\x01\x01b");
        assert_eq!(violation, Violation::Fragments);
    }

    #[test]
    fn a_huge_declared_length_is_only_a_number() {
        let mut decoder = Decoder::new(Side::Client);
        let mut input = BytesMut::from(&b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffabc"[..]);
        assert_eq!(decoder.next(&mut input), Ok(Some(Event::Data)));
        assert_eq!(decoder.left(), i64::MAX as u64);
        decoder.payload(&mut input);
        assert_eq!(
            (decoder.left(), &input[..]),
            (i64::MAX as u64 - 3, &b"abc"[..])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_in_a_flood_and_is_renewed_by_payload_or_time() {
        let mut patience = Patience::new();
        for _ in 0..Patience::FRAMES {
            assert_eq!(patience.spend(), Ok(()));
        }
        assert_eq!(patience.spend(), Err(Violation::Flood));
        tokio::time::advance(Patience::PERIOD).await;
        assert_eq!(patience.spend(), Ok(()));
        for _ in 1..Patience::FRAMES {
            assert_eq!(patience.spend(), Ok(()));
        }
        patience.renew();
        assert_eq!(patience.spend(), Ok(()));
    }
}

//! What goes over a connection as one.

use bytes::{Bytes, BytesMut};

use super::{
    compact::uint_len,
    frame::Frame,
    mux::{self, Number},
    put::Put,
};

/// A frame of protomux.
#[derive(Clone, Debug)]
pub(super) enum Packet {
    /// What is for the channels themselves; nothing keeps a connection alive.
    Control(Bytes),
    /// A message on a channel of ours.
    Message {
        our: Number,
        kind: u64,
        message: Frame,
    },
}

impl Put for Packet {
    fn len(&self) -> usize {
        match self {
            Self::Control(bytes) => bytes.len(),
            Self::Message { our, kind, message } => uint_len(*our)
                .saturating_add(uint_len(*kind))
                .saturating_add(message.len()),
        }
    }

    fn put(&self, out: &mut BytesMut) {
        match self {
            Self::Control(bytes) => out.extend_from_slice(bytes),
            Self::Message { our, kind, message } => {
                mux::put_head(out, *our, *kind);
                message.put(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_as_long_as_it_says() {
        let message = Frame::message(vec![7; 300].into(), Some("text/plain".to_owned()));
        for our in [1, 252, 253, 65_535, 65_536, u64::from(u32::MAX) + 1] {
            let (kind, message) = (0, message.clone());
            let packet = Packet::Message { our, kind, message };
            assert_eq!(packet.to_bytes().len(), packet.len());
        }
        assert_eq!(Packet::Control(Bytes::new()).to_bytes(), Bytes::new());
    }
}

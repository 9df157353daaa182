//! What holds for all bytes.

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*, sample};
use tower_multiserver_core::{FromSection as _, Section};

use super::super::{
    decode::{Decoder, Event},
    frame::{self, MAX_CONTROL, Side},
    url::{self, Scheme, Url},
    violation::Violation,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Feeds `bytes` in the given pieces, and the rest in one; all payload, and what pings said.
fn decode(
    side: Side,
    bytes: &[u8],
    pieces: &[usize],
) -> Result<(Vec<u8>, Vec<Vec<u8>>), Violation> {
    let mut decoder = Decoder::new(side);
    let mut input = BytesMut::new();
    let (mut payload, mut pings) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    for piece in pieces.iter().copied().chain([bytes.len()]) {
        let (piece, behind) = rest.split_at(piece.min(rest.len()));
        input.extend_from_slice(piece);
        rest = behind;
        loop {
            if decoder.left() == 0 {
                match decoder.next(&mut input)? {
                    Some(Event::Ping(said)) => pings.push(said),
                    Some(_) => {}
                    None => break,
                }
            } else if input.is_empty() {
                break;
            } else {
                let len = input
                    .len()
                    .min(usize::try_from(decoder.left()).unwrap_or(usize::MAX));
                let mut some = input.split_to(len);
                decoder.payload(&mut some);
                payload.extend_from_slice(&some);
            }
        }
    }
    Ok((payload, pings))
}

/// A message, or a ping where it is said so.
fn messages() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let ping = (Just(true), vec(any::<u8>(), 0..=MAX_CONTROL));
    let message = (Just(false), vec(any::<u8>(), 0..300));
    vec(prop_oneof![ping, message], 0..20)
}

proptest! {
    #[test]
    fn what_we_write_we_read_in_any_pieces(
        messages in messages(),
        key in any::<Option<[u8; 4]>>(),
        pieces in vec(0_usize..50, 0..100),
    ) {
        let mut bytes = BytesMut::new();
        let (mut payload, mut pings) = (Vec::new(), Vec::new());
        for (ping, said) in messages {
            let opcode = match ping {
                true => OpCode::Control(Control::Ping),
                false => OpCode::Data(Data::Binary),
            };
            let (a, b) = said.split_at(said.len() / 2);
            frame::append(&mut bytes, opcode, key, [a, b], said.len()).unwrap();
            match ping {
                true => pings.push(said),
                false => payload.extend_from_slice(&said),
            }
        }
        let side = if key.is_some() { Side::Server } else { Side::Client };
        prop_assert_eq!(decode(side, &bytes, &pieces), Ok((payload, pings)));
    }

    #[test]
    fn any_bytes_give_the_same_in_any_pieces(
        bytes in vec(any::<u8>(), 0..200),
        pieces in vec(0_usize..20, 0..50),
        server in any::<bool>(),
    ) {
        let side = if server { Side::Server } else { Side::Client };
        prop_assert_eq!(decode(side, &bytes, &pieces), decode(side, &bytes, &[]));
    }

    #[test]
    fn any_text_is_a_url_that_reads_what_it_prints_or_none(
        scheme in sample::select(vec![Scheme::Ws, Scheme::Wss]),
        text in "(//)?[ -~é\r\n]{0,40}",
    ) {
        if let Ok(url) = Url::from_section(&Section::new(scheme.name()).arg(text)) {
            let printed = url::section(scheme, &url.at.host, url.at.port, Some(url.path.as_str()));
            prop_assert_eq!(Url::from_section(&printed).ok(), Some(url));
        }
    }
}

//! Bodies of fuzz targets.

use std::{
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use arbitrary::{Result, Unstructured};
use http::{HeaderName, HeaderValue, Request, StatusCode, Uri, header, uri::Authority};
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf, duplex},
    runtime::Runtime,
};

use super::{decode::Decoder, frame::Side, rules::Rules, stream::Stream, upgrade};
use crate::Scope;

thread_local! {
    // A stream whose peer has ended has a clock, which never runs here.
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime needs nothing but memory");
}

/// Whatever the peer sends, in whatever pieces: what we hand on is the same, and what we hold is bounded.
pub fn frames(data: &[u8]) {
    RUNTIME.with(|runtime| {
        let _guard = runtime.enter();
        let _ = run(&mut Unstructured::new(data));
    });
}

/// More than a stream may hold: what was read, what is to be written, and the answer to a ping.
const HELD: usize = 2 * (64 << 10) + 64 * 1024 + 4096;

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let side = match u.arbitrary()? {
        true => Side::Client,
        false => Side::Server,
    };
    let (near, mut far) = duplex(u.int_in_range(1..=100_000)?);
    let mut ws = Stream::new(near, side, Default::default());
    let cx = &mut Context::from_waker(Waker::noop());
    let (mut wire, mut heard, mut ended) = (Vec::new(), Vec::new(), false);
    while !u.is_empty() {
        match u.int_in_range(0..=5)? {
            0 => {
                let len = usize::from(u.arbitrary::<u8>()?).min(u.len());
                let said = u.bytes(len)?;
                if let Poll::Ready(Ok(count)) = Pin::new(&mut far).poll_write(cx, said) {
                    wire.extend_from_slice(&said[..count]);
                }
            }
            1 => {
                let said = vec![u.arbitrary()?; usize::from(u.arbitrary::<u16>()?)];
                let said = [&header(side, said.len())[..], &said].concat();
                if let Poll::Ready(Ok(count)) = Pin::new(&mut far).poll_write(cx, &said) {
                    wire.extend_from_slice(&said[..count]);
                }
            }
            2 => {
                let mut space = vec![0; u.int_in_range(1..=20_000)?];
                let mut buf = ReadBuf::new(&mut space);
                match ws.poll_read(cx, &mut buf) {
                    Poll::Ready(Ok(())) => {
                        assert!(!ended || buf.filled().is_empty(), "nothing behind the end");
                        ended |= buf.filled().is_empty();
                        heard.extend_from_slice(buf.filled());
                    }
                    Poll::Ready(Err(_)) => ended = true,
                    Poll::Pending => assert!(buf.filled().is_empty()),
                }
            }
            3 => {
                let text = vec![0; usize::from(u.arbitrary::<u16>()?)];
                let _ = ws.poll_write(cx, &[std::io::IoSlice::new(&text)]);
            }
            4 => {
                let _ = match u.arbitrary()? {
                    true => ws.poll_flush(cx),
                    false => ws.poll_shutdown(cx),
                };
            }
            _ => {
                let mut space = [0; 1000];
                let _ = Pin::new(&mut far).poll_read(cx, &mut ReadBuf::new(&mut space));
            }
        }
        assert!(ws.buffered() <= HELD, "{} bytes are held", ws.buffered());
    }
    assert!(payload(side, &wire).starts_with(&heard));
    Ok(())
}

/// That of a binary message; masked with zeros, where it must be.
fn header(side: Side, len: usize) -> Vec<u8> {
    let [high, low] = (len as u16).to_be_bytes();
    match side {
        Side::Client => vec![0x82, 126, high, low],
        Side::Server => vec![0x82, 0x80 | 126, high, low, 0, 0, 0, 0],
    }
}

/// The payload in `wire`, up to the first thing that is wrong with it.
fn payload(side: Side, wire: &[u8]) -> Vec<u8> {
    let (mut decoder, mut input, mut payload) = (Decoder::new(side), wire.into(), Vec::new());
    loop {
        match usize::try_from(decoder.left()) {
            Ok(0) => match decoder.next(&mut input) {
                Ok(Some(_)) => {}
                _ => return payload,
            },
            left => {
                let len = left.unwrap_or(usize::MAX).min(input.len());
                let mut some = input.split_to(len);
                decoder.payload(&mut some);
                payload.extend_from_slice(&some);
                if input.is_empty() {
                    return payload;
                }
            }
        }
    }
}

/// Whatever the headers of a request, here a line each: on this machine no WebSocket comes of one that names another, as
/// somebody else reads the name.
pub fn openings(data: &[u8]) {
    let mut request = Request::new(());
    for line in data.split(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.get(1..).unwrap_or_default();
        let header = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value));
        if let (Ok(name), Ok(value)) = header {
            request.headers_mut().append(name, value);
        }
    }
    let Ok(answer) = upgrade::answer(&mut request) else {
        return;
    };
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    let headers = request.headers();
    if Rules::default().check(headers, Scope::Device).is_err() {
        return;
    }
    let host = headers[header::HOST].to_str().expect("it was read");
    if let Ok(host) = host.parse::<Authority>() {
        assert!(is_local(host.host()), "{host}");
    }
    for origin in headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().expect("it was read");
        if let Ok(origin) = origin.parse::<Uri>() {
            assert!(origin.host().is_some_and(is_local), "{origin}");
        }
    }
}

fn is_local(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("ws_frames", frames);
        replay("ws_openings", openings);
    }
}

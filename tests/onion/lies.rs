//! Proxies that stall, lie, or are none.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_multiserver::{
    ErrorKind, StackExt as _,
    onion::{Failure, Onion, Reply},
};

use crate::{
    lab::{CONNECTED, NAME, answering, dial, failures, greet, play},
    support::address,
};

fn to() -> String {
    format!("onion:{NAME}:8008")
}

/// What comes of a proxy that answers so: the one failure, shown.
async fn failure(greeting: &'static [u8], reply: &[u8]) -> String {
    let played = answering(greeting, reply).await;
    let error = dial([&played.proxy], &to()).await.expect_err("no proxy");
    assert_eq!(error.kind(), ErrorKind::Proxy, "{greeting:?} {reply:?}");
    assert_eq!(error.address(), Some(&address(&to())));
    played.over().await;
    match failures(&error)[..] {
        [Failure::Replied(reply)] => format!("{reply:?}"),
        [Failure::BrokenOff(_)] => "BrokenOff".to_owned(),
        [failure] => format!("{failure:?}"),
        ref several => format!("{several:?}"),
    }
}

#[tokio::test]
async fn what_is_no_socks_proxy_is_an_error_of_kind_proxy() {
    for greeting in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x04\x00",
        b"\x04\x5a\x00\x00\x00\x00\x00\x00",
        b"\x00\x5a",
        // GSSAPI, and a method that nobody has: neither was offered.
        b"\x05\x01",
        b"\x05\x80",
    ] {
        assert_eq!(failure(greeting, b"").await, "NotSocks", "{greeting:?}");
    }
    for reply in [
        &b"\x04\x00\x00\x01\0\0\0\0\0\0"[..],
        b"HTTP/1.1 400 Bad Request",
        b"\x05\x00\x01\x01\0\0\0\0\0\0",
        b"\x05\x00\x00\x00\0\0\0\0\0\0",
        b"\x05\x00\x00\x02\0\0\0\0\0\0",
        b"\x05\x00\x00\xff\0\0\0\0\0\0",
        b"\x05\x00\x00\x03\x02\xff\xfe\0\0",
    ] {
        assert_eq!(failure(b"\x05\x00", reply).await, "NotSocks", "{reply:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_wants_a_login_that_was_not_offered_says_so() {
    for greeting in [b"\x05\xff", b"\x05\x02"] {
        assert_eq!(failure(greeting, b"").await, "Login");
    }
}

#[tokio::test]
async fn a_proxy_that_closes_early_is_an_error_at_every_byte() {
    let greeting = b"\x05\x00";
    for cut in [&greeting[..0], &greeting[..1]] {
        assert_eq!(failure(cut, b"").await, "BrokenOff", "{cut:?}");
    }
    for reply in [CONNECTED, b"\x05\x00\x00\x03\x03abc\0\0"] {
        for cut in 1..reply.len() {
            let cut = &reply[..cut];
            assert_eq!(failure(greeting, cut).await, "BrokenOff", "{cut:?}");
        }
    }
}

#[tokio::test]
async fn each_reply_has_a_name() {
    use Reply::*;
    for (code, reply) in [
        (0x01, General),
        (0x02, NotAllowed),
        (0x03, NetworkUnreachable),
        (0x04, HostUnreachable),
        (0x05, ConnectionRefused),
        (0x06, TtlExpired),
        (0x07, CommandNotSupported),
        (0x08, AddressTypeNotSupported),
        (0x09, Other(0x09)),
        (0xf0, DescriptorNotFound),
        (0xf1, DescriptorInvalid),
        (0xf2, IntroductionFailed),
        (0xf3, RendezvousFailed),
        (0xf4, AuthorizationMissing),
        (0xf5, AuthorizationWrong),
        (0xf6, AddressInvalid),
        (0xf7, IntroductionTimedOut),
        (0xff, Other(0xff)),
    ] {
        let bytes = [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(failure(b"\x05\x00", &bytes).await, format!("{reply:?}"));
        // Some send no more than this.
        let head = failure(b"\x05\x00", &bytes[..4]).await;
        assert_eq!(head, format!("{reply:?}"));
    }
}

#[tokio::test]
async fn the_first_bytes_of_the_peer_may_come_with_the_reply_of_any_length() {
    let ipv4 = CONNECTED.to_vec();
    let ipv6 = [&[5, 0, 0, 4][..], &[1; 18]].concat();
    let name = [&[5, 0, 0, 3, 255][..], &[b'x'; 257]].concat();
    let no_name = vec![5, 0, 0, 3, 0, 0, 0];
    for reply in [ipv4, ipv6, name, no_name] {
        for at_once in [true, false] {
            let mut bytes = [&reply[..], b"\x05\x00hello"].concat();
            let rest = match at_once {
                true => Vec::new(),
                false => bytes.split_off(3),
            };
            let played = play(async move |mut stream| {
                greet(&mut stream).await;
                stream.write_all(&bytes).await.expect("sent");
                tokio::task::yield_now().await;
                stream.write_all(&rest).await.expect("sent");
            })
            .await;
            let mut peer = dial([&played.proxy], &to()).await.expect("connected");
            let mut said = Vec::new();
            peer.read_to_end(&mut said).await.expect("an end");
            assert_eq!(said, b"\x05\x00hello", "{reply:?}");
        }
    }
}

/// Progress buys no time.
#[tokio::test]
async fn a_proxy_that_stalls_after_any_byte_costs_no_more_than_the_dial_may_take() {
    for (stalls_at, reply) in [(0, &b""[..]), (1, b"\x05"), (5, &CONNECTED[..5])] {
        let played = play(async move |mut stream| {
            greet(&mut stream).await;
            stream.write_all(reply).await.expect("sent");
            // Until the dialer is gone.
            let read = stream.read(&mut [0]).await;
            assert!(matches!(read, Ok(0)), "{read:?}");
        })
        .await;
        let onion = Onion::new()
            .proxies([played.proxy.clone()])
            .dial_timeout(Duration::from_millis(100));
        let error = onion.dial(to()).await.expect_err("no answer");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{stalls_at}");
        assert_eq!(error.address(), Some(&address(&to())));
        played.over().await;
    }
}

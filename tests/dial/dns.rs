//! A DNS server that says what a test wants, honest or not.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::UdpSocket, task::JoinSet, time::timeout};
use tower::{Layer as _, ServiceExt as _};
use tower_multiserver::{
    Error, ErrorKind,
    dial::lookup::{Answer, CacheLayer, Dns},
};

use crate::support::{HANG, addresses};

const TXT: u16 = 16;

/// Answers each query with what `respond` makes of it and of the name asked for.
async fn server(
    respond: impl Fn(&[u8], &str) -> Vec<Vec<u8>> + Send + 'static,
) -> (JoinSet<()>, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let at = socket.local_addr().expect("an address");
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut query = [0; 1000];
        loop {
            let (len, from) = socket.recv_from(&mut query).await.expect("a query");
            for response in respond(&query[..len], &asked(&query)) {
                socket.send_to(&response, from).await.expect("sent");
            }
        }
    });
    (task, at)
}

/// The name that a query asks for.
fn asked(query: &[u8]) -> String {
    let (mut name, mut at) = (String::new(), 12);
    while query[at] > 0 {
        let len = usize::from(query[at]);
        name += str::from_utf8(&query[at + 1..=at + len]).expect("ASCII");
        name.push('.');
        at += len + 1;
    }
    name
}

/// A response (RFC 1035, section 4) to `query`, with TXT records of the name asked for, in these sections.
fn response(query: &[u8], code: u8, answers: &[(u32, &[&[u8]])]) -> Vec<u8> {
    let question = 12 + asked(query).len() + 1 + 4;
    let mut response = query[..2].to_vec();
    response.extend([0x81, 0x80 | code, 0, 1, 0, answers.len() as u8, 0, 0, 0, 0]);
    response.extend(&query[12..question]);
    for (ttl, strings) in answers {
        response.extend([0xc0, 12]);
        response.extend([TXT.to_be_bytes(), [0, 1]].concat());
        response.extend(ttl.to_be_bytes());
        let len: usize = strings.iter().map(|string| string.len() + 1).sum();
        response.extend((len as u16).to_be_bytes());
        for string in *strings {
            response.push(string.len() as u8);
            response.extend(*string);
        }
    }
    response
}

async fn ask(server: SocketAddr, name: &str) -> Result<Answer, Error> {
    let dns = Dns::servers([server]).expect("a resolver");
    let answer = dns.oneshot(name.parse().expect("a name"));
    timeout(HANG, answer).await.expect("a hang")
}

#[tokio::test]
async fn strings_are_joined_and_records_are_alternatives() {
    let (_server, at) = server(|query, name| {
        assert_eq!(name, "_multiserver.bob.example.");
        let answers: [(u32, &[&[u8]]); 3] = [
            (300, &[b"ws://", b"b", b"ob"]),
            (60, &[b"net:b:2;net:a:1"]),
            (600, &[b"v=spf1 ~all"]),
        ];
        vec![response(query, 0, &answers)]
    })
    .await;
    let answer = ask(at, "Bob.Example").await.expect("an answer");
    let expected = addresses("net:b:2;net:a:1;v=spf1 ~all;ws://bob");
    assert_eq!(answer.addresses, Some(expected));
    assert_eq!(answer.ttl, Duration::from_secs(60));
}

#[tokio::test]
async fn a_record_that_a_stranger_cannot_mean_is_left_out() {
    let (_server, at) = server(|query, _| {
        let answers: [(u32, &[&[u8]]); 6] = [
            (60, &[b"net:e:1~shs:KEY:SEED"]),
            (60, &[b"unix:/run/docker.sock"]),
            (60, &[b"net:localhost:1~noauth"]),
            (60, &[&[0xff, 0xfe, b'~']]),
            (60, &[b""]),
            (60, &[b"net:b:1"]),
        ];
        vec![response(query, 0, &answers)]
    })
    .await;
    let answer = ask(at, "bob").await.expect("an answer");
    assert_eq!(answer.addresses, Some(addresses("net:b:1")));
}

#[tokio::test]
async fn a_server_that_knows_nothing_and_one_that_fails_are_told_apart() {
    let (_server, at) = server(|query, name| {
        let code = match name {
            "_multiserver.nobody." => 3,
            "_multiserver.empty." => 0,
            _ => 2,
        };
        vec![response(query, code, &[])]
    })
    .await;
    for name in ["nobody", "empty"] {
        let answer = ask(at, name).await.expect("an answer");
        assert_eq!(answer.addresses, None, "{name}");
    }
    let error = ask(at, "broken").await.expect_err("SERVFAIL");
    assert_eq!(error.kind(), ErrorKind::Io);
}

/// An answer to another query, as somebody sends who cannot see ours, does not count; nor does what is no answer.
#[tokio::test]
async fn a_hostile_packet_is_passed_over() {
    let (_server, at) = server(|query, name| {
        let mut forged = response(query, 0, &[(60, &[b"net:evil:1"])]);
        let honest = response(query, 0, &[(60, &[b"net:b:1"])]);
        match name {
            "_multiserver.id." => {
                forged[0] ^= 0xff;
                vec![forged, honest]
            }
            "_multiserver.question." => {
                forged[14] ^= 1;
                vec![forged, honest]
            }
            // A name that is a pointer to itself.
            "_multiserver.loop." => {
                let at = 12 + name.len() as u8 + 1 + 4;
                forged[usize::from(at)..][..2].copy_from_slice(&[0xc0, at]);
                vec![forged]
            }
            _ => vec![
                vec![0xff; 500],
                query[..7].to_vec(),
                forged[..forged.len() - 4].to_vec(),
            ],
        }
    })
    .await;
    let names = ["id", "question", "loop", "garbage"];
    let [id, question, looped, garbage] =
        futures_util::future::join_all(names.map(|name| ask(at, name)))
            .await
            .try_into()
            .expect("four");
    for answer in [id, question] {
        let honest = answer.expect("an answer").addresses;
        assert_eq!(honest, Some(addresses("net:b:1")));
    }
    for answer in [looped, garbage] {
        let kind = answer.expect_err("no answer").kind();
        assert!(
            matches!(kind, ErrorKind::Io | ErrorKind::Timeout),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_domain_name_is_never_asked_for() {
    let (_server, at) = server(|_, name| panic!("asked for {name}")).await;
    let key = crate::support::identity("bob").public_key();
    for name in [&*key.to_string(), "x.onion", "two words", "a..b"] {
        let answer = ask(at, name).await.expect("an answer");
        assert_eq!(answer.addresses, None, "{name}");
    }
}

#[tokio::test]
async fn a_cache_over_it_asks_once() {
    let (server, at) = server(|query, _| vec![response(query, 0, &[(60, &[b"net:b:1"])])]).await;
    let dns = CacheLayer::new().layer(Dns::servers([at]).expect("a resolver"));
    let name = || "bob".parse().expect("a name");
    let answer = dns.clone().oneshot(name()).await.expect("an answer");
    assert_eq!(answer.addresses, Some(addresses("net:b:1")));
    drop(server);
    let kept = dns
        .oneshot(name())
        .await
        .expect("an answer without a server");
    assert_eq!(kept.addresses, answer.addresses);
}

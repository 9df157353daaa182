//! Who speaks another protocol.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tower::Layer as _;
use tower_multiserver::{
    ErrorKind, Listening, MultiServer,
    knock::{self, KnockLayer},
    mtls::MtlsLayer,
    net::Net,
    noise::{self, NoiseLayer},
    shs,
};

use crate::support::{HANG, app_key, identity};

/// What scanners and lost clients of other networks say.
const GREETINGS: [&[u8]; 7] = [
    b"GET / HTTP/1.1\r\nHost: example.com\r\nUser-Agent: scanner\r\n\r\n",
    // The beginning of a TLS 1.3 ClientHello.
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz",
    b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2\r\n",
    b"\x05\x01\x00",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    &[7; 64],
    &[0; 4096],
];

fn peer(name: &str) -> MultiServer {
    let noise = NoiseLayer::new(identity(name)).app_key(app_key());
    let mtls = MtlsLayer::new(identity(name));
    MultiServer::new()
        .stack(crate::support::shs(name).layer(Net::new()))
        .stack(noise.layer(Net::new()))
        .stack(mtls.layer(KnockLayer::new(identity(name)).layer(Net::new())))
}

/// A server of that stack, with so much patience, and the place of its socket.
async fn listening(stack: &str, patience: Duration) -> (Listening, String) {
    let server = peer("bob").handshake_timeout(patience);
    let at = format!("net:127.0.0.1:0~{stack}");
    let server = server.listen(at.as_str()).await.expect("listening");
    let to = server.all_addresses()[0].1.transport().to_string();
    (server, to.trim_start_matches("net:").to_owned())
}

#[tokio::test]
async fn another_protocol_gets_no_byte_and_is_closed_by_the_deadline() {
    let mut tried = 0;
    for stack in ["shs", "noise", "knock~mtls"] {
        let (mut server, to) = listening(stack, Duration::from_millis(200)).await;
        for greeting in GREETINGS {
            let scan = async {
                let mut socket = TcpStream::connect(&to).await.expect("connected");
                let _ = socket.write_all(greeting).await;
                let mut heard = Vec::new();
                let end = timeout(HANG, socket.read_to_end(&mut heard)).await;
                // A reset is an end too.
                let _ = end.expect("closed");
                heard
            };
            let (heard, accepted) = tokio::join!(scan, server.next());
            assert_eq!(heard, b"", "{stack} to {greeting:?}");
            accepted.expect("one").expect_err("a stranger");
            tried += 1;
        }
    }
    println!("measured exposure\tother protocols\t{tried} greetings, 0 bytes in answer");
}

/// What a peer of ours says first.
fn first_words(stack: &str) -> Vec<u8> {
    let (mallory, bob) = (identity("mallory"), identity("bob").public_key());
    match stack {
        "shs" => shs::handshake::Client::new(&app_key(), &mallory, bob)
            .expect("a hello")
            .1
            .to_vec(),
        "noise" => noise::handshake::Client::new(&app_key(), &mallory, bob)
            .expect("a hello")
            .1
            .to_vec(),
        _ => knock::message::write(&mallory, bob.into())
            .expect("a knock")
            .to_vec(),
    }
}

/// Whoever begins like a peer of ours and then tears the connection apart is noticed at once, and takes nobody with it.
#[tokio::test]
async fn a_reset_amid_the_handshake_is_a_failed_handshake_and_no_more() {
    for stack in ["shs", "noise", "knock~mtls"] {
        let (mut server, to) = listening(stack, 2 * HANG).await;
        let words = first_words(stack);
        for count in [0, 1, words.len() - 1, words.len()] {
            let reset = async {
                let mut socket = TcpStream::connect(&to).await.expect("connected");
                socket.write_all(&words[..count]).await.expect("sent");
                // A knock has no answer.
                if count == words.len() && stack != "knock~mtls" {
                    socket.readable().await.expect("an answer");
                }
                socket.set_zero_linger().expect("an option");
            };
            let both = async { tokio::join!(server.next(), reset) };
            let (accepted, ()) = timeout(HANG, both).await.expect("noticed");
            let error = accepted.expect("one").expect_err("a reset");
            assert_eq!(error.kind(), ErrorKind::Handshake, "{stack}, {count} bytes");
        }
        let good = server.all_addresses()[0].1.clone();
        let client = peer("alice");
        let (dialed, accepted) = tokio::join!(client.dial(good), server.next());
        dialed.expect("dialed");
        accepted.expect("one").expect("accepted");
    }
}

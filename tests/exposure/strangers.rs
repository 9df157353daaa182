//! Who speaks another protocol.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tower::Layer as _;
use tower_multiserver::{
    MultiServer, Scope, knock::KnockLayer, mtls::MtlsLayer, net::Net, noise::NoiseLayer,
};

use crate::support::{HANG, app_key, identity, shs};

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

fn server() -> MultiServer {
    let noise = NoiseLayer::new(identity("bob")).app_key(app_key());
    let mtls = MtlsLayer::new(identity("bob"));
    MultiServer::new()
        .stack(shs("bob").layer(Net::new()))
        .stack(noise.layer(Net::new()))
        .stack(mtls.layer(KnockLayer::new(identity("bob")).layer(Net::new())))
        .handshake_timeout(Duration::from_millis(200))
}

#[tokio::test]
async fn another_protocol_gets_no_byte_and_is_closed_by_the_deadline() {
    let mut tried = 0;
    for stack in ["shs", "noise", "knock~mtls"] {
        let mut server = server()
            .listen(format!("net:127.0.0.1:0~{stack}").as_str())
            .await
            .expect("listening");
        let to = server.addresses(Scope::Device).expect("an address");
        let to = to.iter().next().expect("one").sections()[0].to_string();
        let to = to.trim_start_matches("net:").to_owned();
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

//! Under other layers, behind one door.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, split},
    time::timeout,
};
use tower::Layer as _;
use tower_multiserver::{
    Connection, MultiServer, Scope,
    noauth::NoauthLayer,
    ws::Ws,
    wss::{Tls, Wss},
};

use crate::{
    lab::{Authority, HANG, soon},
    support::{echo, identity, round_trip, shs},
};

fn door(wss: Wss) -> MultiServer {
    let noauth = NoauthLayer::new(identity("bob").public_key());
    MultiServer::new()
        .stack(shs("bob").layer(Ws::new()))
        .stack(shs("bob").layer(wss.clone()))
        .stack(noauth.layer(wss))
}

async fn pair(transform: &str) -> (Connection, Connection, tower_multiserver::Listening) {
    let authority = Authority::new();
    let server = door(Wss::new().certificate(authority.here().ours()));
    let at = format!("wss://localhost:0/peers~{transform}");
    let mut listening = server.listen(&*at).await.expect("listening");
    let to = listening.addresses(Scope::Device).expect("an address");
    let told = to.to_string();
    assert!(
        told.starts_with("wss://localhost:") && told.contains("/peers~"),
        "{told}"
    );
    let client = door(Wss::new().trust(authority.trust()));
    let (dialed, accepted) = tokio::join!(client.dial(to), listening.next());
    let accepted = accepted.expect("a peer").expect("accepted");
    (dialed.expect("dialed"), accepted, listening)
}

#[tokio::test]
async fn shs_and_noauth_lie_over_it_and_the_facts_of_all_layers_are_there() {
    for transform in ["shs", "noauth"] {
        let (dialed, accepted, _listening) = pair(transform).await;
        for end in [&dialed, &accepted] {
            assert!(end.info().get::<Tls>().is_some());
            assert_eq!(end.info().remote_key(), Some(identity("bob").public_key()));
            assert_eq!(end.info().scope(), Scope::Device);
        }
        let (mut dialed, mut accepted) = (dialed, accepted);
        dialed.write_all(b"x").await.expect("sent");
        dialed.flush().await.expect("sent");
        assert_eq!(soon(accepted.read_u8()).await.expect("read"), b'x');
    }
}

#[tokio::test]
async fn under_shs_one_direction_ends_and_the_other_goes_on() {
    let (dialed, accepted, _listening) = pair("shs").await;
    assert!(dialed.info().has_half_close() && accepted.info().has_half_close());
    let message = vec![7; 1 << 20];
    let (mut reader, mut writer) = split(dialed);
    let send = async {
        writer.write_all(&message).await.expect("sent");
        writer.shutdown().await.expect("ended");
    };
    let read = async {
        let mut answer = Vec::new();
        reader.read_to_end(&mut answer).await.expect("an answer");
        answer
    };
    let all = timeout(HANG, async { tokio::join!(send, read, echo(accepted)) }).await;
    assert!(all.expect("no hang").1 == message);
}

#[tokio::test]
async fn a_server_that_writes_last_is_heard_to_the_end() {
    let (dialed, accepted, _listening) = pair("shs").await;
    let all = timeout(HANG, async {
        tokio::join!(round_trip(dialed, b"hello"), echo(accepted))
    });
    all.await.expect("no hang");
}

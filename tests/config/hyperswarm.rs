//! `hyperdht` and `hyperswarm`.

use tower_multiserver::hyperswarm::Topic;

use super::*;

#[path = "../support/dht.rs"]
mod dht;

use dht::Dht;

fn hex(name: &str) -> String {
    hex::encode(identity(name).public_key().as_bytes())
}

/// A server called `server` at this address; where to dial it.
async fn server(dht: &Dht, address: &str, allow: &str) -> Address {
    let bootstrap = &dht.bootstrap;
    let config = config(&format!(
        "listen = [\"{address}\"]\nallow = {allow}\nbootstrap = [\"{bootstrap}\"]"
    ));
    serve(open(&config).await.expect(address)).remove(0)
}

#[tokio::test]
async fn a_peer_is_dialed_by_its_key_under_each_proof_and_with_none() {
    let dht = Dht::new().await;
    let client = config(&format!("bootstrap = [\"{}\"]", dht.bootstrap));
    for transforms in ["", "~shs", "~noise", "~gzip"] {
        let address = server(&dht, &format!("hyperdht{transforms}"), "\"all\"").await;
        let key = hex("server");
        assert!(
            address.to_string().starts_with(&format!("hyperdht:{key}")),
            "{address}"
        );
        dial(&client, "client", &address).await.expect(transforms);
    }
}

#[tokio::test]
async fn only_guests_are_let_in_whatever_proves_their_keys() {
    let dht = Dht::new().await;
    let friend = identity("friend").public_key();
    let client = config(&format!(
        "bootstrap = [\"{}\"]\nplain = true",
        dht.bootstrap
    ));
    for transforms in ["", "~shs", "~gzip", "~knock~mtls"] {
        let address = format!("hyperdht{transforms}");
        let address = server(&dht, &address, &format!("[\"{friend}\"]")).await;
        dial(&client, "friend", &address).await.expect(transforms);
        // By `mtls` it is told when it reads.
        let dialed = client.multi_server_as(&identity("stranger")).expect("one");
        if let Ok(mut stranger) = dialed.dial(address).await {
            use tokio::io::AsyncReadExt as _;
            let read = timeout(HANG, stranger.read(&mut [0]))
                .await
                .expect("a hang");
            assert!(matches!(read, Ok(0) | Err(_)), "{transforms}");
        }
    }
}

#[tokio::test]
async fn a_topic_is_dialed_as_the_peers_that_announce_it() {
    let dht = Dht::new().await;
    let _server = server(&dht, "hyperdht~shs", "\"all\"").await;
    let topic = Topic::of_channel("room");
    let announcer = dht::local(identity("server")).bootstrap([&dht.bootstrap]);
    announcer
        .spawn()
        .await
        .expect("a node")
        .announce(topic)
        .await
        .expect("announced");
    let client = config(&format!("bootstrap = [\"{}\"]", dht.bootstrap));
    for address in [format!("hyperswarm:{topic}~shs"), "dht:room~shs".to_owned()] {
        let address = address.parse().expect("an address");
        dial(&client, "client", &address).await.expect("reached");
    }
}

#[tokio::test]
async fn nothing_is_started_before_it_is_used() {
    // Nobody is there who could be asked.
    let (_socket, closed) = closed_port();
    let config = config(&format!(
        "bootstrap = [\"{closed}\"]\nlisten = [\"net:127.0.0.1:0~shs\"]\nallow = \"all\"\ndial-timeout = 0.5"
    ));
    let address = serve(open(&config).await.expect("open")).remove(0);
    dial(&config, "client", &address).await.expect("dialed");
    let away = format!("hyperdht:{}", hex("server")).parse().expect("one");
    let error = dial(&config, "client", &away).await.unwrap_err();
    assert!(
        [ErrorKind::Timeout, ErrorKind::Io].contains(&error.kind()),
        "{error:?}"
    );
}

#[test]
fn an_address_is_of_one_peer_who_has_proved_its_key() {
    let (key, other) = (
        identity("server").public_key(),
        identity("other").public_key(),
    );
    let (hex, topic) = (hex("server"), Topic::of_channel("room"));
    for (text, dial, listen) in [
        (format!("hyperdht:{hex}"), true, true),
        (format!("hyperdht:{hex}~shs:{key}"), true, true),
        (format!("hyperdht:{hex}~noise:{key}~gzip"), true, true),
        (format!("hyperdht:{hex}~shs:{other}"), false, false),
        (format!("hyperdht:{hex}~noauth"), false, false),
        ("hyperdht".to_owned(), false, true),
        ("hyperdht~shs".to_owned(), false, true),
        ("hyperdht~noauth".to_owned(), false, false),
        (format!("hyperswarm:{topic}"), true, false),
        (format!("hyperswarm:{topic}~shs"), true, false),
        (format!("hyperswarm:{topic}~shs:{other}"), true, false),
        (format!("hyperswarm:{topic}~noauth"), false, false),
        ("hyperswarm:room".to_owned(), false, false),
        ("dht:room~noise~gzip".to_owned(), true, false),
        ("dht".to_owned(), false, false),
    ] {
        let address: Address = text.parse().expect(&text);
        assert_eq!(check_dial(&address).is_ok(), dial, "dial {text}");
        assert_eq!(check_listen(&address).is_ok(), listen, "listen {text}");
    }
}

#[test]
fn a_node_to_ask_is_a_host_and_a_port() {
    for wrong in [
        "localhost",
        "localhost:",
        ":0",
        "localhost:x",
        "localhost:65536",
    ] {
        let config = config(&format!("bootstrap = [\"{wrong}\"]"));
        let error = config.multi_server().expect_err(wrong);
        assert_eq!(field(&error), Some("bootstrap"));
    }
}

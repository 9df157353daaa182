//! `hyperdht`, `hyperswarm` and swarms by their name alone, on a DHT on 127.0.0.1.

use serde_json::{Value, json};
use tower_multiserver::{Identity, KeyFile, hyperswarm::Topic, peer_socket::SwarmId};

use crate::{
    harness::{connect, key, run},
    swarm::{ROOM, interrupt, join, lines, next},
};

#[path = "../support/dht.rs"]
mod dht;

use crate::harness::Program;
use dht::{Dht, local};

#[tokio::test]
async fn a_server_is_dialed_by_its_key_alone_or_under_a_proof() {
    let dht = Dht::new().await;
    let at_dht = ["--bootstrap", &dht.bootstrap];
    let directory = tempfile::tempdir().expect("a directory");
    let (friend, friend_id) = key(&directory, "friend").await;
    let args = ["--echo", "--allow", &friend_id];
    for address in ["hyperdht", "hyperdht~shs", "hyperdht~noise~zstd"] {
        let (mut server, at) = Program::listen(address, &[&at_dht[..], &args].concat()).await;
        let as_friend = [&at_dht[..], &["--key", &friend]].concat();
        let client = connect(&at, &as_friend, b"hello").await;
        assert_eq!(
            (client.code, client.text()),
            (Some(0), "hello"),
            "{:?}",
            client.told
        );
        let pinged = run(&[&["ping", &at, "--json"], &as_friend[..]].concat()).await;
        assert_eq!(pinged.code, Some(0), "{:?}", pinged.told);

        let stranger = connect(&at, &at_dht, b"hello").await;
        assert_eq!(stranger.text(), "");
        assert!(matches!(stranger.code, Some(3 | 4)), "{:?}", stranger.told);
        // Who is refused by the node itself gets no answer.
        if address != "hyperdht" {
            assert_eq!(server.event("error").await["kind"], "unauthorized");
        }
    }
}

#[tokio::test]
async fn nobody_finds_a_server_that_was_ended() {
    let dht = Dht::new().await;
    let at_dht = ["--bootstrap", &*dht.bootstrap];
    let (mut server, at) = Program::listen("hyperdht", &[&at_dht[..], &["--echo"]].concat()).await;
    assert_eq!(connect(&at, &at_dht, b"hello").await.text(), "hello");
    server.signal("TERM").await;
    server.event("note").await;
    assert_eq!(server.end().await.code, Some(0));
    let client = connect(&at, &at_dht, b"hello").await;
    assert_eq!(client.code, Some(3));
    let message = client.error()["message"].to_string();
    assert!(
        message.contains("nobody in the DHT knows this key"),
        "{message}"
    );
}

#[tokio::test]
async fn whoever_announces_a_topic_is_dialed_by_it() {
    let dht = Dht::new().await;
    let at_dht = ["--bootstrap", &dht.bootstrap];
    let directory = tempfile::tempdir().expect("a directory");
    let (path, _) = key(&directory, "server").await;
    let args = [&at_dht[..], &["--echo", "--key", &path]].concat();
    let (_server, _) = Program::listen("hyperdht~shs", &args).await;
    let announcer = local(KeyFile::load(&path).expect("a key")).bootstrap([&dht.bootstrap]);
    let announcer = announcer.spawn().await.expect("a node");
    announcer
        .announce(Topic::of_channel("echo"))
        .await
        .expect("announced");
    for address in [
        "dht:echo~shs",
        &format!("hyperswarm:{}~shs", Topic::of_channel("echo")),
    ] {
        let client = connect(address, &at_dht, b"hello").await;
        assert_eq!(
            (client.code, client.text()),
            (Some(0), "hello"),
            "{:?}",
            client.told
        );
    }
}

#[tokio::test]
async fn what_no_peer_of_hyperswarm_can_be_is_2() {
    let key = hex::encode(Identity::generate().expect("one").public_key().as_bytes());
    let other = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";
    for args in [
        &["connect", &format!("hyperdht:{key}~noauth")][..],
        &["connect", &format!("hyperdht:{key}~shs:{other}")],
        &["connect", "hyperdht"],
        &["connect", "hyperswarm:short"],
        &["connect", "dht:x", "--bootstrap", "nowhere"],
        &["listen", "hyperswarm:short", "--echo"],
        &[
            "listen",
            &format!("hyperdht:{key}"),
            "--echo",
            "--bootstrap",
            "127.0.0.1:1",
        ],
        &["swarm", "join", ROOM, "--bootstrap", "nowhere"],
    ] {
        let ended = run(&[args, &["--json"]].concat()).await;
        assert_eq!(ended.code, Some(2), "{args:?}: {:?}", ended.told);
        ended.error();
    }
    for (address, words) in [
        (format!("hyperdht:{key}"), "must prove to hold this key"),
        ("dht:room".to_owned(), "announces this topic"),
        ("hyperdht:x".to_owned(), "not understood"),
    ] {
        let explained = run(&["address", "explain", &address]).await;
        assert!(explained.text().contains(words), "{}", explained.text());
    }
}

#[tokio::test]
async fn those_who_know_a_name_meet_and_nobody_hears_of_who_has_left() {
    let dht = Dht::new().await;
    let at_dht = ["--bootstrap", &*dht.bootstrap];
    let named = |name| [&at_dht[..], &["--name", name, "--verbose"]].concat();
    let (mut alice, _) = join(&named("alice")).await;
    let (mut bob, _) = join(&named("bob")).await;
    let (mut carol, carols) = join(&named("carol")).await;
    for program in [&mut alice, &mut bob, &mut carol] {
        program.event("joined").await;
        program.event("joined").await;
        program.send(b"hello\n").await;
    }
    for (program, own) in [(&mut alice, "alice"), (&mut bob, "bob")] {
        let mut lines = lines(program);
        let mut names = Vec::new();
        for _ in 0..2 {
            let said = next(&mut lines).await;
            assert_eq!(said["text"], "hello");
            names.push(said["name"].clone());
        }
        names.sort_by_key(Value::to_string);
        let others = ["alice", "bob", "carol"]
            .into_iter()
            .filter(|name| *name != own);
        assert_eq!(names, others.map(Value::from).collect::<Vec<_>>());
    }
    // What was said last arrives, too.
    carol.send(b"bye\n").await;
    assert_eq!(carol.end().await.code, Some(0));
    let bye = next(&mut lines(&mut alice)).await;
    assert_eq!(
        (&bye["peer"], &bye["text"]),
        (&json!(carols), &json!("bye"))
    );
    assert_eq!(alice.event("left").await["reason"], "closed by the peer");
    for program in [alice, bob] {
        interrupt(program).await;
    }
    let node = local(Identity::generate().expect("one")).bootstrap([&dht.bootstrap]);
    let node = node.spawn().await.expect("a node");
    let topic = SwarmId::open(ROOM).topic("");
    let found = node.lookup(Topic::from_bytes(*topic.as_bytes())).await;
    assert_eq!(found.expect("asked"), []);
}

#[tokio::test]
async fn a_swarm_by_its_name_is_for_whom_it_was_said_to_be() {
    let dht = Dht::new().await;
    let at_dht = ["--bootstrap", &*dht.bootstrap];
    let directory = tempfile::tempdir().expect("a directory");
    let (path, _) = key(&directory, "friend").await;
    let as_friend = [&at_dht[..], &["--key", &path, "--name", "friend"]].concat();
    let (friend, id) = join(&as_friend).await;
    interrupt(friend).await;
    let (mut host, _) = join(&[&at_dht[..], &["--allow", &id]].concat()).await;
    let (_stranger, _) = join(&at_dht).await;
    let (mut friend, _) = join(&as_friend).await;
    assert_eq!(host.event("joined").await["name"], "friend");
    // It meets both.
    friend.event("joined").await;
    friend.event("joined").await;
}

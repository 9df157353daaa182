//! `--fallback` and `--race`.

use serde_json::Value;
use tokio::net::TcpListener;

use crate::harness::{Program, connect, key, run};

const KEY: &str = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";

#[tokio::test]
async fn only_when_asked_to_does_the_next_address_replace_one_that_is_closed() {
    let (_server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let list = format!("net:127.0.0.1:1~shs:{KEY};{at}");
    let first = connect(&list, &[], b"hello").await;
    assert_eq!(
        (first.code, &first.error()["kind"]),
        (Some(3), &"io".into())
    );
    for policy in ["--fallback", "--race"] {
        let client = connect(&list, &[policy], b"hello").await;
        assert_eq!(
            (client.code, client.text()),
            (Some(0), "hello"),
            "{:?}",
            client.told
        );
        let ping = run(&["ping", &list, policy, "--json"]).await;
        let ping: Value = serde_json::from_str(ping.text()).expect("one line");
        assert_eq!(ping["address"], at);
        let args = ["forward", "net:127.0.0.1:0", &list, policy, "--json"];
        let mut forward = Program::start(args);
        let local = forward.event("listening").await;
        let local = local["address"].as_str().expect("a text");
        assert_eq!(connect(local, &[], b"hello").await.text(), "hello");
    }
}

#[tokio::test]
async fn a_wrong_key_ends_a_fallback_and_no_race() {
    let (_server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let (transport, _) = at.split_once('~').expect("a transform");
    let list = format!("{transport}~shs:{KEY};{at}");
    let fallback = connect(&list, &["--fallback"], b"hello").await;
    assert_eq!(fallback.code, Some(4), "{:?}", fallback.told);
    let race = connect(&list, &["--race"], b"hello").await;
    assert_eq!((race.code, race.text()), (Some(0), "hello"));
}

#[tokio::test]
async fn a_race_does_not_wait_for_who_is_mute() {
    // The kernel accepts for it, and nobody ever answers.
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mute = format!("net:{}~shs:{KEY}", mute.local_addr().expect("it is bound"));
    let (_server, at) = Program::listen("net:127.0.0.1:0~noise", &["--echo"]).await;
    let client = connect(&format!("{mute};{at}"), &["--race"], b"hello").await;
    assert_eq!((client.code, client.text()), (Some(0), "hello"));
}

#[tokio::test]
async fn one_error_lists_every_attempt() {
    let list = format!("net:127.0.0.1:1~shs:{KEY};foo:bar;ws://127.0.0.1:1~shs:{KEY}");
    for policy in ["--fallback", "--race"] {
        let client = connect(&list, &[policy], b"").await;
        assert_eq!(client.code, Some(3));
        let message = client.error()["message"].to_string();
        for part in ["net:127.0.0.1:1", "foo:bar", "ws://127.0.0.1:1"] {
            assert!(message.contains(part), "{message}");
        }
    }
    let both = run(&["connect", &list, "--fallback", "--race"]).await;
    assert_eq!(both.code, Some(2));
}

#[tokio::test]
async fn a_seed_is_taken_from_an_invite_and_from_no_other_list() {
    let directory = tempfile::tempdir().expect("a directory");
    let (host, _) = key(&directory, "host").await;
    let args = ["--echo", "--key", &host];
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &args).await;
    let (transport, _) = at
        .split_once(':')
        .expect("a key")
        .1
        .rsplit_once(":")
        .expect("a key");
    let place = format!("net:{}", transport.split('~').next().expect("a place"));
    let places = [
        "invite",
        "net:127.0.0.1:1~shs",
        &format!("{place}~shs"),
        "--key",
        &host,
        "--json",
    ];
    let invite = run(&places).await;
    let invite: Value = serde_json::from_str(invite.text()).expect("JSON");
    let (addresses, guest) = (
        invite["address"].as_str().expect("a text"),
        &invite["guest"],
    );
    for policy in ["--fallback", "--race"] {
        let client = connect(addresses, &[policy], b"hello").await;
        assert_eq!(
            (client.code, client.text()),
            (Some(0), "hello"),
            "{:?}",
            client.told
        );
        assert_eq!(&server.event("connection").await["remote"], guest);
        // Somebody else's idea of who we are.
        let (_, seeded) = addresses.split_once(';').expect("two");
        let mixed = format!("net:127.0.0.1:1~shs:{KEY};{seeded}");
        let client = connect(&mixed, &[policy], b"hello").await;
        assert_eq!(client.code, Some(3), "{:?}", client.told);
        assert!(client.error()["message"].to_string().contains("seed"));
    }
}

//! Exit codes: 2 bad usage or address, 3 unreachable or broken off, 4 refused by a handshake.

use crate::{
    harness::{Program, connect, key, run},
    ports::closed_port,
};

const KEY: &str = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";

#[tokio::test]
async fn an_address_that_is_none_or_that_no_stack_knows_is_2() {
    let no_key = "net:127.0.0.1:1~shs".to_owned();
    for (address, kind) in [
        ("", "invalid-address"),
        ("~shs", "invalid-address"),
        ("net:127.0.0.1:1~", "invalid-address"),
        ("net:127.0.0.1", "unsupported"),
        ("net:127.0.0.1:99999", "unsupported"),
        ("channel:here", "unsupported"),
        ("net:127.0.0.1:1~frob", "unsupported"),
        ("net:127.0.0.1:1~noauth~noauth", "unsupported"),
        ("ws://user@127.0.0.1", "unsupported"),
        (&no_key, "unsupported"),
        ("@/nowhere/at/all", "io"),
    ] {
        let ended = connect(address, &[], b"").await;
        assert_eq!(ended.code, Some(2), "{address}: {:?}", ended.told);
        assert_eq!(ended.error()["kind"], kind, "{address}");
    }
    let listen = run(&["listen", "net:127.0.0.1:0~frob", "--json"]).await;
    assert_eq!(
        (listen.code, &listen.error()["kind"]),
        (Some(2), &"unsupported".into())
    );
}

#[tokio::test]
async fn one_reason_is_given_for_each_address() {
    let ended = connect("net:h:1~frob;foo:bar", &[], b"").await;
    let message = ended.error()["message"].to_string();
    for part in ["`net:h:1~frob`: its transform", "`foo:bar`: its transport"] {
        assert_eq!(message.matches(part).count(), 1, "{message}");
    }
}

#[tokio::test]
async fn bad_usage_is_2_and_an_event_too() {
    for args in [
        &["connect", "--json"][..],
        &["connect", "net:a:1", "--json", "--nonsense"],
        &["connect", "net:a:1", "--json", "--key", "/nowhere/at/all"],
        &["connect", "net:a:1", "--json", "--app-key", "short"],
        &["listen", "--json"],
        &[
            "listen",
            "net:127.0.0.1:0",
            "--json",
            "--echo",
            "--to",
            "localhost:1",
        ],
        &["listen", "net:127.0.0.1:0", "--json", "--to", "localhost"],
        &[
            "listen",
            "net:127.0.0.1:0~shs",
            "--json",
            "--allow",
            "nobody",
        ],
    ] {
        let ended = run(args).await;
        assert_eq!(ended.code, Some(2), "{args:?}: {:?}", ended.told);
        ended.error();
    }
    assert_eq!(run(&["--help"]).await.code, Some(0));
    assert!(run(&["--version"]).await.text().starts_with("multiserver "));
}

#[tokio::test]
async fn a_list_of_guests_needs_an_address_that_asks_for_keys() {
    for address in [
        "net:127.0.0.1:0",
        "net:127.0.0.1:0~noauth",
        "net:127.0.0.1:0~shs;net::0",
    ] {
        let args = ["listen", address, "--allow", KEY, "--echo", "--json"];
        let ended = run(&args).await;
        assert_eq!(ended.code, Some(2), "{address}");
        assert_eq!(ended.error()["kind"], "usage");
    }
}

#[tokio::test]
async fn an_address_that_must_not_be_listened_on_is_2() {
    let ended = run(&["listen", "net:0.0.0.0:0~noauth", "--echo", "--json"]).await;
    // Where there is no network but loopback, there is nobody to keep out.
    if ended.told.iter().any(|line| line.contains("error")) {
        assert_eq!(ended.error()["kind"], "unauthorized");
        assert_eq!(ended.code, Some(2));
    }
}

#[tokio::test]
async fn nobody_there_is_3() {
    let socket = tempfile::tempdir().expect("a directory");
    let unix = format!("unix:{}", socket.path().join("nobody").display());
    let (_reserved, closed) = closed_port();
    let port = closed.port();
    let shs = format!("net:127.0.0.1:{port}~shs:{KEY}");
    for address in [
        &format!("net:127.0.0.1:{port}"),
        &shs,
        &format!("ws://127.0.0.1:{port}"),
        &unix,
    ] {
        let ended = connect(address, &[], b"").await;
        assert_eq!(ended.code, Some(3), "{address}: {:?}", ended.told);
        let error = ended.error();
        assert_eq!(error["kind"], "io");
        let place = error["address"].as_str().expect("a place");
        assert!(address.starts_with(place), "{place}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_3() {
    let (_server, at) = Program::listen("net:127.0.0.1:0", &["--echo"]).await;
    let second = run(&["listen", &at, "--echo", "--json"]).await;
    assert_eq!(
        (second.code, &second.error()["address"]),
        (Some(3), &at.into())
    );
}

#[tokio::test]
async fn a_server_that_is_killed_is_3() {
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let mut client = Program::connect(&at, &[]);
    client.send(b"hello").await;
    assert_eq!(client.receive(5).await, b"hello");
    server.event("connection").await;
    drop(server);
    assert_eq!(client.event("error").await["kind"], "io");
    assert_eq!(client.end().await.code, Some(3));
}

#[tokio::test]
async fn a_client_that_is_killed_is_an_error_of_one_connection_only() {
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let client = Program::connect(&at, &[]);
    let accepted = server.event("connection").await;
    drop(client);
    let error = server.event("error").await;
    assert_eq!(
        (&error["kind"], &error["address"]),
        (&"io".into(), &accepted["address"])
    );
    assert_eq!(connect(&at, &[], b"hello").await.stdout, b"hello");
}

#[tokio::test]
async fn a_server_with_another_key_is_4() {
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let (transport, _) = at.split_once('~').expect("a transform");
    let ended = connect(&format!("{transport}~shs:{KEY}"), &[], b"hello").await;
    assert_eq!(ended.code, Some(4), "{:?}", ended.told);
    assert_eq!(ended.error()["kind"], "handshake");
    assert_eq!(server.event("error").await["kind"], "handshake");
}

#[tokio::test]
async fn only_who_is_allowed_gets_in_and_the_others_get_4() {
    let directory = tempfile::tempdir().expect("a directory");
    let (friend, friend_id) = key(&directory, "friend").await;
    let (other, other_id) = key(&directory, "other").await;
    let (stranger, _) = key(&directory, "stranger").await;
    // Either way to write a key.
    let other_id = other_id
        .trim_start_matches('@')
        .trim_end_matches(".ed25519");
    let args = ["--echo", "--allow", &friend_id, "--allow", other_id];
    for transport in ["net:127.0.0.1:0", "ws://127.0.0.1:0"] {
        let (mut server, at) = Program::listen(&format!("{transport}~shs"), &args).await;
        assert!(!server.told.iter().any(|line| line.contains("everybody")));
        for key in [&friend, &other] {
            assert_eq!(
                connect(&at, &["--key", key], b"hello").await.stdout,
                b"hello"
            );
        }
        let refused = connect(&at, &["--key", &stranger], b"hello").await;
        assert_eq!((refused.code, &refused.stdout[..]), (Some(4), &b""[..]));
        assert_eq!(server.event("error").await["kind"], "unauthorized");
    }
}

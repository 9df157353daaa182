//! `--config FILE`.

use std::fs;

use tempfile::TempDir;

use crate::harness::{Program, connect, file, key, run};

const APP_KEY: &str = "vBpLIYAUpGkZUzg8f/jLIBLPqJqnLF+HZEGXzDM1yvA=";

/// A directory with the file `config.toml`, and its path.
fn config(directory: &TempDir, text: &str) -> String {
    let path = directory.path().join("config.toml");
    fs::write(&path, text).expect("it can be written");
    path.display().to_string()
}

#[tokio::test]
async fn a_server_and_its_client_are_as_their_files_say() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_, server_id) = key(&directory, "server").await;
    let (_, friend_id) = key(&directory, "friend").await;
    let (stranger, _) = key(&directory, "stranger").await;
    let server = config(
        &directory,
        &format!(
            r#"
            listen = ["net:127.0.0.1:0~shs", "ws://127.0.0.1:0~shs"]
            key-file = "server"
            app-key = "{APP_KEY}"
            allow = ["{friend_id}"]
            [external]
            ws = ["wss://example.com/peers"]
            "#
        ),
    );
    // From another directory than that of the file, so relative paths begin at the file.
    let mut server = Program::start(["listen", "--config", &server, "--echo", "--json"]);
    let first = server.event("listening").await;
    let at = first["address"].as_str().expect("a text").to_owned();
    let id = server_id
        .trim_start_matches('@')
        .trim_end_matches(".ed25519");
    assert!(at.ends_with(&format!("~shs:{id}")), "{at}");
    let mut public = server.event("listening").await;
    if public["scope"] != "public" {
        public = server.event("listening").await;
    }
    let public = public["address"].as_str().expect("a text");
    assert_eq!(public, format!("wss://example.com/peers~shs:{id}"));

    let text = format!("key-file = \"friend\"\napp-key = \"{APP_KEY}\"");
    let client = directory.path().join("client.toml");
    fs::write(&client, text).expect("it can be written");
    let client = ["--config", &client.display().to_string()];
    let friend = connect(&at, &client, b"hello").await;
    assert_eq!(
        (friend.code, friend.text()),
        (Some(0), "hello"),
        "{:?}",
        friend.told
    );

    // What the arguments say goes before what the file says.
    let as_stranger = connect(&at, &[client[0], client[1], "--key", &stranger], b"hello").await;
    assert_eq!(as_stranger.code, Some(4));
    let other_network = [
        client[0],
        client[1],
        "--app-key",
        "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s=",
    ];
    assert_eq!(connect(&at, &other_network, b"hello").await.code, Some(4));
}

#[tokio::test]
async fn the_arguments_go_before_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_, friend_id) = key(&directory, "friend").await;
    let text = format!(
        "listen = [\"net:0.0.0.0:1~shs\"]\nallow = [\"{friend_id}\"]\n\
         external.net = [\"net:a.example:1\"]"
    );
    let path = config(&directory, &text);
    let args = [
        "--config",
        &path,
        "--allow",
        "all",
        "--external",
        "net:b.example:2",
        "--echo",
    ];
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &args).await;
    let public = server.event("listening").await;
    assert!(
        public["address"]
            .as_str()
            .expect("a text")
            .starts_with("net:b.example:2~shs:"),
        "{public}"
    );
    assert_eq!(connect(&at, &[], b"hello").await.stdout, b"hello");
}

#[tokio::test]
async fn who_writes_a_file_says_in_it_whom_to_let_in() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = config(&directory, "listen = [\"net:127.0.0.1:0~shs\"]");
    let ended = run(&["listen", "--config", &path, "--echo", "--json"]).await;
    assert_eq!(ended.code, Some(2));
    let error = ended.error();
    assert_eq!(error["kind"], "usage");
    assert!(error["message"].to_string().contains("`allow`"), "{error}");
}

#[tokio::test]
async fn an_address_that_proves_nothing_is_refused_where_the_file_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_server, at) = Program::listen("net:127.0.0.1:0", &["--echo"]).await;
    let path = config(&directory, "plain = false");
    let refused = connect(&at, &["--config", &path], b"hello").await;
    assert_eq!(
        (refused.code, &refused.error()["kind"]),
        (Some(2), &"unsupported".into())
    );
    let path = config(&directory, "");
    let dialed = connect(&at, &["--config", &path], b"hello").await;
    assert_eq!(dialed.stdout, b"hello");
}

#[tokio::test]
async fn a_file_that_is_none_is_2_and_says_where() {
    let secret = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";
    for (text, place) in [
        ("listen = 1".to_owned(), "line 1, column 10"),
        ("\n  lissen = []".to_owned(), "line 2, column 3"),
        ("# é\nallow = \"é\" x".to_owned(), "line 2, column 13"),
        (format!("app-key = \"{secret}a\""), "line 1, column 11"),
        (format!("dial-timeout = \"{secret}\""), "line 1, column 16"),
        (secret.to_owned(), "line 1, column"),
        (
            format!("listen = [\"net:h:1~shs:{secret}:{secret}~\"]"),
            "line 1, column 10",
        ),
    ] {
        let (_directory, path) = file("config.toml", &text);
        let path = path.display().to_string();
        let ended = run(&["connect", "net:127.0.0.1:1", "--config", &path, "--json"]).await;
        assert_eq!(ended.code, Some(2), "{text}");
        let error = ended.error();
        let message = error["message"].as_str().expect("a text");
        assert!(
            message.contains(&path) && message.contains(place),
            "{message}"
        );
        assert!(!message.contains(&secret[..20]), "{message}");
    }
    let nowhere = [
        "connect",
        "net:127.0.0.1:1",
        "--config",
        "/nowhere/at/all",
        "--json",
    ];
    let ended = run(&nowhere).await;
    assert_eq!(
        (ended.code, &ended.error()["kind"]),
        (Some(2), &"io".into())
    );
}

#[tokio::test]
async fn what_a_field_says_wrong_is_2_and_names_it() {
    let directory = tempfile::tempdir().expect("a directory");
    for (text, field) in [
        ("key-file = \"nowhere\"", "`key-file`"),
        ("external.foo = [\"foo:h\"]", "`external.foo`"),
    ] {
        let path = config(&directory, text);
        let ended = run(&["connect", "net:127.0.0.1:1", "--config", &path, "--json"]).await;
        assert_eq!(ended.code, Some(2), "{text}");
        let error = ended.error();
        assert!(error["message"].to_string().contains(field), "{error}");
    }
}

#[tokio::test]
async fn a_limit_of_the_file_holds() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = config(&directory, "limits.max-connections = 1");
    let (mut server, at) = Program::listen("net:127.0.0.1:0", &["--echo", "--config", &path]).await;
    let mut first = Program::connect(&at, &[]);
    first.send(b"x").await;
    first.receive(1).await;
    let _second = Program::connect(&at, &[]);
    assert_eq!(server.event("error").await["kind"], "overloaded");
}

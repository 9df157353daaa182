//! Every stack is reached, both ways.

use tempfile::TempDir;

use crate::harness::{HANG, Program, connect, key, noise, run};

/// A server's address, and the directory that its socket may be in.
fn address(transport: &str, transform: &str) -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let transport = match transport {
        "net" => "net:127.0.0.1:0".to_owned(),
        "ws" => "ws://127.0.0.1:0".to_owned(),
        _ => format!("unix:{}", directory.path().join("socket").display()),
    };
    (directory, transport + transform)
}

#[tokio::test]
async fn what_is_sent_comes_back_on_each_stack_that_can_end_one_direction() {
    let data = noise(1 << 20);
    for (transport, transform) in [
        ("net", "~shs"),
        ("ws", "~shs"),
        ("unix", "~shs"),
        ("net", "~noauth"),
        ("unix", "~noauth"),
        ("net", ""),
        ("unix", ""),
    ] {
        let (_directory, at) = address(transport, transform);
        let (mut server, at) = Program::listen(&at, &["--echo"]).await;
        let client = connect(&at, &[], &data).await;
        assert_eq!(client.code, Some(0), "{at}: {:?}", client.told);
        assert!(client.stdout == data, "{at}");
        server.event("closed").await;
        server.signal("TERM").await;
        assert_eq!(server.end().await.code, Some(0), "{at}");
    }
}

#[tokio::test]
async fn a_web_socket_that_cannot_end_one_direction_stays_open_until_a_signal() {
    let data = noise(1 << 20);
    for transform in ["", "~noauth"] {
        let (_directory, at) = address("ws", transform);
        let (mut server, at) = Program::listen(&at, &["--echo"]).await;
        let mut client = Program::connect(&at, &[]);
        // In parts, since the pipes do not hold all of it.
        for part in data.chunks(16 * 1024) {
            client.send(part).await;
            assert_eq!(client.receive(part.len()).await, part);
        }
        client.event("connection").await;
        client.end_input();
        client.event("note").await;
        client.signal("TERM").await;
        let client = client.end().await;
        assert_eq!(client.code, Some(0), "{at}: {:?}", client.told);
        assert!(client.stdout.is_empty());
        // A close frame, or it were an error.
        server.event("closed").await;
        assert!(!server.told.iter().any(|line| line.contains("\"error\"")));
    }
}

#[tokio::test]
async fn each_side_is_told_who_the_other_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let (server_key, server_id) = key(&directory, "server").await;
    let (client_key, client_id) = key(&directory, "client").await;
    let args = ["--echo", "--key", &server_key];
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &args).await;
    let mut client = Program::connect(&at, &["--key", &client_key]);

    let connected = client.event("connection").await;
    let accepted = server.event("connection").await;
    assert_eq!(connected["address"], at);
    assert_eq!(
        format!("@{}.ed25519", connected["remote"].as_str().unwrap()),
        server_id
    );
    assert_eq!(
        format!("@{}.ed25519", accepted["remote"].as_str().unwrap()),
        client_id
    );
    let from = accepted["address"].as_str().unwrap();
    assert!(
        from.starts_with("net:127.0.0.1:") && from.contains("~shs:"),
        "{from}"
    );
    assert_eq!(client.end().await.code, Some(0));
    let closed = server.event("closed").await;
    assert_eq!(
        (&closed["address"], &closed["remote"]),
        (&accepted["address"], &accepted["remote"])
    );
}

#[tokio::test]
async fn one_server_listens_on_all_of_its_addresses() {
    let (_directory, socket) = address("unix", "~noauth");
    let all = [
        "listen",
        "net:127.0.0.1:0~shs;ws://127.0.0.1:0~shs",
        &socket,
        "--echo",
        "--json",
    ];
    let mut server = Program::start(all);
    for protocol in ["net:", "ws:", "unix:"] {
        let listening = server.event("listening").await;
        let at = listening["address"].as_str().unwrap();
        assert!(at.starts_with(protocol), "{at}");
        assert_eq!(listening["scope"], "device");
        assert_eq!(connect(at, &[], b"hello").await.stdout, b"hello");
    }
}

#[tokio::test]
async fn the_first_address_that_is_understood_is_dialed() {
    let (_server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let list = format!("hyper:dht~shs:x;{at};net:127.0.0.1:1");
    let client = connect(&list, &[], b"hello").await;
    assert_eq!((client.code, &client.stdout[..]), (Some(0), &b"hello"[..]));
}

#[tokio::test]
async fn two_networks_with_keys_of_their_own_do_not_meet() {
    let app_key = "vBpLIYAUpGkZUzg8f/jLIBLPqJqnLF+HZEGXzDM1yvA=";
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("app-key");
    std::fs::write(&file, format!("{app_key}\n")).expect("it can be written");
    let file = format!("@{}", file.display());

    let (_server, at) =
        Program::listen("net:127.0.0.1:0~shs", &["--echo", "--app-key", &file]).await;
    let friend = connect(&at, &["--app-key", app_key], b"hello").await;
    assert_eq!((friend.code, &friend.stdout[..]), (Some(0), &b"hello"[..]));
    let stranger = connect(&at, &[], b"hello").await;
    assert_eq!((stranger.code, &stranger.stdout[..]), (Some(4), &b""[..]));
}

#[tokio::test]
async fn people_are_told_in_words() {
    let mut server = Program::start(["listen", "net:127.0.0.1:0~shs", "--echo"]);
    let made = server.line().await.unwrap();
    assert!(made.starts_with("made a key for this run: @"), "{made}");
    let open = server.line().await.unwrap();
    assert!(open.contains("everybody who knows the app key"), "{open}");
    let listening = server.line().await.unwrap();
    let at = listening
        .strip_prefix("listening on ")
        .and_then(|l| l.strip_suffix(" (device)"));
    let client = run(&["connect", at.expect(&listening)]).await;
    assert_eq!(client.code, Some(0));
    assert!(
        client.told[0].starts_with("connected to net:"),
        "{:?}",
        client.told
    );
    let accepted = server.line().await.unwrap();
    assert!(
        accepted.starts_with("connection from net:127.0.0.1:"),
        "{accepted}"
    );
    let error = run(&["connect", "net:127.0.0.1:1"]).await;
    let line = error.told.last().expect("an error");
    assert!(
        line.starts_with("error: transport failed at `net:127.0.0.1:1`: "),
        "{line}"
    );
}

#[tokio::test]
async fn many_connect_at_once() {
    let (_server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let clients = (0..5).map(|n| {
        let at = at.clone();
        tokio::spawn(async move {
            let data = noise(100_000 + n);
            assert!(connect(&at, &[], &data).await.stdout == data);
        })
    });
    for client in clients.collect::<Vec<_>>() {
        tokio::time::timeout(HANG, client)
            .await
            .expect("a hang")
            .unwrap();
    }
}

//! What reaches a peer, and what is known of it.

use std::{fs, io, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixSocket, UnixStream},
    time::Instant,
};
use tower::ServiceExt as _;
use tower_multiserver::{
    Address, ErrorKind, HalfClose, Listen, Scope, Section, Shutdown, StackExt as _,
    unix::{PeerCredentials, Unix},
};

use crate::lab::{Lab, address, bind, connect, io_kind, serve};

#[tokio::test]
async fn each_side_can_end_and_still_read() {
    let lab = Lab::new();
    let path = lab.path("socket");
    let (_shutdown, mut incoming) = serve(&Unix::new(), &path).await;
    let (mut ours, mut theirs) = connect(&Unix::new(), &path, &mut incoming).await;

    ours.write_all(b"question").await.unwrap();
    ours.shutdown().await.unwrap();
    let mut text = String::new();
    theirs.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "question");

    theirs.write_all(b"answer").await.unwrap();
    drop(theirs);
    text.clear();
    ours.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "answer");
}

#[tokio::test]
async fn a_path_may_hold_colons_blanks_and_any_letter() {
    let lab = Lab::new();
    for name in ["a:b c", "é😀", "a~b;c!d", "@a", " ", "..."] {
        let path = lab.path(name);
        let text = address(&path).to_string();
        let address: Address = text.parse().unwrap();
        let (_shutdown, closing) = Shutdown::new();
        let mut incoming = Unix::new().listen(address.clone(), closing).await.unwrap();
        assert_eq!(incoming.addresses(), [(Scope::Device, address.clone())]);
        assert!(path.exists());

        let (dialed, accepted) = tokio::join!(Unix::new().dial(address), incoming.next());
        // The server's socket names the connection on both sides: a dialer's has no name.
        for connection in [dialed.unwrap(), accepted.unwrap().unwrap()] {
            assert_eq!(connection.info().address().to_string(), text);
        }
    }
}

#[tokio::test]
async fn the_other_process_is_known_on_both_sides() {
    let lab = Lab::new();
    let path = lab.path("socket");
    let (_shutdown, mut incoming) = serve(&Unix::new(), &path).await;
    let (ours, theirs) = connect(&Unix::new(), &path, &mut incoming).await;
    for connection in [ours, theirs] {
        let info = connection.info();
        let peer = info.get::<PeerCredentials>().unwrap();
        assert_eq!(peer.pid, Some(std::process::id().cast_signed()));
        assert_eq!(info.scope(), Scope::Device);
        assert_eq!(info.get(), Some(&HalfClose));
    }
}

#[tokio::test]
async fn behind_a_forwarder_everybody_is_a_stranger() {
    let lab = Lab::new();
    let path = lab.path("socket");
    let onion = Section::new("onion").arg("x.onion").arg(8008);
    let unix = Unix::new().external([onion.clone()]);
    let (_shutdown, mut incoming) = serve(&unix, &path).await;
    let expected = [
        (Scope::Device, address(&path)),
        (Scope::Public, Address::new(onion)),
    ];
    assert_eq!(incoming.addresses(), expected);
    let (ours, theirs) = connect(&unix, &path, &mut incoming).await;
    assert_eq!(theirs.info().scope(), Scope::Public);
    assert_eq!(ours.info().scope(), Scope::Device);
}

#[tokio::test]
async fn what_is_no_absolute_path_of_a_file_is_not_understood_and_creates_nothing() {
    let lab = Lab::new();
    let directory = lab.path("");
    let directory = directory.to_str().unwrap();
    let long = format!("{directory}{}", "x".repeat(108 - directory.len()));
    for text in [
        "unix",
        "unix:",
        "unix:socket",
        "unix:../../tmp/socket",
        "unix:\0socket",
        "unix:@socket",
        &format!("unix:{directory}"),
        &format!("unix:{directory}a\0b"),
        &format!("unix:{directory}a/"),
        &format!("unix:{directory}.."),
        &format!("unix:{long}"),
        &format!("Unix:{directory}a"),
        &format!("unix:{directory}a~noauth"),
    ] {
        let address: Address = text.parse().unwrap();
        let error = Unix::new().dial(address.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
        let listen = Unix::new().oneshot(Listen(address));
        let error = listen.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
    }
    assert!(lab.files().is_empty());
    assert!(!Path::new("socket").exists() && !Path::new("@socket").exists());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_path_may_have_107_bytes() {
    let lab = Lab::new();
    let rest = 107 - lab.path("").as_os_str().len();
    let path = lab.path(&"x".repeat(rest));
    let (_shutdown, mut incoming) = serve(&Unix::new(), &path).await;
    connect(&Unix::new(), &path, &mut incoming).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn abstract_names_are_understood_when_switched_on() {
    let name = format!("@tower-multiserver-test-{}:a b", std::process::id());
    let address: Address = format!("unix:{name}").parse().unwrap();
    let unix = Unix::new().abstract_names(true);
    let refused = unix.dial(address.clone()).await.unwrap_err();
    assert_eq!(io_kind(&refused), io::ErrorKind::ConnectionRefused);

    let (_shutdown, closing) = Shutdown::new();
    let mut incoming = unix.listen(address.clone(), closing).await.unwrap();
    assert_eq!(incoming.addresses(), [(Scope::Device, address.clone())]);
    assert!(!Path::new(&name).exists());
    let again = unix.clone().oneshot(Listen(address.clone())).await;
    assert_eq!(io_kind(&again.unwrap_err()), io::ErrorKind::AddrInUse);

    let (dialed, accepted) = tokio::join!(unix.dial(address.clone()), incoming.next());
    for connection in [dialed.unwrap(), accepted.unwrap().unwrap()] {
        assert_eq!(connection.info().address(), &address);
        assert_eq!(connection.info().scope(), Scope::Device);
    }
}

#[tokio::test]
async fn several_servers_live_in_one_process() {
    let lab = Lab::new();
    let paths = ["a", "b", "c"].map(|name| lab.path(name));
    let mut servers = Vec::new();
    for path in &paths {
        servers.push(serve(&Unix::new(), path).await);
    }
    for (path, (_, incoming)) in paths.iter().zip(&mut servers) {
        let (_, accepted) = connect(&Unix::new(), path, incoming).await;
        assert_eq!(accepted.info().address(), &address(path));
    }
}

#[tokio::test]
async fn where_nobody_listens_a_dial_is_refused_at_its_address() {
    let lab = Lab::new();
    let path = lab.path("socket");
    let error = Unix::new().dial(address(&path)).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::NotFound);
    assert_eq!(error.address(), Some(&address(&path)));

    crate::lab::leave_dead_socket(&path);
    let error = Unix::new().dial(address(&path)).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::ConnectionRefused);

    fs::remove_file(&path).unwrap();
    fs::write(&path, "no socket").unwrap();
    let error = Unix::new().dial(address(&path)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_dial_waits_for_a_server_that_has_no_room() {
    let lab = Lab::new();
    let path = lab.path("socket");
    let server = UnixSocket::new_stream().unwrap();
    server.bind(&path).unwrap();
    let server = server.listen(0).unwrap();
    // One more than its backlog.
    let _first = Unix::new().dial(address(&path)).await.unwrap();

    let impatient = Unix::new().dial_timeout(Duration::from_millis(50));
    let error = impatient.dial(address(&path)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.address(), Some(&address(&path)));

    let second = tokio::spawn(Unix::new().dial(address(&path)));
    server.accept().await.unwrap();
    server.accept().await.unwrap();
    second.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_burst_of_dials_finds_room() {
    let lab = Lab::new();
    let path = lab.path("socket");
    let bound = bind(&path).await.unwrap();
    let mut dialed = Vec::new();
    for _ in 0..400 {
        // Unlike our own dial, it does not wait for room.
        dialed.push(UnixStream::connect(&path).await.unwrap());
    }
    drop(bound);
}

#[tokio::test]
async fn a_dial_gives_the_layers_above_its_deadline() {
    let lab = Lab::new();
    let path = lab.path("socket");
    let (_shutdown, mut incoming) = serve(&Unix::new(), &path).await;
    let unix = Unix::new().dial_timeout(Duration::from_secs(1000));
    let before = Instant::now();
    let (dialed, accepted) = connect(&unix, &path, &mut incoming).await;
    assert!(dialed.deadline().unwrap() - before >= Duration::from_secs(1000));
    assert!(accepted.deadline().unwrap() - before < Duration::from_secs(100));
}

#[tokio::test]
async fn what_was_sent_before_the_end_arrives_though_the_sender_left_much_unread() {
    let lab = Lab::new();
    let path = lab.path("socket");
    let (_shutdown, mut incoming) = serve(&Unix::new(), &path).await;
    let (mut ours, mut theirs) = connect(&Unix::new(), &path, &mut incoming).await;
    ours.write_all(&[1; 10_000]).await.unwrap();
    theirs.write_all(b"goodbye").await.unwrap();
    theirs.shutdown().await.unwrap();
    drop(theirs);
    let mut text = String::new();
    ours.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "goodbye");
    ours.write_all(b"more").await.unwrap();
}

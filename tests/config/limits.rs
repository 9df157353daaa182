//! How many, and how long.

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

use super::*;

#[tokio::test]
async fn a_connection_over_the_limit_is_turned_away_until_there_is_room() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("socket");
    let config = config(&format!(
        r#"
        listen = ["net:127.0.0.1:0~shs", "unix:{}~shs"]
        allow = "all"
        limits.max-connections = 2
        "#,
        socket.display(),
    ));
    let mut listening = open(&config).await.expect("open");
    let client = config.multi_server().expect("a client");
    let mut peers = Vec::new();
    let addresses: Vec<_> = listening.all_addresses().to_vec();
    for (_, address) in &addresses {
        let (dialed, accepted) = tokio::join!(client.dial(address.clone()), listening.next());
        peers.push((
            dialed.expect("there is room"),
            accepted.expect("one").expect("room"),
        ));
    }
    let (_, at) = &addresses[0];
    let (_late, turned_away) = tokio::join!(client.dial(at.clone()), listening.next());
    let error = turned_away.expect("one").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert!(error.address().is_some());

    peers.pop();
    let (dialed, accepted) = tokio::join!(client.dial(at.clone()), listening.next());
    dialed.expect("dialed");
    accepted.expect("one").expect("there is room again");
}

#[tokio::test]
async fn the_times_are_those_of_the_file() {
    let config = config(
        r#"
        listen = ["net:127.0.0.1:0~shs"]
        allow = "all"
        dial-timeout = 0.05
        [limits]
        handshake-timeout = 0.05
        "#,
    );
    // A client that keeps quiet.
    let mut listening = open(&config).await.expect("open");
    let (_, at) = listening.all_addresses()[0].clone();
    let socket = at.sections()[0].args().expect("host and port").to_owned();
    let _mute = TcpStream::connect(&socket).await.expect("connected");
    let ended = timeout(HANG, listening.next()).await.expect("a hang");
    assert_eq!(ended.expect("one").unwrap_err().kind(), ErrorKind::Timeout);
    // A server that keeps quiet.
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = mute.local_addr().expect("bound").port();
    let key = identity("server").public_key();
    let to: Address = format!("net:127.0.0.1:{port}~shs:{key}")
        .parse()
        .expect("one");
    let error = dial(&config, "client", &to).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

/// The kernel counts a peer that makes no room as one that does not acknowledge.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_that_does_not_read_is_cut_at_the_user_timeout_of_the_file() {
    for transport in ["net:127.0.0.1:0", "ws://127.0.0.1:0"] {
        let text = format!("listen = [\"{transport}~shs\"]\nallow = \"all\"\nuser-timeout = 0.2");
        let with = config(&text);
        let mut without = with.clone();
        without.user_timeout = None;
        for (client, server) in [(&with, &without), (&without, &with)] {
            let mut listening = open(server).await.expect("open");
            let (_, at) = listening.all_addresses()[0].clone();
            let dialer = client.multi_server_as(&identity("client")).expect("one");
            let (dialed, accepted) = tokio::join!(dialer.dial(at), listening.next());
            let dialed = dialed.expect("dialed");
            let accepted = accepted.expect("one").expect("accepted");
            let (mut writer, _mute) = match client.user_timeout {
                Some(_) => (dialed, accepted),
                None => (accepted, dialed),
            };
            let fill = async {
                loop {
                    if let Err(error) = writer.write_all(&[0; 65536]).await {
                        break error.kind();
                    }
                }
            };
            let kind = timeout(HANG, fill).await.expect("a hang");
            assert_eq!(kind, io::ErrorKind::TimedOut, "{transport}");
        }
    }
}

#[tokio::test]
async fn there_are_no_more_handshakes_than_the_file_says() {
    let config =
        config("listen = [\"net:127.0.0.1:0~shs\"]\nallow = \"all\"\nlimits.max-handshakes = 1");
    let mut listening = open(&config).await.expect("open");
    let (_, at) = listening.all_addresses()[0].clone();
    let socket = at.sections()[0].args().expect("host and port").to_owned();
    let _mute = [
        TcpStream::connect(&socket).await.expect("connected"),
        TcpStream::connect(&socket).await.expect("connected"),
    ];
    let ended = timeout(HANG, listening.next()).await.expect("a hang");
    assert_eq!(
        ended.expect("one").unwrap_err().kind(),
        ErrorKind::Overloaded
    );
}

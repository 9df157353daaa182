//! Every transport under chains of every transform, through two programs.

use crate::{
    harness::{Program, connect, key, noise, run},
    tls::{certificate, certified, path},
};

#[tokio::test]
async fn bytes_go_over_each_transport_under_each_transform() {
    let directory = tempfile::tempdir().expect("a directory");
    certificate(directory.path());
    let certified = certified(&directory);
    let ca = path(&directory, "ca.pem");
    let data = noise(300_000);
    let mut sockets = 0;
    for transport in [
        "net:127.0.0.1:0",
        "ws://127.0.0.1:0",
        "wss://127.0.0.1:0",
        "unix:",
    ] {
        for chain in [
            "~noise",
            "~noise~gzip",
            "~shs~zstd~br",
            "~deflate~noise",
            "~noauth~zstd",
            "~mtls",
            "~knock~mtls",
            "~zstd~knock~mtls",
            "~gzip",
        ] {
            let mut address = format!("{transport}{chain}");
            if transport == "unix:" {
                sockets += 1;
                address = format!("unix:{}{chain}", path(&directory, &sockets.to_string()));
            }
            let mut args = vec!["--echo"];
            args.extend(certified.iter().map(String::as_str));
            let (_server, at) = Program::listen(&address, &args).await;
            let client = connect(&at, &["--ca", &ca], &data).await;
            assert_eq!(client.code, Some(0), "{at}: {:?}", client.told);
            assert!(client.stdout == data, "{at}");
        }
    }
}

#[tokio::test]
async fn noise_lets_in_whom_it_was_told_to_and_proves_the_server() {
    let directory = tempfile::tempdir().expect("a directory");
    let (friend, friend_id) = key(&directory, "friend").await;
    let (stranger, _) = key(&directory, "stranger").await;
    let args = ["--echo", "--allow", &friend_id];
    let (mut server, at) = Program::listen("net:127.0.0.1:0~noise", &args).await;
    let client = connect(&at, &["--key", &friend], b"hello").await;
    assert_eq!((client.code, client.text()), (Some(0), "hello"));
    assert_eq!(connect(&at, &["--key", &stranger], b"").await.code, Some(4));
    assert_eq!(server.event("error").await["kind"], "unauthorized");
    let (transport, _) = at.split_once('~').expect("a transform");
    let other = friend_id
        .trim_start_matches('@')
        .trim_end_matches(".ed25519");
    let misled = connect(&format!("{transport}~noise:{other}"), &[], b"").await;
    assert_eq!(misled.code, Some(4), "{:?}", misled.told);

    for twice in ["~noise~noise", "~shs~noise", "~noise~noauth", "~gzip~gzip"] {
        let ended = run(&[
            "listen",
            &format!("net:127.0.0.1:0{twice}"),
            "--echo",
            "--json",
        ])
        .await;
        assert_eq!(ended.code, Some(2), "{twice}");
        assert_eq!(ended.error()["kind"], "unsupported", "{twice}");
    }
}

#[tokio::test]
async fn who_may_not_knock_hears_nothing_and_who_may_is_let_in() {
    let directory = tempfile::tempdir().expect("a directory");
    let (friend, friend_id) = key(&directory, "friend").await;
    let (stranger, _) = key(&directory, "stranger").await;
    let shown = run(&["key", "show", &friend, "--peer-id"]).await;
    let peer_id = shown.text();
    let base64 = friend_id
        .trim_start_matches('@')
        .trim_end_matches(".ed25519");
    for (chain, id) in [
        ("~mtls", &friend_id[..]),
        ("~mtls", base64),
        ("~knock~mtls", peer_id.trim()),
    ] {
        let args = ["--echo", "--allow", id];
        let address = format!("net:127.0.0.1:0{chain}");
        let (mut server, at) = Program::listen(&address, &args).await;
        let client = connect(&at, &["--key", &friend], b"hello").await;
        assert_eq!((client.code, client.text()), (Some(0), "hello"));
        let refused = connect(&at, &["--key", &stranger], b"hello").await;
        assert_eq!(refused.code, Some(4), "{:?}", refused.told);
        assert_eq!(refused.error()["kind"], "handshake");
        assert_eq!(refused.text(), "");
        assert_eq!(server.event("error").await["kind"], "unauthorized");

        let (of_layers, key) = (chain.split('~').skip(1), ["--key", &friend]);
        let pinged = run(&[&["ping", &at, "--count", "1", "--json"], &key[..]].concat()).await;
        assert_eq!(pinged.code, Some(0), "{:?}", pinged.told);
        for layer in of_layers {
            assert!(pinged.text().contains(&format!("\"layer\":\"{layer}\"")));
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn bluetooth_is_unavailable_where_there_is_none() {
    let device = "bt:65D900DDB353~shs:rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";
    // On a machine with an adapter, nobody answers there.
    let client = connect(device, &[], b"").await;
    assert_eq!(client.code, Some(3), "{:?}", client.told);
    let error = client.error();
    assert!(
        error["kind"] == "unavailable" || error["kind"] == "io" || error["kind"] == "timeout",
        "{error}"
    );
    assert_eq!(error["address"], "bt:65D900DDB353");
}

//! `onion`: by a stand-in for Tor.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::harness::{Program, connect, file, run};

/// The name of an onion service.
pub(crate) const ONION: &str = "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion";

/// A SOCKS5 proxy that leads one connection for `ONION` to `target`, with the login that it was told.
pub(crate) async fn proxy(target: String, login: Option<&'static str>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("it is bound").to_string();
    let play = async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut greeting = [0; 2];
        stream.read_exact(&mut greeting).await.expect("a greeting");
        let mut methods = vec![0; greeting[1].into()];
        stream.read_exact(&mut methods).await.expect("methods");
        let method = if login.is_some() { 2 } else { 0 };
        assert!(methods.contains(&method));
        stream.write_all(&[5, method]).await.expect("sent");
        if let Some(login) = login {
            let mut told = vec![0; login.len()];
            stream.read_exact(&mut told).await.expect("a login");
            assert_eq!(told, login.as_bytes());
            stream.write_all(&[1, 0]).await.expect("sent");
        }
        let mut request = vec![0; 4 + 1 + ONION.len() + 2];
        stream.read_exact(&mut request).await.expect("a request");
        assert_eq!(&request[5..5 + ONION.len()], ONION.as_bytes());
        stream
            .write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
            .await
            .expect("sent");
        let mut target = TcpStream::connect(target).await.expect("a server");
        let _ = copy_bidirectional(&mut stream, &mut target).await;
    };
    (at, tokio::spawn(play))
}

#[tokio::test]
async fn onion_goes_by_the_proxy_that_was_named() {
    let (_server, at) = Program::listen("net:127.0.0.1:0~noise~zstd", &["--echo"]).await;
    let (target, chain) = at.split_once('~').expect("transforms");
    let target = target.strip_prefix("net:").expect("net");
    let onion = format!("onion:{ONION}:8008~{chain}");

    let (at, playing) = proxy(target.to_owned(), None).await;
    let client = connect(&onion, &["--proxy", &at], b"hello").await;
    assert_eq!(
        (client.code, client.text()),
        (Some(0), "hello"),
        "{:?}",
        client.told
    );
    playing.await.expect("no panic");

    let login = "\u{1}\u{3}bob\u{7}hunter2";
    let (at, playing) = proxy(target.to_owned(), Some(login)).await;
    let url = format!("socks5://bob:hunter2@{at}");
    let (_directory, written) = file("proxy", &format!("{url}\n"));
    let written = format!("@{}", written.display());
    let client = connect(&onion, &["--proxy", &written], b"hello").await;
    assert_eq!(
        (client.code, client.text()),
        (Some(0), "hello"),
        "{:?}",
        client.told
    );
    playing.await.expect("no panic");

    let (at, playing) = proxy(target.to_owned(), Some(login)).await;
    let text = format!("proxies = [\"socks5://bob:hunter2@{at}\"]");
    let (_directory, config) = file("config.toml", &text);
    let client = connect(
        &onion,
        &["--config", &config.display().to_string()],
        b"hello",
    )
    .await;
    assert_eq!(
        (client.code, client.text()),
        (Some(0), "hello"),
        "{:?}",
        client.told
    );
    playing.await.expect("no panic");
}

#[tokio::test]
async fn an_onion_address_is_neither_listened_at_nor_passed_over_when_it_is_damaged() {
    let listen = run(&[
        "listen",
        &format!("onion:{ONION}:1~shs"),
        "--echo",
        "--json",
    ])
    .await;
    assert_eq!(
        (listen.code, &listen.error()["kind"]),
        (Some(2), &"unsupported".into())
    );
    let damaged = ONION.replacen('d', "e", 1);
    let client = connect(&format!("onion:{damaged}:1;net:127.0.0.1:1"), &[], b"").await;
    assert_eq!(
        (client.code, &client.error()["kind"]),
        (Some(2), &"invalid-address".into())
    );
    let closed = ["--proxy", "127.0.0.1:1"];
    let client = connect(&format!("onion:{ONION}:1"), &closed, b"").await;
    assert_eq!(
        (client.code, &client.error()["kind"]),
        (Some(3), &"proxy".into())
    );
}

#[tokio::test]
async fn the_password_of_a_proxy_is_shown_to_nobody() {
    let (_directory, config) = file("config.toml", "proxies = \"socks5://bob:hunter2@h:1\"");
    let config = config.display().to_string();
    let dial = format!("onion:{ONION}:1");
    for args in [
        &[
            "connect",
            &dial,
            "-v",
            "--proxy",
            "socks5://bob:hunter2@127.0.0.1:1",
        ][..],
        &[
            "connect",
            &dial,
            "--proxy",
            "socks5://bob:hunter2@127.0.0.1",
        ],
        &[
            "connect",
            &dial,
            "--proxy",
            "http://bob:hunter2@127.0.0.1:1",
        ],
        &[
            "connect",
            &dial,
            "--poxy",
            "socks5://bob:hunter2@127.0.0.1:1",
        ],
        &[
            "connect",
            &dial,
            "socks5://bob:hunter2@127.0.0.1:1",
            "--json",
        ],
        &["connect", &dial, "--config", &config],
    ] {
        let ended = run(args).await;
        assert_ne!(ended.code, Some(0), "{args:?}");
        assert!(!ended.told.concat().contains("hunter2"), "{:?}", ended.told);
    }
}

//! The HTTP side of a server of its own.

use std::{convert::Infallible, time::Duration};

use ::http::{Request, Response};
use axum::{Router, routing::get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tower_multiserver::{LocalAddr, PeerAddr, Scope, Section, ws::Ws};

use crate::lab::{
    accept, address, ask, beside, connect, handshake, head, listen, raw, rest, status, told,
};

const PLAIN: &str = "GET /page HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn without_a_fallback_another_request_is_not_found_and_the_last() {
    let mut server = listen(Ws::new(), "ws://127.0.0.1:0").await;
    let mut client = raw(&address(&server)).await;
    let test = async {
        assert_eq!(ask(&mut client, PLAIN).await.0, 404);
        assert_eq!(rest(&mut client).await, b"there is nothing here\n");
    };
    beside(&mut server, test).await;
}

#[tokio::test]
async fn a_fallback_answers_other_requests_and_other_paths_and_knows_the_peer() {
    let fallback = tower::service_fn(async |request: Request<_>| {
        let PeerAddr(peer) = request.extensions().get().expect("a fact");
        let LocalAddr(local) = request.extensions().get().expect("a fact");
        let scope: &Scope = request.extensions().get().expect("a fact");
        let said = format!("{} {peer} {local} {scope}", request.uri());
        Ok::<_, Infallible>(Response::new(said))
    });
    let mut server = listen(Ws::new().fallback(fallback), "ws://127.0.0.1:0/ssb").await;
    let to = address(&server);
    let mut client = raw(&to).await;
    let (ours, theirs) = (client.local_addr(), client.peer_addr());
    let (ours, theirs) = (ours.expect("an address"), theirs.expect("an address"));
    for request in [PLAIN.to_owned(), handshake("/page", "")] {
        let expected = format!("/page {ours} {theirs} device");
        beside(&mut server, async {
            assert_eq!(ask(&mut client, &request).await.0, 200);
            let mut body = vec![0; expected.len()];
            client.read_exact(&mut body).await.expect("a body");
            assert_eq!(String::from_utf8_lossy(&body), expected);
        })
        .await;
    }
    // The same connection becomes a WebSocket at last.
    let (answer, _) = tokio::join!(ask(&mut client, handshake("/ssb", "")), accept(&mut server));
    assert_eq!(answer.0, 101);
}

#[tokio::test]
async fn an_axum_app_is_a_fallback_and_a_failing_service_is_a_500() {
    let app: Router = Router::new().route("/page", get(async || "hi"));
    let mut server = listen(Ws::new().fallback(app), "ws://127.0.0.1:0").await;
    let mut client = raw(&address(&server)).await;
    beside(&mut server, async {
        assert_eq!(ask(&mut client, PLAIN).await.0, 200);
        let mut body = [0; 2];
        client.read_exact(&mut body).await.expect("a body");
        assert_eq!(&body, b"hi");
    })
    .await;

    let broken = tower::service_fn(async |_| Err::<Response<String>, _>("secret"));
    let mut server = listen(Ws::new().fallback(broken), "ws://127.0.0.1:0").await;
    let mut client = raw(&address(&server)).await;
    beside(&mut server, async {
        let close = PLAIN.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
        assert_eq!(ask(&mut client, &close).await.0, 500);
        let body = rest(&mut client).await;
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
    })
    .await;
}

#[tokio::test]
async fn a_bad_handshake_is_answered_and_closed_at_once_and_not_accepted() {
    let mut server = listen(Ws::new(), "ws://127.0.0.1:0").await;
    let to = address(&server);
    let good = handshake("/", "");
    for (bad, expected) in [
        (good.replace("version: 13", "version: 8"), 400),
        (
            good.replace("connection: upgrade", "connection: close"),
            400,
        ),
        (good.replace("host: localhost\r\n", ""), 400),
        (good.replace("sec-websocket-key", "x-key"), 400),
        (doubled(&good, "sec-websocket-key"), 400),
        (doubled(&good, "sec-websocket-version"), 400),
        (doubled(&good, "host"), 400),
        (good.replace("key: dGhlIHNhbXBsZSBub25jZQ==", "key:"), 400),
        (good.replace("GET", "POST"), 400),
        (good.replace("upgrade: websocket", "upgrade: h2c"), 404),
        (good.replace("HTTP/1.1", "HTTP/1.0"), 400),
        (good.replace("GET / HTTP", "GET\0/ HTTP"), 400),
        (good.replace("\r\n", "\r"), 400),
        (good.replace("upgrade: ", "upgrade : "), 400),
        (good.replace("upgrade: ", "upgrade:\r\n "), 400),
        (
            format!("{}{}", "GET / HTTP/1.1\r\n", "x: y\r\n".repeat(125)),
            431,
        ),
        (
            format!("GET / HTTP/1.1\r\nx: {}\r\n", "y".repeat(65_536)),
            431,
        ),
        (
            good.replace("GET /", &format!("GET /{}", "p".repeat(65_536))),
            431,
        ),
    ] {
        let shown = bad.lines().take(9).collect::<String>();
        // Mute, so that it is the deadline which closes it, which is a little before the other's.
        let mut control = raw(&to).await;
        let mut client = raw(&to).await;
        beside(&mut server, async {
            assert_eq!(ask(&mut client, &bad).await.0, expected, "{shown}");
            // It asked for no WebSocket, and may ask for something else.
            if expected != 404 {
                rest(&mut client).await;
                let mute = timeout(Duration::from_millis(1), control.read_u8()).await;
                mute.expect_err(&shown);
            }
        })
        .await;
    }
    connect(&mut server, &to).await;
}

/// As RFC 9112 allows (section 2.2). Somebody in between may take the lines for one: nothing in them is overlooked here.
#[tokio::test]
async fn a_bare_line_feed_ends_a_line_and_hides_nothing() {
    let mut server = listen(Ws::new(), "ws://127.0.0.1:0").await;
    let to = address(&server);
    let good = handshake("/", "");
    for bare in [
        good.replace("\r\n", "\n"),
        good.replace("\r\nupgrade", "\nupgrade"),
        good.replace("\r\n\r\n", "\r\n\n"),
    ] {
        let mut client = raw(&to).await;
        let (answer, _) = tokio::join!(ask(&mut client, &bare), accept(&mut server));
        assert_eq!(answer.0, 101, "{bare:?}");
    }
    for (hidden, expected) in [
        ("host: localhost", 400),
        ("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", 400),
        ("content-length: 4", 400),
        ("transfer-encoding: chunked", 400),
        ("origin: http://evil.example", 403),
    ] {
        let mut client = raw(&to).await;
        let bad = handshake("/", &format!("x: y\n{hidden}\r\n"));
        let (status, _) = beside(&mut server, ask(&mut client, &bad)).await;
        assert_eq!(status, expected, "{hidden}");
    }
}

#[tokio::test]
async fn the_head_of_a_request_is_of_8_kib_at_most() {
    let mut server = listen(Ws::new(), "ws://127.0.0.1:0").await;
    let to = address(&server);
    let of_len = |len: usize| {
        let padding = len - handshake("/", "x: \r\n").len();
        handshake("/", &format!("x: {}\r\n", "y".repeat(padding)))
    };
    let mut client = raw(&to).await;
    let longest = of_len(8192);
    let (answer, _) = tokio::join!(ask(&mut client, longest), accept(&mut server));
    assert_eq!(answer.0, 101);
    let mut client = raw(&to).await;
    let (status, _) = beside(&mut server, ask(&mut client, of_len(8193))).await;
    assert_eq!(status, 431);
}

#[tokio::test]
async fn a_handshake_that_comes_byte_by_byte_is_a_handshake() {
    let mut server = listen(Ws::new(), "ws://127.0.0.1:0").await;
    let mut client = raw(&address(&server)).await;
    client.set_nodelay(true).expect("a socket");
    let answer = async {
        for byte in handshake("/", "").bytes() {
            client.write_all(&[byte]).await.expect("sent");
            // The server reads what is there before there is more.
            tokio::task::yield_now().await;
        }
        head(&mut client).await
    };
    let (answer, _) = tokio::join!(answer, accept(&mut server));
    assert_eq!(answer.0, 101);
}

/// The same line once more, right behind it.
fn doubled(request: &str, name: &str) -> String {
    let mut lines: Vec<_> = request.split("\r\n").collect();
    let at = lines.iter().position(|line| line.starts_with(name));
    let at = at.expect("such a line");
    lines.insert(at, lines[at]);
    lines.join("\r\n")
}

#[tokio::test]
async fn a_page_of_a_foreign_origin_does_not_get_in_on_this_machine() {
    let ws = Ws::new();
    let mut server = listen(ws, "ws://127.0.0.1:0").await;
    let to = address(&server);
    for (headers, expected) in [
        ("origin: http://evil.example\r\n", 403),
        ("origin: null\r\n", 403),
        ("host: evil.example\r\n", 421),
        ("host: evil.example\r\norigin: http://evil.example\r\n", 403),
    ] {
        let refused = beside(&mut server, status(&to, headers)).await;
        assert_eq!(refused, expected, "{headers}");
    }
    for headers in [
        "origin: http://localhost:3000\r\n",
        "host: 127.0.0.1\r\n",
        "",
    ] {
        let (status, _) = tokio::join!(status(&to, headers), accept(&mut server));
        assert_eq!(status, 101, "{headers}");
    }
    // However it is bound, who comes from this machine looks like a neighbour.
    let mut server = listen(Ws::new(), "ws://0.0.0.0:0").await;
    let to = told(&server)[0].1.replace("localhost", "127.0.0.1");
    let refused = beside(&mut server, status(&to, "origin: http://evil.example\r\n")).await;
    assert_eq!(refused, 403);
}

#[tokio::test]
async fn origins_and_hosts_that_are_allowed_come_in() {
    let allowed = Ws::new()
        .allow_origins(["https://app.example"])
        .allow_hosts(["chat.example"]);
    let proxied = Ws::new().external([Section::new("wss").arg("//chat.example")]);
    let headers = "host: chat.example\r\norigin: https://app.example\r\n";
    for ws in [
        allowed.clone(),
        proxied.clone(),
        proxied.allow_origins(["https://app.example"]),
    ] {
        let mut server = listen(ws, "ws://127.0.0.1:0").await;
        let to = told(&server)[0].1.clone();
        let (status, _) = tokio::join!(status(&to, headers), accept(&mut server));
        assert_eq!(status, 101);
    }
    let mut server = listen(allowed, "ws://127.0.0.1:0").await;
    let to = address(&server);
    let other = "host: chat.example\r\norigin: https://other.example\r\n";
    assert_eq!(beside(&mut server, status(&to, other)).await, 403);
}

#[tokio::test]
async fn dropping_the_server_closes_what_is_no_websocket_yet_and_nothing_else() {
    let ws = Ws::new().fallback(Router::new());
    let mut server = listen(ws, "ws://127.0.0.1:0").await;
    let to = address(&server);
    let (mut dialed, mut accepted) = connect(&mut server, &to).await;
    let mut idle = raw(&to).await;
    beside(&mut server, ask(&mut idle, PLAIN)).await;
    drop(server);
    rest(&mut idle).await;
    tokio::net::TcpStream::connect(to.trim_start_matches("ws://"))
        .await
        .expect_err("closed");
    dialed.write_all(b"x").await.expect("an open connection");
    assert_eq!(accepted.read_u8().await.expect("an open connection"), b'x');
}

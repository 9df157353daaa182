//! The TCP transport over real sockets.

mod support;

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, TcpListener as StdListener},
    time::Duration,
};

use futures_util::FutureExt as _;
use socket2::SockRef;
use support::{HANG, address, echo, round_trip};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::timeout,
};
use tower::Layer as _;
use tower_multiserver::{
    Closing, Connection, ErrorKind, Incoming, LocalAddr, PeerAddr, Scope, Section, Shutdown,
    StackExt as _,
    net::{Net, NetListener},
    noauth::NoauthLayer,
    transport::{Linger, lingered},
};

type Server = Incoming<Net, NetListener, Linger<TcpStream>>;

fn closing() -> Closing {
    let (shutdown, closing) = Shutdown::new();
    // Nobody closes it; dropping the server does.
    std::mem::forget(shutdown);
    closing
}

async fn listen(net: Net, at: &str) -> Server {
    net.listen(at, closing()).await.expect("listening")
}

fn told(server: &Server) -> Vec<(Scope, String)> {
    let addresses = server.addresses().iter();
    addresses
        .map(|(scope, address)| (*scope, address.to_string()))
        .collect()
}

async fn connect(
    server: &mut Server,
    to: &str,
) -> (Connection<Linger<TcpStream>>, Connection<Linger<TcpStream>>) {
    let (dialed, accepted) = tokio::join!(Net::new().dial(to), server.next());
    (
        dialed.expect("dialed"),
        accepted.expect("one").expect("accepted"),
    )
}

#[tokio::test]
async fn the_longest_time_that_there_is_is_no_deadline() {
    let server = listen(Net::new(), "net::0").await;
    let mut server = server.handshake_timeout(Duration::MAX);
    let to = server.addresses()[0].1.clone();
    let net = Net::new().dial_timeout(Duration::MAX);
    let (dialed, accepted) = tokio::join!(net.dial(to), server.next());
    assert_eq!(dialed.expect("dialed").deadline(), None);
    accepted.expect("one").expect("accepted");
}

/// A machine without IPv6 cannot show what is asked of it.
fn has_ipv6() -> bool {
    let bound = StdListener::bind((Ipv6Addr::LOCALHOST, 0));
    if let Err(error) = &bound {
        eprintln!("skipped: no IPv6 here: {error}");
    }
    bound.is_ok()
}

#[tokio::test]
async fn port_0_is_advertised_as_the_real_port_and_an_empty_host_is_this_machine() {
    let mut server = listen(Net::new(), "net::0").await;
    let [(scope, to)] = &*told(&server) else {
        panic!("one address, not {:?}", told(&server))
    };
    assert_eq!(*scope, Scope::Device);
    assert!(
        to.starts_with("net:localhost:") && !to.ends_with(":0"),
        "{to}"
    );
    let (dialed, accepted) = connect(&mut server, to).await;
    let port = to.rsplit(':').next().expect("a port").to_owned();
    assert_eq!(dialed.info().address(), &address(to));
    drop(accepted);
    let (dialed, accepted) = connect(&mut server, &format!("net::{port}")).await;
    tokio::join!(echo(accepted), round_trip(dialed, b"hello"));
}

#[tokio::test]
async fn all_addresses_of_a_name_are_tried() {
    // The name has `::1` too where there is IPv6, and nobody listens there.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("bound");
    let port = listener.local_addr().expect("an address").port();
    let dialed = Net::new().dial(&*format!("net:localhost:{port}")).await;
    let PeerAddr(peer) = *dialed.expect("dialed").info().get().expect("a fact");
    assert_eq!(peer, (Ipv4Addr::LOCALHOST, port).into());
}

/// A full queue takes no more, and says nothing.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_dial_that_nobody_answers_ends_at_its_deadline() {
    let server = tokio::net::TcpSocket::new_v4().expect("a socket");
    server.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("bound");
    let server = server.listen(0).expect("listening");
    let to = server.local_addr().expect("an address");
    let _first = TcpStream::connect(to).await.expect("room for one");
    let net = Net::new().dial_timeout(Duration::from_millis(100));
    let dial = timeout(HANG, net.dial(format!("net:{to}")));
    let error = dial.await.expect("no hang").expect_err("no room");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.address(), Some(&address(&format!("net:{to}"))));
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_an_error_of_the_transport() {
    let error = Net::new().dial("net:host.invalid:1").await;
    let error = error.expect_err("no such name");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.address(), Some(&address("net:host.invalid:1")));
    let error = Net::new().listen("net:host.invalid:1", closing()).await;
    assert_eq!(error.expect_err("no such name").kind(), ErrorKind::Io);
}

#[tokio::test]
async fn both_ends_send_at_once_and_notice_a_peer_that_is_gone() {
    let mut server = listen(Net::new(), "net:127.0.0.1:0").await;
    let to = told(&server)[0].1.clone();
    let (dialed, accepted) = connect(&mut server, &to).await;
    for end in [dialed, accepted] {
        let socket = SockRef::from(end.get_ref().get_ref());
        assert!(socket.tcp_nodelay().expect("an option"));
        assert!(socket.keepalive().expect("an option"));
    }
}

#[tokio::test]
async fn the_facts_are_those_of_the_real_socket() {
    let mut server = listen(Net::new(), "net:127.0.0.1:0").await;
    let to = told(&server)[0].1.clone();
    let (dialed, accepted) = connect(&mut server, &to).await;
    let fact = |end: &Connection<_>| {
        let PeerAddr(peer) = *end.info().get().expect("a fact");
        let LocalAddr(local) = *end.info().get().expect("a fact");
        assert_eq!(end.info().scope(), Scope::Device);
        assert!(end.info().has_half_close());
        (peer, local)
    };
    let ((server, client), (client_seen, server_own)) = (fact(&dialed), fact(&accepted));
    assert_eq!((server, client), (server_own, client_seen));
    assert_eq!(to, format!("net:{server}"));
    let from = accepted.info().address().to_string();
    assert_eq!(from, format!("net:{client}"));
}

#[tokio::test]
async fn a_wildcard_serves_both_families_and_is_told_as_what_can_be_dialed() {
    if !has_ipv6() {
        return;
    }
    let mut server = listen(Net::new(), "net::::0").await;
    let all = told(&server);
    assert!(
        all.iter()
            .all(|(_, to)| !to.contains("::::") && !to.contains("fe80")),
        "{all:?}"
    );
    assert_eq!(all[0].0, Scope::Device);
    let port = all[0].1.rsplit(':').next().expect("a port").to_owned();
    for (host, seen) in [
        ("127.0.0.1", "net:127.0.0.1:"),
        ("::1", "net:::1:"),
        ("[::1]", "net:::1:"),
    ] {
        let (_, accepted) = connect(&mut server, &format!("net:{host}:{port}")).await;
        let from = accepted.info().address().to_string();
        assert!(from.starts_with(seen), "{from}");
        assert_eq!(accepted.info().scope(), Scope::Device);
    }
    connect(&mut server, &all[0].1).await;
}

#[tokio::test]
async fn a_socket_that_was_bound_elsewhere_is_used_once() {
    let handed_over = StdListener::bind("127.0.0.1:0").expect("bound");
    let port = handed_over.local_addr().expect("an address").port();
    let net = Net::new().bound(handed_over);

    let error = net.listen("net:127.0.0.1:1", closing()).await;
    assert_eq!(error.expect_err("another port").kind(), ErrorKind::Io);
    let mut server = listen(net.clone(), "net:127.0.0.1:0").await;
    let to = told(&server)[0].1.clone();
    assert_eq!(to, format!("net:127.0.0.1:{port}"));
    connect(&mut server, &to).await;

    let error = net.listen("net:127.0.0.1:0", closing()).await;
    let error = error.expect_err("used up");
    let source = std::error::Error::source(&error).expect("a source");
    let source: &io::Error = source.downcast_ref().expect("an IO error");
    assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn an_external_address_is_told_to_the_public_and_makes_everybody_public() {
    let sections = ["onion:abc.onion:8008", "wss://example.com/ssb"];
    let sections = sections.map(|text| text.parse::<Section>().expect("a section"));
    let net = Net::new().external(sections);
    let mut server = listen(net.clone(), "net:127.0.0.1:0").await;
    let all = told(&server);
    assert_eq!(all[0].0, Scope::Device);
    assert_eq!(all[1], (Scope::Public, "onion:abc.onion:8008".to_owned()));
    assert_eq!(all[2], (Scope::Public, "wss://example.com/ssb".to_owned()));
    let (_, accepted) = connect(&mut server, &all[0].1).await;
    assert_eq!(accepted.info().scope(), Scope::Public);

    let key = support::identity("bob").public_key();
    let noauth = NoauthLayer::new(key).layer(net);
    let error = noauth.listen("net:127.0.0.1:0~noauth", closing()).await;
    let error = error.expect_err("strangers would look like neighbours");
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
}

#[tokio::test]
async fn what_was_sent_before_a_shutdown_arrives_though_much_is_left_unread() {
    let mut server = listen(Net::new(), "net:127.0.0.1:0").await;
    let to = told(&server)[0].1.clone();
    let (mut dialed, mut accepted) = connect(&mut server, &to).await;
    // What the server never reads: a plain close would answer with a reset, and forget what it has not sent yet.
    dialed.write_all(&[0; 100_000]).await.expect("sent");
    // More than the client's kernel takes before anybody reads: the rest waits in the server's.
    let mut sent = 0;
    while let Some(written) = accepted.write(&[1; 10_000]).now_or_never() {
        sent += written.expect("sent");
    }
    accepted.shutdown().await.expect("ended");
    drop(accepted);
    let mut all = Vec::new();
    timeout(HANG, dialed.read_to_end(&mut all))
        .await
        .expect("no hang")
        .expect("no reset");
    assert_eq!(all.len(), sent);
}

/// The runtime ends right after the connection, as that of a program does.
#[test]
fn a_program_that_waits_for_what_lingers_loses_nothing_at_its_end() {
    let (tell, told) = std::sync::mpsc::channel();
    let peer = std::thread::spawn(move || {
        let to: String = told.recv().expect("listening");
        let mut peer = std::net::TcpStream::connect(&to["net:".len()..]).expect("connected");
        let _ended: String = told.recv().expect("ended");
        // The program never reads it, and a socket that is gone would answer with a reset.
        peer.write_all(&[0; 100_000]).expect("sent");
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("no reset");
        all.len()
    });
    let runtime = Runtime::new().expect("a runtime");
    let sent = runtime.block_on(async {
        let mut server = listen(Net::new(), "net:127.0.0.1:0").await;
        tell.send(self::told(&server)[0].1.clone()).expect("heard");
        let mut accepted = server.next().await.expect("one").expect("accepted");
        // More than the peer's kernel takes before the peer reads.
        let mut sent = 0;
        while let Some(written) = accepted.write(&[1; 10_000]).now_or_never() {
            sent += written.expect("sent");
        }
        accepted.shutdown().await.expect("ended");
        drop(accepted);
        tell.send("ended".to_owned()).expect("heard");
        lingered().await;
        sent
    });
    drop(runtime);
    assert_eq!(peer.join().expect("no panic"), sent);
}

#[tokio::test]
async fn a_drop_without_a_shutdown_closes_at_once_and_leaves_no_task() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let mut server = listen(Net::new(), "net:127.0.0.1:0").await;
    let to = told(&server)[0].1.clone();
    let (mut dialed, accepted) = connect(&mut server, &to).await;
    let before = tasks();
    drop(accepted);
    assert_eq!(tasks(), before);
    let end = timeout(HANG, dialed.read(&mut [0])).await.expect("no hang");
    assert_eq!(end.expect("an end"), 0);
}

#[tokio::test]
async fn a_reset_is_an_error_for_who_reads_and_who_writes() {
    let mut server = listen(Net::new(), "net:127.0.0.1:0").await;
    let to = told(&server)[0].1.clone();
    let (dialed, mut accepted) = connect(&mut server, &to).await;
    let socket = SockRef::from(dialed.get_ref().get_ref());
    socket.set_linger(Some(Duration::ZERO)).expect("an option");
    drop(dialed);
    let read = timeout(HANG, accepted.read(&mut [0]))
        .await
        .expect("no hang");
    assert_eq!(
        read.expect_err("a reset").kind(),
        io::ErrorKind::ConnectionReset
    );
    let error = accepted.write(b"x").await.expect_err("a reset");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_restart_binds_the_same_port_at_once() {
    let mut server = listen(Net::new(), "net:127.0.0.1:0").await;
    let to = told(&server)[0].1.clone();
    let (dialed, accepted) = connect(&mut server, &to).await;
    // The server ends first, so its side of the connection lingers in the kernel.
    drop((accepted, server));
    drop(dialed);
    listen(Net::new(), &to).await;
}

//! What only a network with nobody else in it can show: that no name is resolved by this machine, and whom a transport
//! asks that was told of no proxy.

use std::{
    io::Write as _,
    net::UdpSocket,
    process::{Command, Stdio},
};

use futures_util::FutureExt as _;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, lookup_host},
};
use tower_multiserver::{
    StackExt as _,
    onion::{Failure, Onion},
};

use crate::lab::{CONNECTED, NAME, dial, failures, greet, play};

/// A network of its own with nothing in it but loopback, whose resolver is 127.0.0.1.
const ALONE: &str = r#"
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"$1/resolv.conf"
echo 'hosts: files dns' >"$1/nsswitch.conf"
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
ip link set lo up
"#;

/// Runs the tests below in there.
#[test]
fn no_name_is_asked_for_in_the_dns_and_the_ports_of_tor_are_known() {
    let directory = tempfile::tempdir().expect("a directory");
    let alone = |script: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--net", "--mount"])
            .args(["sh", "-ec", &format!("{ALONE}\n{script}"), "sh"])
            .arg(directory.path())
            .stdin(Stdio::null());
        command
    };
    let possible = alone("true").output();
    if !matches!(&possible, Ok(output) if output.status.success()) {
        let required = std::env::var("MULTISERVER_INTEROP").is_ok_and(|value| value == "required");
        assert!(!required, "MULTISERVER_INTEROP=required, but {possible:?}");
        // Past the test runner, which would keep it from sight, since the test passes.
        let _ = writeln!(
            std::io::stderr(),
            "skipped alone: no network of one's own: {possible:?}"
        );
        return;
    }
    let program = std::env::current_exe().expect("it runs");
    let inside = alone(r#"exec "$2" --ignored alone::"#)
        .arg(program)
        .output();
    let inside = inside.expect("it ran a moment ago");
    let said = String::from_utf8_lossy(&inside.stdout);
    assert!(
        inside.status.success() && said.contains("2 passed"),
        "{said}"
    );
}

#[tokio::test]
#[ignore = "needs a network of its own; the test above runs it there"]
async fn the_resolver_is_asked_for_nothing() {
    let resolver = UdpSocket::bind("127.0.0.1:53").expect("nobody else is here");
    resolver.set_nonblocking(true).expect("an option");
    let mut query = [0; 512];
    for host in [NAME, "example.com", "localhost.example"] {
        let played = play(async |mut stream| {
            let request = greet(&mut stream).await;
            stream.write_all(CONNECTED).await.expect("sent");
            request
        })
        .await;
        let dialed = dial([&played.proxy], &format!("onion:{host}:80")).await;
        dialed.expect("connected");
        let (kind, rest) = played.over().await;
        assert_eq!((kind, rest), (3, [host.as_bytes(), &[0, 80]].concat()));
        let asked = resolver.recv(&mut query);
        assert!(asked.is_err(), "{host}: {query:?}");
    }
    // It would have heard: what is looked up does come by.
    let looking_up = tokio::spawn(lookup_host("example.com:80"));
    let resolver = tokio::net::UdpSocket::from_std(resolver).expect("a socket");
    resolver.recv(&mut query).await.expect("a query");
    looking_up.abort();
}

#[tokio::test]
#[ignore = "needs a network of its own; the test above runs it there"]
async fn tor_is_asked_first_and_the_tor_browser_next() {
    let to = format!("onion:{NAME}:80");
    let error = Onion::new().dial(&*to).await.expect_err("nobody is here");
    assert!(matches!(
        failures(&error)[..],
        [Failure::Unreachable(_), Failure::Unreachable(_)]
    ));
    let connects = async |port| {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("bound");
        let proxy = async {
            let (mut stream, _) = listener.accept().await.expect("accepted");
            greet(&mut stream).await;
            stream.write_all(CONNECTED).await.expect("sent");
        };
        let onion = Onion::new();
        let (dialed, ()) = tokio::join!(onion.dial(&*to), proxy);
        dialed.expect("connected");
        listener
    };
    let browser = connects(9150).await;
    connects(9050).await;
    assert!(browser.accept().now_or_never().is_none());
}

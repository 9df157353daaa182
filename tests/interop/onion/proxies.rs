//! microsocks and dante, in front of a `net~shs` server of ours.

use std::{fs, path::Path, process::Child, time::Duration};

use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tower_multiserver::{
    ErrorKind,
    onion::{Failure, Onion, Proxy, Reply},
};

use super::{dial, last_failure, supervised};
use crate::harness::{
    Options, PATIENCE, accept, echo, exchange, listen,
    npm::{output, skip},
};
use crate::ports::free_port;

/// A proxy in a process of its own, which ends with this value.
struct Running {
    proxy: Proxy,
    process: Child,
}

impl Running {
    /// One that wants name and password, where they are given.
    async fn microsocks(login: &[&str]) -> Option<Self> {
        let script = r#"directory=$1 port=$2; shift 2
            microsocks -i 127.0.0.1 -p "$port" "$@" </dev/null 2>/dev/null & running=$!
            set -- "$directory""#;
        Self::start("microsocks", script, "", login).await
    }

    /// One that forbids connections to port 9 of this machine.
    async fn dante() -> Option<Self> {
        let configuration = "logoutput: /dev/null\ninternal: 127.0.0.1 port = PORT\nexternal: lo\n\
             clientmethod: none\nsocksmethod: none\n\
             client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }\n\
             socks block { from: 127.0.0.0/8 to: 127.0.0.0/8 port = 9 }\n\
             socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }\n";
        // Its workers end with it.
        let script = r#"danted -f "$1/configuration" -p "$1/pid" </dev/null & running=$!"#;
        Self::start("danted", script, configuration, &[]).await
    }

    async fn start(
        program: &str,
        script: &str,
        configuration: &str,
        args: &[&str],
    ) -> Option<Self> {
        let installed = format!("command -v {program}");
        if let Err(reason) = output("sh", &["-c", &installed], Path::new(".")) {
            return skip(&reason);
        }
        let directory = tempfile::tempdir().expect("a directory").keep();
        let port = free_port();
        let text = configuration.replace("PORT", &port.to_string());
        fs::write(directory.join("configuration"), text).expect("written");
        let (directory, number) = (directory.display().to_string(), port.to_string());
        let args = [&[&*directory, &number], args].concat();
        let process = supervised(script, &args).expect("sh is there");
        let started = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, started).await.expect("it starts");
        Some(Self {
            proxy: Proxy::new("127.0.0.1", port),
            process,
        })
    }

    fn onion(&self) -> Onion {
        Onion::new().proxies([self.proxy.clone()])
    }

    fn with_login(&self, name: &str, password: &str) -> Onion {
        let proxy = self.proxy.clone().login(name, password);
        Onion::new().proxies([proxy.expect("they fit")])
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // It is told to end; that it has is all the same to us.
        let _ = self.process.wait();
    }
}

/// A hundred kilobytes go to a server of ours, called `host` by the proxy, and come back.
async fn assert_works(onion: Onion, host: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = listen("net~shs", directory.path(), Options::default()).await;
    let address = server
        .address
        .replace("net:127.0.0.1", &format!("onion:{host}"));
    let (dialed, accepted) = tokio::join!(dial(onion, &address), accept(&mut server));
    let (dialed, accepted) = (dialed.expect("dialed"), accepted.expect("accepted"));
    let exchanged = async { tokio::join!(exchange(dialed, 100_000), echo(accepted)) };
    let ((sent, received), _) = timeout(PATIENCE, exchanged).await.expect("in time");
    assert_eq!(sent, received);
}

async fn assert_replies(onion: Onion, address: &str, expected: Reply) {
    let error = dial(onion, address).await.expect_err(address);
    assert_eq!(error.kind(), ErrorKind::Proxy, "{address}");
    let why = last_failure(&error);
    let replied = matches!(why, Failure::Replied(reply) if *reply == expected);
    assert!(replied, "{address}: {why}");
}

#[tokio::test]
async fn a_peer_is_reached_by_name_and_by_address_through_microsocks() {
    let Some(running) = Running::microsocks(&[]).await else {
        return;
    };
    for host in ["localhost", "127.0.0.1"] {
        assert_works(running.onion(), host).await;
    }
    let closed = format!("onion:127.0.0.1:{}", free_port());
    assert_replies(running.onion(), &closed, Reply::ConnectionRefused).await;
}

#[tokio::test]
async fn microsocks_lets_in_who_knows_name_and_password_and_nobody_else() {
    let Some(running) = Running::microsocks(&["-u", "bob", "-P", "hunter2"]).await else {
        return;
    };
    assert_works(running.with_login("bob", "hunter2"), "localhost").await;
    for onion in [
        running.with_login("bob", "hunter3"),
        running.onion(),
        running.onion().isolate_peers(),
    ] {
        let error = dial(onion, "onion:localhost:1")
            .await
            .expect_err("not let in");
        assert_eq!(error.kind(), ErrorKind::Proxy);
        assert!(matches!(last_failure(&error), Failure::Login), "{error:?}");
    }
}

/// It would connect, and keep nothing apart.
#[tokio::test]
async fn microsocks_is_not_used_where_circuits_are_to_be_kept_apart() {
    let Some(running) = Running::microsocks(&[]).await else {
        return;
    };
    let onion = running.onion().isolate_peers();
    let error = dial(onion, "onion:localhost:1")
        .await
        .expect_err("not isolated");
    assert!(
        matches!(last_failure(&error), Failure::NotIsolated),
        "{error:?}"
    );
}

/// Its refusals carry an IPv6 address, or a name, where others have an IPv4 address.
#[tokio::test]
async fn a_peer_is_reached_through_dante_and_its_refusals_are_understood() {
    let Some(running) = Running::dante().await else {
        return;
    };
    for host in ["localhost", "127.0.0.1"] {
        assert_works(running.onion(), host).await;
    }
    let closed = format!("onion:127.0.0.1:{}", free_port());
    assert_replies(running.onion(), &closed, Reply::ConnectionRefused).await;
    assert_replies(running.onion(), "onion:127.0.0.1:9", Reply::NotAllowed).await;
    assert_replies(
        running.onion(),
        "onion:host.invalid:1",
        Reply::HostUnreachable,
    )
    .await;
}

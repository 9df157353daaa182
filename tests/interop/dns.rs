//! Names in a real DNS server: dnsmasq, on loopback.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};
use tower::ServiceExt as _;
use tower_multiserver::{
    Error, MultiAddress,
    dial::lookup::{Answer, Dns},
};

use crate::{
    harness::{PATIENCE, npm::skip},
    ports::free_port,
};

/// The server. It ends with this value.
struct Dnsmasq {
    _child: Child,
    at: SocketAddr,
}

impl Dnsmasq {
    /// Starts one with these records; `None` when the test is to be skipped.
    async fn start(records: &[String]) -> Option<Self> {
        // Its packages put it where users other than root do not look.
        let program = ["/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq", "dnsmasq"]
            .into_iter()
            .find(|program| {
                let version = std::process::Command::new(program)
                    .arg("--version")
                    .output();
                version.is_ok_and(|output| output.status.success())
            });
        let Some(program) = program else {
            return skip("`dnsmasq` cannot be run");
        };
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut child = Command::new(program)
            .args([
                "--no-daemon",
                "--conf-file=/dev/null",
                "--no-resolv",
                "--no-hosts",
            ])
            .args([
                "--listen-address=127.0.0.1",
                "--bind-interfaces",
                "--local=/example/",
            ])
            .arg("--pid-file=")
            .arg(format!("--port={}", at.port()))
            .args(records)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("dnsmasq ran a moment ago");
        let mut log = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let started = async {
            loop {
                let line = log.next_line().await.expect("its log is text");
                if line.expect("dnsmasq goes on").contains("started") {
                    return;
                }
            }
        };
        timeout(PATIENCE, started).await.expect("it starts in time");
        // So that it never waits for somebody to read on.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Some(Self { _child: child, at })
    }

    async fn ask(&self, name: &str) -> Result<Answer, Error> {
        let dns = Dns::servers([self.at]).expect("a resolver");
        let answer = dns.oneshot(name.parse().expect("a name"));
        timeout(PATIENCE, answer).await.expect("it ends in time")
    }
}

fn addresses(text: &str) -> Option<MultiAddress> {
    Some(text.parse().expect("addresses"))
}

#[tokio::test]
async fn names_stand_for_what_the_zone_says() {
    let long = "x".repeat(200);
    // More than fits into one UDP packet, so that the answer is asked for again over TCP.
    let many = (10..26).map(|n| format!("--txt-record=_multiserver.many.example,net:{n}-{long}:1"));
    let mut records: Vec<_> = many.collect();
    records.extend(
        [
            "--txt-record=_multiserver.bob.example,net:bob.example:8008,;ws://bob.example",
            "--txt-record=_multiserver.two.example,ws://two.example",
            "--txt-record=_multiserver.two.example,net:two.example:1",
            "--txt-record=_multiserver.bad.example,unix:/run/docker.sock",
            "--txt-record=_multiserver.bad.example,no address~",
            "--txt-record=nobody.example,net:nobody.example:1",
            "--host-record=_multiserver.host.example,127.0.0.1",
            "--local-ttl=77",
        ]
        .map(str::to_owned),
    );
    let Some(server) = Dnsmasq::start(&records).await else {
        return;
    };
    for (name, found) in [
        (
            "bob.example",
            addresses("net:bob.example:8008;ws://bob.example"),
        ),
        (
            "BOB.Example.",
            addresses("net:bob.example:8008;ws://bob.example"),
        ),
        (
            "two.example",
            addresses("net:two.example:1;ws://two.example"),
        ),
        ("bad.example", None),
        ("nobody.example", None),
        ("host.example", None),
        ("*.example", None),
    ] {
        let answer = server.ask(name).await.expect("an answer");
        assert_eq!(answer.addresses, found, "{name}");
        if found.is_some() {
            assert_eq!(answer.ttl, Duration::from_secs(77), "{name}");
        }
    }
    let many = server.ask("many.example").await.expect("an answer");
    assert_eq!(many.addresses.map(|all| all.iter().count()), Some(16));
}

#[cfg(feature = "cli")]
mod program {
    use std::process::Output;

    use super::*;

    const PROGRAM: &str = env!("CARGO_BIN_EXE_multiserver");

    async fn connect(address: &str, dns: SocketAddr) -> Output {
        let program = Command::new(PROGRAM)
            .args(["connect", address, "--json", "--dns", &dns.to_string()])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(PATIENCE, program).await.expect("it ends in time");
        output.expect("the program runs")
    }

    #[tokio::test]
    async fn connect_goes_where_a_name_leads() {
        let mut echo = Command::new(PROGRAM)
            .args([
                "listen",
                "net:127.0.0.1:0~shs",
                "--exec",
                "echo hello",
                "--json",
            ])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program runs");
        let mut status = BufReader::new(echo.stderr.take().expect("it is piped")).lines();
        let listening = async {
            loop {
                let line = status.next_line().await.expect("text");
                let line = line.expect("the program goes on");
                let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                if event["event"] == "listening" {
                    return crate::harness::text(&event["address"]).to_owned();
                }
            }
        };
        let address = timeout(PATIENCE, listening).await.expect("in time");
        let (_, key) = address.split_once("~shs:").expect("a key");

        let other = crate::harness::theirs().public_key();
        let records = [
            format!("--txt-record=_multiserver.bob.example,{address}"),
            format!("--txt-record=_multiserver.eve.example,net:127.0.0.1:1~shs:{other}"),
            "--txt-record=_multiserver.eve.example,net:127.0.0.1:1".to_owned(),
        ];
        let Some(server) = Dnsmasq::start(&records).await else {
            return;
        };
        for name in [
            "lookup:bob.example",
            &format!("lookup:bob.example~shs:{key}"),
        ] {
            let output = connect(name, server.at).await;
            assert_eq!(output.stdout, b"hello\n", "{output:?}");
        }
        for policy in ["--fallback", "--race"] {
            let name = format!("net:127.0.0.1:1~shs:{key};lookup:bob.example");
            let dns = server.at.to_string();
            let mut ping = Command::new(PROGRAM);
            ping.args(["ping", &name, "--dns", &dns, policy]);
            let output = timeout(PATIENCE, ping.kill_on_drop(true).output()).await;
            let output = output.expect("in time").expect("the program runs");
            let line = String::from_utf8(output.stdout).expect("text");
            assert!(line.starts_with(&format!("{address}: ")), "{line}");
        }
        let dns = server.at.to_string();
        let mut forward = Command::new(PROGRAM)
            .args(["forward", "net:127.0.0.1:0", "lookup:bob.example"])
            .args(["--dns", &dns, "--json"])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program runs");
        let mut status = BufReader::new(forward.stderr.take().expect("it is piped")).lines();
        let line = timeout(PATIENCE, status.next_line())
            .await
            .expect("in time");
        let line = line.expect("text").expect("the program goes on");
        let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let local = crate::harness::text(&event["address"]);
        assert_eq!(connect(local, server.at).await.stdout, b"hello\n");
        // The key that was written down holds, whatever the zone says.
        for (name, code) in [
            (format!("lookup:eve.example~shs:{key}"), 2),
            ("lookup:nobody.example".to_owned(), 2),
        ] {
            let output = connect(&name, server.at).await;
            assert_eq!(output.status.code(), Some(code), "{output:?}");
            let told = String::from_utf8(output.stderr).expect("text");
            assert!(told.contains("\"unsupported\""), "{told}");
        }
    }
}

//! Where `noauth` can be listened on.

use std::net::TcpListener;

use tower::Layer as _;
use tower_multiserver::{
    Closing, Error, ErrorKind, Scope, Section, Shutdown, StackExt as _, net::Net,
    noauth::NoauthLayer, unix::Unix, ws::Ws,
};

use crate::support::identity;

fn noauth() -> NoauthLayer {
    NoauthLayer::new(identity("bob").public_key())
}

fn closing() -> Closing {
    Shutdown::new().1
}

fn onion() -> Section {
    "onion:abc.onion:8008".parse().expect("a section")
}

/// The addresses of this machine that are not loopback.
fn own_hosts() -> Vec<String> {
    let interfaces = if_addrs::get_if_addrs().expect("interfaces").into_iter();
    let ips = interfaces.map(|interface| interface.ip());
    let told = ips.filter(|ip| !ip.is_loopback() && ip.is_ipv4());
    told.map(|ip| ip.to_string()).collect()
}

/// `None` where it is listened on, which is on loopback alone.
async fn refusal(listening: impl Future<Output = Result<Vec<Scope>, Error>>) -> Option<ErrorKind> {
    match listening.await {
        Ok(scopes) => {
            assert!(
                scopes.iter().all(|scope| *scope == Scope::Device),
                "{scopes:?}"
            );
            None
        }
        Err(error) => Some(error.kind()),
    }
}

macro_rules! listen {
    ($transport:expr, $address:expr) => {
        refusal(async {
            let incoming = noauth()
                .layer($transport)
                .listen($address, closing())
                .await?;
            Ok(incoming
                .addresses()
                .iter()
                .map(|(scope, _)| *scope)
                .collect())
        })
        .await
    };
}

#[tokio::test]
async fn it_is_listened_on_for_this_machine_alone() {
    for (host, url) in [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2"),
        ("localhost", "localhost"),
        ("", "localhost"),
    ] {
        assert_eq!(
            listen!(Net::new(), &*format!("net:{host}:0~noauth")),
            None,
            "{host}"
        );
        assert_eq!(
            listen!(Ws::new(), &*format!("ws://{url}:0~noauth")),
            None,
            "{host}"
        );
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    assert_eq!(
        listen!(Unix::new(), &*format!("unix:{}~noauth", path.display())),
        None
    );
}

#[tokio::test]
async fn where_others_could_connect_it_is_refused_before_anybody_can() {
    let refused = Some(ErrorKind::Unauthorized);
    let mut hosts = own_hosts();
    if !hosts.is_empty() {
        // Where there are no others, a wildcard is for this machine alone too.
        hosts.extend(["0.0.0.0".to_owned(), "[::]".to_owned()]);
    }
    for host in hosts {
        assert_eq!(
            listen!(Net::new(), &*format!("net:{host}:0~noauth")),
            refused,
            "{host}"
        );
        assert_eq!(
            listen!(Ws::new(), &*format!("ws://{host}:0~noauth")),
            refused,
            "{host}"
        );
        // A socket from elsewhere is what it is, whatever the address says.
        let bound = TcpListener::bind(format!("{host}:0")).expect("bound");
        let at = bound.local_addr().expect("an address");
        let net = Net::new().bound(bound);
        assert_eq!(listen!(net, "net:127.0.0.1:0~noauth"), refused, "{host}");
        // Nothing stays behind.
        TcpListener::bind(at).expect("free again");
    }
    // Whoever forwards makes strangers look like neighbours.
    let net = Net::new().external([onion()]);
    assert_eq!(listen!(net, "net:127.0.0.1:0~noauth"), refused);
    let ws = Ws::new().external([onion()]);
    assert_eq!(listen!(ws, "ws://127.0.0.1:0~noauth"), refused);
    let directory = tempfile::tempdir().expect("a directory");
    let unix = format!("unix:{}~noauth", directory.path().join("socket").display());
    assert_eq!(listen!(Unix::new().external([onion()]), &*unix), refused);
}

#[tokio::test]
async fn a_hosted_web_socket_is_the_publics_unless_it_is_told_otherwise() {
    let (_service, ws) = Ws::hosted();
    let incoming = noauth()
        .layer(ws)
        .listen("ws://example.com:3000~noauth", closing());
    let kind = incoming.await.err().map(|error| error.kind());
    assert!(
        kind.is_some(),
        "the public is told of nothing that proves nothing"
    );
    let (_service, ws) = Ws::hosted();
    let ws = ws.external(["wss://example.com".parse::<Section>().expect("a section")]);
    assert_eq!(
        listen!(ws, "ws://localhost:3000~noauth"),
        Some(ErrorKind::Unauthorized)
    );
    // This one is told to this machine, and lets in nobody of whom it is not known that he is there.
    let (_service, ws) = Ws::hosted();
    assert_eq!(listen!(ws, "ws://localhost:3000~noauth"), None);
}

//! The Autobahn test suite against both sides of `ws` and of `wss`, and what it made of each case.
//!
//! It is written for echoes of messages, ours is one of a stream: a text is refused (1003), a message may come back in
//! several. So each verdict is compared with the one that is stored in `autobahn.json`, where all that are no `OK` are of that kind.
//! TLS changes none of them.
//! `AUTOBAHN_BLESS` in the environment stores the new ones instead.
//!
//! `MULTISERVER_AUTOBAHN` names the program `wstest` of autobahntestsuite, which needs Python 2.7: `.ci/run nightly` installs it.

use std::{
    collections::BTreeMap,
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt as _;
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;
use tower::{BoxError, Service};
use tower_multiserver::{
    Accept, Address, Bound, BoxIo, Connection, Io, Listen, Shutdown, StackExt as _,
    ws::{Ws, WsIo, WsListener, WsSocket},
    wss::{Certificate, Trust, Wss},
};

use crate::ports::free_port;

const PATIENCE: Duration = Duration::from_secs(120);

/// Those left out measure speed (9), compress (12, 13), which `ws` does not, or want an answer to each of ten pings in a row,
/// where one to the last is enough (RFC 6455, section 5.5.3) and how many there are is a matter of time.
const LEFT_OUT: [&str; 5] = ["2.10", "2.11", "9.*", "12.*", "13.*"];

/// Case, and how it and its close went.
type Verdicts = BTreeMap<String, String>;

#[tokio::test]
#[ignore = "takes a minute, and a Python of long ago: `.ci/run nightly` runs it"]
async fn our_server_does_what_is_expected_of_it() {
    serve(Ws::new(), "ws").await;
}

#[tokio::test]
#[ignore = "takes a minute, and a Python of long ago: `.ci/run nightly` runs it"]
async fn our_server_does_the_same_under_tls() {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = Certificate::from_pem(issued.cert.pem(), issued.signing_key.serialize_pem());
    serve(Wss::new().certificate(certificate.unwrap()), "wss").await;
}

/// Lets the suite dial a server of ours.
async fn serve<T>(transport: T, scheme: &str)
where
    T: Service<Listen, Response = Bound<WsListener>, Error: Into<BoxError>, Future: Send>,
    T: Service<
            Accept<WsSocket>,
            Response = Connection<WsIo<BoxIo>>,
            Error: Into<BoxError>,
            Future: Send,
        >,
    T: Clone + Send + Sync + 'static,
{
    let place = tempfile::tempdir().unwrap();
    let (_shutdown, closing) = Shutdown::new();
    let at = format!("{scheme}://127.0.0.1:0");
    let mut server = transport.listen(at, closing).await.unwrap();
    let url = server.addresses()[0].1.to_string();
    let spec = json!({
        "outdir": place.path(),
        "servers": [{ "agent": "ours", "url": url }],
        "cases": ["*"],
        "exclude-cases": LEFT_OUT,
        "exclude-agent-cases": {},
    });
    let mut suite = wstest("fuzzingclient", &spec, place.path());
    let mut echoes = JoinSet::new();
    let run = async {
        loop {
            tokio::select! {
                ended = suite.wait() => break assert!(ended.unwrap().success()),
                Some(Ok(accepted)) = server.next() => {
                    echoes.spawn(echo(accepted));
                }
            }
        }
    };
    timeout(PATIENCE, run).await.unwrap();
    judge("server", scheme, verdicts(place.path()));
}

#[tokio::test]
#[ignore = "takes a minute, and a Python of long ago: `.ci/run nightly` runs it"]
async fn our_client_does_what_is_expected_of_it() {
    let place = tempfile::tempdir().unwrap();
    dial(Ws::new(), "ws", json!({}), None, place).await;
}

#[tokio::test]
#[ignore = "takes a minute, and a Python of long ago: `.ci/run nightly` runs it"]
async fn our_client_does_the_same_under_tls() {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| place.path().join(name));
    fs::write(&cert, issued.cert.pem()).unwrap();
    fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
    let trust = Trust::roots(issued.cert.pem()).unwrap();
    let more = json!({ "cert": cert, "key": key });
    let tls = trusting(issued.cert.der().clone());
    dial(Wss::new().trust(trust), "wss", more, Some(tls), place).await;
}

/// Dials a server of the suite, with `more` in its settings, of which questions are asked by `tls`.
async fn dial<T, I>(
    transport: T,
    scheme: &str,
    more: Value,
    tls: Option<TlsConnector>,
    place: TempDir,
) where
    T: Service<Address, Response = Connection<I>, Error: Into<BoxError>, Future: Send>,
    T: Clone + Send + Sync + 'static,
    I: Io,
{
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let mut spec = json!({
        "url": format!("{scheme}://{at}"),
        "outdir": place.path(),
        "cases": ["*"],
        "exclude-cases": LEFT_OUT,
        "exclude-agent-cases": {},
    });
    let settings = spec.as_object_mut().unwrap();
    settings.extend(more.as_object().unwrap().clone());
    let mut suite = wstest("fuzzingserver", &spec, place.path());
    let run = async {
        while TcpStream::connect(at).await.is_err() {
            // Nothing tells when it listens.
            sleep(Duration::from_millis(50)).await;
        }
        let ask = async |question| ask(at, tls.as_ref(), question).await;
        let cases: u32 = ask("getCaseCount").await.parse().unwrap();
        for case in 1..=cases {
            let url = format!("{scheme}://{at}/runCase?case={case}&agent=ours");
            if let Ok(dialed) = transport.dial(&*url).await {
                echo(dialed).await;
            }
        }
        ask("updateReports?agent=ours").await;
    };
    timeout(PATIENCE, run).await.unwrap();
    suite.kill().await.unwrap();
    judge("client", scheme, verdicts(place.path()));
}

/// Starts the suite.
fn wstest(mode: &str, spec: &Value, place: &Path) -> Child {
    let program = env::var_os("MULTISERVER_AUTOBAHN").expect("MULTISERVER_AUTOBAHN names wstest");
    let file = place.join("spec.json");
    fs::write(&file, spec.to_string()).unwrap();
    Command::new(program)
        .args(["-m", mode, "-s"])
        .arg(file)
        .current_dir(place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// A client of TLS that trusts this certificate alone.
fn trusting(certificate: CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// Says what it hears.
async fn echo(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    let mut buf = vec![0; 64 << 10];
    while let Ok(count @ 1..) = io.read(&mut buf).await {
        if io.write_all(&buf[..count]).await.is_err() || io.flush().await.is_err() {
            return;
        }
    }
    let _ = io.shutdown().await;
}

/// What the suite's server says to that, in a text.
async fn ask(at: SocketAddr, tls: Option<&TlsConnector>, question: &str) -> String {
    let io = TcpStream::connect(at).await.unwrap();
    let io = match tls {
        Some(tls) => BoxIo::new(tls.connect(at.ip().into(), io).await.unwrap()),
        None => BoxIo::new(io),
    };
    let url = format!("ws://{at}/{question}");
    let (mut socket, _) = tokio_tungstenite::client_async(url, io).await.unwrap();
    let mut said = String::new();
    while let Some(Ok(message)) = socket.next().await {
        if let Ok(text) = message.to_text() {
            said += text;
        }
    }
    said
}

fn verdicts(place: &Path) -> Verdicts {
    let index: Value =
        serde_json::from_slice(&fs::read(place.join("index.json")).unwrap()).unwrap();
    let cases = index["ours"].as_object().unwrap();
    let verdict = |case: &Value| {
        let text = |name: &str| case[name].as_str().unwrap().to_owned();
        format!("{}, close {}", text("behavior"), text("behaviorClose"))
    };
    cases
        .iter()
        .map(|(name, case)| (name.clone(), verdict(case)))
        .collect()
}

fn judge(side: &str, scheme: &str, found: Verdicts) {
    let stored = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop/autobahn.json");
    let mut all: BTreeMap<String, Verdicts> = fs::read(&stored)
        .map(|bytes| serde_json::from_slice(&bytes).unwrap())
        .unwrap_or_default();
    println!(
        "measured autobahn\tour {side} of {scheme}\t{} cases",
        found.len()
    );
    if env::var_os("AUTOBAHN_BLESS").is_some() {
        all.insert(side.to_owned(), found);
        let text = serde_json::to_string_pretty(&all).unwrap();
        fs::write(&stored, text + "\n").unwrap();
        return;
    }
    assert_eq!(found, all[side]);
}

//! The npm client in a page of a headless browser, against our web socket beside that page in one axum server.

use std::{path::Path, process::Stdio, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{Html, IntoResponse},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};
use tower::ServiceBuilder;
use tower_multiserver::{Connection, MultiServer, shs::ShsLayer, ws::Ws};

use crate::harness::{Half, PATIENCE, app_key, base64, key_of, npm, ours, read_to_end};

const BYTES: usize = 1 << 20;

#[tokio::test]
async fn a_page_in_a_browser_reaches_the_web_socket_beside_it() {
    let Some(modules) = npm::modules() else {
        return;
    };
    let Some(browser) = browser() else { return };
    let directory = tempfile::tempdir().unwrap();
    let script = bundle(modules, directory.path());

    let site = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = site.local_addr().unwrap();
    let (sockets, ws) = Ws::hosted();
    let shs = ShsLayer::new(ours()).app_key(app_key());
    let multi = MultiServer::new().stack(ServiceBuilder::new().layer(shs).service(ws));
    let mut server = multi.listen(&*format!("ws://{at}/ssb~shs")).await.unwrap();
    let address = format!("ws://{at}/ssb~shs:{}", ours().public_key());

    let (reports, mut results) = mpsc::channel(1);
    let app = Router::new()
        .route("/", get(Html(page(&address))))
        .route(
            "/client.js",
            get(([(CONTENT_TYPE, "text/javascript")], script)),
        )
        .route("/result", post(report).with_state(Arc::new(reports)))
        .route_service("/ssb", sockets);
    let run = async {
        let _browser = open(browser, &format!("http://{at}/"), directory.path());
        let echoed = echo(server.next().await.unwrap().unwrap()).await;
        (echoed, results.recv().await.unwrap())
    };
    let (echoed, seen) = tokio::select! {
        ended = axum::serve(site, app).into_future() => unreachable!("{ended:?}"),
        done = timeout(PATIENCE, run) => done.expect("the browser reports in time"),
    };

    assert_eq!(seen["error"], Value::Null, "{seen}");
    assert_eq!(seen["address"], address);
    assert_eq!(seen["remote"], ours().public_key().to_string());
    assert_eq!(seen["received"], BYTES);
    assert_eq!(seen["sha256"], echoed.sha256);
}

/// Sends back what is expected, and ends first: a browser hears nothing after its own end.
async fn echo(mut connection: Connection) -> Half {
    assert_eq!(connection.info().remote_key(), Some(key_of("a browser")));
    let (mut from, mut to) = tokio::io::split(&mut connection);
    let mut limited = (&mut from).take(BYTES as u64);
    let mut whole = Vec::new();
    limited.read_to_end(&mut whole).await.unwrap();
    to.write_all(&whole).await.unwrap();
    to.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut from).await.unwrap().bytes, 0);
    read_to_end(&mut &*whole).await.unwrap()
}

async fn report(
    State(reports): State<Arc<mpsc::Sender<Value>>>,
    body: String,
) -> impl IntoResponse {
    let result = serde_json::from_str(&body).unwrap_or_else(|_| json!({ "error": body }));
    reports.send(result).await.expect("the test waits for it");
}

fn page(address: &str) -> String {
    let options = json!({
        "address": address, "seed": base64("a browser"), "appKey": base64("TEST"), "bytes": BYTES,
    });
    format!(
        "<!doctype html><title>An ordinary page</title>
        <script src=/client.js></script>
        <script>
            exchange({options})
                .then(JSON.stringify, (error) => 'failed: ' + error.stack)
                .then((body) => fetch('/result', {{ method: 'POST', body }}))
        </script>"
    )
}

/// The page's script, with the npm client in it.
fn bundle(modules: &Path, directory: &Path) -> Vec<u8> {
    let script = directory.join("client.js");
    let bundler = npm::sources().join("bundle.js");
    let done = std::process::Command::new("node")
        .args([&bundler, &script])
        .env("NODE_PATH", modules)
        .status();
    assert!(done.unwrap().success(), "the client is bundled");
    std::fs::read(script).unwrap()
}

/// A Chromium. The programs in the search path come last, since they may be scripts around the browser, that leave it
/// running when they are killed.
fn browser() -> Option<&'static str> {
    let known = [
        "/usr/lib/chromium/chromium-headless-shell",
        "/usr/lib/chromium/chromium",
        "chromium-headless-shell",
        "chromium",
        "google-chrome",
    ];
    let found = known
        .into_iter()
        .find(|name| npm::output(name, &["--version"], Path::new(".")).is_ok());
    found.or_else(|| npm::skip("no Chromium is installed (Debian: chromium-headless-shell)"))
}

/// Opens a page. Dropping it closes the browser.
fn open(browser: &str, page: &str, profile: &Path) -> Child {
    Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        // It asks nobody but us for anything.
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(format!(
            "--user-data-dir={}",
            profile.join("profile").display()
        ))
        .arg(page)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the browser said its version a moment ago")
}

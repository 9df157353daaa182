//! What goes wrong, what our side says of it, and that a server goes on serving afterwards.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_multiserver::{AppKey, Connection, ErrorKind, Identity};

use crate::harness::{
    Options, PATIENCE, Peer, Server, accept, base64, dial, echo, exchange, key_of, listen, ours,
    seed, theirs,
};

/// How long a mute peer is waited for here: enough for all that is not mute, on a busy machine too.
const SOON: Duration = Duration::from_secs(2);

each_stack! { secure

async fn a_wrong_server_key_is_a_failed_handshake_for_the_dialer(js, stack, directory) {
    let (_, address) = js.serve(stack, json!({ "behaviour": "echo", "dir": directory })).await;
    let theirs = theirs().public_key().to_string();
    let wrong = address.replace(&theirs, &key_of("nobody").to_string());
    let error = dial(&wrong, Options::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert_javascript_serves(&address).await;
}

async fn a_wrong_server_key_is_a_failed_handshake_for_the_server(js, stack, directory) {
    let mut server = listen(stack, directory, Options::default()).await;
    let ours = ours().public_key().to_string();
    let wrong = server.address.replace(&ours, &key_of("nobody").to_string());
    assert_refused(&mut js, &mut server, stack, &wrong, json!({}), ErrorKind::Handshake).await;
    assert_we_serve(&mut js, &mut server, stack).await;
}

async fn a_wrong_app_key_is_a_failed_handshake_for_the_dialer(js, stack, directory) {
    let (_, address) = js.serve(stack, json!({ "behaviour": "echo", "dir": directory })).await;
    let app_key = AppKey::from_bytes(*seed("another network").as_bytes());
    let elsewhere = Options { app_key, ..Options::default() };
    let error = dial(&address, elsewhere).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert_javascript_serves(&address).await;
}

async fn a_wrong_app_key_is_a_failed_handshake_for_the_server(js, stack, directory) {
    let mut server = listen(stack, directory, Options::default()).await;
    let address = server.address.clone();
    let options = json!({ "appKey": base64("another network") });
    assert_refused(&mut js, &mut server, stack, &address, options, ErrorKind::Handshake).await;
    assert_we_serve(&mut js, &mut server, stack).await;
}

/// SHS does not say why a server hangs up after the third message.
async fn being_turned_away_is_a_failed_handshake_for_the_dialer(js, stack, directory) {
    let auth = json!({ "mode": "list", "keys": [ours().public_key().to_string()] });
    let options = json!({ "behaviour": "echo", "dir": directory, "auth": auth });
    let (job, address) = js.serve(stack, options).await;
    let identity = Identity::from_seed(&seed("a stranger"));
    let stranger = Options { identity, ..Options::default() };
    let error = dial(&address, stranger).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert_eq!(js.event(job, "auth").await["remote"], key_of("a stranger").to_string());
    js.event(job, "refused").await;
    assert_javascript_serves(&address).await;
}

async fn a_stranger_is_unauthorized_for_the_server(js, stack, directory) {
    let allow = Some(vec![theirs().public_key()]);
    let mut server = listen(stack, directory, Options { allow, ..Options::default() }).await;
    let address = server.address.clone();
    let options = json!({ "seed": base64("a stranger") });
    assert_refused(&mut js, &mut server, stack, &address, options, ErrorKind::Unauthorized).await;
    assert_we_serve(&mut js, &mut server, stack).await;
}

/// The reference over the bare transport says nothing at all.
async fn a_mute_server_is_a_timeout_for_the_dialer(js, stack, directory) {
    let transport = stack.split('~').next().expect("a transport");
    let options = json!({ "behaviour": "hold", "dir": directory });
    let (_, address) = js.serve(transport, options).await;
    let address = format!("{address}~shs:{}", theirs().public_key());
    let hasty = Options { dial_timeout: SOON, ..Options::default() };
    let error = dial(&address, hasty).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

/// The last message of the handshake never comes.
async fn a_server_that_never_authorizes_is_a_timeout_for_the_dialer(js, stack, directory) {
    let options = json!({
        "behaviour": "echo", "dir": directory, "timeout": 60_000, "auth": { "mode": "never" },
    });
    let (job, address) = js.serve(stack, options).await;
    let hasty = Options { dial_timeout: SOON, ..Options::default() };
    let error = dial(&address, hasty).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    js.event(job, "auth").await;
}

async fn a_mute_client_is_a_timeout_for_the_server(js, stack, directory) {
    let options = Options { handshake_timeout: SOON, ..Options::default() };
    let mut server = listen(stack, directory, options).await;
    let transport = stack.split('~').next().expect("a transport");
    let address = server.address.split('~').next().expect("a transport");
    let job = js.dial(transport, address, json!({ "behaviour": "hold" })).await;
    let error = accept(&mut server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    js.event(job, "connected").await;
    assert_we_serve(&mut js, &mut server, stack).await;
}

/// A mute client in the queue before a good one does not delay it.
async fn a_mute_client_delays_nobody(js, stack, directory) {
    let mut server = listen(stack, directory, Options::default()).await;
    let transport = stack.split('~').next().expect("a transport");
    let address = server.address.split('~').next().expect("a transport");
    js.dial(transport, address, json!({ "behaviour": "hold" })).await;
    assert_we_serve(&mut js, &mut server, stack).await;
}

/// The connection is gone without the goodbye: what came before is read, then it is an error.
async fn a_javascript_server_that_breaks_off_is_an_error_after_its_bytes(js, stack, directory) {
    let options = json!({ "behaviour": "break", "bytes": 30_000, "dir": directory });
    let (_, address) = js.serve(stack, options).await;
    let mut connection = dial(&address, Options::default()).await.unwrap();
    assert_breaks_off_after(&mut connection, 30_000).await;
}

async fn a_javascript_client_that_breaks_off_is_an_error_after_its_bytes(js, stack, directory) {
    let mut server = listen(stack, directory, Options::default()).await;
    let options = json!({ "behaviour": "break", "bytes": 30_000 });
    js.dial(stack, &server.address, options).await;
    let mut connection = accept(&mut server).await.unwrap();
    assert_breaks_off_after(&mut connection, 30_000).await;
    assert_we_serve(&mut js, &mut server, stack).await;
}
}

/// JavaScript dials `address` and is refused: both sides say so.
async fn assert_refused(
    js: &mut Peer,
    server: &mut Server,
    stack: &str,
    address: &str,
    mut options: Value,
    kind: ErrorKind,
) {
    options["behaviour"] = json!("send");
    let job = js.dial(stack, address, options).await;
    let error = accept(server).await.unwrap_err();
    assert_eq!(error.kind(), kind);
    js.event(job, "failed").await;
}

async fn assert_we_serve(js: &mut Peer, server: &mut Server, stack: &str) {
    let options = json!({ "behaviour": "send", "bytes": 5000 });
    let job = js.dial(stack, &server.address, options).await;
    let echoed = echo(accept(server).await.unwrap()).await;
    assert_eq!(js.event(job, "done").await["sha256"], echoed.sha256);
}

async fn assert_javascript_serves(address: &str) {
    let connection = dial(address, Options::default()).await.unwrap();
    let (sent, received) = exchange(connection, 5000).await;
    assert_eq!(sent, received);
}

async fn assert_breaks_off_after(connection: &mut Connection, bytes: usize) {
    let mut whole = vec![0; bytes];
    connection.read_exact(&mut whole).await.unwrap();
    // The peer breaks off when it hears from us.
    connection.write_all(b"!").await.unwrap();
    connection.flush().await.unwrap();
    let error = connection.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

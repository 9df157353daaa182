//! WebSocket over TLS: a private authority, which Node is told of with `NODE_EXTRA_CA_CERTS`, and each side's server with
//! a certificate of it.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_multiserver::{
    ErrorKind, StackExt as _,
    wss::{Tls, TlsVersion, Wss},
};

use crate::harness::{Half, Options, PATIENCE, Peer, accept, dial, echo, exchange, listen, text};

const MIB: usize = 1 << 20;

each_stack! { [wss_shs = "wss~shs"]

/// We dial, JavaScript sends everything back after our end.
async fn a_mebibyte_comes_back_from_javascript(js, stack, directory) {
    let (job, address) = js.serve(stack, json!({ "behaviour": "echo", "dir": directory })).await;
    assert!(address.starts_with("wss://127.0.0.1:"), "{address}");
    let connection = dial(&address, Options::default()).await.unwrap();
    let tls: &Tls = connection.info().get().unwrap();
    assert_eq!(tls.version(), TlsVersion::V1_3);
    let (sent, received) = exchange(connection, MIB).await;
    assert_eq!(sent, received);

    let done = js.event(job, "done").await;
    assert_eq!((Half::received(&done), Half::sent(&done)), (sent, received));
    assert!(done["error"].is_null(), "{done}");
}

/// JavaScript sends 16 MiB to us, and hears of nothing but the end.
async fn bulk_comes_from_a_javascript_server(js, stack, directory) {
    let options = json!({ "behaviour": "send", "bytes": 16 * MIB, "dir": directory });
    let (job, address) = js.serve(stack, options).await;
    let connection = dial(&address, Options::default()).await.unwrap();
    let (_, received) = exchange(connection, 0).await;
    let done = js.event(job, "done").await;
    assert_eq!(Half::sent(&done), received);
    assert!(done["error"].is_null(), "{done}");
}
}

each_stack! { [wss_shs = "wss~shs", wss_noauth = "wss~noauth"]

/// JavaScript dials, we send everything back.
async fn a_mebibyte_goes_back_to_javascript(js, stack, directory) {
    let mut server = listen(stack, directory, Options::default()).await;
    assert!(server.address.starts_with("wss://127.0.0.1:"), "{}", server.address);
    let options = json!({ "behaviour": "send", "bytes": MIB });
    let job = js.dial(stack, &server.address, options).await;
    let connection = accept(&mut server).await.unwrap();
    assert!(connection.info().get::<Tls>().is_some());
    let echoed = echo(connection).await;

    let done = js.event(job, "done").await;
    assert_eq!(Half::sent(&done), echoed);
    assert_eq!(Half::received(&done), echoed);
    assert!(done["error"].is_null(), "{done}");
}

/// We dial and end when we have heard what JavaScript sent back, since bare WebSocket has no half-close.
async fn javascript_answers_and_ends_with_us(js, stack, directory) {
    let (job, address) = js.serve(stack, json!({ "behaviour": "echo", "dir": directory })).await;
    let mut connection = dial(&address, Options::default()).await.unwrap();
    let sent: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
    let mut heard = vec![0; sent.len()];
    for (sent, heard) in sent.chunks(10_000).zip(heard.chunks_mut(10_000)) {
        connection.write_all(sent).await.unwrap();
        connection.flush().await.unwrap();
        connection.read_exact(heard).await.unwrap();
    }
    assert!(heard == sent);
    connection.shutdown().await.unwrap();
    drop(connection);

    let done = js.event(job, "done").await;
    assert_eq!(Half::received(&done), Half::sent(&done));
    assert_eq!(done["received"], 100_000);
    assert!(done["error"].is_null(), "{done}");
}

/// Neither side believes a certificate of an authority that it does not know.
async fn a_stranger_s_certificate_is_refused_at_both_ends(js, stack, directory) {
    let (_, address) = js.serve(stack, json!({ "behaviour": "echo", "dir": directory })).await;
    // What the platform trusts, if anything, is not the authority of these tests.
    let transport = address.split('~').next().unwrap();
    let error = Wss::new().dial(transport).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Certificate | ErrorKind::Unavailable), "{error:?}");

    let mut server = listen(stack, directory, Options::default()).await;
    let mut stranger = Peer::start_trusting(None).unwrap();
    let job = stranger.dial(stack, &server.address, json!({ "behaviour": "echo" })).await;
    let told = accept(&mut server).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Handshake, "{told:?}");
    let failed = stranger.event(job, "failed").await;
    assert!(!text(&failed["message"]).is_empty());
}
}

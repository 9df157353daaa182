//! The end of a server that is busy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Instant,
};

use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    runtime::Handle,
    sync::Notify,
    task::{JoinSet, yield_now},
    time::timeout,
};
use tower::{BoxError, Layer as _, service_fn};
use tower_multiserver::{Connection, MultiServer, Scope, net::Net};

use crate::{
    lab::{MIB, alone, crowd_of, measured},
    support::{HANG, shs},
};

/// Answers with the digest of all that comes.
async fn digest(mut peer: Connection, began: Arc<(AtomicUsize, Notify)>) -> Result<(), BoxError> {
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 16 << 10];
    let first = peer.read(&mut buffer).await?;
    sum.update(&buffer[..first]);
    began.0.fetch_add(1, SeqCst);
    began.1.notify_one();
    loop {
        let count = peer.read(&mut buffer).await?;
        if count == 0 {
            break;
        }
        sum.update(&buffer[..count]);
    }
    peer.write_all(&sum.finalize()).await?;
    peer.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn a_shutdown_amid_hundreds_of_transfers_cuts_none_and_leaves_nothing() {
    let _alone = alone().await;
    // Both ends are here.
    let count = crowd_of(200, 2000) / 2;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let stack = |name: &str| MultiServer::new().stack(shs(name).layer(Net::new()));
    let server = stack("bob").listen("net:127.0.0.1:0~shs").await;
    let server = server.expect("listening");
    let to = server.addresses(Scope::Device).expect("an address");
    let at = to.iter().next().expect("one").sections()[0].to_string();
    let at = at.trim_start_matches("net:").to_owned();
    let began = Arc::new((AtomicUsize::new(0), Notify::new()));
    let counter = began.clone();
    let handler = service_fn(move |peer| digest(peer, counter.clone()));
    let shutdown = server.shutdown();
    let before = tasks();
    let server = tokio::spawn(server.serve(handler, std::future::pending()));

    let text = vec![7; MIB];
    let expected = Sha256::digest(&text);
    let told = Arc::new(Notify::new());
    let mut transfers = JoinSet::new();
    for _ in 0..count {
        let mut peer = stack("alice").dial(to.clone()).await.expect("dialed");
        let (text, told) = (text.clone(), told.clone());
        transfers.spawn(async move {
            let told = told.notified();
            peer.write_all(&text[..MIB / 2]).await.expect("sent");
            // The rest comes when the server has been told to end.
            told.await;
            peer.write_all(&text[MIB / 2..]).await.expect("sent");
            peer.shutdown().await.expect("ended");
            let mut answer = Vec::new();
            peer.read_to_end(&mut answer).await.expect("an answer");
            answer
        });
    }
    while began.0.load(SeqCst) < count {
        began.1.notified().await;
    }

    let start = Instant::now();
    shutdown.start();
    // Nobody is accepted any more, at the next poll of the server.
    let refused = async {
        while tokio::net::TcpStream::connect(&at).await.is_ok() {
            yield_now().await;
        }
    };
    timeout(HANG, refused).await.expect("closed");
    told.notify_waiters();
    while let Some(answer) = transfers.join_next().await {
        assert_eq!(answer.expect("no panic"), expected.as_slice());
    }
    timeout(HANG, server)
        .await
        .expect("drained")
        .expect("no panic");
    let gone = async {
        while tasks() > before {
            yield_now().await;
        }
    };
    timeout(HANG, gone).await.expect("no task is left");
    TcpListener::bind(&at).await.expect("the port is free");
    measured(
        "a shutdown",
        format_args!("{count} transfers ended whole, in {:.2?}", start.elapsed()),
    );
}

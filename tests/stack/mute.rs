//! Peers that say nothing, and what is given up.

use super::*;

#[tokio::test]
async fn a_mute_peer_delays_nobody_and_is_cut_off_with_its_place() {
    let (_shutdown, closing) = Shutdown::new();
    let bob = shs("bob").layer(Net::new());
    let incoming = bob.listen("net:127.0.0.1:0~shs", closing).await;
    let mut incoming = incoming.expect("listening").handshake_timeout(HANG);
    let to = incoming.addresses()[0].1.clone();

    let mute = TcpStream::connect(socket_of(&to)).await.expect("connected");
    let alice = shs("alice").layer(Net::new());
    let (dialed, first) = tokio::join!(alice.dial(to), incoming.next());
    dialed.expect("dialed");
    first.expect("one").expect("the good one is first");

    // The good one had all the time that it needed; nothing but the deadline is left to wait for.
    tokio::time::pause();
    let error = incoming.next().await.expect("one").expect_err("mute");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let from = mute.local_addr().expect("an address");
    assert_eq!(error.address(), Some(&address(&format!("net:{from}~shs"))));
}

#[tokio::test]
async fn with_the_handshakes_full_of_mute_peers_a_good_one_is_in_at_once() {
    let (_shutdown, closing) = Shutdown::new();
    let bob = shs("bob").layer(Net::new());
    let incoming = bob.listen("net:127.0.0.1:0~shs", closing).await;
    // No deadline would let anybody in within this test.
    let mut incoming = incoming
        .expect("listening")
        .handshake_timeout(Duration::from_secs(3600))
        .max_handshakes(16);
    let to = incoming.addresses()[0].1.clone();

    let mut mute = Vec::new();
    for _ in 0..64 {
        mute.push(TcpStream::connect(socket_of(&to)).await.expect("connected"));
    }
    let alice = shs("alice").layer(Net::new());
    let good = async {
        let mut dropped = 0;
        loop {
            match incoming.next().await.expect("one") {
                Ok(connection) => break (connection, dropped),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Overloaded);
                    dropped += 1;
                }
            }
        }
    };
    let both = async { tokio::join!(alice.dial(to), good) };
    let (dialed, (accepted, dropped)) = timeout(HANG, both).await.expect("in at once");
    assert_eq!(dropped, 64 + 1 - 16);
    tokio::join!(
        echo(accepted),
        round_trip(dialed.expect("dialed"), b"hello")
    );
}

#[tokio::test]
async fn a_mute_server_ends_a_dial_at_its_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let socket = listener.local_addr().expect("an address");
    let net = Net::new().dial_timeout(Duration::from_millis(100));
    let to = format!("net:{socket}~shs:{}", identity("bob").public_key());
    let error = shs("alice").layer(net).dial(&*to).await;
    let error = error.expect_err("mute");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let at = error.address().expect("a place").to_string();
    assert_eq!(at, format!("net:{socket}~shs"));
}

#[tokio::test]
async fn a_dropped_dial_leaves_no_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let to = format!(
        "net:{}~shs:{}",
        listener.local_addr().expect("an address"),
        identity("bob").public_key()
    );
    let mut dial = Box::pin(async { shs("alice").layer(Net::new()).dial(&*to).await });
    // Alice has said hello and waits for the answer.
    let mut peer = tokio::select! {
        _ = &mut dial => unreachable!("nobody answers"),
        peer = async {
            let (mut peer, _) = listener.accept().await.expect("connected");
            peer.read_exact(&mut [0; 64]).await.expect("a hello");
            peer
        } => peer,
    };
    drop(dial);
    let end = timeout(HANG, peer.read(&mut [0])).await.expect("no hang");
    assert_eq!(end.expect("an end"), 0);
}

#[tokio::test]
async fn a_dropped_incoming_leaves_no_task_and_no_socket() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let (_shutdown, closing) = Shutdown::new();
    let bob = shs("bob").layer(Net::new());
    let incoming = bob.listen("net:127.0.0.1:0~shs", closing).await;
    let mut incoming = incoming.expect("listening");
    let to = socket_of(&incoming.addresses()[0].1);

    let mut mute = TcpStream::connect(&to).await.expect("connected");
    tokio::select! {
        _ = incoming.next() => unreachable!("it is mute"),
        () = async { while tasks() == before { tokio::task::yield_now().await } } => {}
    }
    drop(incoming);
    let end = timeout(HANG, mute.read(&mut [0])).await.expect("no hang");
    assert!(matches!(end, Ok(0) | Err(_)));
    timeout(HANG, async {
        while tasks() > before {
            tokio::task::yield_now().await
        }
    })
    .await
    .expect("no task");
    let error = TcpStream::connect(&to).await.expect_err("closed");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

//! The bare `channel`: peers at the other ends of pipes of messages.

mod support;

use std::{future::pending, io, time::Duration};

use support::{HANG, address, echo, identity, round_trip, shs};
use tokio::{
    io::{AsyncWriteExt as _, DuplexStream, duplex},
    sync::mpsc,
    time::timeout,
};
use tokio_util::codec::{Framed, LinesCodec};
use tower::{BoxError, Layer as _, ServiceExt as _, service_fn};
use tower_multiserver::{
    Connection, Error, ErrorKind, HalfClose, Listen, MultiServer, Scope, Shutdown, StackExt as _,
    channel::Channel, noauth::NoauthLayer, rn_channel::RnChannel,
};

type Pipe = Framed<DuplexStream, LinesCodec>;

fn pipes() -> (Pipe, Pipe) {
    let (a, b) = duplex(1000);
    let lines = |io| Framed::new(io, LinesCodec::new());
    (lines(a), lines(b))
}

fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref().map(io::Error::kind)
}

#[tokio::test]
async fn both_ends_know_what_they_are() {
    let (ours, theirs) = pipes();
    let (_shutdown, closing) = Shutdown::new();
    let server = RnChannel::new(theirs);
    let mut incoming = server.listen("channel", closing).await.unwrap();
    let here = [(Scope::Device, address("channel"))];
    assert_eq!(incoming.addresses(), here);

    let dialed = RnChannel::new(ours).dial("channel").await.unwrap();
    let accepted = incoming.next().await.unwrap().unwrap();
    for connection in [&dialed, &accepted] {
        let info = connection.info();
        assert_eq!(info.address(), &address("channel"));
        assert_eq!(info.scope(), Scope::Device);
        assert_eq!(info.get(), Some(&HalfClose));
        assert!(connection.deadline().is_some());
    }
    tokio::join!(round_trip(dialed, b"hello"), echo(accepted));
    assert!(incoming.next().await.is_none(), "there was one pipe");
}

#[tokio::test]
async fn a_pipe_that_leaves_this_machine_can_be_said_to() {
    let (ours, theirs) = pipes();
    let noauth = NoauthLayer::new(identity("bob").public_key());
    let (_shutdown, closing) = Shutdown::new();
    let server = RnChannel::new(theirs).scope(Scope::Public);
    let error = noauth.layer(server.clone());
    let error = error.listen("channel~noauth", closing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);

    let client = RnChannel::new(ours).scope(Scope::Local);
    let client = client.dial("channel").await.unwrap();
    assert_eq!(client.info().scope(), Scope::Local);
}

#[tokio::test]
async fn each_pipe_is_a_connection() {
    let (sender, server) = RnChannel::pipes();
    let (_shutdown, closing) = Shutdown::new();
    let mut incoming = server.listen("channel", closing).await.unwrap();
    let mut clients = Vec::new();
    for n in 0..3 {
        let (ours, theirs) = pipes();
        sender.send(theirs).await.unwrap();
        let client = RnChannel::new(ours).dial("channel").await.unwrap();
        let server = incoming.next().await.unwrap().unwrap();
        clients.push((n, client, server));
    }
    while let Some((n, client, server)) = clients.pop() {
        let message = [n];
        tokio::join!(round_trip(client, &message), echo(server));
    }
    drop(sender);
    assert!(incoming.next().await.is_none());
}

#[tokio::test]
async fn a_sender_of_pipes_waits_when_128_are_not_accepted() {
    let (sender, _server) = RnChannel::<Pipe>::pipes();
    let mut others = Vec::new();
    loop {
        let (ours, theirs) = pipes();
        others.push(ours);
        match sender.try_send(theirs) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(others.len(), 129);
}

#[tokio::test]
async fn a_dial_takes_a_pipe_and_waits_for_one() {
    let (sender, client) = RnChannel::pipes();
    let dial = tokio::spawn(client.clone().dial("channel"));
    let (ours, theirs) = pipes();
    sender.send(ours).await.unwrap();
    let dialed = dial.await.unwrap().unwrap();
    let (_shutdown, closing) = Shutdown::new();
    let server = RnChannel::new(theirs);
    let mut incoming = server.listen("channel", closing).await.unwrap();
    let accepted = incoming.next().await.unwrap().unwrap();
    tokio::join!(round_trip(dialed, b"hello"), echo(accepted));

    drop(sender);
    let error = client.dial("channel").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.address(), Some(&address("channel")));
}

#[tokio::test(start_paused = true)]
async fn a_dial_waits_only_so_long() {
    let (_sender, client) = RnChannel::<Pipe>::pipes();
    let client = client.dial_timeout(Duration::from_secs(3));
    let error = client.dial("channel").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_dial_that_is_given_up_takes_no_pipe() {
    let (ours, theirs) = pipes();
    let (sender, client) = RnChannel::pipes();
    let mut dial = tokio_test::task::spawn(client.dial("channel"));
    assert!(dial.poll().is_pending());
    drop(dial);
    sender.send(ours).await.unwrap();
    client.dial("channel").await.unwrap();
    drop(theirs);
}

#[tokio::test]
async fn there_is_one_listener_at_a_time() {
    let (_sender, server) = RnChannel::<Pipe>::pipes();
    let listen = || server.clone().oneshot(Listen(address("channel")));
    let first = listen().await.unwrap();
    let error = listen().await.unwrap_err();
    assert_eq!(io_kind(&error), Some(io::ErrorKind::AddrInUse));
    assert_eq!(error.address(), Some(&address("channel")));
    drop(first);
    listen().await.unwrap();
}

#[tokio::test]
async fn an_address_is_the_bare_word() {
    let (ours, _theirs) = pipes();
    let transport = RnChannel::new(ours);
    for text in [
        "channel:",
        "channel:name",
        "Channel",
        "channel~noauth",
        "net:h:1",
    ] {
        let error = transport.dial(text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
        let (_shutdown, closing) = Shutdown::new();
        let error = transport.listen(text, closing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
    }
    // None of them took the pipe.
    transport.dial("channel").await.unwrap();
}

#[tokio::test]
async fn a_multi_server_tells_the_word_from_a_name() {
    let (ours, theirs) = pipes();
    let multi = |pipe| {
        let noauth = NoauthLayer::new(identity("bob").public_key());
        MultiServer::new()
            .stack(noauth.layer(Channel::global()))
            .stack(noauth.layer(RnChannel::new(pipe)))
    };
    let server = multi(theirs);
    let addresses = "channel:tests of rn_channel~noauth;channel~noauth";
    let listening = server.listen(addresses).await.unwrap();
    let told = listening.addresses(Scope::Device).unwrap().to_string();
    assert_eq!(told, addresses);
    let handler = service_fn(async |peer: Connection| {
        echo(peer).await;
        Ok::<_, BoxError>(())
    });
    let serving = tokio::spawn(listening.serve(handler, pending()));
    let client = multi(ours);
    for to in addresses.split(';') {
        let dialed = client.dial(to).await.unwrap();
        assert_eq!(dialed.info().address(), &address(to));
        timeout(HANG, round_trip(dialed, to.as_bytes()))
            .await
            .unwrap();
    }
    serving.abort();
}

#[tokio::test]
async fn shs_goes_over_it_with_both_keys_proven() {
    let (ours, theirs) = pipes();
    let (_shutdown, closing) = Shutdown::new();
    let server = shs("bob").layer(RnChannel::new(theirs));
    let mut incoming = server.listen("channel~shs", closing).await.unwrap();
    let bob = identity("bob").public_key();
    let client = shs("alice").layer(RnChannel::new(ours));
    let to = format!("channel~shs:{bob}");
    let (dialed, accepted) = tokio::join!(client.dial(to), incoming.next());
    let (dialed, accepted) = (dialed.unwrap(), accepted.unwrap().unwrap());
    assert_eq!(dialed.info().remote_key(), Some(bob));
    let alice = identity("alice").public_key();
    assert_eq!(accepted.info().remote_key(), Some(alice));
    tokio::join!(round_trip(dialed, &[7; 300]), echo(accepted));
}

/// A peer that leaves in the middle of a handshake need not wait for the deadline to be noticed.
#[tokio::test]
async fn a_handshake_with_who_is_gone_fails_at_once() {
    let (ours, theirs) = pipes();
    let (_shutdown, closing) = Shutdown::new();
    let server = shs("bob").layer(RnChannel::new(theirs));
    let mut incoming = server.listen("channel~shs", closing).await.unwrap();
    let mut gone = RnChannel::new(ours).dial("channel").await.unwrap();
    gone.write_all(b"half a hello").await.unwrap();
    drop(gone);
    let error = timeout(HANG, incoming.next()).await.unwrap();
    let error = error.unwrap().unwrap_err();
    assert_ne!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.address(), Some(&address("channel~shs")));
}

//! Accepting: what happens when the machine runs out of something, when peers are slow, and at the end.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::mpsc,
    task::coop::unconstrained,
    time::{Instant, sleep},
};
use tower::{Layer as _, service_fn};
use tower_multiserver_core::{
    ACCEPT_TIMEOUT, Accept, Bound, Connection, Error, ErrorKind, Incoming, Listener, Scope,
    Section, Shutdown, transform_fn,
};

/// What no real socket can be made to show on demand: errors in a given order, then sockets as they are sent.
struct Scripted {
    errors: VecDeque<io::Error>,
    sockets: mpsc::UnboundedReceiver<DuplexStream>,
}

impl Listener for Scripted {
    type Raw = DuplexStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<DuplexStream>>> {
        match self.errors.pop_front() {
            Some(error) => Poll::Ready(Some(Err(error))),
            None => self.sockets.poll_recv(cx).map(|socket| socket.map(Ok)),
        }
    }
}

type Sockets = mpsc::UnboundedSender<DuplexStream>;

fn bound(errors: impl IntoIterator<Item = i32>) -> (Sockets, Bound<Scripted>) {
    let (sender, sockets) = mpsc::unbounded_channel();
    let errors = errors
        .into_iter()
        .map(io::Error::from_raw_os_error)
        .collect();
    let section = Section::new("test");
    let bound = Bound::new(Scripted { errors, sockets }, [(Scope::Device, section)]);
    (sender, bound)
}

async fn accept(accept: Accept<DuplexStream>) -> Result<Connection<DuplexStream>, Infallible> {
    let connection = Connection::new(accept.raw, Section::new("test"));
    Ok(connection.with_deadline(accept.deadline))
}

const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const EPROTO: i32 = 71;
const ECONNABORTED: i32 = 103;

#[tokio::test(start_paused = true)]
async fn a_machine_out_of_descriptors_is_waited_for() {
    let (sockets, bound) = bound([EMFILE, ENFILE, EMFILE]);
    let (_shutdown, closing) = Shutdown::new();
    let mut incoming = Incoming::new(bound, service_fn(accept), closing);
    let (socket, _peer) = duplex(1);
    sockets.send(socket).expect("listening");
    let start = Instant::now();
    incoming.next().await.expect("one").expect("accepted");
    let waited = start.elapsed();
    // Each time long enough to be no busy loop, and soon enough that nobody minds.
    assert!(waited >= Duration::from_millis(3 * 10), "{waited:?}");
    assert!(waited <= Duration::from_millis(3 * 200), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_left_before_it_was_accepted_delays_nobody() {
    let (sockets, bound) = bound([ECONNABORTED, EPROTO, ECONNABORTED]);
    let (_shutdown, closing) = Shutdown::new();
    let mut incoming = Incoming::new(bound, service_fn(accept), closing);
    let (socket, _peer) = duplex(1);
    sockets.send(socket).expect("listening");
    let start = Instant::now();
    incoming.next().await.expect("one").expect("accepted");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_one_over_all_layers_and_progress_does_not_renew_it() {
    let (sockets, bound) = bound([]);
    let (_shutdown, closing) = Shutdown::new();
    let patient = |name| {
        transform_fn(name, async move |mut connection: Connection, _| {
            for _ in 0..2 {
                connection.read_u8().await?;
            }
            Ok(connection.layered(Section::new(name), |io| io))
        })
    };
    let stack = patient("outer").layer(patient("inner").layer(service_fn(accept)));
    let mut incoming = Incoming::new(bound, stack, closing);
    let (socket, mut peer) = duplex(1);
    sockets.send(socket).expect("listening");
    let start = Instant::now();
    let dribble = async {
        loop {
            sleep(Duration::from_millis(1900)).await;
            if peer.write_u8(0).await.is_err() {
                break;
            }
        }
    };
    let next = async { (incoming.next().await, start.elapsed()) };
    let ((next, elapsed), ()) = tokio::join!(next, dribble);
    let error = next.expect("one").expect_err("too slow");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let at = error.address().expect("a place").to_string();
    assert_eq!(at, "test~inner~outer");
    let tolerance = Duration::from_millis(250);
    assert!(elapsed.abs_diff(ACCEPT_TIMEOUT) < tolerance, "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_middleware_that_knows_no_deadline_is_cut_off_all_the_same() {
    let (sockets, bound) = bound([]);
    let (_shutdown, closing) = Shutdown::new();
    let never = service_fn(async |accept: Accept<DuplexStream>| {
        let _held = accept.raw;
        std::future::pending::<Result<Connection<DuplexStream>, Error>>().await
    });
    let mut incoming = Incoming::new(bound, never, closing);
    let (socket, _peer) = duplex(1);
    sockets.send(socket).expect("listening");
    let error = incoming.next().await.expect("one").expect_err("never");
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

/// All at once, before any other task may run.
#[tokio::test]
async fn a_burst_of_mute_peers_has_no_more_sockets_open_than_there_is_room_for() {
    let (sockets, bound) = bound([]);
    let (_shutdown, closing) = Shutdown::new();
    let mute = service_fn(async |accept: Accept<DuplexStream>| {
        let _held = accept.raw;
        std::future::pending::<Result<Connection<DuplexStream>, Error>>().await
    });
    let mut incoming = Incoming::new(bound, mute, closing).max_handshakes(16);
    let mut peers = Vec::new();
    for _ in 0..100 {
        let (socket, peer) = duplex(1);
        sockets.send(socket).expect("listening");
        peers.push(peer);
    }
    for dropped in 1..=84 {
        let error = incoming.next().await.expect("one").expect_err("mute");
        assert_eq!(error.kind(), ErrorKind::Overloaded);
        let waiting = 100 - 16 - dropped;
        let open = peers.iter_mut().map(is_open).filter(|open| *open).count();
        assert!(
            open <= waiting + 16 + 2,
            "{open} open, {waiting} of them not accepted"
        );
    }
}

/// Whether the other end has not been dropped: there would be an end to read.
fn is_open(peer: &mut DuplexStream) -> bool {
    unconstrained(peer.read_u8()).now_or_never().is_none()
}

#[tokio::test]
async fn closing_stops_accepting_lets_handshakes_end_and_waits_for_the_last_connection() {
    let (sockets, bound) = bound([]);
    let (shutdown, closing) = Shutdown::new();
    let asked = transform_fn("asked", async |mut connection: Connection, _| {
        connection.read_u8().await?;
        Ok(connection)
    });
    let mut incoming = Incoming::new(bound, asked.layer(service_fn(accept)), closing);
    let (socket, mut peer) = duplex(1);
    sockets.send(socket).expect("listening");
    let mut first = tokio_test::task::spawn(incoming.next());
    assert!(first.poll().is_pending());
    drop(first);

    shutdown.start();
    let mut drain = tokio_test::task::spawn(shutdown.drain());
    assert!(drain.poll().is_pending());
    let mut next = tokio_test::task::spawn(incoming.next());
    assert!(next.poll().is_pending());
    drop(next);
    assert!(sockets.is_closed(), "it listens no more");

    // The handshake that had begun ends, and its connection lives on.
    peer.write_u8(0).await.expect("still read");
    let mut connection = incoming.next().await.expect("one").expect("accepted");
    connection.closing().await;
    assert!(incoming.next().await.is_none());
    assert!(drain.poll().is_pending());
    drop(connection);
    drain.await;
}

#[tokio::test]
async fn a_listener_that_ends_ends_the_stream() {
    let (sockets, bound) = bound([]);
    let (_shutdown, closing) = Shutdown::new();
    let mut incoming = Incoming::new(bound, service_fn(accept), closing);
    drop(sockets);
    assert!(incoming.next().await.is_none());
}

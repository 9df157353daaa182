//! A stack is an ordinary tower service chain: what that promises, over real sockets.

#[cfg(test)]
mod mute;
#[path = "../support/mod.rs"]
mod support;

use std::{
    future::{pending, ready},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, TryFutureExt as _, future::BoxFuture};
use support::{HANG, address, closed_port, echo, identity, round_trip, shs};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use tokio_util::io::{InspectReader, InspectWriter};
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt as _,
    filter::{FilterLayer, Predicate},
    make::MakeConnection,
};
use tower_layer::Layer;
use tower_multiserver::{
    Accept, Address, Connection, Error, ErrorKind, FromSection, Io, Listen, PeerAddr, RemoteKey,
    Role, Scope, Section, Shutdown, StackExt as _, Transport, Wrap, Wrapped, net::Net,
    transform_fn,
};

fn assert_make_connection<M>(_: &M)
where
    M: MakeConnection<Address, Connection: Io, Error: Into<BoxError>>,
{
}

fn assert_send_sync_unpin<T: Send + Sync + Unpin>() {}

/// `net` of an address that goes on.
fn socket_of(address: &Address) -> String {
    let net = address.sections()[0].text();
    net.strip_prefix("net:").expect("over TCP").to_owned()
}

/// Counts the requests of every kind and lets them pass: an application's own predicate, generic in the request.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl<R> Predicate<R> for Count {
    type Request = R;

    fn check(&mut self, request: R) -> Result<R, BoxError> {
        self.0.fetch_add(1, SeqCst);
        Ok(request)
    }
}

/// A stack with tower's middleware inside, outside and in between.
macro_rules! stack {
    ($name:expr, $count:expr) => {
        ServiceBuilder::new()
            .timeout(HANG)
            .load_shed()
            .layer(transform_fn("plain", async |connection: Connection, _| {
                Ok(connection.layered(Section::new("plain"), |io| io))
            }))
            .map_err(|error: BoxError| error)
            .concurrency_limit(64)
            .layer(FilterLayer::new($count))
            .layer(shs($name))
            .map_err(Error::from)
            .timeout(HANG)
            .service(Net::new())
    };
}

#[tokio::test]
async fn towers_middleware_works_inside_a_stack_for_every_request() {
    let (bobs, alices) = (Count::default(), Count::default());
    let (bob, alice) = (stack!("bob", bobs.clone()), stack!("alice", alices.clone()));
    assert_make_connection(&alice);

    let (_shutdown, closing) = Shutdown::new();
    let incoming = bob.listen("net:127.0.0.1:0~shs~plain", closing).await;
    let mut incoming = incoming.expect("listening");
    let (scope, to) = incoming.addresses()[0].clone();
    let key = identity("bob").public_key();
    assert!(
        to.to_string().ends_with(&format!("~shs:{key}~plain")),
        "{to}"
    );
    assert_eq!(scope, Scope::Device);

    let (dialed, accepted) = tokio::join!(alice.dial(to.clone()), incoming.next());
    let (dialed, accepted) = (
        dialed.expect("dialed"),
        accepted.expect("one").expect("accepted"),
    );

    assert_eq!(dialed.info().address(), &to);
    assert_eq!(dialed.info().get(), Some(&RemoteKey(key)));
    let key = identity("alice").public_key();
    assert_eq!(accepted.info().get(), Some(&RemoteKey(key)));
    assert!(accepted.info().get::<PeerAddr>().is_some());
    let from = accepted.info().address().to_string();
    assert!(from.ends_with(&format!("~shs:{key}~plain")), "{from}");
    // Bob listened and accepted, Alice dialed.
    assert_eq!((bobs.0.load(SeqCst), alices.0.load(SeqCst)), (2, 1));

    tokio::join!(echo(accepted), round_trip(dialed, b"hello"));
}

#[tokio::test]
async fn a_limit_in_a_stack_counts_over_all_of_its_dials() {
    let net = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(1)
        .layer(transform_fn("mute", |_, _| pending()))
        .service(Net::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let to = format!("net:{}~mute", listener.local_addr().expect("an address"));

    let first = net.dial(&*to);
    let mut first = Box::pin(first);
    // The first dial holds the only place once it has connected.
    tokio::select! {
        _ = &mut first => unreachable!("it is mute"),
        peer = listener.accept() => drop(peer.expect("connected")),
    }
    let error = net.dial(&*to).await.expect_err("no room");
    assert_eq!(error.kind(), ErrorKind::Overloaded);
}

#[tokio::test]
async fn a_refusal_under_foreign_middleware_is_still_a_refusal() {
    let alice = stack!("alice", Count::default());
    let key = identity("bob").public_key();
    for understood_by_others in [
        format!("ws://host~shs:{key}~plain"),
        format!("net:host:1~shs:{key}"),
        "net:host:1~shs:AAAA~plain".to_owned(),
        format!("net:host:1~shs:{key}~plain~plain"),
        format!("net:host:99999~shs:{key}~plain"),
        "plain".to_owned(),
    ] {
        let error = alice.dial(&*understood_by_others).await;
        let error = error.expect_err("refused before any IO");
        assert_eq!(
            error.kind(),
            ErrorKind::Unsupported,
            "{understood_by_others}"
        );
    }
    let listen = alice
        .clone()
        .oneshot(Listen(address("ws://host~shs~plain")));
    let error = Error::from(listen.await.expect_err("refused"));
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_failure_says_how_far_it_got() {
    let (_shutdown, closing) = Shutdown::new();
    let bob = stack!("bob", Count::default());
    let incoming = bob.listen("net:127.0.0.1:0~shs~plain", closing).await;
    let mut incoming = incoming.expect("listening");
    let to = incoming.addresses()[0].1.to_string();

    // Another key than Bob's.
    let (bobs, evil) = (identity("bob").public_key(), identity("eve").public_key());
    let wrong = to.replace(&bobs.to_string(), &evil.to_string());
    let alice = stack!("alice", Count::default());
    let (dialed, accepted) = tokio::join!(alice.dial(&*wrong), incoming.next());

    let socket = socket_of(&address(&to));
    let error = dialed.expect_err("the wrong key");
    assert_eq!(error.kind(), ErrorKind::Handshake);
    let at = error.address().expect("a place").to_string();
    assert_eq!(at, format!("net:{socket}~shs"));

    let error = accepted.expect("one").expect_err("a wrong number");
    assert_eq!(error.kind(), ErrorKind::Handshake);
    let at = error.address().expect("a place").to_string();
    assert!(
        at.starts_with("net:127.0.0.1:") && at.ends_with("~shs"),
        "{at}"
    );
}

#[tokio::test]
async fn an_address_that_nobody_serves_says_so() {
    let (_reserved, socket) = closed_port();
    let error = Net::new().dial(&*format!("net:{socket}")).await;
    let error = error.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.address(), Some(&address(&format!("net:{socket}"))));
    let source = std::error::Error::source(&error).expect("a source");
    let source: &io::Error = source.downcast_ref().expect("an IO error");
    assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);
}

struct Name(String);

impl FromSection for Name {
    fn from_section(section: &Section) -> Result<Self, Error> {
        Ok(Self(section.args().unwrap_or_default().to_owned()))
    }
}

#[tokio::test]
async fn any_make_connection_is_a_transport_and_counts_as_public() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let socket = listener.local_addr().expect("an address");
    let tcp = tower::service_fn(|Name(to)| TcpStream::connect(to));
    let transport = Transport::<_, Name>::new("tcp", tcp);
    assert_make_connection(&transport);

    let dialed = transport
        .dial(&*format!("tcp:{socket}"))
        .await
        .expect("dialed");
    assert_eq!(dialed.info().scope(), Scope::Public);
    let told = transport.clone().scope(Scope::Device).half_close();
    let dialed = told.dial(&*format!("tcp:{socket}")).await.expect("dialed");
    assert_eq!(dialed.info().scope(), Scope::Device);
    assert!(dialed.info().has_half_close());

    let listen = transport.oneshot(Listen(address("tcp:x")));
    let error = listen.await.expect_err("it only dials");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn any_make_connection_is_given_up_at_the_deadline_of_its_dial() {
    let patience = Duration::from_secs(3);
    let given_up = async |dial: BoxFuture<'static, Result<(), Error>>| {
        let start = Instant::now();
        let error = timeout(HANG, dial).await.expect("no hang");
        let error = error.expect_err("nobody answers");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(start.elapsed(), patience);
    };
    let never = tower::service_fn(|Name(_)| pending::<io::Result<DuplexStream>>());
    let pipe = Transport::<_, Name>::new("pipe", never).dial_timeout(patience);
    given_up(pipe.dial("pipe:x").map_ok(drop).boxed()).await;

    // It connects, and the peer of the layer above is mute.
    let (ours, _theirs) = duplex(1000);
    let ours = Arc::new(Mutex::new(Some(ours)));
    let once = tower::service_fn(move |Name(_)| {
        ready(ours.lock().expect("no panic").take().ok_or("only once"))
    });
    let pipe = Transport::<_, Name>::new("pipe", once).dial_timeout(patience);
    let to = format!("pipe:x~shs:{}", identity("bob").public_key());
    given_up(shs("alice").layer(pipe).dial(to).map_ok(drop).boxed()).await;
}

/// Counts the bytes of both directions; it has no section.
#[derive(Clone, Default)]
struct CountBytes(Arc<AtomicUsize>);

impl<S> Layer<S> for CountBytes {
    type Service = Wrapped<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Wrapped::new(inner, self.clone())
    }
}

impl Wrap for CountBytes {
    type Io<I: Io> = InspectReader<InspectWriter<I, CountFn>, CountFn>;

    fn wrap<I: Io>(&self, connection: Connection<I>, _: Role) -> Connection<Self::Io<I>> {
        let count = || -> CountFn {
            let total = self.0.clone();
            Box::new(move |bytes| {
                total.fetch_add(bytes.len(), SeqCst);
            })
        };
        connection.map(|io| InspectReader::new(InspectWriter::new(io, count()), count()))
    }
}

type CountFn = Box<dyn FnMut(&[u8]) + Send>;

#[tokio::test]
async fn a_wrap_sees_both_roles_and_stands_in_no_address() {
    let (bobs, alices) = (CountBytes::default(), CountBytes::default());
    let bob = shs("bob").layer(bobs.layer(Net::new()));
    let alice = shs("alice").layer(alices.layer(Net::new()));
    let (_shutdown, closing) = Shutdown::new();
    let incoming = bob.listen("net:127.0.0.1:0~shs", closing).await;
    let mut incoming = incoming.expect("listening");
    let to = incoming.addresses()[0].1.clone();
    assert_eq!(to.sections().len(), 2);
    let (dialed, accepted) = tokio::join!(alice.dial(to.clone()), incoming.next());
    let (dialed, accepted) = (
        dialed.expect("dialed"),
        accepted.expect("one").expect("accepted"),
    );
    assert_eq!(dialed.info().address(), &to);
    assert!(dialed.info().get::<PeerAddr>().is_some(), "facts stay");
    tokio::join!(echo(accepted), round_trip(dialed, b"hello"));
    let (bobs, alices) = (bobs.0.load(SeqCst), alices.0.load(SeqCst));
    // Four messages of the handshake, the greeting, and a frame and a goodbye in each direction.
    assert_eq!(bobs, 64 + 64 + 112 + 80 + 34 + 2 * (34 + 5 + 34));
    assert_eq!(bobs, alices);
}

#[tokio::test]
async fn a_panic_in_a_transform_ends_that_one_connection() {
    let panics = transform_fn("panic", async |connection: Connection, _| match connection
        .info()
        .get::<PeerAddr>()
    {
        Some(_) => panic!("in a hook"),
        None => Ok(connection),
    });
    let (_shutdown, closing) = Shutdown::new();
    let incoming = panics
        .layer(Net::new())
        .listen("net:127.0.0.1:0~panic", closing)
        .await;
    let mut incoming = incoming.expect("listening");
    let to = socket_of(&incoming.addresses()[0].1);
    for _ in 0..2 {
        let _peer = TcpStream::connect(&to).await.expect("still listening");
        let error = incoming.next().await.expect("one").expect_err("a panic");
        assert_eq!(error.kind(), ErrorKind::Other);
    }
}

#[tokio::test]
async fn half_close_works_both_ways_and_an_end_is_told_once() {
    let (_shutdown, closing) = Shutdown::new();
    let net = Net::new();
    let mut incoming = net
        .listen("net:127.0.0.1:0", closing)
        .await
        .expect("listening");
    let to = incoming.addresses()[0].1.clone();
    let (dialed, accepted) = tokio::join!(net.dial(to), incoming.next());
    let (mut dialed, mut accepted) = (
        dialed.expect("dialed"),
        accepted.expect("one").expect("accepted"),
    );

    dialed.write_all(b"question").await.expect("sent");
    dialed.shutdown().await.expect("ended");
    let mut question = String::new();
    accepted.read_to_string(&mut question).await.expect("read");
    accepted
        .write_all(b"answer")
        .await
        .expect("sent after the end");
    accepted.shutdown().await.expect("ended");
    drop(accepted);
    let mut answer = String::new();
    dialed.read_to_string(&mut answer).await.expect("read");
    assert_eq!((&*question, &*answer), ("question", "answer"));
}

#[test]
fn public_types_are_send_sync_and_unpin() {
    assert_send_sync_unpin::<Address>();
    assert_send_sync_unpin::<Error>();
    assert_send_sync_unpin::<Net>();
    assert_send_sync_unpin::<Accept<()>>();
    assert_send_sync_unpin::<Connection<TcpStream>>();
    assert_send_sync_unpin::<tower_multiserver::MultiServer>();
    assert_send_sync_unpin::<tower_multiserver::Info>();
    assert_send_sync_unpin::<Shutdown>();
}

fn assert_all_requests<S, R>(_: &S)
where
    S: Service<Address> + Service<Listen> + Service<Accept<R>>,
{
}

#[test]
fn one_value_answers_all_three_requests() {
    let stack = stack!("bob", Count::default());
    assert_all_requests::<_, tower_multiserver::net::NetSocket>(&stack);
}

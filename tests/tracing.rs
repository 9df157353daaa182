//! What the stack tells a `tracing` subscriber: the names in the docs of `tower_multiserver::trace`.

mod support;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use support::{app_key, identity, shs};
use tower::{BoxError, Layer as _, service_fn};
use tower_multiserver::{Connection, MultiServer, Peer, Scope, net::Net, shs::ShsLayer};
use tracing::{
    Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

#[derive(Clone, Debug, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut chain = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            chain += &format!(": {error}");
            cause = error.source();
        }
        self.0.insert(field.name(), chain);
    }
}

/// An event of ours, and the fields of every span that it stands in, outermost first.
#[derive(Clone, Debug)]
struct Told {
    level: Level,
    fields: Fields,
    spans: Vec<(&'static str, Fields)>,
}

impl Told {
    fn message(&self) -> &str {
        &self.fields.0["message"]
    }

    fn span(&self, name: &str) -> &BTreeMap<&'static str, String> {
        let found = self.spans.iter().find(|(span, _)| *span == name);
        &found.expect("it is in such a span").1.0
    }
}

#[derive(Clone, Default)]
struct Recorder {
    told: Arc<Mutex<Vec<Told>>>,
    closed: Arc<Mutex<Vec<Fields>>>,
}

impl Recorder {
    /// Records what this thread tells until the guard is dropped.
    fn start() -> (Self, DefaultGuard) {
        let this = Self::default();
        let subscriber = Registry::default().with(this.clone());
        (this, tracing::subscriber::set_default(subscriber))
    }

    fn all(&self) -> Vec<Told> {
        self.told.lock().expect("not poisoned").clone()
    }

    /// The one event with this message in a connection of this role.
    fn one(&self, role: &str, message: &str) -> Told {
        let all = self.all();
        let mut found = all.iter().filter(|told| {
            let in_role =
                |(_, fields): &(_, Fields)| fields.0.get("role").is_some_and(|r| r == role);
            told.message() == message && told.spans.iter().any(in_role)
        });
        let one = found.next().expect("it was told");
        assert!(found.next().is_none(), "told once: {all:#?}");
        one.clone()
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("tower_multiserver")
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let span = context.span(id).expect("it is new");
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).expect("it is open");
        let mut extensions = span.extensions_mut();
        values.record(extensions.get_mut::<Fields>().expect("put there when new"));
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        if !is_ours(event.metadata()) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let spans = context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root());
        let spans = spans.map(|span| {
            let fields = span
                .extensions()
                .get::<Fields>()
                .expect("put there when new")
                .clone();
            (span.name(), fields)
        });
        let spans = spans.collect();
        let level = *event.metadata().level();
        self.told.lock().expect("not poisoned").push(Told {
            level,
            fields,
            spans,
        });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).expect("it is closing");
        if span.name() == "connection" {
            let fields = span
                .extensions()
                .get::<Fields>()
                .expect("put there when new")
                .clone();
            self.closed.lock().expect("not poisoned").push(fields);
        }
    }
}

fn multi(name: &str) -> MultiServer {
    // A stack that refuses the address first, which must not be seen.
    MultiServer::new()
        .stack(Net::new())
        .stack(shs(name).layer(Net::new()))
}

#[tokio::test]
async fn a_connection_is_a_span_with_address_key_role_and_transport_and_times_its_layers() {
    let (recorder, _guard) = Recorder::start();
    let mut server = multi("bob")
        .listen("net:127.0.0.1:0~shs")
        .await
        .expect("listening");
    let to = server.addresses(Scope::Device).expect("an address");
    let client = multi("alice");
    let (dialed, accepted) = tokio::join!(client.dial(to.clone()), server.next());
    let (dialed, accepted) = (
        dialed.expect("dialed"),
        accepted.expect("one").expect("accepted"),
    );

    let keys = ["bob", "alice"].map(|name| identity(name).public_key().to_string());
    for (role, connection, key) in [("dial", &dialed, &keys[0]), ("accept", &accepted, &keys[1])] {
        let connected = recorder.one(role, "connected");
        assert_eq!(connected.level, Level::DEBUG);
        let elapsed: f64 = connected.fields.0["elapsed"].parse().expect("seconds");
        assert!(elapsed > 0.0);
        let span = connected.span("connection");
        assert_eq!(span["transport"], "net");
        assert_eq!(span["address"], connection.info().address().to_string());
        assert_eq!(&span["remote_key"], key);

        let handshake = recorder.one(role, "shook hands");
        assert_eq!(handshake.span("handshake")["layer"], "shs");
        assert_eq!(handshake.span("connection")["role"], role);
        let of_layer: f64 = handshake.fields.0["elapsed"].parse().expect("seconds");
        assert!(of_layer > 0.0 && of_layer <= elapsed);
    }

    // The span is there for the application's own events, and ends with the connection.
    assert_eq!(
        accepted.span().metadata().expect("enabled").name(),
        "connection"
    );
    let closed = recorder.closed.clone();
    assert!(closed.lock().expect("not poisoned").is_empty());
    drop((dialed, accepted));
    assert_eq!(closed.lock().expect("not poisoned").len(), 2);
}

#[tokio::test]
async fn what_a_peer_does_wrong_is_no_warning_and_says_where() {
    let (recorder, _guard) = Recorder::start();
    let refusing = shs("bob").authorize(async |_: Peer| Err::<(), _>("never heard of you"));
    let server = MultiServer::new().stack(refusing.layer(Net::new()));
    let mut server = server
        .listen("net:127.0.0.1:0~shs")
        .await
        .expect("listening");
    let to = server.addresses(Scope::Device).expect("an address");
    let client = multi("alice");
    let (dialed, accepted) = tokio::join!(client.dial(to), server.next());
    dialed.expect_err("refused");
    accepted.expect("one").expect_err("refused");

    let told = recorder.one("accept", "not connected");
    assert_eq!(told.level, Level::DEBUG);
    assert_eq!(told.fields.0["kind"], "Unauthorized");
    assert!(told.fields.0["error"].contains("never heard of you"));
    assert!(told.span("connection")["address"].ends_with("~shs"));
    assert_eq!(told.span("connection")["transport"], "net");
    assert!(recorder.all().iter().all(|told| told.level != Level::WARN));
}

#[tokio::test]
async fn a_panic_of_the_application_is_a_warning() {
    let (recorder, _guard) = Recorder::start();
    let broken = ShsLayer::new(identity("bob"))
        .app_key(app_key())
        .authorize(async |peer: Peer| match peer.is_own {
            true => Ok(()),
            false if peer.key.as_bytes().is_empty() => Err("never"),
            false => panic!("in a hook"),
        });
    let server = MultiServer::new().stack(broken.layer(Net::new()));
    let mut server = server
        .listen("net:127.0.0.1:0~shs")
        .await
        .expect("listening");
    let to = server.addresses(Scope::Device).expect("an address");
    let client = multi("alice");
    let (dialed, accepted) = tokio::join!(client.dial(to), server.next());
    dialed.expect_err("nobody answers");
    accepted.expect("one").expect_err("a panic");
    let warnings: Vec<_> = recorder
        .all()
        .into_iter()
        .filter(|told| told.level == Level::WARN)
        .collect();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert_eq!(warnings[0].message(), "not connected");
    assert_eq!(warnings[0].fields.0["kind"], "Other");
}

#[tokio::test]
async fn a_handler_runs_in_the_span_of_its_connection() {
    let (recorder, _guard) = Recorder::start();
    let server = multi("bob")
        .listen("net:127.0.0.1:0~shs")
        .await
        .expect("listening");
    let to = server.addresses(Scope::Device).expect("an address");
    let handler = service_fn(async |_: Connection| Err::<(), BoxError>("had enough".into()));
    let shutdown = server.shutdown();
    let dial = async {
        drop(multi("alice").dial(to).await.expect("dialed"));
        shutdown.drain().await;
    };
    tokio::join!(server.serve(handler, std::future::pending()), dial);
    let told = recorder.one("accept", "handler failed");
    assert_eq!(told.level, Level::DEBUG);
    let alice = identity("alice").public_key().to_string();
    assert_eq!(told.span("connection")["remote_key"], alice);
}

#[tokio::test]
async fn no_seed_is_ever_told_and_no_line_is_forged() {
    let (recorder, _guard) = Recorder::start();
    let seed = data_encoding::BASE64.encode(&[7; 32]);
    let key = identity("bob").public_key();
    let (_reserved, gone) = support::closed_port();
    let to = format!("net:{gone}~shs:{key}:{seed}");
    multi("alice").dial(&*to).await.expect_err("refused");
    multi("alice")
        .dial("net:a\nb:1~shs:x")
        .await
        .expect_err("no such address");
    // A seed in the place of an address.
    multi("alice").dial(&*seed).await.expect_err("no address");
    let all = recorder.all();
    let closed = recorder.closed.lock().expect("not poisoned").clone();
    assert_eq!(closed[1].0["address"], r"net:a\nb:1~shs:x");
    assert_eq!(recorder.one("dial", "not connected").fields.0["kind"], "Io");
    let all = format!("{all:?} {closed:?}");
    assert!(all.contains(&key.to_string()), "{all}");
    assert!(!all.contains(&seed), "{all}");
}

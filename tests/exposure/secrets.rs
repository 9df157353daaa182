//! Logs, texts and serde.

use std::{
    fmt::{self, Write as _},
    marker::PhantomData,
    sync::{Arc, Mutex},
};

use data_encoding::{BASE64, HEXLOWER};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::Layer as _;
use tower_multiserver::{
    AppKey, Identity, MultiServer, Scope, Seed,
    knock::KnockLayer,
    mtls::MtlsLayer,
    net::Net,
    noise::NoiseLayer,
    shs::ShsLayer,
    ws::Ws,
    wss::{Certificate, Trust, Wss},
};
use tracing::{Event, Metadata, Subscriber, field::Visit, span};

/// Everything that anybody tells at any level, as text.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

impl Everything {
    fn write(&self, text: &str) {
        let mut all = self.0.lock().expect("not poisoned");
        all.push_str(text);
        all.push('\n');
    }
}

struct Texts<'a>(&'a Everything);

impl Visit for Texts<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.0.write(&format!("{field}={value:?}"));
    }

    fn record_error(
        &mut self,
        field: &tracing::field::Field,
        value: &(dyn std::error::Error + 'static),
    ) {
        let mut error = Some(value);
        while let Some(next) = error {
            self.0.write(&format!("{field}={next} {next:?}"));
            error = next.source();
        }
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut Texts(self));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Texts(self));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Texts(self));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The ways in which bytes may stand in a text.
fn texts_of(secret: &[u8; 32]) -> [String; 4] {
    let mut numbers = String::new();
    let mut escaped = String::new();
    for byte in &secret[..16] {
        write!(numbers, "{byte}, ").expect("a string");
        escaped.push_str(&std::ascii::escape_default(*byte).to_string());
    }
    let half = |text: String| text[..text.len() / 2].to_owned();
    [
        half(BASE64.encode(secret)),
        half(HEXLOWER.encode(secret)),
        numbers,
        escaped,
    ]
}

#[tokio::test]
async fn no_log_of_anybody_at_any_level_shows_a_key_of_ours() {
    let everything = Everything::default();
    let _guard = tracing::subscriber::set_default(everything.clone());
    let [bob, alice, guest] = [(); 3].map(|()| Seed::generate().expect("randomness"));
    let app_key = AppKey::from_bytes(*Seed::generate().expect("randomness").as_bytes());
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let issued = issued.expect("a certificate");
    let (chain, key) = (issued.cert.pem(), issued.signing_key.serialize_pem());

    let stacks = |seed: &Seed, wss: Wss| {
        let identity = Identity::from_seed(seed);
        let shs = ShsLayer::new(identity.clone()).app_key(app_key.clone());
        let noise = NoiseLayer::new(identity.clone()).app_key(app_key.clone());
        let knock = KnockLayer::new(identity.clone());
        MultiServer::new()
            .stack(shs.clone().layer(Net::new()))
            .stack(noise.layer(Net::new()))
            .stack(MtlsLayer::new(identity).layer(knock.layer(Net::new())))
            .stack(shs.clone().layer(Ws::new()))
            .stack(shs.layer(wss))
    };
    let certificate = Certificate::from_pem(&chain, &key).expect("a certificate");
    let mut server = stacks(&bob, Wss::new().certificate(certificate))
        .listen(
            "net:127.0.0.1:0~shs;net:127.0.0.1:0~noise;net:127.0.0.1:0~knock~mtls;\
             ws://localhost:0~shs;wss://localhost:0~shs",
        )
        .await
        .expect("listening");
    let client = stacks(&alice, Wss::new().trust(Trust::roots(&chain).expect("one")));
    let addresses = server.addresses(Scope::Device).expect("addresses");
    let mut shown = String::new();
    for address in addresses.iter() {
        let address = address.to_string();
        // A guest dials with the seed of an invite.
        let takes_seed = address.contains("shs:") || address.contains("noise:");
        let invite = format!("{address}:{}", *guest.to_base64());
        for to in [Some(address), takes_seed.then_some(invite)]
            .into_iter()
            .flatten()
        {
            let (dialed, accepted) = tokio::join!(client.dial(to.as_str()), server.next());
            let mut dialed = dialed.expect("dialed");
            let mut accepted = accepted.expect("one").expect("accepted");
            write!(shown, "{dialed:?} {accepted:?}").expect("a string");
            write!(shown, "{:?} {:?}", dialed.info(), accepted.info()).expect("a string");
            dialed.write_all(b"hello").await.expect("sent");
            dialed.flush().await.expect("sent");
            accepted.read_exact(&mut [0; 5]).await.expect("heard");
        }
        // And somebody of another network fails.
    }
    write!(shown, "{server:?} {client:?} {bob:?} {app_key:?}").expect("a string");
    let all = everything.0.lock().expect("not poisoned").clone() + &shown;
    // It would have been seen.
    assert!(all.contains("shook hands"), "{all}");
    let pem: String = key.lines().nth(1).expect("base64").to_owned();
    assert!(!all.contains(&pem));
    for secret in [
        bob.as_bytes(),
        alice.as_bytes(),
        guest.as_bytes(),
        app_key.as_bytes(),
    ] {
        for text in texts_of(secret) {
            assert!(!all.contains(&text), "{text} in {all}");
        }
    }
    println!(
        "measured exposure\tlogs and debug texts\t{} bytes, no secret",
        all.len()
    );
}

/// Whether a type can be written by serde: by its own constant where it can, else by that of the trait.
struct Probe<T>(PhantomData<T>);

trait NotWritten {
    const IS_WRITTEN: bool = false;
}

impl<T> NotWritten for Probe<T> {}

impl<T: serde::Serialize> Probe<T> {
    const IS_WRITTEN: bool = true;
}

#[test]
fn no_identity_and_no_seed_is_written_by_serde() {
    const { assert!(Probe::<tower_multiserver::PublicKey>::IS_WRITTEN) };
    const { assert!(!Probe::<Identity>::IS_WRITTEN) };
    const { assert!(!Probe::<Seed>::IS_WRITTEN) };
    const { assert!(!Probe::<tower_multiserver::Info>::IS_WRITTEN) };
}

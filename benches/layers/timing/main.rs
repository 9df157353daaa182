//! Whether the time that a refusal takes tells what was wrong: of a hello, of a proof, of a frame.
//!
//! Two kinds of input in random order, each new, and Welch's t of the times that they took, as dudect does it (Reparaz,
//! Balasch, Verbauwhede: *Dude, is my code constant time?*, 2016): of all times, and of those below several quantiles, since a
//! machine interrupts. The largest counts. Pairs of the same kind show the noise. A hello and a frame that are right take
//! longer, which shows that a difference would be seen.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use dryoc::classic::{
    crypto_auth::crypto_auth,
    crypto_core::{crypto_scalarmult, crypto_scalarmult_base},
    crypto_hash::crypto_hash_sha256,
    crypto_secretbox::crypto_secretbox_easy,
    crypto_sign_ed25519::crypto_sign_ed25519_pk_to_curve25519,
};
use tower_multiserver::{
    AppKey, Identity,
    noise::transport::{Opener as NoiseOpener, Sealer as NoiseSealer, TransportKey},
    shs::{
        box_stream::{BoxKey, Opener, Sealer},
        handshake::{AUTH, Client, HELLO, Server, ServerAuth},
    },
};

/// What is wrong with what the server gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// A bit of the first byte of what proves it.
    First,
    /// A bit of the last byte of what proves it.
    Last,
    /// It is sealed well, and not signed by the key in it.
    Signature,
    /// Both, from the same hand as the latter: what came before on this processor is the same.
    FirstByHand,
    /// It is for another server.
    Server,
}

use Wrong::{First, FirstByHand, Last, Nothing, Server as AnotherServer, Signature};

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let count = |count: usize| if quick { count / 10 } else { count };
    let alike = [First, First];
    println!("what, in pairs | count of each | mean, ns | mean of the other | t");
    for pair in [alike, [First, Last], [First, Nothing]] {
        compare("hello of shs", count(4000), pair, hello);
    }
    for pair in [
        alike,
        [First, Last],
        [FirstByHand, Signature],
        [First, AnotherServer],
        [First, Nothing],
    ] {
        compare("proof of shs", count(4000), pair, proof);
    }
    for pair in [alike, [First, Last], [First, Nothing]] {
        compare("frame of shs", count(200_000), pair, frame);
        compare("frame of noise", count(200_000), pair, noise_frame);
    }
}

/// Measures both kinds of input, of which `make` makes what is to be measured.
fn compare<F: FnOnce() -> bool>(
    what: &str,
    count: usize,
    pair: [Wrong; 2],
    make: impl Fn(Wrong) -> F,
) {
    let mut times = [Vec::with_capacity(count), Vec::with_capacity(count)];
    let mut coin = Coin(0x9e37_79b9_7f4a_7c15);
    while times.iter().any(|times| times.len() < count) {
        let side = coin.toss();
        let run = make(pair[side]);
        let start = Instant::now();
        let passed = black_box(run());
        let time = start.elapsed();
        assert_eq!(passed, pair[side] == Nothing);
        times[side].push(time);
    }
    let mut all = times.concat();
    all.sort();
    let below = |quantile: f64| {
        let limit = all[((all.len() - 1) as f64 * quantile) as usize];
        [0, 1].map(|side| Sample::of(times[side].iter().filter(|time| **time <= limit)))
    };
    let t = [1.0, 0.99, 0.95, 0.9, 0.75, 0.5, 0.25]
        .map(below)
        .into_iter()
        .filter(|samples| samples.iter().all(|sample| sample.count >= 100.0))
        .map(|[one, other]| one.t(&other))
        // Where a quantile is one and the same time.
        .filter(|t| !t.is_nan())
        .max_by(|a, b| a.abs().total_cmp(&b.abs()))
        .expect("some");
    let [one, other] = times.map(|mut times| {
        times.sort();
        times.truncate(times.len() * 9 / 10);
        Sample::of(times.iter())
    });
    println!(
        "{what}: {:?}, {:?} | {count} | {:.0} | {:.0} ({:+.2} %) | {t:+.1}",
        pair[0],
        pair[1],
        one.mean,
        other.mean,
        (other.mean / one.mean - 1.0) * 100.0,
    );
}

struct Sample {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Sample {
    fn of<'a>(times: impl Iterator<Item = &'a Duration> + Clone) -> Self {
        let nanos = times.map(|time| time.as_nanos() as f64);
        let count = nanos.clone().count() as f64;
        let mean = nanos.clone().sum::<f64>() / count;
        let variance = nanos.map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self {
            count,
            mean,
            variance,
        }
    }

    /// Welch's t.
    fn t(&self, other: &Self) -> f64 {
        let error = self.variance / self.count + other.variance / other.count;
        (self.mean - other.mean) / error.sqrt()
    }
}

/// Which side is next (xorshift).
struct Coin(u64);

impl Coin {
    fn toss(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as usize & 1
    }
}

fn identity() -> Identity {
    Identity::generate().expect("random numbers")
}

/// Spoils `proof`, the bytes that are to match. All of them are written, since what was written last is read otherwise.
fn spoil<const N: usize>(proof: &mut [u8; N], wrong: Wrong) {
    let mut bits = [0; N];
    bits[0] = u8::from(matches!(wrong, First | FirstByHand));
    bits[N - 1] = u8::from(wrong == Last);
    for (byte, bit) in proof.iter_mut().zip(black_box(bits)) {
        *byte ^= bit;
    }
}

fn hello(wrong: Wrong) -> impl FnOnce() -> bool {
    let server = Server::new(&AppKey::SSB, &identity()).expect("random numbers");
    let client = Client::new(&AppKey::SSB, &identity(), identity().public_key());
    let (_, mut hello) = client.expect("a usable key");
    spoil::<32>(hello.first_chunk_mut().expect("64 bytes"), wrong);
    move || server.receive_hello(&hello).is_ok()
}

/// Whether the server would ask next whether this client may come in. To refuse it there it forgets what it has, as for
/// another fault.
fn proof(wrong: Wrong) -> impl FnOnce() -> bool {
    let us = identity();
    let (server, mut auth) = match wrong {
        Signature | FirstByHand => by_hand(&us),
        _ => {
            let key = match wrong {
                AnotherServer => identity().public_key(),
                _ => us.public_key(),
            };
            let server = Server::new(&AppKey::SSB, &us).expect("random numbers");
            let client = Client::new(&AppKey::SSB, &identity(), key);
            let (client, hello) = client.expect("a usable key");
            let (server, hello) = server.receive_hello(&hello).expect("a hello");
            let (_, auth) = client.receive_hello(&hello).expect("a hello");
            (server, auth)
        }
    };
    spoil::<16>(auth.first_chunk_mut().expect("112 bytes"), wrong);
    move || server.receive_auth(&auth).is_ok()
}

/// A client whose proof is sealed as it should be, around the signature of another text.
fn by_hand(server: &Identity) -> (ServerAuth, [u8; AUTH]) {
    let app_key = AppKey::SSB.as_bytes();
    let (client, ours) = (identity(), *identity().seed().as_bytes());
    let mut hello = [0; HELLO];
    let (mac, public) = hello.split_first_chunk_mut::<32>().expect("64 bytes");
    let public: &mut [u8; 32] = public.try_into().expect("32 bytes");
    crypto_scalarmult_base(public, &ours);
    crypto_auth(mac, public, app_key);
    let key = server.public_key();
    let server = Server::new(&AppKey::SSB, server).expect("random numbers");
    let (server, hello) = server.receive_hello(&hello).expect("a hello");
    let theirs = hello.last_chunk().expect("64 bytes");
    let mut curved = [0; 32];
    crypto_sign_ed25519_pk_to_curve25519(&mut curved, key.as_bytes()).expect("a usable key");
    let shared = [theirs, &curved].map(|public| {
        let mut shared = [0; 32];
        crypto_scalarmult(&mut shared, &ours, public).expect("a usable key");
        shared
    });
    let mut sealing = [0; 32];
    crypto_hash_sha256(&mut sealing, &[*app_key, shared[0], shared[1]].concat());
    let proof = [
        &client.sign(b"another text")[..],
        client.public_key().as_bytes(),
    ]
    .concat();
    let mut auth = [0; AUTH];
    crypto_secretbox_easy(&mut auth, &proof, &[0; 24], &sealing).expect("room");
    (server, auth)
}

fn frame(wrong: Wrong) -> impl FnOnce() -> bool {
    let key = || BoxKey::new(&[7; 32], [7; 24]);
    let (mut frame, mut text) = ([0; 34 + 64], [0; 64]);
    Sealer::new(key()).seal(&[7; 64], &mut frame);
    spoil::<16>(frame.first_chunk_mut().expect("a header"), wrong);
    let mut opener = Opener::new(key());
    move || opener.open(black_box(&frame), &mut text).is_ok()
}

fn noise_frame(wrong: Wrong) -> impl FnOnce() -> bool {
    let (mut frame, mut text) = ([0; 18 + 64], [0; 64]);
    NoiseSealer::new(TransportKey::new(&[7; 32])).seal(&[7; 64], &mut frame);
    // The tag is at the end.
    spoil::<16>(frame.last_chunk_mut().expect("a tag"), wrong);
    let mut opener = NoiseOpener::new(TransportKey::new(&[7; 32]));
    move || opener.open(black_box(&frame), &mut text).is_ok()
}

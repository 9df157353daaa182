//! What we hold ourselves to, and whether it is so.

use crate::parts::{OF_A_SIDE, Parts};

use super::{
    plan::{BULK, CROWD, HANDSHAKES, IDLE, PING},
    samples::{Samples, Series},
};

/// A figure with its bound.
pub(crate) struct Bound {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) side: Side,
    pub(crate) bound: f64,
}

/// On which side of the bound a figure is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    AtLeast,
    AtMost,
}

impl Bound {
    pub(crate) fn is_met(&self) -> bool {
        match self.side {
            Side::AtLeast => self.value >= self.bound,
            Side::AtMost => self.value <= self.bound,
        }
    }
}

/// All bounds of which enough was measured.
pub(crate) fn bounds(samples: &Samples, parts: &Parts) -> Vec<Bound> {
    let known = Known { samples, parts };
    [
        bulk(&known),
        frames(&known),
        handshakes(&known),
        small(&known),
    ]
    .into_iter()
    .flatten()
    .filter_map(|(name, value, side, bound)| {
        let (name, value) = (name.to_owned(), value?);
        Some(Bound {
            name,
            value,
            side,
            bound,
        })
    })
    .collect()
}

type Row = (&'static str, Option<f64>, Side, f64);

use Side::{AtLeast, AtMost};

fn bulk(known: &Known<'_>) -> Vec<Row> {
    let cpu = |stack: &str| Some(known.get(BULK, stack)?.both());
    let ours = cpu("net~shs");
    let best = |stacks: [&str; 2]| stacks.into_iter().filter_map(&cpu).reduce(f64::min);
    let sending = |stack| Some(known.get(BULK, stack)?.cpu().0);
    let rate = |stack| Some(known.get(BULK, stack)?.rate());
    let sealing = known.part("shs sealed");
    let alone = sum(sealing, sending("tcp"));
    let chacha = best(["tls chacha ring", "tls chacha aws-lc"]);
    let aes = best(["tls aes ring", "tls aes aws-lc"]);
    vec![
        (
            "bulk: CPU of JavaScript / net~shs",
            ratio(cpu("js net~shs"), ours),
            AtLeast,
            9.0,
        ),
        (
            "bulk: CPU of libp2p / net~shs",
            ratio(cpu("libp2p"), ours),
            AtLeast,
            1.8,
        ),
        (
            "bulk: CPU of TLS with ChaCha20 / net~shs",
            ratio(chacha, ours),
            AtLeast,
            1.25,
        ),
        (
            "bulk: CPU of TLS with AES / net~shs",
            ratio(aes, ours),
            AtLeast,
            0.48,
        ),
        (
            "bulk: bytes a second, net~shs / TCP",
            ratio(rate("net~shs"), rate("tcp")),
            AtLeast,
            0.28,
        ),
        (
            "bulk: CPU to send by net~shs / sealing and TCP",
            ratio(sending("net~shs"), alone),
            AtMost,
            1.1,
        ),
        (
            "bulk: CPU of net~shs / ws~shs",
            ratio(ours, cpu("ws~shs")),
            AtLeast,
            0.9,
        ),
        (
            "bulk: CPU of net~noauth / TCP",
            ratio(cpu("net~noauth"), cpu("tcp")),
            AtMost,
            1.02,
        ),
        (
            "bulk: CPU of unix~noauth / unix socket",
            ratio(cpu("unix~noauth"), cpu("unix")),
            AtMost,
            1.02,
        ),
        (
            "bulk: CPU of a PeerSocket / its framing over net~shs",
            ratio(cpu("net~shs, PeerSocket"), cpu("net~shs, BareSocket")),
            AtMost,
            1.1,
        ),
    ]
}

fn frames(known: &Known<'_>) -> Vec<Row> {
    let parts = |a, b| ratio(known.part(a), known.part(b));
    vec![
        (
            "frames: limit / sealing",
            parts("box sealed", "shs sealed"),
            AtLeast,
            0.65,
        ),
        (
            "frames: limit / opening",
            parts("box opened", "shs opened"),
            AtLeast,
            0.65,
        ),
        (
            "noise: bare snow / sealing",
            parts("snow sealed", "noise sealed"),
            AtLeast,
            0.9,
        ),
        (
            "noise: bare snow / opening",
            parts("snow opened", "noise opened"),
            AtLeast,
            0.9,
        ),
        (
            "gzip: the codec alone / the layer",
            parts("gzip alone", "gzip layer"),
            AtLeast,
            0.95,
        ),
        (
            "zstd: the codec alone / the layer",
            parts("zstd alone", "zstd layer"),
            AtLeast,
            0.95,
        ),
    ]
}

fn handshakes(known: &Known<'_>) -> Vec<Row> {
    let cpu = |stack: &str| Some(known.get(HANDSHAKES, stack)?.both());
    let ours = cpu("net~shs");
    // Both sides.
    let parts: Option<f64> = OF_A_SIDE
        .iter()
        .map(|(name, times)| Some(known.fastest(name)? * times))
        .sum();
    let parts = parts.map(|side| 2.0 * side);
    vec![
        (
            "handshake: its fastest parts / CPU",
            ratio(parts, ours),
            AtLeast,
            0.7,
        ),
        (
            "handshake: CPU of mutual TLS / net~shs",
            ratio(cpu("tls"), ours),
            AtLeast,
            1.25,
        ),
        (
            "handshake: CPU of mutual TLS, X25519 alone, no tickets / net~shs",
            ratio(cpu("tls aes aws-lc"), ours),
            AtLeast,
            1.25,
        ),
        (
            "handshake: CPU of libp2p / net~shs",
            ratio(cpu("libp2p"), ours),
            AtLeast,
            2.0,
        ),
        (
            "handshake: CPU of JavaScript / net~shs",
            ratio(cpu("js net~shs"), ours),
            AtLeast,
            4.5,
        ),
    ]
}

fn small(known: &Known<'_>) -> Vec<Row> {
    let p50 = |stack| Some(known.get(PING, stack)?.latency().0);
    let server = |name, stack| Some(known.get(name, stack)?.memory().1);
    let idle = known.get(CROWD, "net~shs").map(|of| of.idle_cpu() * 100.0);
    vec![
        (
            "ping: p50 of net~shs / TCP",
            ratio(p50("net~shs"), p50("tcp")),
            AtMost,
            1.2,
        ),
        (
            "idle: KiB a net~shs connection, 10,000 of them",
            server(CROWD, "net~shs"),
            AtMost,
            3.0,
        ),
        (
            "idle: KiB a net~shs connection",
            server(IDLE, "net~shs"),
            AtMost,
            3.0,
        ),
        (
            "idle: KiB a ws~shs connection",
            server(IDLE, "ws~shs"),
            AtMost,
            8.0,
        ),
        ("idle: % of CPU of 10,000 connections", idle, AtMost, 0.1),
    ]
}

fn ratio(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? / b?)
}

fn sum(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? + b?)
}

struct Known<'a> {
    samples: &'a Samples,
    parts: &'a Parts,
}

impl Known<'_> {
    fn get(&self, name: &str, stack: &str) -> Option<&Series> {
        self.samples.get(name, stack)
    }

    fn part(&self, name: &str) -> Option<f64> {
        self.parts.get(name).copied()
    }

    /// Of all the libraries.
    fn fastest(&self, name: &str) -> Option<f64> {
        let of = |part: &String| part.split_once(", ").is_some_and(|(own, _)| own == name);
        let all = self.parts.iter().filter(|(part, _)| of(part));
        all.map(|(_, seconds)| *seconds).reduce(f64::min)
    }
}

//! Whether the time that a refusal takes tells what was wrong: of a hello, of a proof, of a frame.
//!
//! Two kinds of input in random order, each new, and Welch's t of the times that they took, as dudect does it (Reparaz,
//! Balasch, Verbauwhede: *Dude, is my code constant time?*, 2016): of all times, and of those below several quantiles, since a
//! machine interrupts. The largest counts. Pairs of the same kind show the noise. A hello and a frame that are right take
//! longer, which shows that a difference would be seen.

mod layer;
mod noise;
mod shs;
mod welch;

use std::hint::black_box;

use tower_multiserver::Identity;

use self::welch::compare;

/// What is wrong with what the server gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// A bit of the first byte of what proves it.
    First,
    /// A bit of the last byte of what proves it.
    Last,
    /// A bit of what proves the second of two sealed texts.
    Payload,
    /// It is sealed well, and not signed by the key in it.
    Signature,
    /// The first byte, from the same hand as the latter: what came before on this processor is the same.
    FirstByHand,
    /// It is for another server.
    Server,
    /// It is of another network.
    Network,
    /// Nothing, but the key is in no list.
    Unauthorized,
}

use Wrong::{
    First, FirstByHand, Last, Network, Nothing, Payload, Server as AnotherServer, Signature,
    Unauthorized,
};

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let count = |count: usize| if quick { count / 10 } else { count };
    let alike = [First, First];
    println!("what, in pairs | count of each | mean, ns | mean of the other | t");
    for pair in [alike, [First, Last], [First, Nothing]] {
        compare("hello of shs", count(4000), pair, shs::hello);
    }
    for pair in [
        alike,
        [First, Last],
        [FirstByHand, Signature],
        [First, AnotherServer],
        [First, Nothing],
    ] {
        compare("proof of shs", count(4000), pair, shs::proof);
    }
    for pair in [
        alike,
        [First, Last],
        [First, AnotherServer],
        [First, Network],
        [First, Nothing],
    ] {
        compare("hello of noise", count(4000), pair, noise::hello);
    }
    for pair in [
        alike,
        [First, Last],
        [First, Payload],
        [FirstByHand, Signature],
        [First, Nothing],
    ] {
        compare("proof of noise", count(4000), pair, noise::proof);
    }
    for pair in [alike, [First, Unauthorized]] {
        compare("server of shs", count(4000), pair, layer::shs);
        compare("server of noise", count(4000), pair, layer::noise);
    }
    for pair in [alike, [First, Last], [First, Nothing]] {
        compare("frame of shs", count(200_000), pair, shs::frame);
        compare("frame of noise", count(200_000), pair, noise::frame);
    }
}

fn identity() -> Identity {
    Identity::generate().expect("random numbers")
}

/// Spoils `proof`, the bytes that are to match. All of them are written, since what was written last is read otherwise.
fn spoil<const N: usize>(proof: &mut [u8; N], wrong: Wrong) {
    let mut bits = [0; N];
    bits[0] = u8::from(matches!(wrong, First | FirstByHand | Payload));
    bits[N - 1] = u8::from(wrong == Last);
    for (byte, bit) in proof.iter_mut().zip(black_box(bits)) {
        *byte ^= bit;
    }
}

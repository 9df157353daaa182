//! What stacks are made of, by itself and without IO: the limits of what they can reach.

mod codecs;
mod curve;
mod frames;
mod noise;
mod sodium;

use std::{collections::BTreeMap, hint::black_box};

use crate::{Result, child::Used};

pub(crate) use curve::OF_A_SIDE;

/// Seconds of CPU, by name: of a GiB or of one operation.
pub(crate) type Parts = BTreeMap<String, f64>;

/// How long each is repeated, in seconds of CPU.
const LONG: f64 = 0.1;

/// Measures them all, and prints them on one line.
pub(crate) fn run() -> Result<()> {
    let mut parts = Parts::new();
    frames::measure(&mut parts)?;
    noise::measure(&mut parts)?;
    codecs::measure(&mut parts)?;
    curve::measure(&mut parts)?;
    println!("{}", serde_json::to_string(&parts)?);
    Ok(())
}

/// Seconds of CPU of one call.
fn time<T>(mut call: impl FnMut() -> T) -> Result<f64> {
    let mut calls = 1;
    // The short runs before the last one warm it up.
    loop {
        let start = Used::now()?;
        for _ in 0..calls {
            black_box(call());
        }
        let used = Used::now()?.since(start).cpu;
        if used >= LONG {
            return Ok(used / f64::from(calls));
        }
        calls *= 2;
    }
}

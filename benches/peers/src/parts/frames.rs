//! Sealing and opening.

use dryoc::classic::crypto_secretbox::{crypto_secretbox_detached, crypto_secretbox_open_detached};
use tower_multiserver::shs::box_stream::{BODY_MAX, BoxKey, HEADER, Opener, Sealer};

use crate::{Result, work::CHUNK};

use super::{Parts, sodium, time};

const KEY: [u8; 32] = [1; 32];
const NONCE: [u8; 24] = [2; 24];

/// Calls for a GiB.
const CALLS: f64 = ((1 << 30) / CHUNK) as f64;

pub(super) fn measure(parts: &mut Parts) -> Result<()> {
    let text = vec![7; CHUNK];
    let mut sealed = vec![0; CHUNK + CHUNK / BODY_MAX * HEADER];
    let mut tag = [0; 16];
    let mut add = |name: &str, seconds: f64| parts.insert(name.to_owned(), seconds * CALLS);

    // As long as a box is, so that nothing but key stream and authenticator counts.
    add(
        "box sealed",
        time(|| crypto_secretbox_detached(&mut sealed[..CHUNK], &mut tag, &text, &NONCE, &KEY))?,
    );
    let mut opened = vec![0; CHUNK];
    add(
        "box opened",
        time(|| crypto_secretbox_open_detached(&mut opened, &sealed[..CHUNK], &tag, &NONCE, &KEY))?,
    );

    let mut sealer = Sealer::new(BoxKey::new(&KEY, NONCE));
    add("shs sealed", time(|| sealer.seal(&text, &mut sealed))?);

    // Each is opened once: a new key each time is what a direction costs once.
    Sealer::new(BoxKey::new(&KEY, NONCE)).seal(&text, &mut sealed);
    add(
        "shs opened",
        time(|| Opener::new(BoxKey::new(&KEY, NONCE)).open(&sealed, &mut opened))?,
    );

    sodium::measure(add, (&KEY, NONCE), &text, &sealed)
}

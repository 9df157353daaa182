//! Too much of something, or too little.

use tower_multiserver::ragep2p::{Limits, RateLimit, Version};

use super::{
    lab::{numbered, wide},
    raw::{DATA, frame},
    victim::{MAX, Victim, limits, survives},
};

/// A byte in each TLS record.
async fn drip(victim: Victim, is_v1: bool) {
    let mut raw = victim.attacked().await;
    let message = numbered(1, 10_000);
    let header = frame(DATA, raw.stream(b"none"), message.len() as u32, &[]);
    let mut stays = raw.say(&header).await;
    for byte in &message {
        stays = stays && raw.say(&[*byte]).await;
    }
    let survived = stays && survives(&mut raw, &[]).await;
    assert_eq!(survived, is_v1, "{victim}");
}

#[tokio::test]
async fn new_and_we_as_v2_end_a_connection_of_tiny_records() {
    for (version, go, is_v1) in [(Version::V1, "v1", true), (Version::V2, "new", false)] {
        drip(Victim::ours(version, limits()).await, is_v1).await;
        if let Some(victim) = Victim::go(go, limits()).await {
            drip(victim, is_v1).await;
        }
    }
}

/// Three megabytes where a few messages are let in.
async fn flood(victim: Victim, is_v1: bool) {
    let mut raw = victim.attacked().await;
    let mut stays = raw.say(&raw.open(b"echo")).await;
    for number in 0..3000 {
        let message = raw.data(b"echo", &numbered(number, MAX as usize));
        stays = stays && raw.say(&message).await;
    }
    // It may have been ended behind what was said.
    let last = numbered(19, MAX as usize);
    stays = stays && raw.hears(&last).await && raw.say(&raw.open(b"once more")).await;
    if stays && is_v1 {
        raw.ended().await;
        stays = false;
    }
    assert_eq!(stays, !is_v1, "{victim}");
}

#[tokio::test]
async fn v1_and_we_end_a_connection_that_floods_and_new_and_we_as_v2_drop_it() {
    let limits = Limits {
        messages: RateLimit::new(0.0, 20),
        bytes: RateLimit::new(0.0, 100_000),
        ..limits()
    };
    for (version, go, is_v1) in [(Version::V1, "v1", true), (Version::V2, "new", false)] {
        flood(Victim::ours(version, limits).await, is_v1).await;
        if let Some(victim) = Victim::go(go, limits).await {
            flood(victim, is_v1).await;
        }
    }
}

/// A message that is announced and does not come keeps no host from closing.
async fn stall(mut victim: Victim) {
    let mut raw = victim.attacked().await;
    assert!(survives(&mut raw, &[]).await);
    let begun = frame(DATA, raw.stream(b"echo"), 1 << 20, b"begun");
    assert!(raw.say(&begun).await);
    victim.close().await;
    raw.ended().await;
}

#[tokio::test]
async fn a_message_that_stalls_keeps_no_host_from_closing() {
    for (version, go) in [(Version::V1, "v1"), (Version::V2, "new")] {
        stall(Victim::ours(version, wide()).await).await;
        if let Some(victim) = Victim::go(go, wide()).await {
            stall(victim).await;
        }
    }
}

//! Onion addresses among others, and addresses with a seed.

use tower::Layer as _;
use tower_multiserver::{
    ErrorKind,
    dial::{FallbackLayer, NotTried, RaceLayer},
};

use crate::lab::{Lab, causes};

/// What each policy dials of a list, and why it left the rest out.
async fn dialed(to: &str) -> [(Vec<String>, Vec<NotTried>); 2] {
    let (fallback, race) = (Lab::new(), Lab::new());
    let one = FallbackLayer::new().layer(fallback.dialer()).dial(to).await;
    let other = RaceLayer::new().layer(race.dialer()).dial(to).await;
    [(fallback, one), (race, other)].map(|(lab, result)| {
        let error = result.expect_err("all fail");
        let reasons = causes(&error).into_iter().flatten();
        (lab.dialed(), reasons.collect())
    })
}

#[tokio::test(start_paused = true)]
async fn after_an_onion_address_only_its_like_are_dialed() {
    for (dialed, left_out) in dialed("onion:a~io;net:b~io;onion:c~io:600;ws:d~io").await {
        assert_eq!(dialed, ["onion:a~io", "onion:c~io:600"]);
        assert_eq!(left_out, [NotTried::OtherWay; 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn after_another_address_no_onion_is_dialed() {
    for (dialed, left_out) in dialed("net:a~io;onion:b~io;ws:c~io").await {
        assert_eq!(dialed, ["net:a~io", "ws:c~io"]);
        assert_eq!(left_out, [NotTried::OtherWay]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_onion_address_that_is_not_understood_decides_nothing() {
    for (dialed, left_out) in dialed("onion:a;net:b~io;onion:c~io;net:d~io").await {
        assert_eq!(dialed, ["net:b~io", "net:d~io"]);
        assert_eq!(left_out, [NotTried::OtherWay]);
    }
}

#[tokio::test(start_paused = true)]
async fn no_address_with_a_seed_is_dialed() {
    for (dialed, left_out) in dialed("net:a~shs:KEY:SEED~io;net:b~shs:KEY~io").await {
        assert_eq!(dialed, ["net:b~shs:KEY~io"]);
        assert_eq!(left_out, [NotTried::Seed]);
    }
    let dialer = RaceLayer::new().layer(Lab::new().dialer());
    let alone = dialer.dial("net:a~shs:KEY:SEED~ok").await;
    assert_eq!(alone.expect_err("a seed").kind(), ErrorKind::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn both_are_done_when_asked_for_by_name() {
    let to = "onion:a~io;net:b~shs:KEY:SEED~io;net:c~io";
    let (fallback, race) = (Lab::new(), Lab::new());
    let layer = FallbackLayer::new().mix_onion().allow_seeds();
    layer
        .layer(fallback.dialer())
        .dial(to)
        .await
        .expect_err("all fail");
    let layer = RaceLayer::new().mix_onion().allow_seeds();
    layer
        .layer(race.dialer())
        .dial(to)
        .await
        .expect_err("all fail");
    for lab in [fallback, race] {
        assert_eq!(lab.dialed().join(";"), to);
    }
}

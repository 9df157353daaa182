//! The next address when one fails.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tower::{Layer as _, ServiceExt as _};
use tower_multiserver::{
    ErrorKind,
    dial::{FallbackLayer, NotTried},
};

use crate::{
    lab::{Lab, causes, listed},
    support::{HANG, addresses},
};

#[tokio::test(start_paused = true)]
async fn it_goes_on_when_the_way_is_closed() {
    for how in [
        "io",
        "timeout",
        "proxy",
        "unavailable",
        "overloaded",
        "unknown",
    ] {
        let lab = Lab::new();
        let to = format!("net:a~{how}:10;net:b~ok:10;net:c~ok");
        let dialed = FallbackLayer::new().layer(lab.dialer()).dial(to).await;
        assert_eq!(dialed.expect("the second"), "net:b~ok:10", "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_stops_at_a_wrong_key_or_a_refusal() {
    for (how, kind) in [
        ("handshake", ErrorKind::Handshake),
        ("certificate", ErrorKind::Certificate),
        ("unauthorized", ErrorKind::Unauthorized),
        ("limit", ErrorKind::Limit),
        ("other", ErrorKind::Other),
    ] {
        let lab = Lab::new();
        let to = format!("net:a~io;net:b~{how};net:c~ok");
        let dialed = FallbackLayer::new().layer(lab.dialer()).dial(to).await;
        let error = dialed.expect_err("an answer");
        assert_eq!(error.kind(), kind);
        let failed = [
            ("net:a~io".to_owned(), ErrorKind::Io),
            (format!("net:b~{how}"), kind),
        ];
        assert_eq!(listed(&error), failed);
        assert_eq!(lab.dialed().len(), 2, "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_is_dialed_at_a_time_and_each_in_its_own_time() {
    let lab = Lab::new();
    let to = addresses("net:a~io:9000;fake:b;net:c~ok:5");
    let dialed = FallbackLayer::new().layer(lab.dialer()).oneshot(to).await;
    assert_eq!(dialed.expect("the last"), "net:c~ok:5");
    let log = [
        "0 net:a~io:9000",
        "9000 -net:a~io:9000",
        "9000 net:c~ok:5",
        "9005 -net:c~ok:5",
    ];
    assert_eq!(lab.log(), log);
}

#[tokio::test(start_paused = true)]
async fn which_errors_it_goes_on_after_can_be_set() {
    let lab = Lab::new();
    let stubborn = FallbackLayer::new().goes_on_after(|error| error.kind() == ErrorKind::Handshake);
    let dialer = stubborn.layer(lab.dialer());
    let dialed = dialer.dial("net:a~handshake;fake:b;net:c~ok").await;
    assert_eq!(dialed.expect("the last"), "net:c~ok");
    let error = dialer
        .dial("net:a~io;net:b~ok")
        .await
        .expect_err("the first");
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[tokio::test(start_paused = true)]
async fn the_error_of_the_only_attempt_is_the_error() {
    let dialer = FallbackLayer::new().layer(Lab::new().dialer());
    let error = dialer.dial("net:a~io").await.expect_err("the only one");
    assert_eq!(error.kind(), ErrorKind::Io);
    let cause = std::error::Error::source(&error).expect("a cause");
    assert_eq!(cause.to_string(), "as told");
}

#[tokio::test(start_paused = true)]
async fn a_long_list_ends_after_some_attempts() {
    let lab = Lab::new();
    let mut to = vec!["fake:address"; 1000];
    to.extend(vec!["net:a~io"; 1000]);
    let dialer = FallbackLayer::new().max_attempts(3).layer(lab.dialer());
    let error = dialer.dial(to.join(";")).await.expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(lab.dialed().len(), 3);
    assert!(listed(&error).len() <= 16);
}

#[tokio::test(start_paused = true)]
async fn the_whole_can_have_a_deadline() {
    let (lab, start, second) = (Lab::new(), Instant::now(), Duration::from_secs(1));
    let dialer = FallbackLayer::new().timeout(second).layer(lab.dialer());
    let to = "net:a~io:400;net:b~never;net:c~ok";
    let dialed = timeout(HANG, dialer.dial(to)).await.expect("a hang");
    let error = dialed.expect_err("too late");
    assert_eq!(start.elapsed(), second);
    assert_eq!(error.kind(), ErrorKind::Io);
    let causes = causes(&error);
    assert_eq!(causes, [None, None, Some(NotTried::TooLate)]);
    assert_eq!(listed(&error)[1].1, ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_no_clock_reaches_is_none() {
    let dialer = FallbackLayer::new().timeout(Duration::MAX);
    let dialed = dialer.layer(Lab::new().dialer()).dial("net:a~ok").await;
    assert!(dialed.is_ok(), "{dialed:?}");
}

#[tokio::test(start_paused = true)]
async fn no_error_shows_a_seed() {
    let seed = data_encoding::BASE64.encode(&[7; 32]);
    let dialer = FallbackLayer::new().layer(Lab::new().dialer());
    let to = format!("net:a~shs:KEY:{seed}~io;net:b~io");
    let error = dialer.dial(to.clone()).await.expect_err("nobody");
    let allowed = FallbackLayer::new()
        .allow_seeds()
        .layer(Lab::new().dialer());
    for error in [error, allowed.dial(to).await.expect_err("nobody")] {
        let source = std::error::Error::source(&error).expect("a list");
        let shown = format!("{error} {error:?} {source}");
        assert!(!shown.contains(&seed), "{shown}");
    }
}

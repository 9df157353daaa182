//! All addresses, staggered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::time::timeout;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, util::BoxCloneSyncService};
use tower_multiserver::{Address, Error, ErrorKind, dial::RaceLayer};

use crate::{
    lab::{Lab, listed},
    support::{HANG, addresses},
};

async fn race(lab: &Lab, to: &str) -> Result<String, Error> {
    RaceLayer::new()
        .layer(lab.dialer())
        .oneshot(addresses(to))
        .await
}

#[tokio::test(start_paused = true)]
async fn each_has_a_head_start_before_the_next() {
    let lab = Lab::new();
    let won = race(&lab, "net:a~never;ws:b~ok:1000;unix:c~never;net:d~ok").await;
    assert_eq!(won.expect("one"), "net:d~ok");
    let starts = [
        "0 net:a~never",
        "250 ws:b~ok:1000",
        "500 unix:c~never",
        "750 net:d~ok",
    ];
    assert_eq!(lab.log()[..4], starts);
}

#[tokio::test(start_paused = true)]
async fn when_one_fails_the_next_starts_at_once() {
    let lab = Lab::new();
    let won = race(&lab, "net:a~never;net:b~handshake:100;fake:c;net:d~ok:10").await;
    assert_eq!(won.expect("one"), "net:d~ok:10");
    assert!(
        lab.log().contains(&"350 net:d~ok:10".to_owned()),
        "{:?}",
        lab.log()
    );
}

/// The first connection is not enough: the whole handshake counts.
#[tokio::test(start_paused = true)]
async fn the_first_whole_handshake_wins_and_the_others_are_dropped() {
    let lab = Lab::new();
    let won = race(&lab, "net:a~ok:600;net:b~ok:300;net:c~never").await;
    assert_eq!(won.expect("one"), "net:b~ok:300");
    let log = lab.log();
    for end in ["550 -net:a~ok:600", "550 -net:b~ok:300", "550 -net:c~never"] {
        assert!(log.contains(&end.to_owned()), "{end} in {log:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fast_one_is_dialed_alone() {
    let lab = Lab::new();
    race(&lab, "net:a~ok:249;net:b~ok")
        .await
        .expect("the first");
    assert_eq!(lab.dialed(), ["net:a~ok:249"]);
}

#[tokio::test(start_paused = true)]
async fn so_many_are_under_way_at_once_and_no_more() {
    let lab = Lab::new();
    let dialer = RaceLayer::new().at_once(2).layer(lab.dialer());
    let won = dialer.dial("net:a~io:1000;net:b~never;net:c~ok:100").await;
    assert_eq!(won.expect("the last"), "net:c~ok:100");
    assert!(
        lab.log().contains(&"1000 net:c~ok:100".to_owned()),
        "{:?}",
        lab.log()
    );

    // Unless it is set.
    let lab = Lab::new();
    let dialer = RaceLayer::new().timeout(HANG).layer(lab.dialer());
    let to = vec!["net:a~never"; 1000].join(";");
    dialer.dial(to).await.expect_err("nobody");
    assert_eq!(lab.dialed().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_long_list_ends_after_some_attempts() {
    let lab = Lab::new();
    let to = vec!["net:a~io:1000"; 1000].join(";");
    let error = race(&lab, &to).await.expect_err("nobody");
    assert_eq!(lab.dialed().len(), 16);
    assert_eq!((error.kind(), listed(&error).len()), (ErrorKind::Io, 16));
}

/// With quadratic work it would end in an hour.
#[tokio::test(start_paused = true)]
async fn those_that_must_wait_in_a_long_list_are_not_walked_for_each_of_the_others() {
    let lab = Lab::new();
    let many = 100_000;
    let waiting = (0..many).map(|n| format!("onion:{n}~ok"));
    let others = (0..many).map(|n| format!("fake:{n}"));
    let to: Vec<_> = waiting.chain(others).collect();
    let to = format!("net:a~never;{};net:b~ok", to.join(";"));
    assert_eq!(race(&lab, &to).await.expect("the last"), "net:b~ok");
}

#[tokio::test(start_paused = true)]
async fn the_head_start_is_never_shorter_than_the_rfc_allows() {
    let lab = Lab::new();
    let hasty = RaceLayer::new().delay(Duration::ZERO);
    let won = hasty.layer(lab.dialer()).dial("net:a~never;net:b~ok").await;
    won.expect("the second");
    assert!(
        lab.log().contains(&"10 net:b~ok".to_owned()),
        "{:?}",
        lab.log()
    );
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_one_error_lists_them() {
    let lab = Lab::new();
    let to = "net:a~io:500;net:b~handshake:1;fake:c;net:d~timeout:1";
    let error = race(&lab, to).await.expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert_eq!(
        error.address().expect("a place").to_string(),
        "net:b~handshake:1"
    );
    let failed = [
        ("net:b~handshake:1", ErrorKind::Handshake),
        ("fake:c", ErrorKind::Unsupported),
        ("net:d~timeout:1", ErrorKind::Timeout),
        ("net:a~io:500", ErrorKind::Io),
    ];
    assert_eq!(
        listed(&error),
        failed.map(|(at, kind)| (at.to_owned(), kind))
    );
}

#[tokio::test(start_paused = true)]
async fn a_limit_below_counts_every_attempt() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, highest) = (Arc::clone(&now), Arc::clone(&most));
    let dialer = tower::service_fn(move |_: Address| {
        let (now, most) = (Arc::clone(&counted), Arc::clone(&highest));
        async move {
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            now.fetch_sub(1, SeqCst);
            Err::<(), _>(Error::new(ErrorKind::Io, "no"))
        }
    });
    let stack = ServiceBuilder::new()
        .layer(RaceLayer::new())
        .concurrency_limit(2)
        .service(dialer);
    let error = stack
        .dial("net:a;net:b;net:c;net:d")
        .await
        .expect_err("nobody");
    assert_eq!((listed(&error).len(), most.load(SeqCst)), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn only_one_at_a_time_says_who_we_are() {
    let lab = Lab::new();
    let to = "net:a~turn:300~handshake:2000;net:b~turn:1~ok:100;net:c~turn:1~ok:100";
    let won = race(&lab, to).await;
    // The first in its turn keeps the others waiting no longer than needed.
    assert_eq!(won.expect("one"), "net:b~turn:1~ok:100");
    let turns: Vec<_> = lab
        .log()
        .into_iter()
        .filter(|line| line.contains("turn net"))
        .collect();
    assert_eq!(turns, ["251 turn net:b~turn:1~ok:100"]);
}

#[tokio::test(start_paused = true)]
async fn the_next_says_who_we_are_when_the_one_before_has_failed() {
    let lab = Lab::new();
    let to = "net:a~turn~handshake:2000;net:b~turn~ok:100";
    assert_eq!(race(&lab, to).await.expect("one"), "net:b~turn~ok:100");
    let log = [
        "0 net:a~turn~handshake:2000",
        "0 turn net:a~turn~handshake:2000",
        "250 net:b~turn~ok:100",
        "2000 -net:a~turn~handshake:2000",
        "2000 turn net:b~turn~ok:100",
        "2100 -net:b~turn~ok:100",
    ];
    assert_eq!(lab.log(), log);
}

#[tokio::test(start_paused = true)]
async fn who_falls_silent_in_its_turn_does_not_keep_us_from_the_others() {
    let lab = Lab::new();
    let dialer = RaceLayer::new()
        .patience(Duration::from_secs(1))
        .layer(lab.dialer());
    let dial = dialer.dial("net:a~turn~never;net:b~turn~ok:100");
    let won = timeout(HANG, dial).await.expect("a hang");
    assert_eq!(won.expect("the second"), "net:b~turn~ok:100");
    assert!(
        lab.log().contains(&"1000 -net:a~turn~never".to_owned()),
        "{:?}",
        lab.log()
    );
}

#[tokio::test(start_paused = true)]
async fn the_order_of_turns_holds_through_middleware_and_races_within() {
    let lab = Lab::new();
    let inner = RaceLayer::new().layer(lab.dialer());
    let inner = tower::service_fn(move |address: Address| inner.dial(address));
    let inner = ServiceBuilder::new()
        .timeout(Duration::from_secs(10))
        .service(inner);
    let stack = RaceLayer::new().layer(BoxCloneSyncService::new(inner));
    let won = stack
        .dial("net:a~turn~handshake:2000;net:b~turn~ok:100")
        .await;
    assert_eq!(won.expect("the second"), "net:b~turn~ok:100");
    assert!(
        lab.log()
            .contains(&"2000 turn net:b~turn~ok:100".to_owned()),
        "{:?}",
        lab.log()
    );
}

//! Answers kept for as long as they hold.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::{advance, sleep};
use tower::{Layer as _, ServiceExt as _, service_fn, util::BoxCloneSyncService};
use tower_multiserver::{
    Error, ErrorKind,
    dial::lookup::{Answer, Cache, CacheLayer, Name},
};

use crate::support::addresses;

type Service = BoxCloneSyncService<Name, Answer, Error>;

/// A look-up that takes a second, and how often it was asked. `nobody` is unknown, `broken` an error.
fn cached(ttl: Duration) -> (Cache<Service>, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup = service_fn(move |name: Name| {
        count.fetch_add(1, SeqCst);
        async move {
            sleep(Duration::from_secs(1)).await;
            match name.text() {
                Some("nobody") => Ok(Answer::new(None, ttl)),
                Some("broken") => Err(Error::new(ErrorKind::Timeout, "broken")),
                _ => Ok(Answer::new(Some(addresses("net:b:1")), ttl)),
            }
        }
    });
    let cache = CacheLayer::new().layer(BoxCloneSyncService::new(lookup));
    (cache, asked)
}

async fn ask(cache: &Cache<Service>, name: &str) -> Result<Answer, Error> {
    let name = name.parse().expect("a name");
    cache.clone().oneshot(name).await
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_as_long_as_it_holds_and_no_longer() {
    for name in ["bob", "nobody"] {
        let (cache, asked) = cached(MINUTE);
        let first = ask(&cache, name).await.expect("an answer");
        assert_eq!(first.ttl, MINUTE);
        advance(MINUTE / 2).await;
        let second = ask(&cache, name).await.expect("an answer");
        assert_eq!(
            (second.addresses, second.ttl),
            (first.addresses, MINUTE / 2)
        );
        assert_eq!(asked.load(SeqCst), 1, "{name}");
        advance(MINUTE / 2).await;
        ask(&cache, name).await.expect("an answer");
        assert_eq!(asked.load(SeqCst), 2, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_time_is_cut() {
    for (name, time) in [("bob", MINUTE * 60), ("nobody", MINUTE * 5)] {
        let (cache, asked) = cached(Duration::MAX);
        ask(&cache, name).await.expect("an answer");
        advance(time - Duration::from_millis(1)).await;
        ask(&cache, name).await.expect("an answer");
        assert_eq!(asked.load(SeqCst), 1, "{name}");
        advance(Duration::from_millis(1)).await;
        ask(&cache, name).await.expect("an answer");
        assert_eq!(asked.load(SeqCst), 2, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn neither_an_error_nor_what_holds_no_time_is_kept() {
    let (cache, asked) = cached(Duration::ZERO);
    for _ in 0..2 {
        ask(&cache, "bob").await.expect("an answer");
        let error = ask(&cache, "broken").await.expect_err("broken");
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }
    assert_eq!(asked.load(SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn who_asks_at_the_same_time_shares_one_look_up() {
    let (cache, asked) = cached(Duration::ZERO);
    let names = ["bob", "BOB", "bob", "broken", "broken"];
    let answers = join_all(names.map(|name| ask(&cache, name))).await;
    assert_eq!(asked.load(SeqCst), 2);
    let kinds = answers
        .iter()
        .map(|answer| answer.as_ref().err().map(Error::kind));
    let broken = Some(ErrorKind::Timeout);
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [None, None, None, broken, broken]
    );
    let cause = answers[3].as_ref().expect_err("broken");
    let cause = std::error::Error::source(cause).expect("a cause");
    assert_eq!(cause.to_string(), "broken");
}

#[tokio::test(start_paused = true)]
async fn a_look_up_goes_on_for_who_still_waits_and_ends_with_the_last() {
    let (cache, asked) = cached(MINUTE);
    let first = tokio::spawn({
        let cache = cache.clone();
        async move { ask(&cache, "bob").await }
    });
    let second = tokio::spawn({
        let cache = cache.clone();
        async move { ask(&cache, "bob").await }
    });
    sleep(Duration::from_millis(500)).await;
    first.abort();
    second.await.expect("no panic").expect("an answer");
    assert_eq!(asked.load(SeqCst), 1);

    let given_up = tokio::time::timeout(Duration::from_millis(1), ask(&cache, "eve"));
    given_up.await.expect_err("too early");
    assert_eq!(asked.load(SeqCst), 2);
    ask(&cache, "eve").await.expect("an answer");
    assert_eq!(asked.load(SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn many_names_do_not_fill_the_memory() {
    let (cache, asked) = cached(MINUTE * 60);
    ask(&cache, "first").await.expect("an answer");
    for number in 0..300 {
        ask(&cache, &format!("name-{number}"))
            .await
            .expect("an answer");
    }
    assert!(format!("{cache:?}").contains("names: 256"), "{cache:?}");
    ask(&cache, "name-299").await.expect("an answer");
    assert_eq!(asked.load(SeqCst), 301);
    ask(&cache, "first").await.expect("an answer");
    assert_eq!(asked.load(SeqCst), 302);
}

//! Names in the place of addresses.

use std::{future::pending, sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};
use tower::{BoxError, Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_multiserver::{
    Error, ErrorKind, MultiAddress, MultiServer,
    dial::{
        FallbackLayer, NotTried,
        lookup::{Answer, LookupError, LookupLayer, Name, Table},
    },
    net::Net,
};

use crate::{
    lab::{Lab, causes, listed},
    support::{addresses, closed_port, identity, shs},
};

fn table(entries: &[(&str, &str)]) -> Table {
    entries.iter().fold(Table::new(), |table, (name, to)| {
        table.with(name.parse().expect("a name"), addresses(to))
    })
}

/// Where `to` leads.
async fn resolved(layer: LookupLayer<Table>, to: &str) -> Result<String, Error> {
    let dialer = service_fn(async |to: MultiAddress| Ok::<_, Error>(to.to_string()));
    layer.layer(dialer).oneshot(addresses(to)).await
}

#[tokio::test]
async fn a_name_stands_for_its_addresses_in_its_place() {
    let bob = table(&[("bob", "net:b:1;ws://b")]);
    let found = resolved(LookupLayer::new(bob), "net:a:1;lookup:Bob;net:c:1;ws://b").await;
    assert_eq!(found.expect("found"), "net:a:1;net:b:1;ws://b;net:c:1");
}

#[tokio::test]
async fn a_key_stands_for_those_addresses_that_prove_it() {
    let (bob, eve) = (identity("bob").public_key(), identity("eve").public_key());
    let all =
        format!("net:a:1;net:b:1~shs:{eve};net:c:1~noauth;net:d:1~noise:{bob};net:e:1~shs:{bob}");
    let table = table(&[(&bob.to_string(), &all), ("bob", &all)]);
    let safe = format!("net:d:1~noise:{bob};net:e:1~shs:{bob}");
    for to in [
        format!("lookup:{bob}"),
        format!("lookup:@{bob}.ed25519"),
        format!("lookup:bob~shs:{bob}"),
        format!("lookup:bob~noise:{bob}"),
    ] {
        let found = resolved(LookupLayer::new(table.clone()), &to).await;
        assert_eq!(found.expect("found"), safe, "{to}");
    }
    let all_found = resolved(LookupLayer::new(table), "lookup:bob").await;
    assert_eq!(all_found.expect("found"), all);
}

#[tokio::test]
async fn an_answer_talks_nobody_out_of_a_key() {
    let (bob, eve) = (identity("bob").public_key(), identity("eve").public_key());
    for lie in [
        "net:e:1".to_owned(),
        format!("net:e:1~shs:{eve}"),
        format!("net:e:1~noauth;ws://e~plain:{bob}"),
        format!("lookup:eve~shs:{bob}"),
    ] {
        let layer = LookupLayer::new(table(&[("bob", &lie), ("eve", "net:e:1")]));
        let error = resolved(layer, &format!("lookup:bob~shs:{bob}")).await;
        let error = error.expect_err(&lie);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let cause = std::error::Error::source(&error).expect("a cause");
        assert_eq!(cause.downcast_ref(), Some(&LookupError::Unproven), "{lie}");
    }
    let own = LookupLayer::new(table(&[("bob", &format!("net:b:1~own:{bob}"))])).proven_by("own");
    resolved(own, &format!("lookup:bob~shs:{bob}"))
        .await
        .expect("proven in another way");
}

#[cfg(feature = "mtls")]
#[tokio::test]
async fn mtls_proves_the_key_of_its_peer_id() {
    use tower_multiserver::PeerId;

    let (bob, eve) = (identity("bob").public_key(), identity("eve").public_key());
    let (id, other) = (PeerId::from(bob), PeerId::from(eve));
    let all = format!(
        "net:a:1~mtls:{other};net:b:1~knock:{id};net:c:1~shs:{bob};net:d:1~knock:{id}~mtls:{id}"
    );
    for (to, safe) in [
        (
            format!("lookup:bob~shs:{bob}"),
            format!("net:c:1~shs:{bob};net:d:1~knock:{id}~mtls:{id}"),
        ),
        (
            format!("lookup:bob~mtls:{id}"),
            format!("net:c:1~shs:{bob};net:d:1~knock:{id}~mtls:{id}"),
        ),
        (
            format!("lookup:bob~knock:{id}~mtls:{id}"),
            format!("net:d:1~knock:{id}~mtls:{id}"),
        ),
    ] {
        let found = resolved(LookupLayer::new(table(&[("bob", &all)])), &to).await;
        assert_eq!(found.expect("found"), safe, "{to}");
    }
}

#[tokio::test]
async fn an_answer_leads_to_no_other_name() {
    let table = table(&[("bob", "lookup:bob;lookup:eve;net:b:1"), ("eve", "net:e:1")]);
    let found = resolved(LookupLayer::new(table), "lookup:bob").await;
    assert_eq!(found.expect("found"), "net:b:1");
}

#[tokio::test]
async fn of_a_long_answer_and_a_long_list_some_count() {
    let many = |prefix: &str| {
        let all: Vec<_> = (1..=100).map(|port| format!("{prefix}{port}")).collect();
        all.join(";")
    };
    let layer = LookupLayer::new(table(&[("bob", &many("net:b:"))]));
    let found = resolved(layer, "lookup:bob").await.expect("found");
    assert_eq!(found.split(';').count(), 16);

    let layer = LookupLayer::new(table(&[("5", "net:e:1")]));
    let error = resolved(layer, &many("lookup:")).await;
    let causes = causes(&error.expect_err("none of the first is known"));
    let [ref asked @ .., last] = causes[..5] else {
        unreachable!("five");
    };
    assert_eq!(asked, [Some(LookupError::Unknown); 4]);
    assert_eq!(last, Some(LookupError::TooMany));
}

#[tokio::test]
async fn behind_an_onion_address_nothing_is_looked_up_unless_asked_for() {
    let layer = LookupLayer::new(table(&[("bob", "net:b:1")]));
    let found = resolved(layer.clone(), "onion:x:1;lookup:bob").await;
    assert_eq!(found.expect("the onion"), "onion:x:1");
    let found = resolved(layer.clone().mix_onion(), "onion:x:1;lookup:bob").await;
    assert_eq!(found.expect("both"), "onion:x:1;net:b:1");
    let found = resolved(layer, "lookup:bob;onion:x:1").await;
    assert_eq!(found.expect("both"), "net:b:1;onion:x:1");
}

#[tokio::test]
async fn a_seed_is_given_to_no_address_that_was_found() {
    let bob = identity("bob").public_key();
    let layer = LookupLayer::new(table(&[("bob", &format!("net:b:1~shs:{bob}"))]));
    let seed = data_encoding::BASE64.encode(&[7; 32]);
    let error = resolved(layer, &format!("lookup:bob~shs:{bob}:{seed}")).await;
    let error = error.expect_err("a seed");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(!format!("{error} {error:?}").contains(&seed));
}

#[tokio::test]
async fn tables_are_asked_one_after_the_other() {
    let first = table(&[("bob", "net:b:1")]).or(table(&[("bob", "net:x:1"), ("eve", "net:e:1")]));
    let ask = async |name: &str| {
        let answer = first.clone().oneshot(name.parse().expect("a name")).await;
        answer.expect("a table does not fail").addresses
    };
    assert_eq!(ask("bob").await, Some(addresses("net:b:1")));
    assert_eq!(ask("eve").await, Some(addresses("net:e:1")));
    assert_eq!(ask("joe").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_hangs_or_fails_leaves_the_others() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let lookup = service_fn(move |name: Name| {
        let log = Arc::clone(&log);
        async move {
            log.lock().await.push(name.to_string());
            match name.text() {
                Some("slow") => pending().await,
                Some("broken") => Err(BoxError::from("broken")),
                _ => Ok(Answer::new(None, Duration::ZERO)),
            }
        }
    });
    let (lab, start) = (Lab::new(), Instant::now());
    let dialer = ServiceBuilder::new()
        .layer(LookupLayer::new(lookup))
        .layer(FallbackLayer::new())
        .service(lab.dialer());
    let to = "lookup:slow;lookup:broken;lookup:joe;net:a~io;net:b~shs:K:S~io";
    let error = dialer.dial(to).await.expect_err("nobody");
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    // One error lists the look-ups and the dials.
    let failed: Vec<_> = listed(&error).into_iter().collect();
    let expected = [
        ("lookup:slow", ErrorKind::Timeout),
        ("lookup:broken", ErrorKind::Other),
        ("lookup:joe", ErrorKind::Unsupported),
        ("net:b~shs:K:…~io", ErrorKind::Unsupported),
        ("net:a~io", ErrorKind::Io),
    ];
    assert_eq!(failed, expected.map(|(at, kind)| (at.to_owned(), kind)));
    assert_eq!(causes(&error)[3], Some(NotTried::Seed));
    assert_eq!(*asked.lock().await, ["slow", "broken", "joe"]);
}

/// The stacks decide what is spoken, whatever an answer says.
#[tokio::test]
async fn an_answer_reaches_no_protocol_that_was_not_declared() {
    let (_reserved, gone) = closed_port();
    let table = table(&[("bob", &format!("net:{gone};unix:/run/x;net:{gone}~noauth"))]);
    let encrypted = MultiServer::new().stack(shs("alice").layer(Net::new()));
    let error = LookupLayer::new(table)
        .layer(encrypted)
        .dial("lookup:bob")
        .await;
    assert_eq!(error.expect_err("no key").kind(), ErrorKind::Unsupported);
}

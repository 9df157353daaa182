//! `address check` and `address explain`.

use tower_multiserver::{Address, MultiAddress, StackExt as _, net::Net, unix::Unix, ws::Ws};

use crate::harness::{Program, run};

const KEY: &str = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";
const SEED: &str = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";

#[tokio::test]
async fn each_address_of_a_list_is_checked() {
    let list = format!("hyper:dht;net:h:1~shs:{KEY};ws://h~shs:{KEY}~gzip");
    let check = run(&["address", "check", &list]).await;
    assert_eq!(check.code, Some(0));
    let lines: Vec<_> = check.text().lines().collect();
    assert!(
        lines[0].starts_with("hyper:dht: not understood: "),
        "{lines:?}"
    );
    assert_eq!(lines[1], format!("net:h:1~shs:{KEY}: understood"));
    assert!(lines[2].contains("~gzip: not understood: "), "{lines:?}");
    assert_eq!(lines[3], "strict grammar: holds");
}

#[tokio::test]
async fn a_list_of_which_nothing_is_understood_is_2() {
    for list in [
        "hyper:dht",
        "hyper:dht;channel:x",
        "net:h:1~shs",
        "",
        "a;;b",
    ] {
        assert_eq!(
            run(&["address", "check", list]).await.code,
            Some(2),
            "{list}"
        );
    }
}

#[tokio::test]
async fn what_the_strict_grammar_forbids_is_said_and_understood_all_the_same() {
    let check = run(&["address", "check", "unix:/a b"]).await;
    assert_eq!(check.code, Some(0));
    let last = check.text().lines().last().expect("a line");
    assert!(
        last.starts_with("strict grammar: does not hold: "),
        "{last}"
    );
    assert!(last.ends_with("at byte 7"), "{last}");
}

#[tokio::test]
async fn an_address_is_explained_section_by_section() {
    let address = format!("net:example.com:8008~shs:{KEY}:{SEED};ws://[::1]:80/p;unix:/a:b~noauth");
    let (_directory, path) = crate::harness::file("address", &address);
    let mut from_stdin = Program::start(["address", "explain", "-"]);
    from_stdin.send(format!("{address}\n").as_bytes()).await;
    for explained in [
        run(&["address", "explain", &address]).await,
        run(&["address", "explain", &format!("@{}", path.display())]).await,
        from_stdin.end().await,
    ] {
        assert_eq!(explained.code, Some(0));
        let text = explained.text();
        let id = format!("@{KEY}.ed25519");
        for said in [
            "port 8008 of example.com",
            &id,
            "seed",
            "port 80 of ::1, path /p",
            "file /a:b",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(text.contains("noauth: nothing is proven"), "{text}");
        assert!(!text.contains(SEED));
    }
}

#[tokio::test]
async fn a_name_is_understood_and_explained_without_being_looked_up() {
    let address = format!("lookup:bob.example~shs:{KEY}");
    let check = run(&["address", "check", &address]).await;
    assert_eq!(check.code, Some(0));
    let explained = run(&["address", "explain", &address]).await;
    let text = explained.text();
    assert!(text.contains("_multiserver.bob.example"), "{text}");
    assert!(text.contains("must prove to be"), "{text}");
    assert_eq!(run(&["address", "check", "lookup:"]).await.code, Some(2));
}

#[tokio::test]
async fn what_is_not_understood_is_explained_as_far_as_it_goes() {
    let explained = run(&["address", "explain", "net::8008~shs;tcp:1~x\u{1b}[31m"]).await;
    assert_eq!(explained.code, Some(0));
    let text = explained.text();
    assert!(text.contains("port 8008 of this machine"), "{text}");
    assert!(
        text.contains("shs: Secret Handshake, of a server that does not say"),
        "{text}"
    );
    assert!(
        text.contains("tcp: not understood: its transport is not known"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_eq!(run(&["address", "explain", "a;;b"]).await.code, Some(2));
}

#[cfg(unix)]
#[tokio::test]
async fn the_check_agrees_with_the_transports() {
    let long = |n: usize| "x".repeat(n);
    // Nobody is there, so a dial of what is understood fails at once.
    let texts = [
        "net:127.0.0.1:1",
        "net::1",
        "net:::1:1",
        "net:[::1]:1",
        "net:[::1%lo]:1",
        "net:127.0.0.1:0",
        "net:127.0.0.1:01",
        "net:127.0.0.1:65536",
        "net:127.0.0.1:+1",
        "net:127.0.0.1:",
        "net:127.0.0.1",
        "net",
        "net:",
        "net:[127.0.0.1]:1",
        "net:[h]:1",
        "net:a\u{0}b:1",
        "net:a\rb:1",
        "net:127.0.0.1:1 ",
        "NET:127.0.0.1:1",
        &format!("net:{}:1", long(256)),
        "ws://127.0.0.1:1",
        "ws://127.0.0.1:1/p?q",
        "ws://127.0.0.1:1?q",
        "ws://[::1]:1",
        "ws://127.0.0.1:1/%20",
        "ws://",
        "ws://:1",
        "ws:",
        "ws",
        "ws:127.0.0.1:1",
        "ws://u@127.0.0.1:1",
        "ws://127.0.0.1:1#f",
        "ws://127.0.0.1:1/a b",
        "ws://127.0.0.1:1/é",
        "ws://é:1",
        "ws://127.0.0.1:x",
        "ws://127.0.0.1:1:1",
        "ws://[::1]1",
        "ws://[h]:1",
        "ws://::1:1",
        "ws://a,b:1",
        "ws://127.0.0.1:65536",
        "ws://127.0.0.1:1/\"",
        "ws://127.0.0.1:1/<>",
        "ws://127.0.0.1:1/`{}|^",
        "wss://127.0.0.1:1",
        &format!("ws://{}:1", long(256)),
        "unix:/nowhere/a",
        "unix:/nowhere/a:b c/é",
        "unix:/nowhere/a!;b!~",
        "unix:a",
        "unix:./a",
        "unix:",
        "unix",
        "unix:/nowhere/",
        "unix:/nowhere/..",
        "unix:/nowhere/.",
        "unix:/",
        "unix:/a\u{0}b",
        &format!("unix:/nowhere/{}", long(98)),
        &format!("unix:/nowhere/{}", long(99)),
        "unix:@",
        "unix:@nobody-is-there",
        &format!("unix:@{}", long(107)),
        &format!("unix:@{}", long(108)),
        "channel:x",
        "onion:x:1",
    ];
    let addresses: Vec<Address> = texts
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect();
    let mut all = MultiAddress::from(addresses[0].clone());
    all.extend(addresses[1..].iter().cloned());
    let mut check = Program::start(["address", "check", "-"]);
    check.send(format!("{all}\n").as_bytes()).await;
    let check = check.end().await;
    let verdicts: Vec<_> = check.text().lines().collect();
    assert_eq!(verdicts.len(), addresses.len() + 1);
    for (address, verdict) in addresses.iter().zip(verdicts) {
        let understood = !refused(address).await;
        assert_eq!(verdict.ends_with(": understood"), understood, "{verdict}");
    }
}

#[cfg(unix)]
/// Whether no transport understands `address`.
async fn refused(address: &Address) -> bool {
    let net = Net::new().dial(address.clone()).await.map(drop);
    let ws = Ws::new().dial(address.clone()).await.map(drop);
    let unix = Unix::new()
        .abstract_names(true)
        .dial(address.clone())
        .await
        .map(drop);
    [net, ws, unix]
        .into_iter()
        .all(|dialed| dialed.is_err_and(|error| error.is_unsupported()))
}

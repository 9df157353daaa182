//! `address check` and `address explain`.

use tower_multiserver::{
    Address, ErrorKind, MultiAddress, StackExt as _, net::Net, onion::Onion, unix::Unix, ws::Ws,
    wss::Wss,
};

use crate::harness::{Program, run};

const KEY: &str = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";
const PEER: &str = "12D3KooWPqT2nMDSiXUSx5D7fasaxhxKigVhcqfkKqrLghCq9jxz";
const SEED: &str = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";

#[tokio::test]
async fn each_address_of_a_list_is_checked() {
    let list = format!("hyper:dht;net:h:1~shs:{KEY};ws://h~shs:{KEY}~frob");
    let check = run(&["address", "check", &list]).await;
    assert_eq!(check.code, Some(0));
    let lines: Vec<_> = check.text().lines().collect();
    assert!(
        lines[0].starts_with("hyper:dht: not understood: "),
        "{lines:?}"
    );
    assert_eq!(lines[1], format!("net:h:1~shs:{KEY}: understood"));
    assert!(lines[2].contains("~frob: not understood: "), "{lines:?}");
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
async fn each_protocol_is_explained() {
    let onion = "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion";
    let address = format!(
        "wss://example.com/p~noise:{KEY}:{SEED}~gzip~zstd~deflate~br;onion:{onion}:80~noise;\
         bt:65D900DDB353~shs:{KEY};net:h:1~knock:{PEER}~mtls:{PEER};net:h:1~mtls:{KEY};bt:000000000000;channel~gzip:9;\
         channel:x;lookup:a b;net:h:1~knock~mtls"
    );
    let explained = run(&["address", "explain", &address]).await;
    assert_eq!(explained.code, Some(0));
    let text = explained.text();
    let id = format!("@{KEY}.ed25519");
    for said in [
        "wss: WebSocket over TLS, port 443 of example.com, path /p",
        &format!("noise: the Noise protocol, the peer must prove to be {id}; encrypted; we are"),
        "gzip: compressed with gzip\n",
        "zstd: compressed with zstd\n",
        "deflate: compressed with deflate\n",
        "br: compressed with Brotli\n",
        &format!("onion: by way of Tor or another SOCKS proxy, port 80 of {onion}"),
        "noise: the Noise protocol, of a server that does not say",
        "bt: Bluetooth, device 65D900DDB353",
        &format!("knock: the knock of ragep2p, at the door of {PEER}"),
        &format!("mtls: mutual TLS 1.3, encrypted; the peer must prove to be {PEER}"),
        "mtls: not understood: `mtls:PEERID` without a peer id",
        "knock: the knock of ragep2p, of a peer that does not say its id\n",
        "mtls: mutual TLS 1.3, of a peer that does not say its id; encrypted\n",
        "bt: Bluetooth, by any adapter",
        "channel: messages to and from a program, which --pipe names",
        "gzip: not understood: it takes no arguments",
        "channel: not understood: it connects the parts of one process",
        "lookup: the addresses in the DNS records (TXT) of _multiserver.a b",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains(SEED));
    let damaged = onion.replacen('d', "e", 1);
    let explained = run(&["address", "explain", &format!("onion:{damaged}:80")]).await;
    assert!(explained.text().contains("onion: not understood: "));
    // The help names all of them.
    let help = run(&["--help"]).await;
    for name in [
        "net:", "ws://", "wss://", "unix:", "onion:", "bt:", "channel ", "lookup:", "~shs",
        "~noise", "~noauth", "~knock", "~mtls", "~gzip", "~zstd", "~deflate", "~br", "ssb:",
    ] {
        assert!(help.text().contains(name), "{name}");
    }
}

#[tokio::test]
async fn what_no_name_can_lead_to_is_not_understood() {
    for (address, understood) in [
        (format!("lookup:bob.example~noise:{KEY}~zstd"), true),
        ("lookup:bob.example".to_owned(), true),
        (format!("lookup:{KEY}"), false),
        (format!("lookup:bob.example~shs:{KEY}:{SEED}"), false),
        ("lookup:bob.example~shs".to_owned(), false),
        ("lookup:bob.example~frob".to_owned(), false),
    ] {
        let check = run(&["address", "check", &address]).await;
        assert_eq!(check.code == Some(0), understood, "{address}");
        assert!(!check.text().contains(SEED));
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
        "wss://127.0.0.1:1/p",
        "wss://",
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
        "channel",
        "onion:x:1",
        "onion:x",
        "onion:x.onion:1",
        "onion:127.0.0.1:0",
        "bt:65D900DDB35",
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
    let wss = Wss::new().dial(address.clone()).await.map(drop);
    let nobody = ["127.0.0.1:1".parse().expect("a proxy")];
    let onion = Onion::new().proxies(nobody).dial(address.clone()).await;
    let not_understood = [ErrorKind::Unsupported, ErrorKind::InvalidAddress];
    [net, ws, unix, wss, onion.map(drop)]
        .into_iter()
        .all(|dialed| dialed.is_err_and(|error| not_understood.contains(&error.kind())))
}

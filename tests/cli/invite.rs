//! `invite`.

use serde_json::Value;

use crate::{
    harness::{Program, connect, key, run},
    ports::free_port,
};

#[tokio::test]
async fn a_guest_comes_in_by_the_invite_and_only_the_guest() {
    let directory = tempfile::tempdir().expect("a directory");
    let (host, host_id) = key(&directory, "host").await;
    // Where the server will be.
    let at = format!("net:127.0.0.1:{}~shs", free_port());

    let invite = run(&["invite", &at, "--key", &host, "--json"]).await;
    assert_eq!(invite.code, Some(0), "{:?}", invite.told);
    let invite: Value = serde_json::from_str(invite.text()).expect("JSON");
    let address = invite["address"].as_str().expect("a text");
    let guest = invite["guest"].as_str().expect("a key");
    let host_key = host_id.trim_start_matches('@').trim_end_matches(".ed25519");
    assert!(
        address.starts_with(&format!("{at}:{host_key}:")),
        "{address}"
    );

    let args = ["--echo", "--key", &host, "--allow", guest];
    let (mut server, open) = Program::listen(&at, &args).await;
    let client = connect(address, &[], b"hello").await;
    assert_eq!(
        (client.code, client.text()),
        (Some(0), "hello"),
        "{:?}",
        client.told
    );
    assert_eq!(server.event("connection").await["remote"], guest);
    assert_eq!(connect(&open, &[], b"hello").await.code, Some(4));
}

#[tokio::test]
async fn each_invite_has_a_key_of_its_own_which_stands_on_stdout_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let (host, _) = key(&directory, "host").await;
    let mut seeds = Vec::new();
    for _ in 0..2 {
        let args = [
            "invite",
            "net:example.com:8008~shs;ws://example.com~shs",
            "--key",
            &host,
        ];
        let ended = run(&args).await;
        assert_eq!(ended.code, Some(0), "{:?}", ended.told);
        let (first, second) = ended.text().trim_end().split_once(';').expect("both");
        let seed = first.rsplit(':').next().expect("a seed").to_owned();
        assert!(second.ends_with(&seed), "one guest, by either way");
        let told = ended.told.concat();
        assert!(
            told.contains(".ed25519") && !told.contains(&seed[..20]),
            "{told}"
        );
        seeds.push(seed);
    }
    assert_ne!(seeds[0], seeds[1]);
}

#[tokio::test]
async fn a_configuration_says_where_the_server_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_, host_id) = key(&directory, "host").await;
    let key = host_id.trim_start_matches('@').trim_end_matches(".ed25519");
    let config = directory.path().join("config.toml");
    let text = r#"
        listen = ["net:0.0.0.0:8008~shs", "ws://b.example:8989~shs", "ws://c.example:8989~mtls", "unix:/run/app~noauth"]
        key-file = "host"
        external.net = ["net:a.example:8008", "onion:duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion:8008"]
    "#;
    std::fs::write(&config, text).expect("written");
    let config = config.display().to_string();
    let ended = run(&["invite", "--config", &config]).await;
    assert_eq!(ended.code, Some(0), "{:?}", ended.told);
    let seed = ended.text().trim_end().rsplit(':').next().expect("a seed");
    let expected = [
        "net:a.example:8008",
        "onion:duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion:8008",
        "ws://b.example:8989",
    ]
    .map(|transport| format!("{transport}~shs:{key}:{seed}"));
    assert_eq!(ended.text().trim_end(), expected.join(";"));
}

#[tokio::test]
async fn what_nobody_could_dial_is_2() {
    let directory = tempfile::tempdir().expect("a directory");
    let (host, host_id) = key(&directory, "host").await;
    let own = host_id.trim_start_matches('@').trim_end_matches(".ed25519");
    let other = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";
    for address in [
        "net:0.0.0.0:8008~shs",
        "net::::8008~shs",
        "net:h:0~shs",
        "ws://0.0.0.0:80~shs",
        "net:h:1",
        "net:h:1~noauth",
        "net:h:1~mtls",
        "net:h~shs",
        &format!("net:h:1~shs:{other}"),
        &format!("net:h:1~shs:{own}:{other}"),
    ] {
        let ended = run(&["invite", address, "--key", &host]).await;
        assert_eq!((ended.code, ended.text()), (Some(2), ""), "{address}");
        assert!(!ended.told.concat().contains(&format!(":{other}:")));
    }
    assert_eq!(run(&["invite", "net:h:1~shs"]).await.code, Some(2));
    let known = run(&["invite", &format!("net:h:1~shs:{own}"), "--key", &host]).await;
    assert_eq!(known.code, Some(0), "{:?}", known.told);
}

//! The forms in which Secure Scuttlebutt writes addresses.

use serde_json::Value;

use crate::harness::{Program, connect, file, key, run};

const KEY: &str = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";
const SEED: &str = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";

async fn convert(to: &str, address: &str) -> Option<String> {
    let ended = run(&["address", "convert", "--to", to, address]).await;
    match ended.code {
        Some(0) => Some(ended.text().strip_suffix('\n').expect("a line").to_owned()),
        code => {
            assert_eq!(code, Some(2), "{:?}", ended.told);
            None
        }
    }
}

#[tokio::test]
async fn each_form_is_made_of_each_other() {
    for secret in ["", SEED] {
        let mut address = format!("net:example.com:8008~shs:{KEY}");
        let mut legacy = format!("example.com:8008:@{KEY}.ed25519");
        if !secret.is_empty() {
            address = format!("{address}:{secret}");
            legacy = format!("{legacy}~{secret}");
        }
        let uri = convert("uri", &address).await.expect("a URI");
        assert!(uri.starts_with("ssb:address/multiserver?"), "{uri}");
        for from in [&address, &legacy, &uri] {
            for (to, text) in [
                ("multiserver", &address),
                ("legacy", &legacy),
                ("uri", &uri),
            ] {
                assert_eq!(convert(to, from).await.as_ref(), Some(text), "{from}");
            }
            let check = run(&["address", "check", from]).await;
            assert_eq!(check.code, Some(0), "{from}");
            assert!(
                check.text().ends_with("strict grammar: holds\n"),
                "{}",
                check.text()
            );
            let explained = run(&["address", "explain", from]).await;
            assert!(explained.text().contains("port 8008 of example.com"));
        }
    }
}

#[tokio::test]
async fn what_has_no_legacy_form_or_is_no_address_is_2() {
    let noise = format!("net:h:1~noise:{KEY}");
    assert_eq!(convert("legacy", &noise).await, None);
    assert_eq!(convert("legacy", "net:h:1").await, None);
    assert_eq!(convert("other", &noise).await, None);
    for text in [
        KEY,
        "https://room.example/join",
        "ssb:experimental?action=x",
        "a;;b",
    ] {
        assert_eq!(convert("multiserver", text).await, None, "{text}");
    }
}

#[tokio::test]
async fn each_form_is_dialed_and_forwarded_to() {
    let (_server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    for form in ["legacy", "uri"] {
        let text = convert(form, &at).await.expect("a form");
        let (_directory, path) = file("address", &text);
        for argument in [text.clone(), format!("@{}", path.display())] {
            let client = connect(&argument, &[], b"hello").await;
            assert_eq!(
                (client.code, client.text()),
                (Some(0), "hello"),
                "{:?}",
                client.told
            );
        }
        let ping = run(&["ping", &text]).await;
        assert_eq!(ping.code, Some(0), "{:?}", ping.told);
        let (_relay, relayed) = Program::listen("net:127.0.0.1:0", &["--to", &text]).await;
        assert_eq!(connect(&relayed, &[], b"hello").await.text(), "hello");
    }
}

#[tokio::test]
async fn an_invite_is_written_in_the_form_that_is_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let (host, host_id) = key(&directory, "host").await;
    for form in ["multiserver", "legacy", "uri"] {
        let args = [
            "invite",
            "net:h:8008~shs",
            "--key",
            &host,
            "--json",
            "--format",
            form,
        ];
        let invite = run(&args).await;
        assert_eq!(invite.code, Some(0), "{:?}", invite.told);
        let invite: Value = serde_json::from_str(invite.text()).expect("JSON");
        let text = invite["address"].as_str().expect("a text");
        assert_eq!(convert(form, text).await.as_deref(), Some(text));
        let legacy = convert("legacy", text).await.expect("a legacy form");
        assert!(
            legacy.starts_with(&format!("h:8008:{host_id}~")),
            "{legacy}"
        );
    }
    let several = [
        "invite",
        "net:h:1~shs;ws://h~shs",
        "--key",
        &host,
        "--format",
        "legacy",
    ];
    let ended = run(&several).await;
    assert_eq!((ended.code, ended.text()), (Some(2), ""));
}

//! A whole MultiServer as data.
#![cfg(all(feature = "default", feature = "serde", unix))]

#[cfg(all(test, feature = "hyperswarm", feature = "noise"))]
mod hyperswarm;
#[cfg(test)]
mod limits;
#[cfg(all(test, feature = "knock", feature = "mtls"))]
mod peer_ids;
#[path = "../support/mod.rs"]
mod support;
#[cfg(all(test, feature = "wss", feature = "onion"))]
mod transports;

use std::{error::Error as _, io, path::Path};

use support::{HANG, closed_port, echo, identity, round_trip};
use tokio::time::timeout;
use tower_multiserver::{
    Address, Error, ErrorKind, KeyFile, Listening, Scope,
    channel::Channel,
    config::{Allow, Config, Invalid, check_dial, check_listen},
};

const APP_KEY: &str = "vBpLIYAUpGkZUzg8f/jLIBLPqJqnLF+HZEGXzDM1yvA=";

fn config(text: &str) -> Config {
    toml::from_str(text).expect("a configuration")
}

/// Opens what the configuration says, as a server called `server`.
async fn open(config: &Config) -> Result<Listening, Error> {
    let server = config.multi_server_as(&identity("server"))?;
    server.listen(config.addresses().expect("some")).await
}

/// A connection as `name`, or why there is none.
async fn dial(config: &Config, name: &str, address: &Address) -> Result<(), Error> {
    let client = config.multi_server_as(&identity(name))?;
    let dialed = timeout(HANG, client.dial(address.clone())).await;
    round_trip(dialed.expect("a hang")?, b"hello").await;
    Ok(())
}

/// Echoes in the background; the addresses to dial.
fn serve(mut listening: Listening) -> Vec<Address> {
    let addresses = listening.all_addresses().iter();
    let addresses = addresses.map(|(_, address)| address.clone()).collect();
    tokio::spawn(async move {
        while let Some(next) = listening.next().await {
            if let Ok(peer) = next {
                tokio::spawn(echo(peer));
            }
        }
    });
    addresses
}

fn field(error: &Error) -> Option<&str> {
    let invalid: &Invalid = error.source()?.downcast_ref()?;
    Some(invalid.field())
}

#[tokio::test]
async fn a_file_says_a_whole_server() {
    let directory = tempfile::tempdir().expect("a directory");
    KeyFile::create(directory.path().join("secret"), &identity("server")).expect("a key file");
    let (own, friend) = (
        identity("server").public_key(),
        identity("friend").public_key(),
    );
    let socket = directory.path().join("socket");
    let mut server = config(&format!(
        r#"
        listen = ["net:127.0.0.1:0~shs", "ws://127.0.0.1:0~shs", "unix:{}~noauth"]
        key-file = "secret"
        app-key = "{APP_KEY}"
        allow = ["@{friend}.ed25519", "{own}"]
        "#,
        socket.display(),
    ));
    server.resolve_paths(directory.path());
    let door = server.multi_server().expect("a server");
    let listening = door.listen(server.addresses().expect("three")).await;
    let addresses = serve(listening.expect("open"));
    assert_eq!(addresses.len(), 3);
    assert!(addresses[0].to_string().ends_with(&format!("~shs:{own}")));

    let client = config(&format!("app-key = \"{APP_KEY}\""));
    for address in &addresses {
        dial(&client, "friend", address).await.expect("let in");
    }
    for address in &addresses[..2] {
        let stranger = dial(&client, "stranger", address).await.unwrap_err();
        assert_eq!(stranger.kind(), ErrorKind::Handshake);
        let other_network = dial(&Config::default(), "friend", address).await;
        assert_eq!(other_network.unwrap_err().kind(), ErrorKind::Handshake);
    }
}

#[tokio::test]
async fn each_transport_goes_with_each_transform() {
    let directory = tempfile::tempdir().expect("a directory");
    for (n, transport) in ["net:127.0.0.1:0", "ws://127.0.0.1:0", "unix:"]
        .iter()
        .enumerate()
    {
        for transform in ["~shs", "~noauth", ""] {
            let mut text = (*transport).to_owned();
            if text == "unix:" {
                let name = format!("{n}{transform}").replace('~', "-");
                text.push_str(&directory.path().join(name).display().to_string());
            }
            let config = config(&format!(
                "listen = [\"{text}{transform}\"]\nallow = \"all\"\nplain = true"
            ));
            let address = serve(open(&config).await.expect("open")).remove(0);
            // A web socket alone cannot end one direction, so the echo has no end to come back.
            if !(text.starts_with("ws:") && transform != "~shs") {
                dial(&config, "client", &address).await.expect(&text);
            } else {
                let client = config.multi_server().expect("a client");
                client.dial(address).await.expect(&text);
            }
        }
    }
}

#[tokio::test]
async fn who_listens_for_keys_says_whose() {
    let mut config = config("listen = [\"net:127.0.0.1:0~shs\"]");
    let error = open(&config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(field(&error), Some("allow"));
    config.allow = Some(Allow::All);
    open(&config).await.expect("said");
}

#[tokio::test]
async fn a_list_of_keys_does_not_hold_where_none_is_asked_for() {
    let friend = identity("friend").public_key();
    for address in ["net:127.0.0.1:0", "net:127.0.0.1:0~noauth"] {
        let mut config = config(&format!("listen = [\"{address}\"]\nplain = true"));
        config.allow = Some(Allow::Keys(vec![friend]));
        let error = open(&config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{address}");
        assert_eq!(field(&error), Some("allow"));
        // `noauth` counts as our own key, and what is bare as none.
        config.allow = Some(Allow::Keys(vec![friend, identity("server").public_key()]));
        assert_eq!(open(&config).await.is_ok(), address.ends_with("noauth"));
    }
}

#[tokio::test]
async fn what_proves_nothing_is_neither_dialed_nor_listened_on_unless_said() {
    let (_socket, closed) = closed_port();
    let bare: Address = format!("net:{closed}").parse().expect("an address");
    let mut config = config("listen = [\"net:127.0.0.1:0\"]");
    for plain in [None, Some(false)] {
        config.plain = plain;
        let refused = dial(&config, "client", &bare).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        let refused = open(&config).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
    }
    config.plain = Some(true);
    let dialed = dial(&config, "client", &bare).await.unwrap_err();
    assert_eq!(dialed.kind(), ErrorKind::Io, "it was dialed");
    open(&config).await.expect("said");
}

#[test]
fn an_address_is_understood_as_the_protocols_read_it() {
    let key = identity("server").public_key();
    for (text, dial, listen) in [
        ("net:h:1~shs:K", true, true),
        ("net:h:1~shs", false, true),
        ("ws://h~shs:K", true, true),
        ("ws://h?q", true, false),
        ("unix:/a~noauth", true, true),
        ("unix:a~noauth", false, false),
        ("net:h:1", true, true),
        ("net:h:1~noauth:x", false, true),
        ("net:h:1~shs:K~shs:K", false, false),
        ("net:h:1~shs:K~noauth", false, false),
        ("net:h:1~other", false, false),
        ("other:h:1~shs:K", false, false),
        ("channel:x~shs:K", false, false),
    ] {
        let address: Address = text.replace('K', &key.to_string()).parse().expect("one");
        assert_eq!(check_dial(&address).is_ok(), dial, "dial {text}");
        assert_eq!(check_listen(&address).is_ok(), listen, "listen {text}");
    }
}

#[test]
fn what_cannot_be_read_says_where_it_stands() {
    for (text, at) in [
        ("lissen = []", 0),
        ("[limits]\nmax = 1", 9),
        ("listen = [\"net:h:1\", \"~\"]", 21),
        ("app-key = \"short\"", 10),
        ("allow = \"some\"", 8),
        ("allow = [\"nobody\"]", 9),
        ("allow = 1", 8),
        ("dial-timeout = 0", 15),
        ("dial-timeout = -1", 15),
        ("dial-timeout = nan", 15),
        ("dial-timeout = 1e300", 15),
        ("dial-timeout = 86401", 15),
        ("dial-timeout = \"1\"", 15),
        ("user-timeout = 0", 15),
        ("[limits]\nmax-connections = 0", 27),
        ("[limits]\nmax-handshakes = -1", 26),
        ("[external]\nnet = \"net:h:1\"", 17),
        ("listen = [", 10),
    ] {
        let error = toml::from_str::<Config>(text).expect_err(text);
        let span = error.span().expect(text);
        assert!(span.contains(&at) || span.start == at, "{text}: {span:?}");
    }
}

#[test]
fn what_the_protocols_do_not_take_names_its_field() {
    let unknown = config("[external]\nfoo = [\"foo:h\"]")
        .multi_server()
        .unwrap_err();
    assert_eq!(field(&unknown), Some("external.foo"));

    let missing = config("key-file = \"/nowhere/at/all\"")
        .multi_server()
        .unwrap_err();
    assert_eq!(
        (missing.kind(), field(&missing)),
        (ErrorKind::Io, Some("key-file"))
    );
    let cause = missing.source().and_then(|invalid| invalid.source());
    let cause: &io::Error = cause.expect("one").downcast_ref().expect("an IO error");
    assert_eq!(cause.kind(), io::ErrorKind::NotFound);
}

#[test]
fn paths_begin_where_they_were_said() {
    let mut relative = config("key-file = \"keys/secret\"");
    relative.resolve_paths(Path::new("/etc/app"));
    assert_eq!(
        relative.key_file.as_deref(),
        Some(Path::new("/etc/app/keys/secret"))
    );
    let mut absolute = config("key-file = \"/keys/secret\"");
    absolute.resolve_paths(Path::new("/etc/app"));
    assert_eq!(
        absolute.key_file.as_deref(),
        Some(Path::new("/keys/secret"))
    );
}

#[tokio::test]
async fn external_sections_are_what_the_public_is_told() {
    let config = config(
        r#"
        listen = ["net:127.0.0.1:0~shs", "ws://127.0.0.1:0~shs"]
        allow = "all"
        [external]
        net = ["net:example.com:8008", "onion:x.onion:8008"]
        "#,
    );
    let listening = open(&config).await.expect("open");
    let key = identity("server").public_key();
    let public = listening
        .addresses(Scope::Public)
        .expect("some")
        .to_string();
    assert_eq!(
        public,
        format!("net:example.com:8008~shs:{key};onion:x.onion:8008~shs:{key}")
    );
}

#[test]
fn text_is_read_back_and_debug_shows_no_secret() {
    let seed = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";
    let key = identity("server").public_key();
    for text in [
        String::new(),
        format!(
            r#"
            listen = ["net:h:1~shs:{key}:{seed}"]
            key-file = "a"
            app-key = "{APP_KEY}"
            allow = "all"
            plain = true
            dial-timeout = 2.5
            user-timeout = 60
            external.net = ["net:h:2"]
            limits = {{ handshake-timeout = 1, max-handshakes = 2, max-connections = 3 }}
            "#
        ),
        format!("allow = [\"{key}\"]"),
    ] {
        let config = config(&text);
        let json = serde_json::to_string(&config).expect("text");
        let again: Config = serde_json::from_str(&json).expect("the same text");
        assert_eq!(again, config);
        let debug = format!("{config:?}");
        assert!(!debug.contains(seed) && !debug.contains(APP_KEY), "{debug}");
    }
    assert_eq!(
        serde_json::to_string(&Config::default()).expect("text"),
        "{}"
    );
}

#[tokio::test]
async fn a_transport_of_the_programs_own_goes_under_the_same_rules() {
    let config = config("allow = \"all\"");
    let channel = Channel::new();
    let door = |name| {
        let door = config.multi_server_with(&identity("server"), name, channel.clone());
        door.expect("a server")
    };
    let server = door("channel");
    let mut listening = server.listen("channel:here~shs").await.expect("open");
    let (_, address) = listening.all_addresses()[0].clone();
    let (dialed, accepted) = tokio::join!(server.dial(address), listening.next());
    let key = dialed.expect("dialed").info().remote_key();
    assert_eq!(key, Some(identity("server").public_key()));
    accepted.expect("one").expect("accepted");
    // Nothing else has become less strict.
    for text in ["channel:here", "channel:here~other", "other:h~shs"] {
        let refused = server.dial(text).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{text}");
        let refused = server.listen(text).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{text}");
    }
    // In place of the one of that name, which would go out.
    let server = door("net");
    let refused = server.listen("net:127.0.0.1:0~shs").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}

//! `mtls` and `knock`, whose peers are known by peer ids.

use tokio::io::AsyncReadExt as _;
use tower_multiserver::{ClaimedKey, Connection, PeerId};

use super::*;

/// A server that lets these in.
fn allowing(chain: &str, allow: &str) -> Config {
    config(&format!(
        "listen = [\"net:127.0.0.1:0{chain}\"]\nallow = {allow}"
    ))
}

fn only(name: &str) -> String {
    format!("[\"{}\"]", identity(name).public_key())
}

/// Both ends of a dial as `name`, by a configuration that says nothing at all.
async fn met(
    listening: &mut Listening,
    name: &str,
) -> (Result<Connection, Error>, Result<Connection, Error>) {
    let client = Config::default().multi_server_as(&identity(name));
    let client = client.expect("a client");
    let (_, address) = listening.all_addresses()[0].clone();
    let both = async { tokio::join!(client.dial(address), listening.next()) };
    let (dialed, accepted) = timeout(HANG, both).await.expect("a hang");
    (dialed, accepted.expect("one"))
}

#[tokio::test]
async fn a_list_of_keys_holds_over_mtls_with_and_without_a_knock() {
    let id = PeerId::from(identity("server").public_key());
    for (chain, dialed_at) in [
        ("~mtls", format!("~mtls:{id}")),
        ("~knock~mtls", format!("~knock:{id}~mtls:{id}")),
    ] {
        let mut listening = open(&allowing(chain, &only("friend"))).await.expect("open");
        let (_, address) = &listening.all_addresses()[0];
        assert!(address.to_string().ends_with(&dialed_at), "{address}");

        let (dialed, accepted) = met(&mut listening, "friend").await;
        let key = identity("friend").public_key();
        assert_eq!(accepted.expect("a friend").info().remote_key(), Some(key));
        let key = identity("server").public_key();
        assert_eq!(dialed.expect("let in").info().remote_key(), Some(key));

        let (dialed, accepted) = met(&mut listening, "stranger").await;
        assert_eq!(accepted.unwrap_err().kind(), ErrorKind::Unauthorized);
        // A client of TLS 1.3 alone takes itself for connected until it reads.
        match dialed {
            Ok(mut dialed) => {
                assert_eq!(chain, "~mtls");
                let read = timeout(HANG, dialed.read(&mut [0; 9])).await;
                read.expect("a hang").unwrap_err();
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Handshake),
        }
    }
}

#[tokio::test]
async fn everybody_is_let_in_where_the_file_says_so() {
    for chain in ["~mtls", "~knock~mtls~gzip", "~knock~shs"] {
        if chain.ends_with("gzip") && !cfg!(feature = "gzip") {
            continue;
        }
        let address = serve(open(&allowing(chain, "\"all\"")).await.expect("open")).remove(0);
        let dialed = dial(&Config::default(), "anybody", &address).await;
        dialed.expect(chain);
    }
}

#[tokio::test]
async fn a_knock_alone_proves_nothing_and_is_neither_dialed_nor_listened_for_unless_said() {
    let (_socket, closed) = closed_port();
    let id = PeerId::from(identity("server").public_key());
    let bare: Address = format!("net:{closed}~knock:{id}").parse().expect("one");
    let refused = dial(&Config::default(), "client", &bare).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    for allow in [None, Some(Allow::All)] {
        let mut config = config("listen = [\"net:127.0.0.1:0~knock\"]");
        config.allow = allow;
        let refused = open(&config).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
    }

    // Who has heard a knock can send it again, so no list can hold for it; and nobody is let in by an oversight.
    let mut config = config("listen = [\"net:127.0.0.1:0~knock\"]\nplain = true");
    let friend = identity("friend").public_key();
    for allow in [None, Some(Allow::Keys(vec![friend]))] {
        config.allow = allow;
        let refused = open(&config).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unauthorized);
        assert_eq!(field(&refused), Some("allow"));
    }
    config.allow = Some(Allow::All);
    let mut listening = open(&config).await.expect("said");
    let (_, address) = listening.all_addresses()[0].clone();
    let client = config.multi_server_as(&identity("friend")).expect("one");
    let (dialed, accepted) = tokio::join!(client.dial(address), listening.next());
    dialed.expect("dialed");
    let accepted = accepted.expect("one").expect("accepted");
    assert_eq!(accepted.info().remote_key(), None);
    assert_eq!(accepted.info().get(), Some(&ClaimedKey(friend)));
}

#[tokio::test]
async fn who_listens_for_peer_ids_says_whose() {
    for chain in ["~mtls", "~knock~mtls"] {
        let config = config(&format!("listen = [\"net:127.0.0.1:0{chain}\"]"));
        let error = open(&config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        assert_eq!(field(&error), Some("allow"));
    }
}

#[test]
fn an_address_is_understood_as_the_protocols_read_it() {
    let key = identity("server").public_key();
    let id = PeerId::from(key);
    for (text, dial, listen) in [
        ("net:h:1~mtls:ID", true, true),
        ("net:h:1~mtls", false, true),
        ("net:h:1~mtls:KEY", false, true),
        ("net:h:1~knock:ID~mtls:ID", true, true),
        ("net:h:1~knock~mtls:ID", false, true),
        ("net:h:1~knock:KEY~mtls:ID", false, true),
        ("net:h:1~knock:ID~shs:KEY", true, true),
        ("net:h:1~mtls:ID~shs:KEY", false, false),
        ("net:h:1~knock:ID~knock:ID", false, false),
        ("net:h:1~shs:ID", false, true),
    ] {
        let text = text
            .replace(":KEY", &format!(":{key}"))
            .replace(":ID", &format!(":{id}"));
        let address: Address = text.parse().expect("one");
        assert_eq!(check_dial(&address).is_ok(), dial, "dial {text}");
        assert_eq!(check_listen(&address).is_ok(), listen, "listen {text}");
    }
}

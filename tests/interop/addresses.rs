//! Addresses and keys as each side sees them.

use serde_json::{Value, json};
use tower_multiserver::{Identity, LocalAddr, PeerAddr, PublicKey};

use crate::harness::{
    Options, PATIENCE, Peer, accept, base64, dial, key_of, listen, ours, seed, socket, text, theirs,
};

each_stack! { all

async fn who_we_are_to_a_javascript_server(js, stack, directory) {
    let (job, address) = js.serve(stack, json!({ "behaviour": "echo", "dir": directory })).await;
    let connection = dial(&address, Options::default()).await.unwrap();
    let seen = js.event(job, "connection").await;

    let info = connection.info();
    assert_eq!(info.address().to_string(), address);
    assert_eq!(info.remote_key(), Some(remote_of(stack, ours(), theirs())));

    assert_eq!(seen["remote"], remote_of(stack, theirs(), ours()).to_string());
    let local = info.get::<LocalAddr>().map(|LocalAddr(address)| address.port());
    let transport = match stack {
        "ws~shs" => "ws:127.0.0.1".to_owned(),
        _ if stack.starts_with("net") => format!("net:127.0.0.1:{}", local.unwrap()),
        _ => format!("unix:{}", directory.join("socket").display()),
    };
    assert_eq!(text(&seen["address"]), format!("{transport}~{}", transform(&seen, stack)));
}

async fn who_a_javascript_client_is_to_us(js, stack, directory) {
    let mut server = listen(stack, directory, Options::default()).await;
    let options = json!({ "behaviour": "send", "dir": "/its-own" });
    let job = js.dial(stack, &server.address, options).await;
    let connection = accept(&mut server).await.unwrap();
    let seen = js.event(job, "connected").await;

    let info = connection.info();
    assert_eq!(info.remote_key(), Some(remote_of(stack, ours(), theirs())));
    let peer = info.get::<PeerAddr>().map(|PeerAddr(address)| address);
    let (transport, dialed) = match stack {
        "ws~shs" => (format!("ws://{}", peer.unwrap()), with_slash(&server.address)),
        // The reference prints the path of its own server, not the one that it dialed.
        _ if stack.starts_with("unix") => {
            (format!("unix:{}", socket(directory)), "unix:/its-own/socket".to_owned())
        }
        _ => (format!("net:{}", peer.unwrap()), transport_of(&server.address)),
    };
    let shs = format!("{transport}~shs:{}", theirs().public_key());
    let address = if stack.ends_with("noauth") { format!("{transport}~noauth") } else { shs };
    assert_eq!(info.address().to_string(), address);

    assert_eq!(seen["remote"], remote_of(stack, theirs(), ours()).to_string());
    assert_eq!(text(&seen["address"]), format!("{dialed}~{}", transform(&seen, stack)));
}
}

each_stack! { secure

/// The key pair of the seed in the address is who we are, for this one connection.
async fn a_seed_in_an_address_is_who_javascript_sees(js, stack, directory) {
    let options = json!({
        "behaviour": "echo", "dir": directory,
        "auth": { "mode": "list", "keys": [key_of("TEST SEED").to_string()] },
    });
    let (job, address) = js.serve(stack, options).await;
    let invitation = format!("{address}:{}", *seed("TEST SEED").to_base64());
    let connection = dial(&invitation, Options::default()).await.unwrap();

    assert_eq!(connection.info().address().to_string(), address);
    assert_eq!(connection.info().remote_key(), Some(theirs().public_key()));
    let seen = js.event(job, "connection").await;
    assert_eq!(seen["remote"], key_of("TEST SEED").to_string());
    assert!(dial(&address, Options::default()).await.is_err(), "it knows the seed's key only");
}

async fn a_seed_in_an_address_is_who_javascript_is_to_us(js, stack, directory) {
    let allow = Some(vec![key_of("TEST SEED")]);
    let mut server = listen(stack, directory, Options { allow, ..Options::default() }).await;
    let invitation = format!("{}:{}", server.address, text(&base64("TEST SEED")));
    let job = js.dial(stack, &invitation, json!({ "behaviour": "send" })).await;

    let connection = accept(&mut server).await.unwrap();
    assert_eq!(connection.info().remote_key(), Some(key_of("TEST SEED")));
    let seen = js.event(job, "connected").await;
    assert_eq!(seen["remote"], ours().public_key().to_string());
}
}

/// Whom the side `own` takes the side `other` for: under noauth, each takes the other for itself.
fn remote_of(stack: &str, own: Identity, other: Identity) -> PublicKey {
    match stack.ends_with("noauth") {
        true => own.public_key(),
        false => other.public_key(),
    }
}

/// The last section as JavaScript writes it, with the key that it took the peer for.
fn transform(seen: &Value, stack: &str) -> String {
    let name = stack.rsplit('~').next().expect("a transform");
    format!("{name}:{}", text(&seen["remote"]))
}

fn transport_of(address: &str) -> String {
    address.split('~').next().expect("a transport").to_owned()
}

/// The reference writes URLs with a path.
fn with_slash(address: &str) -> String {
    format!("{}/", transport_of(address).trim_end_matches('/'))
}

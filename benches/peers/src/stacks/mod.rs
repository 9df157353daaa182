//! The stacks, ours and those of others.

mod hand;
mod messages;
mod ours;
mod peer_to_peer;
mod tls;
mod websocket;

use crate::{Result, child, stack::Stack, work::Work};

/// Which end a process is.
pub(crate) enum End {
    Serve,
    Dial(String),
}

/// Runs one end of the stack of that name.
pub(crate) fn run(name: &str, work: Work, end: End) -> Result<()> {
    match name {
        "tcp" => at(hand::Tcp, work, end),
        "unix" => at(hand::Unix, work, end),
        "net~shs" | "net~shs, dalek" => at(ours::net_shs()?, work, end),
        "net~shs, PeerSocket" => at(messages::InSwarm, work, end),
        "net~shs, BareSocket" => at(messages::Bare::new()?, work, end),
        "net~noise" => at(ours::net_noise()?, work, end),
        "net~noauth" => at(ours::net_noauth()?, work, end),
        "unix~noauth" => at(ours::unix_noauth()?, work, end),
        "ws~shs" => at(ours::ws_shs()?, work, end),
        "ws~noauth" => at(ours::ws_noauth()?, work, end),
        "tls aes ring" => at(
            tls::Tls::new(tls::Provider::Ring, tls::Suite::Aes)?,
            work,
            end,
        ),
        "tls aes aws-lc" => at(
            tls::Tls::new(tls::Provider::AwsLc, tls::Suite::Aes)?,
            work,
            end,
        ),
        "tls chacha ring" => at(
            tls::Tls::new(tls::Provider::Ring, tls::Suite::ChaCha)?,
            work,
            end,
        ),
        "tls chacha aws-lc" => at(
            tls::Tls::new(tls::Provider::AwsLc, tls::Suite::ChaCha)?,
            work,
            end,
        ),
        "tls" => at(
            tls::Tls::new(tls::Provider::AwsLc, tls::Suite::Default)?,
            work,
            end,
        ),
        "libp2p" => at(peer_to_peer::Libp2p::new()?, work, end),
        "tungstenite" => at(websocket::Tungstenite, work, end),
        "fastwebsockets" => at(websocket::Fast, work, end),
        other => Err(format!("there is no stack {other:?}").into()),
    }
}

fn at(stack: impl Stack, work: Work, end: End) -> Result<()> {
    match end {
        End::Serve => child::serve(stack, work),
        End::Dial(address) => child::dial(stack, work, &address),
    }
}

pub(crate) use tls::{CERTIFICATE, certificate};

/// A path for a socket that nobody else has.
fn socket_path() -> String {
    let name = format!("multiserver-peers-{}.sock", std::process::id());
    std::env::temp_dir().join(name).display().to_string()
}

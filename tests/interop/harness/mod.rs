//! What the tests share: the JavaScript peer, our own side, and the bytes between them.

mod bytes;
#[cfg(feature = "noise")]
mod go;
#[cfg(any(feature = "noise", feature = "ragep2p"))]
mod golang;
mod keys;
pub(crate) mod npm;
mod ours;
mod peer;
#[cfg(feature = "ragep2p")]
mod rage;
mod tls;

pub(crate) use bytes::{Half, echo, exchange, read_to_end, send_to_end};
#[cfg(feature = "noise")]
pub(crate) use go::Go;
pub(crate) use keys::{app_key, base64, key_of, ours, seed, theirs};
pub(crate) use ours::{Options, Server, accept, dial, listen, socket};
pub(crate) use peer::{PATIENCE, Peer, text};
#[cfg(feature = "ragep2p")]
pub(crate) use rage::{RageHost, RagePeer};

/// Makes of each function one test a stack, which gets a JavaScript peer, the stack's name and a directory of its own.
macro_rules! each_stack {
    ($stacks:tt $($(#[$doc:meta])* async fn $test:ident($js:ident, $stack:ident, $directory:ident) $body:block)+) => {$(
        mod $test {
            use super::*;

            $(#[$doc])*
            async fn check($stack: &str) {
                let Some(mut $js) = Peer::start() else {
                    return;
                };
                let directory = tempfile::tempdir().expect("a directory for sockets");
                let $directory = directory.path();
                let run = async { $body };
                tokio::time::timeout(PATIENCE, run).await.expect("it ends in time");
            }

            each_stack!(@ $stacks);
        }
    )+};
    (@ [$($name:ident = $stack:literal),+]) => {$(
        #[tokio::test]
        async fn $name() {
            check($stack).await;
        }
    )+};
    (@ secure) => { each_stack!(@ [net_shs = "net~shs", ws_shs = "ws~shs", unix_shs = "unix~shs"]); };
    (@ all) => {
        each_stack!(@ secure);
        each_stack!(@ [net_noauth = "net~noauth", unix_noauth = "unix~noauth"]);
    };
}

//! What peers and strangers may try, over real sockets. After each attack the same host serves a good peer.

mod before_tls;
mod floods;
mod frames;
mod load;
#[expect(dead_code, reason = "the rest is for the tests of the layer")]
#[path = "../../../layers/mtls/tests/checks/raw.rs"]
mod raw;
mod records;
mod support;
mod tls;

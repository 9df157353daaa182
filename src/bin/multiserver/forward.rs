//! `--to HOST:PORT`: a connection forwarded to a TCP server.

use tokio::io::split;
use tower_multiserver::{Address, Connection, Section, StackExt as _, net::Net};

use crate::{
    copy::{self, Broken, both, of_ours, of_peer},
    endpoint,
    failure::Failure,
};

/// The TCP server to forward to.
pub(crate) fn target(text: &str) -> Result<Address, Failure> {
    let address = Address::new(Section::new("net").arg(text));
    match endpoint::check_dial(&address) {
        Ok(()) => Ok(address),
        Err(_) => Err(Failure::usage("--to needs HOST:PORT")),
    }
}

/// Forwards `peer` to `target` until both directions have ended.
///
/// Where the peer cannot be told that one direction has ended, the end of the target's ends all.
pub(crate) async fn run(peer: Connection, target: Address) -> Result<(), Failure> {
    let info = peer.info().clone();
    let target = Net::new().dial(target).await?;
    let (of_peer, of_target) = (&of_peer(&info), &of_ours("the TCP server failed"));
    let (mut from_peer, mut to_peer) = split(peer);
    let (mut from_target, mut to_target) = split(target);

    let there = async {
        let copied = copy::copy_all(&mut from_peer, &mut to_target).await;
        copied.map_err(|broken| broken.between(of_peer, of_target))
    };
    let back = async {
        let copied = copy::copy_all(&mut from_target, &mut to_peer).await;
        copied.map_err(|broken| broken.between(of_target, of_peer))
    };
    let forwarded = match info.has_half_close() {
        true => both(there, back).await,
        false => copy::until(back, there).await,
    };
    forwarded.map_err(Broken::into_inner)
}

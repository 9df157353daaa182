//! `--exec CMD`: a command for each connection.

use std::process::Stdio;

use tokio::io::{sink, split};
use tower_multiserver::Connection;

use crate::{
    command::{Running, shell},
    copy::{self, Broken, of_ours, of_peer},
    failure::Failure,
    progress::Direction,
};

/// Runs `command` with `peer` as its stdin and stdout, until it has exited and its output has ended.
///
/// When the connection breaks, or this future is dropped, it is killed with all that it started.
pub(crate) async fn run(peer: Connection, command: &str, stderr: Stdio) -> Result<(), Failure> {
    let info = peer.info().clone();
    let ours = of_ours("the command failed");
    let mut sh = shell(command, stderr);
    sh.env("MULTISERVER_ADDRESS", info.address().to_string());
    match info.remote_key() {
        Some(key) => sh.env("MULTISERVER_REMOTE", key.to_string()),
        // Our own environment must not speak for the peer.
        None => sh.env_remove("MULTISERVER_REMOTE"),
    };
    let started = Running::start(sh).map_err(&ours);
    let (mut running, mut stdin, mut stdout) = started?;
    let (mut from_peer, mut to_peer) = split(peer);

    let (ours, of_peer) = (&ours, &of_peer(&info));
    let input = async move {
        let mut copied = copy::copy(&mut from_peer, &mut stdin, Direction::In).await;
        // Closed, so that the command sees the end.
        drop(stdin);
        if let Err(Broken::Sink(_)) = copied {
            // It needs no more, which is its right. Reading on shows when the connection breaks.
            copied = copy::copy(&mut from_peer, &mut sink(), Direction::In).await;
        }
        copied.map_err(|broken| broken.between(of_peer, ours))
    };
    let output = async {
        let copied = copy::copy_all(&mut stdout, &mut to_peer, Direction::Out).await;
        copied.map_err(|broken| broken.between(ours, of_peer))?;
        let exited = running.exit().await;
        exited.map_err(|error| Broken::Source(ours(error)))
    };
    copy::until(output, input).await.map_err(Broken::into_inner)
}

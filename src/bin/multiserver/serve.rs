//! A server of many connections.

use std::{num::NonZeroUsize, process::Stdio, sync::Arc};

use tokio::{
    io::split,
    task::{JoinError, JoinSet},
};
use tower_multiserver::{Connection, Error, ErrorKind, Info, Listening, config::Config};

use crate::{
    copy::{self, Broken, of_peer},
    dial::Target,
    exec,
    failure::Failure,
    progress::{self, Direction},
    relay,
    report::Report,
    signals::Signals,
};

/// What to do with each of many connections.
#[derive(Clone, Debug)]
pub(crate) enum Handler {
    Echo,
    To(Target),
    Exec(Arc<str>),
}

/// With `--exec` each takes four descriptors. With the unfinished handshakes of one address, 256 at most, that is less than
/// the 1024 that a process usually may have.
const MAX_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(160).expect("it is not zero");

/// Limits the connections, unless the configuration does.
pub(crate) fn limit(config: &mut Config) {
    config.limits.max_connections.get_or_insert(MAX_CONNECTIONS);
}

/// Tells where it is reached.
pub(crate) fn announce(listening: &Listening, report: Report) {
    for (scope, address) in listening.all_addresses() {
        report.listening(address, *scope);
    }
    if listening.all_addresses().is_empty() {
        report.note("listening, but nowhere that could be told to others");
    }
}

/// How many connections there will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    Many,
    /// A pipe is one.
    Once,
}

/// Handles each connection until a signal comes, or all that there could be have ended.
pub(crate) async fn run(
    mut listening: Listening,
    times: Times,
    handler: &Handler,
    signals: &mut Signals,
    report: Report,
) -> Result<(), Failure> {
    if report.is_for_people() {
        progress::start();
    }
    let mut handlers = JoinSet::new();
    let mut listens = true;
    let mut closing = false;
    let mut accepted = false;
    while listens || !handlers.is_empty() {
        tokio::select! {
            () = signals.next() => {
                if closing {
                    // Waited for, since a command is killed when its handler is dropped.
                    handlers.shutdown().await;
                    return Err(Failure::interrupted());
                }
                closing = true;
                listening.shutdown().start();
                report.note("shutting down");
            }
            Some(ended) = handlers.join_next() => told(ended, report),
            next = listening.next(), if listens => match next {
                Some(Ok(peer)) => {
                    report.connection("connection from", peer.info());
                    accepted = true;
                    handlers.spawn(handle(peer, handler.clone(), report));
                }
                Some(Err(error)) => report.error(&error.into()),
                None => listens = false,
            },
        }
    }
    match closing || (accepted && times == Times::Once) {
        true => Ok(()),
        false => Err(ended()),
    }
}

/// Every listener has failed for good.
pub(crate) fn ended() -> Failure {
    Error::new(ErrorKind::Closed, "nothing can be accepted any more").into()
}

async fn handle(peer: Connection, handler: Handler, report: Report) -> Result<Info, Failure> {
    let info = peer.info().clone();
    let handled = match handler {
        Handler::Echo => echo(peer).await,
        Handler::To(target) => relay::run(peer, target).await,
        Handler::Exec(command) => {
            let stderr = match report.is_json() {
                // A line of it would be no event.
                true => Stdio::null(),
                false => Stdio::inherit(),
            };
            exec::run(peer, &command, stderr).await
        }
    };
    handled.map_err(|failure| failure.of(&info))?;
    Ok(info)
}

async fn echo(peer: Connection) -> Result<(), Failure> {
    let info = peer.info().clone();
    let (mut from_peer, mut to_peer) = split(peer);
    let echoed = copy::copy_all(&mut from_peer, &mut to_peer, Direction::In).await;
    echoed.map_err(Broken::into_inner).map_err(of_peer(&info))
}

fn told(ended: Result<Result<Info, Failure>, JoinError>, report: Report) {
    match ended {
        Ok(Ok(info)) => report.closed(&info),
        Ok(Err(failure)) => report.error(&failure),
        Err(panicked) => report.error(&Error::new(ErrorKind::Other, panicked).into()),
    }
}

//! Lines to everybody.

use std::time::Duration;

use futures_util::{FutureExt as _, future::join_all};
use serde_json::json;
use tokio::time::timeout;
use tower_multiserver::{
    Error, ErrorKind,
    peer_socket::{Message, PeerSocket, SendError, Swarm},
};

use super::names::Names;
use crate::{failure::Failure, report::Report};

/// How long one peer may hold up the others before it is passed over.
const PATIENCE: Duration = Duration::from_secs(5);

/// All who are there.
pub(super) struct Everyone {
    swarm: Swarm,
    names: Names,
    report: Report,
    deaf: Vec<Deaf>,
    is_waited_for: bool,
}

/// Somebody who does not read.
struct Deaf {
    socket: PeerSocket,
    missed: u64,
}

/// What became of a line at one peer. Nothing, where there was no room.
type Sent = Option<Result<(), SendError>>;

impl Everyone {
    pub(super) fn new(swarm: &Swarm, names: &Names, report: Report) -> Self {
        Self {
            swarm: swarm.clone(),
            names: names.clone(),
            report,
            deaf: Vec::new(),
            is_waited_for: false,
        }
    }

    /// Whether a line waits for somebody to come.
    pub(super) fn is_waited_for(&self) -> bool {
        self.is_waited_for
    }

    /// Tells everybody a line; waits so long for the first to come.
    pub(super) async fn tell(&mut self, line: &str, wait: Option<Duration>) -> Result<(), Failure> {
        let message = Message::from(json!({ "type": "text", "text": line }));
        loop {
            let mut sockets = self.swarm.sockets();
            if sockets.is_empty() {
                self.is_waited_for = true;
                self.report
                    .note("nobody is here; a line waits for somebody to come");
                sockets = arrival(&self.swarm, wait).await?;
                self.is_waited_for = false;
            }
            self.deaf.retain(|deaf| sockets.contains(&deaf.socket));
            let sent = sockets.iter().map(|socket| self.send(socket, &message));
            let sent = join_all(sent).await;
            // All may have gone just now.
            let all_gone = sent.iter().all(|sent| matches!(sent, Some(Err(_))));
            for (socket, sent) in sockets.into_iter().zip(sent) {
                self.note(socket, sent);
            }
            if !all_gone {
                return Ok(());
            }
        }
    }

    /// Everything is handed to the connections, but for who does not read.
    pub(super) async fn finish(&self) {
        let sockets = self.swarm.sockets();
        let hearing = sockets.iter().filter(|socket| !self.is_deaf(socket));
        let flushing = hearing.map(async |socket| {
            if timeout(PATIENCE, socket.flush()).await.is_err() {
                self.report.note(&format!(
                    "{} does not read, and misses the last lines",
                    self.names.of(socket)
                ));
            }
        });
        join_all(flushing).await;
    }

    async fn send(&self, socket: &PeerSocket, message: &Message) -> Sent {
        let sending = socket.send(message.clone());
        match self.is_deaf(socket) {
            true => sending.now_or_never(),
            false => timeout(PATIENCE, sending).await.ok(),
        }
    }

    fn is_deaf(&self, socket: &PeerSocket) -> bool {
        self.deaf.iter().any(|deaf| deaf.socket == *socket)
    }

    /// Who is deaf from now on, or no longer.
    fn note(&mut self, socket: PeerSocket, sent: Sent) {
        let known = self.deaf.iter().position(|deaf| deaf.socket == socket);
        match (sent, known) {
            (None, Some(at)) => self.deaf[at].missed += 1,
            (None, None) => {
                let name = self.names.of(&socket);
                self.report.note(&format!(
                    "{name} does not read, and misses lines until it does"
                ));
                self.deaf.push(Deaf { socket, missed: 1 });
            }
            (Some(_), Some(at)) => {
                let Deaf { socket, missed } = self.deaf.swap_remove(at);
                let name = self.names.of(&socket);
                self.report.note(&format!(
                    "{name} reads again; lines that it missed: {missed}"
                ));
            }
            (Some(_), None) => {}
        }
    }
}

/// Somebody is there.
async fn arrival(swarm: &Swarm, wait: Option<Duration>) -> Result<Vec<PeerSocket>, Failure> {
    let arrival = async {
        loop {
            let sockets = swarm.sockets();
            if !sockets.is_empty() {
                return sockets;
            }
            swarm.next_socket().await;
        }
    };
    match wait {
        None => Ok(arrival.await),
        Some(wait) => timeout(wait, arrival)
            .await
            .map_err(|_| Error::new(ErrorKind::Timeout, "nobody came to be told").into()),
    }
}

//! Who answers when a peer asks for a connection.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use peeroxide_dht::{
    hyperdht::ServerEvent,
    hyperdht_messages::{
        HandshakeMessage, MODE_FROM_RELAY, MODE_FROM_SECOND_RELAY, MODE_FROM_SERVER, MODE_REPLY,
        encode_handshake_to_bytes,
    },
    messages::Ipv4Peer,
};
use tokio::{
    sync::{OnceCell, Semaphore, mpsc::UnboundedReceiver},
    time::{Instant, timeout},
};
use tower_multiserver_core::ACCEPT_TIMEOUT;

use super::{
    inner::{Guest, Inner},
    meet::{Knock, socket_addr},
};
use crate::lock::lock;

/// Answers handshakes as long as the node listens.
#[derive(Clone)]
pub(super) struct Doorman {
    node: Weak<Inner>,
    answered: Arc<Mutex<Answered>>,
    busy: Arc<Semaphore>,
}

/// The last answers, by the message that they answer; none for a peer that is not to know of us.
///
/// A peer's message comes by several nodes of the DHT. Each of them gets the same answer, so that there is one connection,
/// and waits while it is made.
type Answered = VecDeque<(Instant, Vec<u8>, Answer)>;
type Answer = Arc<OnceCell<Option<Vec<u8>>>>;

/// How many answers are remembered.
const MAX_ANSWERED: usize = 256;

/// How long the same message can come again.
const REMEMBERED: Duration = Duration::from_secs(30);

/// How many handshakes run at once; each costs a millisecond and what the authorization takes, [`ACCEPT_TIMEOUT`] at most.
const MAX_BUSY: usize = 64;

impl Doorman {
    pub(super) fn new(node: Weak<Inner>) -> Self {
        Self {
            node,
            answered: Arc::default(),
            busy: Arc::new(Semaphore::new(MAX_BUSY)),
        }
    }

    /// The answer to a message, or none for a peer that is not to know of us.
    async fn answer(&self, message: &HandshakeMessage, direct: bool) -> Option<Vec<u8>> {
        let node = self.node.upgrade()?;
        let door = lock(&node.door).clone()?;
        let knock = Knock::read(&node, &message.noise).await.ok()?;
        let from = message.peer_address.as_ref().and_then(socket_addr);
        let grant = match node.ask(knock.key(), from, false).await {
            Ok(grant) => grant,
            Err(error) => {
                tracing::debug!(remote_key = %knock.key(), %error, "a peer is refused");
                return None;
            }
        };
        // A place for it first: who gets no answer tries again.
        let place = door.try_reserve().ok()?;
        let answer = knock.answer().to_vec();
        if let Some(met) = knock.meet(&node, from, direct).await.ok()? {
            place.send(Guest { met, grant });
        }
        Some(answer)
    }

    /// The answer to this message, which may have been made before.
    fn answer_to(&self, noise: &[u8]) -> Answer {
        let mut answered = lock(&self.answered);
        let now = Instant::now();
        while answered.front().is_some_and(|(at, ..)| {
            let age = now.saturating_duration_since(*at);
            age > REMEMBERED || answered.len() >= MAX_ANSWERED
        }) {
            answered.pop_front();
        }
        let same = answered.iter().find(|(_, message, _)| message == noise);
        let answer = same.map(|(.., answer)| answer.clone());
        answer.unwrap_or_else(|| {
            let answer = Answer::default();
            answered.push_back((now, noise.to_vec(), answer.clone()));
            answer
        })
    }

    /// Answers a handshake once, and remembers how.
    async fn reply(&self, mut message: HandshakeMessage, from: Ipv4Peer) -> Option<Vec<u8>> {
        let is_relayed = [MODE_FROM_RELAY, MODE_FROM_SECOND_RELAY].contains(&message.mode);
        if !is_relayed {
            message.peer_address = Some(from);
        }
        let answer = self.answer_to(&message.noise);
        let made = answer.get_or_init(|| async {
            // Whose authorization hangs must not keep others out.
            let answer = timeout(ACCEPT_TIMEOUT, self.answer(&message, !is_relayed));
            answer.await.ok().flatten()
        });
        let noise = made.await.clone()?;
        let reply = HandshakeMessage {
            mode: if is_relayed {
                MODE_FROM_SERVER
            } else {
                MODE_REPLY
            },
            noise,
            peer_address: message.peer_address.filter(|_| is_relayed),
            relay_address: None,
        };
        encode_handshake_to_bytes(&reply).ok()
    }
}

/// Takes what the DHT has for us until it ends.
pub(super) async fn run(mut events: UnboundedReceiver<ServerEvent>, doorman: Doorman) {
    while let Some(event) = events.recv().await {
        match event {
            ServerEvent::PeerHandshake {
                msg,
                from,
                reply_tx,
                ..
            } => {
                let Some(node) = doorman.node.upgrade() else {
                    return;
                };
                // What is too much gets no answer, and is asked again.
                let Ok(permit) = doorman.busy.clone().try_acquire_owned() else {
                    continue;
                };
                let doorman = doorman.clone();
                node.spawn(async move {
                    let _ = reply_tx.send(doorman.reply(msg, from).await);
                    drop(permit);
                });
            }
            // We are reached without: nobody is told to punch.
            ServerEvent::PeerHolepunch { reply_tx, .. } => drop(reply_tx.send(None)),
            _ => {}
        }
    }
}

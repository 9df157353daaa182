//! What others say.

use std::io;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncWriteExt as _, Stdout, stdout},
    sync::mpsc,
    task::JoinSet,
};
use tower_multiserver::{
    PublicKey,
    peer_socket::{Message, PeerSocket, Swarm},
};

use super::names::{self, Names};
use crate::{
    failure::Failure,
    report::{Report, json_line, written},
};

/// A line, and whose it is.
struct Said {
    peer: PublicKey,
    /// As in the session data.
    name: Option<String>,
    /// As it is shown.
    shown: String,
    text: String,
}

/// Prints what everybody says, until nobody reads it.
pub(super) async fn hear(swarm: &Swarm, names: &Names, report: Report) -> Result<(), Failure> {
    let mut incoming = swarm.incoming();
    let mut listeners = JoinSet::new();
    // Who says much waits for its turn.
    let (said, mut lines) = mpsc::channel(1);
    let mut stdout = stdout();
    loop {
        tokio::select! {
            Some(socket) = incoming.next() => {
                listeners.spawn(listen_to(socket, names.clone(), said.clone(), report));
            }
            Some(_) = listeners.join_next() => {}
            Some(line) = lines.recv() => match print(&mut stdout, &line, report).await {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(Failure::io("cannot write to stdout", &error)),
                Ok(()) => {}
            },
        }
    }
}

/// From coming to going.
async fn listen_to(socket: PeerSocket, names: Names, said: mpsc::Sender<Said>, report: Report) {
    let mut data = socket.session_data();
    data.mark_unchanged();
    tell(report, "joined", &socket, &names.of(&socket), None);
    loop {
        let message = tokio::select! {
            Ok(()) = data.changed() => {
                tell(report, "renamed", &socket, &names.of(&socket), None);
                continue;
            }
            message = socket.recv() => message,
        };
        match message {
            Some(Ok(message)) => {
                // Of other types there may be some day; they are nothing to print.
                let Some(text) = text(message) else { continue };
                let line = Said {
                    peer: socket.id(),
                    name: names::said(&socket),
                    shown: names.of(&socket),
                    text,
                };
                if said.send(line).await.is_err() {
                    return;
                }
            }
            // Why, is the reason of the end.
            Some(Err(_)) | None => break,
        }
    }
    let reason = socket.closed().await.to_string();
    tell(report, "left", &socket, &names.of(&socket), Some(&reason));
}

/// The text of a message, if it is a line of a chat.
fn text(message: Message) -> Option<String> {
    let Message::Json(mut message) = message else {
        return None;
    };
    if message["type"] != "text" {
        return None;
    }
    match message["text"].take() {
        Value::String(text) => Some(text),
        _ => None,
    }
}

async fn print(stdout: &mut Stdout, said: &Said, report: Report) -> io::Result<()> {
    let mut line = match report.is_json() {
        true => json_line(&json!({
            "event": "message",
            "peer": said.peer.to_string(),
            "name": said.name,
            "text": said.text,
        })),
        false => format!("{}: {}", said.shown, written(&said.text)),
    };
    line.push('\n');
    stdout.write_all(line.as_bytes()).await?;
    stdout.flush().await
}

fn tell(report: Report, event: &str, socket: &PeerSocket, shown: &str, reason: Option<&str>) {
    let key = socket.id();
    report.event(
        || match (event, reason) {
            ("renamed", _) => format!("{} is now called {shown}", key.to_ssb_id()),
            (_, Some(reason)) => format!("{shown} {event}: {reason}"),
            _ => format!("{shown} {event}, {}", key.to_ssb_id()),
        },
        || {
            let mut object = json!({
                "event": event,
                "peer": key.to_string(),
                "name": names::said(socket),
            });
            if let Some(reason) = reason {
                object["reason"] = reason.into();
            }
            object
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_text_is_a_line() {
        for (message, expected) in [
            (
                json!({ "type": "text", "text": "hi", "more": 1 }),
                Some("hi"),
            ),
            (json!({ "type": "text", "text": "" }), Some("")),
            (json!({ "type": "text", "text": 1 }), None),
            (json!({ "type": "text" }), None),
            (json!({ "type": "typing", "text": "hi" }), None),
            (json!({ "text": "hi" }), None),
            (json!("hi"), None),
            (json!(null), None),
            (json!(["text"]), None),
        ] {
            assert_eq!(
                text(message.clone().into()).as_deref(),
                expected,
                "{message}"
            );
        }
        assert_eq!(text(Message::from(b"hi".to_vec())), None);
    }
}

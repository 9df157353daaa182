//! npm multiserver-rn-channel over the stdin and stdout of a child process, one message a line, in both roles.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Join, Lines, join,
        split,
    },
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};
use tokio_util::codec::{Framed, LinesCodec};
use tower::Layer as _;
use tower_multiserver::{
    Connection, MultiServer, noauth::NoauthLayer, rn_channel::RnChannel, shs::ShsLayer,
};

use crate::harness::{
    Half, PATIENCE, app_key, base64, echo, exchange, npm, ours, read_to_end, send_to_end, text,
    theirs,
};

type Pipe = Framed<Join<ChildStdout, ChildStdin>, LinesCodec>;

const MIB: usize = 1 << 20;

/// A Node process at the other end of a pipe.
struct Node {
    _child: Child,
    events: Lines<BufReader<ChildStderr>>,
}

impl Node {
    /// Starts one; `None` when the test is to be skipped.
    fn start(mut options: Value) -> Option<(Self, Pipe)> {
        options["appKey"] = base64("TEST");
        options["seed"] = json!(*theirs().seed().to_base64());
        let mut child = Command::new("node")
            .env("NODE_PATH", npm::modules()?)
            .env("NODE_NO_WARNINGS", "1")
            .arg(npm::sources().join("channel.js"))
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node ran a moment ago");
        let (from, to) = (child.stdout.take(), child.stdin.take());
        let pipe = join(from.expect("it is piped"), to.expect("it is piped"));
        let events = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let node = Self {
            _child: child,
            events,
        };
        Some((
            node,
            Framed::new(pipe, LinesCodec::new_with_max_length(MIB)),
        ))
    }

    /// The next event of this name.
    async fn event(&mut self, name: &str) -> Value {
        loop {
            let line = timeout(PATIENCE, self.events.next_line()).await;
            let line = line.expect("no event in time").expect("stderr is read");
            let line = line.expect("the process is there");
            let event: Value = serde_json::from_str(&line).expect("its lines are JSON");
            match text(&event["event"]) {
                event if event == name => {}
                "crash" | "refused" => panic!("no {name}, but {event}"),
                _ => continue,
            }
            return event;
        }
    }
}

fn multi(pipe: Pipe) -> MultiServer {
    let channel = RnChannel::new(pipe).dial_timeout(PATIENCE);
    let shs = ShsLayer::new(ours()).app_key(app_key());
    MultiServer::new()
        .handshake_timeout(PATIENCE)
        .stack(NoauthLayer::new(ours().public_key()).layer(channel.clone()))
        .stack(shs.layer(channel))
}

/// A connection to a process that serves `stack`, or that dials it.
async fn connect(stack: &str, role: &str, options: Value) -> Option<(Node, Connection)> {
    let mut options = options;
    options["do"] = json!(role);
    options["plugins"] = json!([stack]);
    let key = |identity: tower_multiserver::Identity| match stack {
        "channel~shs" => format!("{stack}:{}", identity.public_key()),
        stack => stack.to_owned(),
    };
    options["address"] = json!(key(ours()));
    let (mut node, pipe) = Node::start(options)?;
    let multi = multi(pipe);
    let connection = match role {
        "serve" => timeout(PATIENCE, multi.dial(&*key(theirs())))
            .await
            .expect("in time"),
        _ => {
            let mut listening = multi.listen(stack).await.expect("it can be listened at");
            let next = timeout(PATIENCE, listening.next()).await.expect("in time");
            next.expect("a connection")
        }
    };
    let connection = connection.expect("a connection");
    let event = node.event("connection").await;
    if stack == "channel~shs" {
        assert_eq!(connection.info().remote_key(), Some(theirs().public_key()));
        assert_eq!(text(&event["remote"]), ours().public_key().to_string());
    }
    Some((node, connection))
}

macro_rules! each {
    ($($(#[$doc:meta])* async fn $test:ident($stack:ident, $role:ident) $body:block)+) => {$(
        mod $test {
            use super::*;

            $(#[$doc])*
            async fn check($stack: &str, $role: &str) {
                let run = async {
                    $body
                    Some(())
                };
                // Nothing, where the test is to be skipped.
                let _: Option<()> = timeout(PATIENCE, run).await.expect("it ends in time");
            }

            each!(@ shs_server = "channel~shs", "serve");
            each!(@ shs_client = "channel~shs", "dial");
            each!(@ noauth_server = "channel~noauth", "serve");
            each!(@ noauth_client = "channel~noauth", "dial");
        }
    )+};
    (@ $name:ident = $stack:literal, $role:literal) => {
        #[tokio::test]
        async fn $name() {
            check($stack, $role).await;
        }
    };
}

each! {

async fn sixteen_mebibytes_come_back_from_node(stack, role) {
    let (mut node, connection) = connect(stack, role, json!({ "behaviour": "echo" })).await?;
    let (sent, received) = exchange(connection, 16 * MIB).await;
    assert_eq!(sent, received);
    let done = node.event("done").await;
    assert_eq!((Half::received(&done), Half::sent(&done)), (sent, received));
    assert!(done["error"].is_null(), "{done}");
    // Both have ended, so the pipe has.
    node.event("closed").await;
}

async fn sixteen_mebibytes_go_back_to_node(stack, role) {
    let options = json!({ "behaviour": "send", "bytes": 16 * MIB });
    let (mut node, connection) = connect(stack, role, options).await?;
    let echoed = echo(connection).await;
    let done = node.event("done").await;
    assert_eq!((Half::sent(&done), Half::received(&done)), (echoed.clone(), echoed));
    assert!(done["error"].is_null(), "{done}");
}

async fn messages_that_change_places_are_put_in_order(stack, role) {
    let options = json!({ "behaviour": "send", "bytes": MIB, "swap": true });
    let (mut node, connection) = connect(stack, role, options).await?;
    let echoed = echo(connection).await;
    let done = node.event("done").await;
    assert_eq!((Half::sent(&done), Half::received(&done)), (echoed.clone(), echoed));
    assert!(done["error"].is_null(), "{done}");
}

async fn node_answers_after_our_end(stack, role) {
    let (mut node, connection) = connect(stack, role, json!({ "behaviour": "digest" })).await?;
    let (mut from, mut to) = split(connection);
    let sent = send_to_end(&mut to, 100_000).await;
    let mut answer = String::new();
    from.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, sent.sha256);
    assert_eq!(Half::received(&node.event("done").await), sent);
}

async fn we_answer_after_the_end_of_node(stack, role) {
    let options = json!({ "behaviour": "send", "bytes": 100_000 });
    let (mut node, connection) = connect(stack, role, options).await?;
    let (mut from, mut to) = split(connection);
    let received = read_to_end(&mut from).await.unwrap();
    let answer = send_to_end(&mut to, 70_000).await;
    let done = node.event("done").await;
    assert_eq!((Half::sent(&done), Half::received(&done)), (received, answer));
    assert!(done["error"].is_null(), "{done}");
}

/// An emitter of messages never says that its other end is gone; our error message does.
async fn node_sees_that_we_dropped_the_connection(stack, role) {
    let (mut node, mut connection) = connect(stack, role, json!({ "behaviour": "echo" })).await?;
    connection.write_all(b"half").await.unwrap();
    connection.read_exact(&mut [0; 4]).await.unwrap();
    drop(connection);
    let done = node.event("done").await;
    assert_eq!(text(&done["error"]), "the connection was dropped");
}

async fn we_see_that_node_broke_off(stack, role) {
    let options = json!({ "behaviour": "break", "bytes": 100_000 });
    let (_node, mut connection) = connect(stack, role, options).await?;
    connection.read_exact(&mut vec![0; 100_000]).await.unwrap();
    connection.write_all(b"break off").await.unwrap();
    connection.flush().await.unwrap();
    let error = connection.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
}

async fn we_see_that_node_died(stack, role) {
    let options = json!({ "behaviour": "hold" });
    let (node, mut connection) = connect(stack, role, options).await?;
    drop(node);
    let read = timeout(Duration::from_secs(20), connection.read(&mut [0])).await;
    let error = read.expect("no hang").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}
}

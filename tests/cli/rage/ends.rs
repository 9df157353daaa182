//! Signals, and a stdout that nobody reads.

use super::{Pair, messages};
use crate::harness::Program;

#[tokio::test]
async fn a_signal_ends_both_ends() {
    let pair = Pair::new().await;
    let (mut listener, at) = pair
        .listen("net:127.0.0.1:0", &["--echo", "--verbose"])
        .await;
    let mut sender = pair.send(&at, &[]);
    sender.send(b"hello\n").await;
    assert_eq!(sender.receive(1).await, b"{");
    sender.signal("INT").await;
    // Before its input ends, which would end it too.
    assert_eq!(sender.event("error").await["kind"], "interrupted");
    assert_eq!(sender.end().await.code, Some(3));
    // It was told, and need not find out.
    loop {
        let log = listener.event("log").await;
        let message = log["message"].as_str().expect("a text");
        if message.contains("connection ended") {
            break;
        }
    }
    listener.signal("TERM").await;
    listener.event("note").await;
    assert_eq!(listener.end().await.code, Some(0));
}

/// A listener that has answered three messages, of which none can be printed before somebody reads its stdout: each is more
/// than a pipe holds.
async fn unread(pair: &Pair) -> (Program, Vec<Vec<u8>>) {
    const LEN: usize = 50_000;
    let (listener, at) = pair.listen("net:127.0.0.1:0", &["--echo"]).await;
    let args = ["rage", "send", &at, "--key", &pair.sender.0];
    let common = ["--stream", "words", "--quiet", "--replies", "3"];
    let mut sender = Program::start([&args[..], &common].concat());
    let said = [b'a', b'b', b'c'].map(|letter| vec![letter; LEN]);
    for message in &said {
        let line = [message, &b"\n"[..]].concat();
        sender.send(&line).await;
        assert!(sender.receive(LEN + 1).await == line);
    }
    assert_eq!(sender.end().await.code, Some(0));
    (listener, said.to_vec())
}

#[tokio::test]
async fn what_was_answered_before_a_signal_is_printed_still() {
    let pair = Pair::new().await;
    let (mut listener, said) = unread(&pair).await;
    listener.signal("TERM").await;
    assert_eq!(listener.event("note").await["message"], "shutting down");
    let listened = listener.end().await;
    assert_eq!(listened.code, Some(0), "{:?}", listened.told);
    assert!(messages(&listened, &pair.sender.1) == said);
}

#[tokio::test]
async fn a_second_signal_is_the_end_where_nobody_reads_stdout() {
    let pair = Pair::new().await;
    let (mut listener, _) = unread(&pair).await;
    listener.signal("TERM").await;
    assert_eq!(listener.event("note").await["message"], "shutting down");
    listener.signal("TERM").await;
    assert_eq!(listener.event("error").await["kind"], "interrupted");
    assert_eq!(listener.exit().await, Some(3));
}

#[tokio::test]
async fn nobody_who_reads_stdout_is_the_end() {
    let pair = Pair::new().await;
    let (listener, at) = pair.listen("net:127.0.0.1:0", &[]).await;
    let (mut child, told) = listener.without_stdout();
    let mut sender = pair.send(&at, &[]);
    sender.send(b"hello\n").await;
    assert_eq!(sender.end().await.code, Some(0));
    let (status, told) = tokio::join!(child.wait(), told);
    assert_eq!(status.expect("it ended").code(), Some(0), "{told}");
}

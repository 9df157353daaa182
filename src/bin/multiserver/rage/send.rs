//! `rage send`.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use futures_util::{Sink, SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader, stdin},
    time::{Instant, sleep_until, timeout},
};
use tower_multiserver::{
    Error, ErrorKind,
    ragep2p::{SendError, Stream},
};

use super::{listen::close, messages::Messages, node, pace::Pace, peer};
use crate::{cli, copy::of_ours, failure::Failure, report::Report, signals::Signals};

/// A host is told no more: who does not want it keeps silent.
const UNTAKEN: &str = "the peer takes no messages: it is not there, or does not expect our key, or has no stream of that name";

/// Sends stdin, and prints what comes back.
pub(crate) async fn run(args: cli::RageSend, report: Report) -> Result<(), Failure> {
    let peer = peer::named(&args.peer)?;
    if peer.addresses.is_none() {
        return Err(Failure::usage(
            "PEER has no address to dial, as in PEERID=ADDRESS",
        ));
    }
    let mut signals = Signals::catch()?;
    let host = node::start(&args.node, std::slice::from_ref(&peer), Vec::new(), None).await?;
    let stream = node::open(&host, &peer, &args.stream)?;
    let result = tokio::select! {
        result = exchange(stream, &args, report) => result,
        () = signals.next() => Err(Failure::interrupted()),
    };
    close(&host, &mut signals).await.and(result)
}

/// Until all has been sent and enough has come back.
async fn exchange(stream: Stream, args: &cli::RageSend, report: Report) -> Result<(), Failure> {
    let peer = stream.peer();
    let mut messages = Messages::new(&args.stream.name, report);
    let (to_peer, mut from_peer) = stream.split();
    let mut sending = pin!(send(to_peer, args));
    let mut sent_at = None;
    let mut replies = 0;
    while sent_at.is_none() || replies < args.replies {
        let deadline = sent_at.map(|at: Instant| at + args.timeout);
        tokio::select! {
            sent = &mut sending, if sent_at.is_none() => {
                sent?;
                sent_at = Some(Instant::now());
            }
            message = from_peer.next() => {
                let message = message.ok_or_else(node::closed)?;
                if let Err(unwritten) = messages.write(peer, &message).await {
                    return unwritten.into_result();
                }
                replies += 1;
            }
            () = until(deadline), if deadline.is_some() => {
                let wanted = args.replies;
                return Err(timed_out(format!("{replies} of {wanted} replies have come")));
            }
        }
    }
    Ok(())
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Hands all of stdin to a connection.
async fn send(
    mut to_peer: impl Sink<Bytes, Error = SendError> + Unpin,
    args: &cli::RageSend,
) -> Result<(), Failure> {
    let mut input = BufReader::new(stdin());
    let mut pace = Pace::new(&args.stream);
    while let Some(message) = next(&mut input, args).await? {
        pace.wait(message.len()).await;
        // Flushed, since the next may be long in coming; and a message that nobody takes is told at once.
        taken(args.timeout, to_peer.send(message.into())).await?;
        if args.whole {
            break;
        }
    }
    Ok(())
}

/// The next message of stdin. None when it has ended.
async fn next(
    input: &mut (impl AsyncBufRead + Unpin),
    args: &cli::RageSend,
) -> Result<Option<Vec<u8>>, Failure> {
    let longest = args.stream.max_message;
    // One byte more, by which too long is known, and a line feed.
    let mut input = input.take(longest as u64 + 2);
    let mut message = Vec::new();
    let read = match args.whole {
        true => input.read_to_end(&mut message).await,
        false => input.read_until(b'\n', &mut message).await,
    };
    let read = read.map_err(of_ours("cannot read stdin"))?;
    if !args.whole {
        if read == 0 {
            return Ok(None);
        }
        message.pop_if(|byte| *byte == b'\n');
    }
    match message.len() > longest {
        true => Err(too_long(longest)),
        false => Ok(Some(message)),
    }
}

/// The peer takes it in time.
async fn taken(
    patience: Duration,
    sending: impl Future<Output = Result<(), SendError>>,
) -> Result<(), Failure> {
    match timeout(patience, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(SendError::TooLong { max, .. })) => Err(too_long(max)),
        Ok(Err(_)) => Err(node::closed()),
        Err(_) => Err(timed_out(UNTAKEN.to_owned())),
    }
}

fn too_long(max: usize) -> Failure {
    Failure::usage(format!(
        "a message is longer than the {max} bytes of --max-message"
    ))
}

fn timed_out(reason: String) -> Failure {
    Error::new(ErrorKind::Timeout, reason).into()
}

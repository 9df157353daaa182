//! `--pipe CMD`: a command whose stdin and stdout are the messages of `channel`.

use std::{
    io,
    pin::Pin,
    process::Stdio,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::Peekable};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    process::{ChildStdin, ChildStdout},
    task::JoinSet,
    time::timeout,
};
use tokio_util::codec::{Framed, LinesCodec};
use tower_multiserver::{
    Address, MultiAddress, config::proves_keys, rn_channel::RnChannel, transport::lingered,
};

use crate::{
    command::{Running, shell},
    failure::Failure,
    report::Report,
    signals::Signals,
};

/// `channel` over a command.
pub(crate) type Channel = RnChannel<Messages>;

/// One message a line.
pub(crate) type Messages = Pin<Box<Peekable<Framed<Pipes, LinesCodec>>>>;

/// The command at the other end. It is killed with this value.
pub(crate) struct Piped {
    running: Running,
    /// Waits for its first message.
    _waiting: JoinSet<()>,
}

/// The longest line that is taken. What comes from a peer like us is less than 64 KiB; others send what they are given as
/// one message.
const MAX_LINE: usize = 1024 * 1024;

/// Enough for what is on its way to get through, and little enough to wait for a command that never ends.
const GRACE: Duration = Duration::from_secs(5);

/// Starts the command, to dial what is at its other end.
pub(crate) fn dial(
    command: &str,
    addresses: &MultiAddress,
    report: Report,
) -> Result<(Piped, Channel), Failure> {
    let (running, messages) = start(command, addresses, report)?;
    let piped = Piped {
        running,
        _waiting: JoinSet::new(),
    };
    Ok((piped, RnChannel::new(messages)))
}

/// Starts the command, to be dialed from its other end.
pub(crate) fn listen(
    command: &str,
    addresses: &MultiAddress,
    report: Report,
) -> Result<(Piped, Channel), Failure> {
    let (running, mut messages) = start(command, addresses, report)?;
    let (sender, channel) = RnChannel::pipes();
    // A handshake begins with the client, and must not run out of time before there is one. Without one, we may be the
    // first to speak.
    let mut channels = addresses.iter().filter(|address| is_channel(address));
    let has_handshake = channels.all(|address| address.sections().iter().any(proves_keys));
    let mut waiting = JoinSet::new();
    waiting.spawn(async move {
        if has_handshake {
            messages.as_mut().peek().await;
        }
        // There is room, and if nobody listens any more nobody wants it.
        let _ = sender.send(messages).await;
    });
    let piped = Piped {
        running,
        _waiting: waiting,
    };
    Ok((piped, channel))
}

fn start(
    command: &str,
    addresses: &MultiAddress,
    report: Report,
) -> Result<(Running, Messages), Failure> {
    if !addresses.iter().any(is_channel) {
        return Err(Failure::usage("--pipe is for the address `channel`"));
    }
    let stderr = match report.is_json() {
        // A line of it would be no event.
        true => Stdio::null(),
        false => Stdio::inherit(),
    };
    let started = Running::start(shell(command, stderr));
    let (running, stdin, stdout) =
        started.map_err(|error| Failure::io("the command of --pipe failed", &error))?;
    let pipes = Pipes {
        stdin: Some(stdin),
        stdout,
    };
    let lines = LinesCodec::new_with_max_length(MAX_LINE);
    let messages = Framed::new(pipes, lines).peekable();
    Ok((running, Box::pin(messages)))
}

impl Piped {
    /// Waits for the command to end, when all has been said.
    pub(crate) async fn ended(self, signals: &mut Signals) {
        let Self {
            mut running,
            _waiting: waiting,
        } = self;
        drop(waiting);
        // What is on its way goes out, and then the command's stdin ends.
        let ended = async {
            lingered().await;
            running.exit().await
        };
        tokio::select! {
            // One that does not end is killed.
            _ = timeout(GRACE, ended) => {}
            () = signals.next() => {}
        }
    }
}

/// Whether it is a peer at the other end of a pipe.
pub(crate) fn is_channel(address: &Address) -> bool {
    let transport = address.transport();
    transport.name() == "channel" && transport.args().is_none()
}

/// The stdin and stdout of a command.
#[derive(Debug)]
pub(crate) struct Pipes {
    /// Until it was shut down, which closes it.
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
}

impl AsyncRead for Pipes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipes {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Only when it is closed does the command see the end.
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}

//! Asking one proxy for a connection (RFC 1928).

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep, timeout_at},
};
use tokio_socks::{Error as SocksError, TargetAddr, tcp::Socks5Stream};
use tower_multiserver_core::Io;

use super::{Failure, proxy::Login};

/// How long a proxy may take to be connected to and to answer the greeting, which it does before it does anything else.
/// As long as a good network ever needs; and a mute proxy leaves most of a dial's time to the next one.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the greeting says, and what must come of it.
#[derive(Clone, Copy)]
pub(super) enum Greeting<'a> {
    /// Nobody in particular.
    Anonymous,
    /// Logs in, where the proxy asks for it.
    Login(&'a Login),
    /// Logs in, or does not go by this proxy.
    Isolated(&'a Login),
}

/// Has the proxy at the other end of what `connect` opens connect to `target`. What comes behind its answer stays in
/// the stream.
pub(super) async fn ask<I: Io>(
    connect: impl Future<Output = io::Result<I>>,
    target: TargetAddr<'_>,
    greeting: Greeting<'_>,
) -> Result<I, Failure> {
    let patience = Box::pin(sleep(PATIENCE));
    let io = match timeout_at(patience.deadline(), connect).await {
        Ok(io) => io.map_err(Failure::Unreachable)?,
        Err(elapsed) => return Err(Failure::Unreachable(elapsed.into())),
    };
    let mut watched = Watched {
        io,
        read: Vec::new(),
        patience,
        must_log_in: matches!(greeting, Greeting::Isolated(_)),
    };
    let asked = match greeting {
        Greeting::Anonymous => Socks5Stream::connect_with_socket(&mut watched, target).await,
        Greeting::Login(login) | Greeting::Isolated(login) => {
            let (name, password) = (&login.name, &login.password);
            Socks5Stream::connect_with_password_and_socket(&mut watched, target, name, password)
                .await
        }
    };
    match asked.map(drop) {
        Ok(()) => Ok(watched.io),
        Err(error) => Err(watched.failure(error)),
    }
}

/// Keeps what the proxy says: the SOCKS client reads no byte more than its answers have, and does not tell all that they
/// say. They have 266 bytes at most.
struct Watched<I> {
    io: I,
    read: Vec<u8>,
    patience: Pin<Box<Sleep>>,
    must_log_in: bool,
}

/// Why we break off; the SOCKS client hands it on.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Mute,
    NotIsolated,
}

/// The answer to the greeting that lets everybody in, and the method that asks for name and password.
const NO_LOGIN: [u8; 2] = [5, 0];
const LOGIN: u8 = 2;

impl<I> Watched<I> {
    /// Whether the proxy has answered all that comes before the request.
    fn is_greeted(&self) -> bool {
        match self.read.get(1) {
            Some(&LOGIN) => self.read.len() >= 4,
            method => method.is_some(),
        }
    }

    fn failure(&self, error: SocksError) -> Failure {
        // A reply's head has four bytes, of which the second is the code.
        let code = || self.read.iter().rev().nth(2).copied().unwrap_or_default();
        match error {
            SocksError::Io(error) => match stop(&error) {
                Some(Stop::Mute) => Failure::Mute,
                Some(Stop::NotIsolated) => Failure::NotIsolated,
                None => Failure::BrokenOff(error),
            },
            SocksError::NoAcceptableAuthMethods
            | SocksError::AuthorizationRequired
            | SocksError::PasswordAuthFailure(_) => Failure::Login,
            SocksError::GeneralSocksServerFailure
            | SocksError::ConnectionNotAllowedByRuleset
            | SocksError::NetworkUnreachable
            | SocksError::HostUnreachable
            | SocksError::ConnectionRefused
            | SocksError::TtlExpired
            | SocksError::CommandNotSupported
            | SocksError::AddressTypeNotSupported => Failure::Replied(code().into()),
            // Its name for a code that it does not know, too.
            SocksError::UnknownAuthMethod if self.is_greeted() && self.read.len() > 4 => {
                Failure::Replied(code().into())
            }
            _ => Failure::NotSocks,
        }
    }
}

fn stop(error: &io::Error) -> Option<Stop> {
    error.get_ref()?.downcast_ref().copied()
}

impl<I: Io> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_greeted() && self.patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::other(Stop::Mute)));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        let (_, read) = buf.filled().split_at(before);
        self.read.extend_from_slice(read);
        if self.must_log_in && self.read == NO_LOGIN {
            return Poll::Ready(Err(io::Error::other(Stop::NotIsolated)));
        }
        polled
    }
}

impl<I: Io> AsyncWrite for Watched<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Stop {}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time::{Instant, sleep},
    };
    use zeroize::Zeroizing;

    use super::*;

    fn target() -> TargetAddr<'static> {
        TargetAddr::Domain("peer.example".into(), 1)
    }

    fn login() -> Login {
        let text = || Zeroizing::new("bob".to_owned());
        Login {
            name: text(),
            password: text(),
        }
    }

    /// Asks a proxy that does as `play` says, and says after how many seconds what came of it.
    async fn asked(
        greeting: Greeting<'_>,
        play: impl AsyncFnOnce(&mut DuplexStream),
    ) -> (Result<DuplexStream, Failure>, u64) {
        let (ours, mut theirs) = duplex(1000);
        let start = Instant::now();
        let playing = async {
            play(&mut theirs).await;
            pending::<()>().await
        };
        tokio::select! {
            asked = ask(ready(Ok(ours)), target(), greeting) => (asked, start.elapsed().as_secs()),
            () = playing => unreachable!("it goes on"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_does_not_answer_the_greeting_is_given_up_for_the_next() {
        let mute = asked(Greeting::Anonymous, async |_| ()).await;
        assert!(matches!(mute, (Err(Failure::Mute), 5)), "{mute:?}");

        let dribbling = asked(Greeting::Anonymous, async |proxy| {
            sleep(Duration::from_millis(4900)).await;
            proxy.write_all(&[5]).await.expect("room");
            sleep(Duration::from_millis(4900)).await;
            proxy.write_all(&[0]).await.expect("room");
        });
        let dribbling = dribbling.await;
        assert!(
            matches!(dribbling, (Err(Failure::Mute), 5)),
            "{dribbling:?}"
        );

        let login = login();
        let without_verdict = asked(Greeting::Login(&login), async |proxy| {
            proxy.write_all(&[5, 2, 1]).await.expect("room");
        });
        let without_verdict = without_verdict.await;
        assert!(matches!(without_verdict, (Err(Failure::Mute), 5)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_cannot_be_connected_to_is_given_up_as_soon() {
        let start = Instant::now();
        let connect = pending::<io::Result<DuplexStream>>();
        let asked = ask(connect, target(), Greeting::Anonymous).await;
        assert!(matches!(asked, Err(Failure::Unreachable(_))));
        assert_eq!(start.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_greeted_proxy_looks_for_may_take_as_long_as_the_dial() {
        let login = login();
        for greeting in [Greeting::Anonymous, Greeting::Isolated(&login)] {
            let found = asked(greeting, async |proxy| {
                let answers: &[u8] = match greeting {
                    Greeting::Anonymous => &[5, 0],
                    _ => &[5, 2, 1, 0],
                };
                proxy.write_all(answers).await.expect("room");
                sleep(Duration::from_secs(55)).await;
                let reply = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0, b'!'];
                proxy.write_all(&reply).await.expect("room");
            });
            let (connected, 55) = found.await else {
                panic!("not when it was found");
            };
            let mut peer = connected.expect("connected");
            assert_eq!(peer.read_u8().await.expect("the peer's"), b'!');
        }
    }
}

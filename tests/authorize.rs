//! A hook that says who may connect, and does not do what it should.

#![cfg(test)]

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::mpsc,
    time::{Instant, sleep},
};
use tower_multiserver::{
    Authorize, Bound, BoxError, ErrorKind, FromSection, Identity, Incoming, Listener, Peer, Role,
    Scope, Section, Shutdown, Transform, Transformed, knock::KnockLayer, mtls::MtlsLayer,
    noise::NoiseLayer, shs::ShsLayer,
};
use tower_multiserver_core::testing::{Pipes, pipe};

const DEADLINE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Grants,
    Fails,
    Panics,
    NeverAnswers,
    AnswersLate,
}

use Manner::*;

/// What a hook does, and how many of its calls go on.
#[derive(Clone)]
struct Hook(Arc<(Mutex<Manner>, AtomicUsize)>);

impl Hook {
    fn new() -> Self {
        Self(Arc::new((Mutex::new(Grants), AtomicUsize::new(0))))
    }

    fn set(&self, manner: Manner) {
        *self.0.0.lock().unwrap() = manner;
    }

    fn calls(&self) -> usize {
        self.0.1.load(SeqCst)
    }

    fn authorize(&self) -> impl Authorize + use<> {
        let hook = self.clone();
        move |_: Peer| {
            let call = Call::new(&hook);
            let manner = *hook.0.0.lock().unwrap();
            async move {
                let _call = call;
                match manner {
                    Grants => {}
                    Fails => return Err(BoxError::from("no")),
                    Panics => panic!("a fault in an application"),
                    NeverAnswers => pending().await,
                    AnswersLate => sleep(2 * DEADLINE).await,
                }
                Ok::<_, BoxError>(())
            }
        }
    }
}

struct Call(Hook);

impl Call {
    fn new(hook: &Hook) -> Self {
        hook.0.1.fetch_add(1, SeqCst);
        Self(hook.clone())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.0.1.fetch_sub(1, SeqCst);
    }
}

struct Sockets(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Sockets {
    type Raw = DuplexStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<DuplexStream>>> {
        self.0.poll_recv(cx).map(|socket| socket.map(Ok))
    }
}

/// One server is asked for by a stranger of each kind, and then by a friend each time.
async fn check<C: Transform, S: Transform>(hook: &Hook, client: C, server: S) {
    let (sockets, receiver) = mpsc::unbounded_channel();
    let section = Section::new("pipe");
    let bound = Bound::new(Sockets(receiver), [(Scope::Device, section)]);
    let stack = Transformed::new(Pipes::<DuplexStream>::new(), server.clone());
    let (_shutdown, closing) = Shutdown::new();
    let mut incoming = Incoming::new(bound, stack, closing).handshake_timeout(DEADLINE);
    for manner in [Fails, Panics, NeverAnswers, AnswersLate] {
        for manner in [manner, Grants] {
            hook.set(manner);
            let (near, far) = duplex(10_000);
            sockets.send(far).unwrap();
            let args = C::Args::from_section(&server.section()).unwrap();
            let start = Instant::now();
            let dial = async {
                // Some learn of a refusal when they read.
                let role = Role::Dial(args);
                let mut dialed = client.clone().upgrade(pipe(near), role).await.ok()?;
                let mut hello = [0; 5];
                dialed.read_exact(&mut hello).await.ok()?;
                Some(hello)
            };
            let accept = async {
                let mut accepted = incoming.next().await.unwrap()?;
                accepted.write_all(b"hello").await.unwrap();
                accepted.flush().await.unwrap();
                Ok(accepted)
            };
            let (heard, accepted) = tokio::join!(dial, accept);
            let expected = match manner {
                Grants => None,
                Fails => Some(ErrorKind::Unauthorized),
                Panics => Some(ErrorKind::Other),
                NeverAnswers | AnswersLate => Some(ErrorKind::Timeout),
            };
            let name = (server.name(), manner);
            let refusal = accepted
                .err()
                .map(|error: tower_multiserver::Error| error.kind());
            assert_eq!(refusal, expected, "{name:?}");
            assert_eq!(heard.is_some(), manner == Grants, "{name:?}");
            assert!(start.elapsed() <= DEADLINE, "{name:?}");
            // Nothing of it is left.
            assert_eq!(hook.calls(), 0, "{name:?}");
        }
    }
}

fn identities() -> [Identity; 2] {
    [(); 2].map(|()| Identity::generate().unwrap())
}

#[tokio::test(start_paused = true)]
async fn whatever_the_hook_of_shs_does_the_server_lives_and_lets_the_next_one_in() {
    let (hook, [client, server]) = (Hook::new(), identities().map(ShsLayer::new));
    check(&hook, client, server.authorize(hook.authorize())).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_the_hook_of_noise_does_the_server_lives_and_lets_the_next_one_in() {
    let (hook, [client, server]) = (Hook::new(), identities().map(NoiseLayer::new));
    check(&hook, client, server.authorize(hook.authorize())).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_the_hook_of_mtls_does_the_server_lives_and_lets_the_next_one_in() {
    let (hook, [client, server]) = (Hook::new(), identities().map(MtlsLayer::new));
    check(&hook, client, server.authorize(hook.authorize())).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_the_hook_of_knock_does_the_server_lives_and_lets_the_next_one_in() {
    let (hook, [client, server]) = (Hook::new(), identities().map(KnockLayer::new));
    check(&hook, client, server.authorize(hook.authorize())).await;
}

//! Stacks over pipes, and who is at the other end of them.

use std::{
    collections::VecDeque,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};
use tower_multiserver_core::{
    Accept, Address, AppKey, Connection, Error, Identity, Io, Role, Section, Transform,
};
use tower_multiserver_noise::{
    Args, NoiseIo,
    handshake::{ACCEPT, AUTH, HELLO, HandshakeError, Outcome, Server},
};
use tower_service::Service;

/// The transport `pipe`: it dials the pipes that it was given, and accepts any.
#[derive(Clone, Default)]
pub(crate) struct Pipes {
    pub(crate) to_dial: Arc<Mutex<VecDeque<DuplexStream>>>,
    pub(crate) dials: Arc<Mutex<usize>>,
    pub(crate) deadline: Option<Instant>,
}

impl Service<Address> for Pipes {
    type Response = Connection<DuplexStream>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        *self.dials.lock().unwrap() += 1;
        let io = self.to_dial.lock().unwrap().pop_front().unwrap();
        ready(
            address
                .finish::<()>("pipe")
                .map(|()| pipe(io).with_deadline(self.deadline)),
        )
    }
}

impl Service<Accept<DuplexStream>> for Pipes {
    type Response = Connection<DuplexStream>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, accept: Accept<DuplexStream>) -> Self::Future {
        ready(Ok(pipe(accept.raw).with_deadline(accept.deadline)))
    }
}

pub(crate) fn pipe<I: Io>(io: I) -> Connection<I> {
    Connection::new(io, Section::new("pipe"))
}

pub(crate) fn identity() -> Identity {
    Identity::generate().unwrap()
}

pub(crate) fn to(server: &Identity) -> Role<Args> {
    let key = server.public_key();
    Role::Dial(Args { key, seed: None })
}

pub(crate) type Upgraded = Result<Connection<NoiseIo<DuplexStream>>, Error>;

/// Both sides of a handshake.
pub(crate) async fn meet(
    client: impl Transform<Args = Args, Io<DuplexStream> = NoiseIo<DuplexStream>>,
    server: impl Transform<Args = Args, Io<DuplexStream> = NoiseIo<DuplexStream>>,
    role: Role<Args>,
) -> (Upgraded, Upgraded) {
    let (near, far) = tokio::io::duplex(1000);
    tokio::join!(
        client.upgrade(pipe(near), role),
        server.upgrade(pipe(far), Role::Accept),
    )
}

/// A server by hand, up to its consent, which is still to be sent.
pub(crate) async fn serve(io: &mut DuplexStream, bob: &Identity) -> ([u8; ACCEPT], Outcome) {
    let mut hello = [0; HELLO];
    io.read_exact(&mut hello).await.unwrap();
    let server = Server::new(&AppKey::SSB, bob);
    let (server, hello) = server.receive_hello(&hello).unwrap();
    io.write_all(&hello).await.unwrap();
    let mut auth = [0; AUTH];
    io.read_exact(&mut auth).await.unwrap();
    server.receive_auth(&auth).unwrap().accept()
}

/// The cause that this crate gives.
pub(crate) fn cause<T>(result: &Result<T, Error>) -> Option<HandshakeError> {
    let source = std::error::Error::source(result.as_ref().err()?)?;
    source.downcast_ref().copied()
}

/// What stands between a client and a server: it changes or cuts one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Middleman {
    /// Which message, in their order.
    pub(crate) message: usize,
    /// At which byte of it.
    pub(crate) at: usize,
    /// Whether that byte is changed; else all ends before it.
    pub(crate) is_change: bool,
}

/// What either side said in all.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) from_client: usize,
    pub(crate) from_server: usize,
}

pub(crate) const MESSAGES: [usize; 4] = [HELLO, HELLO, AUTH, ACCEPT];

impl Middleman {
    /// Stands between the two until one has left.
    pub(crate) async fn relay(self, mut client: DuplexStream, mut server: DuplexStream) -> Heard {
        let mut heard = Heard {
            from_client: 0,
            from_server: 0,
        };
        for (message, length) in MESSAGES.into_iter().enumerate() {
            let (from, to, count) = match message % 2 {
                0 => (&mut client, &mut server, &mut heard.from_client),
                _ => (&mut server, &mut client, &mut heard.from_server),
            };
            let mut bytes = vec![0; length];
            from.read_exact(&mut bytes).await.unwrap();
            *count += length;
            if message == self.message {
                match self.is_change {
                    true => bytes[self.at] ^= 1 << (self.at % 8),
                    false => bytes.truncate(self.at),
                }
                to.write_all(&bytes).await.unwrap();
                break;
            }
            to.write_all(&bytes).await.unwrap();
        }
        if !self.is_change {
            client.shutdown().await.unwrap();
            server.shutdown().await.unwrap();
        }
        // The one who minds leaves, and then the other must.
        let (near, far) = match self.message % 2 {
            0 => (&mut server, &mut client),
            _ => (&mut client, &mut server),
        };
        let mut last = Vec::new();
        near.read_to_end(&mut last).await.unwrap();
        let near_said = last.len();
        far.shutdown().await.unwrap();
        last.clear();
        far.read_to_end(&mut last).await.unwrap();
        let (client_said, server_said) = match self.message % 2 {
            0 => (last.len(), near_said),
            _ => (near_said, last.len()),
        };
        heard.from_client += client_said;
        heard.from_server += server_said;
        heard
    }
}

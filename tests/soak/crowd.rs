//! Peers that nobody wants.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rustls::{ClientConfig, RootCertStore};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_rustls::TlsConnector;
use tower_multiserver::{BoxIo, Connection, Role, Section, Transform as _, shs};

use crate::{
    lab::Server,
    support::{HANG, identity},
};

/// What the peers of a crowd do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// They connect, and that is all.
    Mute,
    /// They say a byte each second.
    Slow,
    /// They say what a dialer says first, and are mute from then on.
    Begins,
    /// The transport stands, and they are mute from then on.
    Opens,
    /// They begin a request of almost 8 KiB, under TLS where the server has it.
    Rambles,
    /// They say 64 KiB of nothing at once.
    Shouts,
    /// They prove their keys, and send all the time without ever reading what comes back.
    NeverReads,
}

/// They leave when this is dropped.
#[derive(Default)]
pub(crate) struct Crowded {
    _sockets: Vec<BoxIo>,
    _opened: Vec<Connection>,
    _busy: JoinSet<()>,
}

impl Crowd {
    pub(crate) async fn come(self, server: &mut Server, count: usize) -> Crowded {
        let mut crowded = Crowded::default();
        match self {
            Self::Mute | Self::Begins | Self::Rambles | Self::Shouts => {
                let words = match self {
                    Self::Mute => Vec::new(),
                    Self::Begins => first_words(server).await,
                    Self::Shouts => vec![b'x'; 64 << 10],
                    _ => rambling(),
                };
                for _ in 0..count {
                    let mut socket = BoxIo::new(connect(server.socket()).await);
                    if self == Self::Rambles && server.transport().starts_with("wss:") {
                        socket = encrypt(socket, server).await;
                    }
                    // Who is turned away already cannot say it.
                    let _ = socket.write_all(&words).await;
                    let _ = socket.flush().await;
                    if self == Self::Begins {
                        socket.read_exact(&mut [0]).await.expect("an answer");
                    }
                    crowded._sockets.push(socket);
                }
            }
            Self::Slow => {
                for _ in 0..count {
                    let mut socket = connect(server.socket()).await;
                    crowded._busy.spawn(async move {
                        let mut second = interval(Duration::from_secs(1));
                        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
                        loop {
                            second.tick().await;
                            let _ = socket.write_all(b"x").await;
                        }
                    });
                }
            }
            Self::Opens => {
                for _ in 0..count {
                    let dialed = server.client.dial(server.transport()).await;
                    crowded._opened.push(dialed.expect("dialed"));
                }
            }
            Self::NeverReads => {
                let said = Arc::new(Said::default());
                for _ in 0..count {
                    let to = server.socket().to_owned();
                    crowded._busy.spawn(never_reads(to, said.clone()));
                }
                said.until_all_stand_still(count, server).await;
            }
        }
        crowded
    }
}

async fn connect(to: &str) -> TcpStream {
    let connect = timeout(HANG, TcpStream::connect(to)).await;
    connect.expect("no hang").expect("connected")
}

async fn encrypt(socket: BoxIo, server: &Server) -> BoxIo {
    let mut roots = RootCertStore::empty();
    let root = server.certificate.clone();
    roots.add(root).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let here = "localhost".try_into().expect("a name");
    let connect = TlsConnector::from(Arc::new(config)).connect(here, socket);
    BoxIo::new(connect.await.expect("encrypted"))
}

/// What our client says first to such a server.
async fn first_words(server: &Server) -> Vec<u8> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("bound");
    let here = listener.local_addr().expect("an address");
    // The certificate is for the name.
    let port = server.socket().rsplit_once(':').expect("a port").1;
    let to = server.address.replacen(port, &here.port().to_string(), 1);
    let hear = async {
        let (mut socket, _) = listener.accept().await.expect("a peer");
        let mut words = vec![0; 4096];
        let count = socket.read(&mut words).await.expect("words");
        words.truncate(count);
        words
    };
    tokio::select! {
        words = hear => words,
        dialed = server.client.dial(to.as_str()) => panic!("nobody answers: {dialed:?}"),
    }
}

fn rambling() -> Vec<u8> {
    let mut words = b"GET / HTTP/1.1\r\nhost: localhost\r\n".to_vec();
    for number in 0..31 {
        words.extend(format!("x-{number}: {}\r\n", "x".repeat(250)).into_bytes());
    }
    words
}

/// With little room for what comes back, so that the server soon stands still.
async fn never_reads(to: String, said: Arc<Said>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("an option");
    socket.set_send_buffer_size(4096).expect("an option");
    let stream = socket.connect(to.parse().expect("an address")).await;
    let connection = Connection::new(stream.expect("connected"), Section::new("net"));
    let key = identity("bob").public_key();
    let key = key.try_into().expect("a usable key");
    let to_bob = Role::Dial(shs::Args { key, seed: None });
    let layer = crate::support::shs("mallory");
    let mut connection = layer.upgrade(connection, to_bob).await.expect("let in");
    said.peers.fetch_add(1, Relaxed);
    while connection.write_all(&[7; 4096]).await.is_ok() {
        said.pieces.fetch_add(1, Relaxed);
    }
}

/// What those have said who never read.
#[derive(Debug, Default)]
struct Said {
    /// Of so many, who have been let in.
    peers: AtomicUsize,
    /// So many pieces.
    pieces: AtomicUsize,
}

impl Said {
    /// Until all have been let in, nothing more is taken of them and the server rests.
    async fn until_all_stand_still(&self, count: usize, server: &mut Server) {
        let start = Instant::now();
        let mut before = (0, 0, 0);
        while start.elapsed() < 4 * HANG {
            // It is standing still that is waited for, which shows in time only, or where time is short, in turns: for each
            // answer it had one, as had everybody who has something to say to it.
            sleep(Duration::from_millis(200)).await;
            let mut held = server.held().await;
            for _ in 0..20 {
                held = server.held().await;
            }
            let now = (self.pieces.load(Relaxed), held.bytes, held.tasks);
            if now == before && self.peers.load(Relaxed) == count {
                return;
            }
            before = now;
        }
        panic!("still {self:?} {before:?}");
    }
}

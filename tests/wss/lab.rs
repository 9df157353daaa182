//! What these tests share: an authority and its certificates, servers of ours, and peers that speak TLS alone.

use std::{error::Error as _, sync::Arc, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::PrivateKeyDer,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tower_multiserver::{
    BoxIo, Closing, Connection, Error, ErrorKind, Incoming, Shutdown, StackExt as _,
    ws::{WsIo, WsListener},
    wss::{Certificate, Reason, TlsIo, Trust, Untrusted, Wss},
};

pub(crate) use crate::support::HANG;

pub(crate) type Server = Incoming<Wss, WsListener, WsIo<BoxIo>>;
pub(crate) type Accepted = Connection<WsIo<BoxIo>>;
pub(crate) type Dialed = Connection<WsIo<TlsIo>>;

/// An authority that nobody else trusts.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Issued {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::called("an authority of a test")
    }

    pub(crate) fn called(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        Self(issuer.expect("a certificate"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::roots(self.pem()).expect("an authority")
    }

    /// Issues a certificate for these names, with some changes.
    pub(crate) fn issue(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        Issued {
            certificate: params.signed_by(&key, &self.0).expect("a certificate"),
            key,
        }
    }

    /// Issues one for this machine.
    pub(crate) fn here(&self) -> Issued {
        self.issue(&["localhost", "127.0.0.1"], |_| ())
    }

    /// A server of ours for this machine, and a client that trusts it.
    pub(crate) async fn server(&self) -> (Server, Wss) {
        let server = Wss::new().certificate(self.here().ours());
        let server = listen(server, "wss://127.0.0.1:0").await;
        (server, Wss::new().trust(self.trust()))
    }
}

impl Issued {
    pub(crate) fn ours(&self) -> Certificate {
        Certificate::from_pem(self.certificate.pem(), self.key.serialize_pem()).expect("a pair")
    }

    fn der(&self) -> PrivateKeyDer<'static> {
        self.key.serialize_der().try_into().expect("a key")
    }

    /// A server that is nothing but TLS.
    pub(crate) fn foreign(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .expect("versions");
        let chain = vec![self.certificate.der().clone()];
        let config = config
            .with_no_client_auth()
            .with_single_cert(chain, self.der());
        config.expect("a pair")
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A client that is nothing but TLS.
pub(crate) fn foreign(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = authority.0.der().clone();
    roots.add(root).expect("an authority");
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub(crate) fn closing() -> Closing {
    let (shutdown, closing) = Shutdown::new();
    // Nobody closes it; dropping the server does.
    std::mem::forget(shutdown);
    closing
}

pub(crate) async fn listen(wss: Wss, at: &str) -> Server {
    wss.listen(at, closing()).await.expect("listening")
}

/// The only address of a server.
pub(crate) fn address(server: &Server) -> String {
    let told = server.addresses();
    assert_eq!(told.len(), 1, "{told:?}");
    told[0].1.to_string()
}

/// Host and port of an address.
pub(crate) fn authority_of(address: &str) -> &str {
    let (_, url) = address.split_once("://").expect("a URL");
    url.split('/').next().expect("host and port")
}

pub(crate) async fn next(server: &mut Server) -> Result<Accepted, Error> {
    let accepted = timeout(HANG, server.next()).await.expect("no hang");
    accepted.expect("a server")
}

pub(crate) async fn connect(server: &mut Server, client: &Wss) -> (Dialed, Accepted) {
    let to = address(server);
    let (dialed, accepted) = tokio::join!(client.dial(to), next(server));
    (dialed.expect("dialed"), accepted.expect("accepted"))
}

pub(crate) async fn raw(address: &str) -> TcpStream {
    let stream = TcpStream::connect(authority_of(address)).await;
    stream.expect("connected")
}

/// TLS to a server, by a client that knows no WebSocket.
pub(crate) async fn tls(
    config: ClientConfig,
    address: &str,
) -> std::io::Result<client::TlsStream<TcpStream>> {
    let name = "localhost".try_into().expect("a name");
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, raw(address).await).await
}

/// Where a server of the test listens.
pub(crate) async fn socket() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("an address").port();
    (listener, format!("wss://localhost:{port}"))
}

/// TLS with a client, by a server that knows no WebSocket.
pub(crate) async fn accept_tls(
    config: ServerConfig,
    listener: &TcpListener,
) -> std::io::Result<server::TlsStream<TcpStream>> {
    let (stream, _) = listener.accept().await.expect("a client");
    TlsAcceptor::from(Arc::new(config)).accept(stream).await
}

pub(crate) const HANDSHAKE: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n\
    connection: upgrade\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Opens a WebSocket by hand, and reads the head of the answer.
pub(crate) async fn ask(io: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> String {
    io.write_all(request.as_bytes()).await.expect("sent");
    io.flush().await.expect("sent");
    head(io).await
}

/// Answers an opening handshake by hand.
pub(crate) async fn answer(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
    let head = head(io).await;
    let line = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key")
            .then_some(value)
    });
    let accept = derive_accept_key(line.expect("a key").as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    io.write_all(answer.as_bytes()).await.expect("sent");
    io.flush().await.expect("sent");
}

async fn head(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(HANG, io.read_u8()).await.expect("no hang");
        head.push(byte.expect("a head"));
    }
    String::from_utf8(head).expect("ASCII")
}

/// What is wrong with a certificate, by an error that says so.
pub(crate) fn reason(error: &Error) -> Reason {
    assert_eq!(error.kind(), ErrorKind::Certificate, "{error:?}");
    let source = error.source().expect("a source");
    let untrusted: &Untrusted = source.downcast_ref().expect("what is wrong");
    assert!(untrusted.source().is_some());
    untrusted.reason()
}

/// Nobody waits as long as that.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(HANG, future).await.expect("no hang")
}

/// A moment, for what must not happen.
pub(crate) const MOMENT: Duration = Duration::from_millis(50);

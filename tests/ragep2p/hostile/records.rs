//! Records of TLS made by hand.

use rustls::{
    ClientConfig, ConnectionTrafficSecrets, ContentType, ProtocolVersion,
    crypto::{
        CryptoProvider,
        cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage},
        ring::{self, cipher_suite::TLS13_AES_128_GCM_SHA256},
    },
    sign::CertifiedKey,
    version::TLS13,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_rustls::client::TlsStream;

use super::{raw, support};

/// Records of TLS made by hand, which rustls would not write.
pub(crate) struct Records {
    socket: TcpStream,
    encrypter: Box<dyn MessageEncrypter>,
    count: u64,
}

impl Records {
    /// A client that shows this, of whose connection they can be made.
    pub(crate) fn client(own: CertifiedKey) -> ClientConfig {
        let crypto = CryptoProvider {
            cipher_suites: vec![TLS13_AES_128_GCM_SHA256],
            ..ring::default_provider()
        };
        let mut config = raw::client_of(crypto, &[&TLS13], Some(own));
        config.enable_secret_extraction = true;
        config
    }

    /// Those of a connection of this client.
    pub(crate) fn of(tls: TlsStream<TcpStream>) -> Self {
        let (socket, session) = tls.into_inner();
        let (count, secrets) = session.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
            unreachable!("it has one suite");
        };
        let suite = TLS13_AES_128_GCM_SHA256.tls13().unwrap();
        Self {
            socket,
            encrypter: suite.aead_alg.encrypter(key, iv),
            count,
        }
    }

    /// Writes a record of this content. False when the connection has ended.
    pub(crate) async fn write(&mut self, content: &[u8]) -> bool {
        let record = OutboundPlainMessage {
            typ: ContentType::ApplicationData,
            version: ProtocolVersion::TLSv1_3,
            payload: OutboundChunks::Single(content),
        };
        let record = self.encrypter.encrypt(record, self.count).unwrap().encode();
        self.count += 1;
        self.socket.write_all(&record).await.is_ok()
    }

    /// Waits until the connection has ended.
    pub(crate) async fn ended(&mut self) {
        support::heard(&mut self.socket).await;
    }
}

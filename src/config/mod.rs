//! A whole [`MultiServer`] as data: what a file can say, in any format of [serde](https://serde.rs).
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_multiserver::config::{Allow, Config};
//!
//! let config: Config = toml::from_str(
//!     r#"
//!     listen = ["net:0.0.0.0:8008~shs", "ws://0.0.0.0:8989~shs"]
//!     key-file = "secret"             # of Secure Scuttlebutt's format; made for this run unless given
//!     app-key = "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s="
//!     allow = ["@rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=.ed25519"]   # or "all"
//!     plain = false                   # no connections that prove no key
//!     dial-timeout = 10               # seconds
//!     user-timeout = 120              # seconds without acknowledgement that end a TCP connection; none unless set
//!
//!     ## With the feature `wss`: by which certificate we are known, and whom we trust instead of the platform's authorities.
//!     ## certificate = { chain = "chain.pem", key = "key.pem" }
//!     ## trust.roots = "authority.pem"           # or trust.pins = ["sha256/…"]
//!     ## With the feature `onion`: by which SOCKS proxies to dial `onion` addresses.
//!     ## proxies = ["127.0.0.1:9050", "socks5://NAME:PASSWORD@127.0.0.1:1080"]
//!     ## With the feature `hyperswarm`: by which nodes to find the DHT, in place of the public ones.
//!     ## bootstrap = ["127.0.0.1:49737"]
//!
//!     [external]                      # how a listener is reached from everywhere
//!     net = ["net:example.com:8008"]
//!     ws = ["wss://example.com/peers"]
//!
//!     [limits]
//!     handshake-timeout = 5           # seconds
//!     max-handshakes = 256            # of each address
//!     max-connections = 1000          # of all addresses
//!     "#,
//! )?;
//! assert_eq!(config.listen.len(), 2);
//! assert!(matches!(&config.allow, Some(Allow::Keys(keys)) if keys.len() == 1));
//! # Ok(())
//! # }
//! ```
//!
//! What a field says is checked when it is read as far as it can be by itself, so that the format tells where it stands;
//! the rest when the server is made or listens, by errors whose source is an [`Invalid`] that names the field.
//!
//! # Stacks
//!
//! A configured server understands every chain of the transports and transforms that this build of the crate has, such
//! as `ws://h~shs:KEY`, but
//!
//! - no transform twice, and one at most of those that say who the peer is (`shs`, `noise`, `mtls`, `noauth`),
//! - none without such a transform, unless [`Config::plain`] is set: so an address from elsewhere can choose the way to
//!   a peer, but cannot talk a client out of its encryption. `knock` alone proves nothing; who may knock, as in
//!   `net:h~knock~mtls`, are those of [`Config::allow`]. `hyperdht` proves keys by itself, and all transforms but `noauth` go over
//!   it; `hyperswarm:TOPIC` is dialed as its peers' `hyperdht:KEY`, and cannot be listened at,
//! - none whose sections name different keys, such as `hyperdht:KEY~shs:OTHER`.
//!
//! `channel` is not among them, since it connects the parts of one process, or goes over a pipe that a program has to make:
//! [`Config::multi_server_with`] takes such a transport, and lays the same transforms over it. Whoever needs a stack of
//! other layers makes it, and adds it to the server with [`MultiServer::stack`]. The types of configured stacks are known
//! only when they run, so each of their layers costs a call through a pointer where a stack of [`MultiServer::stack`]
//! costs one altogether.

#![cfg_attr(
    not(feature = "default"),
    allow(
        dead_code,
        unused_imports,
        reason = "a build with few protocols leaves unused what the others need"
    )
)]

mod allow;
mod any_stack;
mod chain;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg_attr(not(feature = "hyperswarm"), path = "no_hyper.rs")]
mod hyper;
mod invalid;
mod parts;
mod protocols;
mod seconds;
#[cfg(feature = "wss")]
mod tls;

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tower_multiserver_core::{
    Accept, Address, AppKey, Bound, BoxError, Connection, Error, Identity, Io, KeyFile, Listen,
    Listener, MultiAddress, Section,
};
use tower_service::Service;

use self::{any_stack::AnyStack, chain::Chain};
use crate::MultiServer;

#[cfg(feature = "wss")]
#[cfg_attr(docsrs, doc(cfg(feature = "wss")))]
pub use self::tls::{CertificateFiles, Trust};
pub use self::{
    allow::Allow,
    chain::{check_dial, check_listen},
    invalid::Invalid,
    protocols::{is_known, proves_keys},
};

/// What a [`MultiServer`] is made of. Every field may be left out; see the [module](self) for a file.
///
/// Its text holds the app key and the passwords of proxies where there are any; `Debug` shows no secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Config {
    /// The addresses to listen on, such as `net:0.0.0.0:8008~shs`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<Address>,

    /// The [`KeyFile`] that holds our key. Without one a key is made that nobody knows yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,

    /// The network. [`AppKey::SSB`] unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_key: Option<AppKey>,

    /// Who may connect to addresses that ask for a key; needed to listen on one.
    ///
    /// A list of keys cannot hold for an address where none is proved, so listening there is refused. `noauth` counts as
    /// our own key, and so holds where that is in the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,

    /// Whether to dial, and to listen on, addresses where nothing says who the peer is, or only its own word as with
    /// `knock` alone, such as `net:h:8008`. Not unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain: Option<bool>,

    /// How long a dial may take, handshakes included, in seconds. That of the transport, such as
    /// [`DIAL_TIMEOUT`](crate::DIAL_TIMEOUT), unless set.
    #[serde(with = "seconds", skip_serializing_if = "Option::is_none")]
    pub dial_timeout: Option<Duration>,

    /// How long a peer may leave unacknowledged what was sent over `net`, `ws` or `wss` before the connection ends, in
    /// seconds, on Linux and Android; see [`Net::user_timeout`](crate::net::Net::user_timeout). None unless set.
    #[cfg(feature = "net")]
    #[cfg_attr(docsrs, doc(cfg(feature = "net")))]
    #[serde(with = "seconds", skip_serializing_if = "Option::is_none")]
    pub user_timeout: Option<Duration>,

    /// By which certificate we are known where we listen at `wss`, which takes one. It is read when the server is made.
    #[cfg(feature = "wss")]
    #[cfg_attr(docsrs, doc(cfg(feature = "wss")))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateFiles>,

    /// Whose certificates are accepted where we dial `wss`. Those that the platform trusts, unless set.
    #[cfg(feature = "wss")]
    #[cfg_attr(docsrs, doc(cfg(feature = "wss")))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,

    /// By which SOCKS5 proxies to dial `onion`, the first that is one. The Tor of this machine, unless set.
    #[cfg(feature = "onion")]
    #[cfg_attr(docsrs, doc(cfg(feature = "onion")))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proxies: Vec<crate::onion::Proxy>,

    /// By which nodes to find the DHT of `hyperdht`, `hyperswarm` and `dht`, each `HOST:PORT`. Those of the public one,
    /// unless set. Our node has our key, and starts when one of these protocols is first used.
    #[cfg(feature = "hyperswarm")]
    #[cfg_attr(docsrs, doc(cfg(feature = "hyperswarm")))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bootstrap: Vec<String>,

    /// Whether `bt` finds peers by the service that they offer, and offers it, with BlueZ's daemon; otherwise it goes by
    /// channel 10. Not unless set.
    #[cfg(all(feature = "bluetooth-profiles", target_os = "linux"))]
    #[cfg_attr(docsrs, doc(cfg(feature = "bluetooth-profiles")))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bluetooth_by_service: Option<bool>,

    /// Under which addresses a listener is reached from everywhere, by the name of its transport: whole transport sections
    /// such as `wss://example.com/peers` or `onion:X.onion:8008`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub external: BTreeMap<String, Vec<Section>>,

    /// How much of everything.
    #[serde(skip_serializing_if = "Limits::is_unset")]
    pub limits: Limits,
}

/// The limits of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Limits {
    /// As [`MultiServer::handshake_timeout`], in seconds.
    #[serde(with = "seconds", skip_serializing_if = "Option::is_none")]
    pub handshake_timeout: Option<Duration>,

    /// As [`MultiServer::max_handshakes`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_handshakes: Option<NonZeroUsize>,

    /// As [`MultiServer::max_connections`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<NonZeroUsize>,
}

impl Config {
    /// Takes relative paths for paths below `directory`, such as that of the file that said them.
    pub fn resolve_paths(&mut self, directory: &Path) {
        if let Some(file) = &mut self.key_file {
            *file = directory.join(&*file);
        }
        self.resolve_tls_paths(directory);
    }

    #[cfg(not(feature = "wss"))]
    fn resolve_tls_paths(&mut self, _: &Path) {}

    /// The key in the key file, or a new one.
    ///
    /// # Errors
    ///
    /// Those of [`KeyFile::load`].
    pub fn identity(&self) -> Result<Identity, Error> {
        match &self.key_file {
            Some(file) => {
                KeyFile::load(file).map_err(|error| Invalid::caused_by("key-file", error))
            }
            None => Identity::generate(),
        }
    }

    /// The addresses to listen on. `None` if there are none.
    pub fn addresses(&self) -> Option<MultiAddress> {
        let (first, others) = self.listen.split_first()?;
        let mut addresses = MultiAddress::new(first.clone());
        addresses.extend(others.iter().cloned());
        Some(addresses)
    }

    /// The server, to dial or to listen with.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_multiserver::Error> {
    /// use tower_multiserver::config::{Allow, Config};
    ///
    /// let mut config = Config::default();
    /// config.listen.push("net:127.0.0.1:0~shs".parse()?);
    /// config.allow = Some(Allow::All);
    ///
    /// let server = config.multi_server()?;
    /// let addresses = config.addresses().expect("there is one");
    /// let mut listening = server.listen(addresses).await?;
    ///
    /// let (_, address) = listening.all_addresses()[0].clone();
    /// let (dialed, accepted) = tokio::join!(server.dial(address), listening.next());
    /// assert!(dialed?.info().remote_key().is_some());
    /// # accepted.expect("a peer")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`identity`](Self::identity), and those of [`multi_server_as`](Self::multi_server_as).
    pub fn multi_server(&self) -> Result<MultiServer, Error> {
        self.multi_server_as(&self.identity()?)
    }

    /// The server of somebody whose key is at hand; the key file is not read.
    ///
    /// # Errors
    ///
    /// When a field is not one of this build's protocols, or a protocol does not take it.
    pub fn multi_server_as(&self, identity: &Identity) -> Result<MultiServer, Error> {
        Ok(self.over(Chain::new(self.clone(), identity.clone())?))
    }

    /// As [`multi_server_as`](Self::multi_server_as), with one more transport, or another one in place of that with the same
    /// name: chains that begin with `name` go over `transport`, such as that of `rn_channel` over a pipe.
    /// What else holds for chains holds for these too. None of the fields does that say what transports are made of, such
    /// as [`dial_timeout`](Self::dial_timeout): it comes as it is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_multiserver::Error> {
    /// use tower_multiserver::{Identity, channel::Channel, config::{Allow, Config}};
    ///
    /// let mut config = Config::default();
    /// config.allow = Some(Allow::All);
    /// let server = config.multi_server_with(&Identity::generate()?, "channel", Channel::new())?;
    /// let mut listening = server.listen("channel:here~shs").await?;
    ///
    /// let (_, address) = listening.all_addresses()[0].clone();
    /// let (dialed, accepted) = tokio::join!(server.dial(address), listening.next());
    /// assert!(dialed?.info().remote_key().is_some());
    /// # accepted.expect("a peer")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`multi_server_as`](Self::multi_server_as).
    pub fn multi_server_with<S, L, I, J>(
        &self,
        identity: &Identity,
        name: &str,
        transport: S,
    ) -> Result<MultiServer, Error>
    where
        S: Service<
                Address,
                Response = Connection<I>,
                Error: Into<BoxError>,
                Future: Send + 'static,
            >,
        S: Service<Listen, Response = Bound<L>, Error: Into<BoxError>, Future: Send + 'static>,
        S: Service<
                Accept<L::Raw>,
                Response = Connection<J>,
                Error: Into<BoxError>,
                Future: Send + 'static,
            >,
        S: Clone + Send + Sync + Unpin + 'static,
        L: Listener,
        I: Io,
        J: Io,
    {
        let chain = Chain::new(self.clone(), identity.clone())?;
        Ok(self.over(chain.with(name, AnyStack::new(transport))))
    }

    fn over(&self, chain: Chain) -> MultiServer {
        let mut server = MultiServer::new().stack(chain);
        if let Some(timeout) = self.limits.handshake_timeout {
            server = server.handshake_timeout(timeout);
        }
        if let Some(max) = self.limits.max_handshakes {
            server = server.max_handshakes(max.get());
        }
        if let Some(max) = self.limits.max_connections {
            server = server.max_connections(max.get());
        }
        server
    }
}

impl Limits {
    fn is_unset(&self) -> bool {
        *self == Self::default()
    }
}

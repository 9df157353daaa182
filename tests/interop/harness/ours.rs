//! Our own side of each stack.

use std::{path::Path, time::Duration};

use tokio::time::timeout;
use tower::ServiceBuilder;
use tower_multiserver::{
    AllowList, AppKey, Authorize, Connection, Error, Identity, MultiServer, PublicKey, Scope,
    net::Net, noauth::NoauthLayer, shs::ShsLayer, unix::Unix, ws::Ws, wss::Wss,
};

use super::{PATIENCE, keys, tls};

/// How our side differs from the usual one.
pub(crate) struct Options {
    /// Who we are.
    pub(crate) identity: Identity,
    /// Our network.
    pub(crate) app_key: AppKey,
    /// Who may connect; all, unless given.
    pub(crate) allow: Option<Vec<PublicKey>>,
    /// Whether a dialer greets.
    pub(crate) greeting: bool,
    /// How long a dial may take.
    pub(crate) dial_timeout: Duration,
    /// How long an accepted peer may take to prove itself.
    pub(crate) handshake_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            identity: keys::ours(),
            app_key: keys::app_key(),
            allow: None,
            greeting: true,
            // A busy machine is not what is tested, unless a test says so.
            dial_timeout: PATIENCE,
            handshake_timeout: PATIENCE,
        }
    }
}

impl Options {
    fn multi_server(self) -> MultiServer {
        let layer = ShsLayer::new(self.identity.clone())
            .app_key(self.app_key)
            .greeting(self.greeting);
        let noauth = NoauthLayer::new(self.identity.public_key());
        let net = Net::new().dial_timeout(self.dial_timeout);
        let unix = Unix::new().dial_timeout(self.dial_timeout);
        let ws = Ws::new().dial_timeout(self.dial_timeout);
        let wss = tls::settle(Wss::over(ws.clone()));
        let multi = MultiServer::new()
            .handshake_timeout(self.handshake_timeout)
            .stack(
                ServiceBuilder::new()
                    .layer(noauth.clone())
                    .service(net.clone()),
            )
            .stack(
                ServiceBuilder::new()
                    .layer(noauth.clone())
                    .service(wss.clone()),
            )
            .stack(ServiceBuilder::new().layer(noauth).service(unix.clone()));
        let ws = (ws, wss);
        match self.allow {
            None => secured(multi, layer, net, ws, unix),
            Some(keys) => secured(
                multi,
                layer.authorize(AllowList::from_iter(keys)),
                net,
                ws,
                unix,
            ),
        }
    }
}

fn secured<A: Authorize>(
    multi: MultiServer,
    shs: ShsLayer<A>,
    net: Net,
    (ws, wss): (Ws, Wss),
    unix: Unix,
) -> MultiServer {
    let secured = ServiceBuilder::new().layer(shs);
    multi
        .stack(secured.clone().service(net))
        .stack(secured.clone().service(ws))
        .stack(secured.clone().service(wss))
        .stack(secured.service(unix))
}

/// A server of ours.
pub(crate) struct Server {
    listening: tower_multiserver::Listening,
    /// Where it is reached.
    pub(crate) address: String,
}

/// Opens a server of ours.
pub(crate) async fn listen(stack: &str, directory: &Path, options: Options) -> Server {
    let (transport, transform) = stack.split_once('~').expect("a transport and a transform");
    let transport = match transport {
        "net" => "net:127.0.0.1:0".to_owned(),
        "ws" | "wss" => format!("{transport}://127.0.0.1:0"),
        _ => format!("unix:{}", socket(directory)),
    };
    let address = format!("{transport}~{transform}");
    let listening = options.multi_server().listen(&*address).await;
    let listening = listening.expect("it can be bound");
    let addresses = listening.addresses(Scope::Device);
    Server {
        address: addresses.expect("it is on this machine").to_string(),
        listening,
    }
}

/// The socket file of our own server.
pub(crate) fn socket(directory: &Path) -> String {
    directory.join("ours").display().to_string()
}

/// The next peer of a server of ours, or why it was refused.
pub(crate) async fn accept(server: &mut Server) -> Result<Connection, Error> {
    let next = timeout(PATIENCE, server.listening.next()).await;
    next.expect("somebody comes").expect("the server is open")
}

/// Dials.
pub(crate) async fn dial(address: &str, options: Options) -> Result<Connection, Error> {
    options.multi_server().dial(address).await
}

//! Every stack that the program knows.

use tower::ServiceBuilder;
use tower_multiserver::{
    AllowAll, AllowList, AppKey, Authorize, BoxError, Identity, MultiServer, Peer, net::Net,
    noauth::NoauthLayer, shs::ShsLayer, ws::Ws,
};

/// Who may connect by a stack that asks for a key.
#[derive(Clone, Debug)]
pub(crate) enum Guests {
    All,
    Listed(AllowList),
}

impl Authorize for Guests {
    type Grant = ();

    async fn authorize(&self, peer: Peer) -> Result<(), BoxError> {
        match self {
            Self::All => AllowAll.authorize(peer).await,
            Self::Listed(list) => list.authorize(peer).await,
        }
    }
}

/// Each transport bare, with `shs` and with `noauth`. `channel` is not among them, since it connects the parts of one
/// process.
pub(crate) fn stacks(identity: &Identity, app_key: AppKey, guests: Guests) -> MultiServer {
    let shs = ShsLayer::new(identity.clone())
        .app_key(app_key)
        .authorize(guests);
    let noauth = NoauthLayer::new(identity.public_key());
    let (net, ws) = (Net::new(), Ws::new());
    let server = MultiServer::new()
        .stack(
            ServiceBuilder::new()
                .layer(shs.clone())
                .service(net.clone()),
        )
        .stack(
            ServiceBuilder::new()
                .layer(noauth.clone())
                .service(net.clone()),
        )
        .stack(net)
        .stack(ServiceBuilder::new().layer(shs.clone()).service(ws.clone()))
        .stack(
            ServiceBuilder::new()
                .layer(noauth.clone())
                .service(ws.clone()),
        )
        .stack(ws);
    with_unix(server, shs, noauth)
}

#[cfg(unix)]
fn with_unix(server: MultiServer, shs: ShsLayer<Guests>, noauth: NoauthLayer) -> MultiServer {
    use tower_multiserver::unix::Unix;

    // Who writes the name of one wants one.
    let unix = Unix::new().abstract_names(true);
    server
        .stack(ServiceBuilder::new().layer(shs).service(unix.clone()))
        .stack(ServiceBuilder::new().layer(noauth).service(unix.clone()))
        .stack(unix)
}

#[cfg(not(unix))]
fn with_unix(server: MultiServer, _: ShsLayer<Guests>, _: NoauthLayer) -> MultiServer {
    server
}

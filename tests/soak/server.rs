//! The process of a server.

use std::time::Duration;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    runtime::Handle,
};
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_multiserver::{
    Connection, MultiServer,
    knock::KnockLayer,
    mtls::MtlsLayer,
    net::Net,
    noise::NoiseLayer,
    ws::Ws,
    wss::{Certificate, Trust, Wss},
};

use crate::{
    ALLOCATOR,
    support::{app_key, identity, shs},
};

/// What it is told by.
pub(crate) const ADDRESS: &str = "SOAK_ADDRESS";
pub(crate) const MAX_HANDSHAKES: &str = "SOAK_MAX_HANDSHAKES";
pub(crate) const PATIENCE: &str = "SOAK_PATIENCE";
pub(crate) const CERTIFICATE: &str = "SOAK_CERTIFICATE";
pub(crate) const CERTIFICATE_KEY: &str = "SOAK_CERTIFICATE_KEY";

/// What it tells.
pub(crate) const AT: &str = "the server is at ";
pub(crate) const HOLDS: &str = "the server holds ";

/// All stacks that are measured, as the peer of this name. A server has a certificate, a client trusts one.
pub(crate) fn stacks(name: &str, wss: Wss, max_http: usize) -> MultiServer {
    let noise = NoiseLayer::new(identity(name)).app_key(app_key());
    let mtls = MtlsLayer::new(identity(name));
    let knock = KnockLayer::new(identity(name));
    let ws = Ws::new().max_connections(max_http);
    MultiServer::new()
        .stack(ServiceBuilder::new().layer(shs(name)).service(Net::new()))
        .stack(ServiceBuilder::new().layer(noise).service(Net::new()))
        .stack(
            ServiceBuilder::new()
                .layer(mtls.clone())
                .service(Net::new()),
        )
        .stack(
            ServiceBuilder::new()
                .layer(mtls)
                .layer(knock)
                .service(Net::new()),
        )
        .stack(ServiceBuilder::new().layer(shs(name)).service(ws.clone()))
        .stack(ServiceBuilder::new().layer(shs(name)).service(wss))
}

/// Echoes, and says on stdout what it holds whenever a line comes on stdin. It ends with stdin.
#[tokio::test]
#[ignore = "the process of the server that the other tests here start"]
async fn a_server_in_a_process_of_its_own() {
    let told = |name| std::env::var(name).ok();
    let Some(address) = told(ADDRESS) else { return };
    let number = |name| told(name).expect("told").parse::<u64>().expect("a number");
    let (certificate, key) = (told(CERTIFICATE).unwrap(), told(CERTIFICATE_KEY).unwrap());
    let certificate = Certificate::from_pem(&certificate, key).expect("a certificate");
    let max = usize::try_from(number(MAX_HANDSHAKES)).expect("it fits");
    let wss = Wss::over(Ws::new().max_connections(max)).certificate(certificate);
    let server = stacks("bob", wss, max)
        .max_handshakes(max)
        .handshake_timeout(Duration::from_secs(number(PATIENCE)))
        .listen(address.as_str())
        .await
        .expect("listening");
    println!("\n{AT}{}", server.all_addresses()[0].1);
    let mut asked = BufReader::new(tokio::io::stdin()).lines();
    let answer = async {
        while let Ok(Some(_)) = asked.next_line().await {
            let stats = ALLOCATOR.stats();
            let bytes = stats.bytes_allocated - stats.bytes_deallocated;
            let tasks = Handle::current().metrics().num_alive_tasks();
            println!("{HOLDS}{bytes} {tasks}");
        }
    };
    server.serve(service_fn(echo), answer).await;
}

/// With a buffer of its own that hardly counts, until somebody has much to say.
async fn echo(mut peer: Connection) -> Result<(), BoxError> {
    let mut buffer = vec![0; 256];
    loop {
        let count = peer.read(&mut buffer).await?;
        if count == 0 {
            peer.shutdown().await?;
            return Ok(());
        }
        peer.write_all(&buffer[..count]).await?;
        peer.flush().await?;
        if count == buffer.len() {
            buffer.resize(4096, 0);
        }
    }
}

/// The stacks of a client, and the transports alone.
pub(crate) fn client(name: &str, certificate: &str) -> MultiServer {
    let wss = || Wss::new().trust(Trust::roots(certificate).expect("a certificate"));
    stacks(name, wss(), 1).stack(Ws::new()).stack(wss())
}

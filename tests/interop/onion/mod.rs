//! Our onion transport through real proxies: Tor, microsocks and dante.

mod proxies;
mod through_tor;
mod tor;

use std::process::{Child, Command, Stdio};

use tower::ServiceBuilder;
use tower_multiserver::{
    Connection, Error, Identity, MultiServer,
    onion::{Failed, Failure, Onion},
    shs::ShsLayer,
};

use crate::harness::{app_key, seed};

/// Who dials.
fn dialer() -> Identity {
    Identity::from_seed(&seed("TESTSEED of who dials through a proxy"))
}

/// Dials `onion:HOST:PORT`, with `~shs:KEY` or without.
async fn dial(onion: Onion, address: &str) -> Result<Connection, Error> {
    let shs = ShsLayer::new(dialer()).app_key(app_key());
    let client = MultiServer::new()
        .stack(ServiceBuilder::new().layer(shs).service(onion.clone()))
        .stack(onion);
    client.dial(address).await
}

/// Why the last proxy that was tried did not connect.
fn last_failure(error: &Error) -> &Failure {
    let source = std::error::Error::source(error).expect("a source");
    let failed: &Failed = source.downcast_ref().expect("what each proxy answered");
    let (_, failure) = failed.attempts().next_back().expect("one attempt");
    failure
}

/// Runs `script`, which starts programs in the background and adds their ids to `$running`. They are killed when the stdin
/// of what comes back ends, which it does with our own process, however that ends; then `$1` is removed.
fn supervised(script: &str, args: &[&str]) -> std::io::Result<Child> {
    let script = format!(
        "trap '' HUP INT TERM\n{script}\ncat >/dev/null\nkill -KILL $running 2>/dev/null\nwait\nrm -rf \"$1\"\n"
    );
    Command::new("sh")
        .args(["-c", &script, "sh"])
        .args(args)
        .stdin(Stdio::piped())
        .spawn()
}

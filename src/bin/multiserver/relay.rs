//! A connection forwarded to another.

use tokio::io::split;
use tower_multiserver::{
    Address, Connection, Identity, Section,
    config::{Config, check_dial},
    ssb,
};

use crate::{
    cli::Policy,
    copy::{self, Broken, both, of_ours, of_peer},
    dial::Target,
    failure::{Failure, root},
    input,
    progress::Direction,
    settings,
};

/// What `--to` names: an address, or the `HOST:PORT` of a TCP server. It may be one that proves nothing.
pub(crate) fn named(
    argument: &str,
    config: &Config,
    identity: &Identity,
) -> Result<Target, Failure> {
    let mut config = config.clone();
    config.plain = Some(true);
    let server = settings::server(&config, identity)?;
    let text = input::text(argument)?;
    let tcp = Address::new(Section::new("net").arg(&*text));
    let policy = Policy::default();
    let named = Target::new(server.clone(), ssb::parse(&text)?, &policy)?;
    match named.check() {
        Ok(()) => Ok(named),
        Err(_) if check_dial(&tcp).is_ok() => Ok(Target::new(server, tcp.into(), &policy)?),
        Err(error) => {
            let reason = root(&error);
            Err(Failure::usage(format!(
                "--to needs an address or HOST:PORT: {reason}"
            )))
        }
    }
}

/// Forwards `peer` to `target` until both directions have ended.
///
/// Where a side cannot be told that one direction has ended, the end of the other side's ends all: nothing else would end
/// a connection that nobody needs any more.
pub(crate) async fn run(peer: Connection, target: Target) -> Result<(), Failure> {
    let info = peer.info().clone();
    let target = target.dial().await?;
    let half_close = (info.has_half_close(), target.info().has_half_close());
    let (of_peer, of_target) = (&of_peer(&info), &of_ours("the target failed"));
    let (mut from_peer, mut to_peer) = split(peer);
    let (mut from_target, mut to_target) = split(target);

    let there = async {
        let copied = copy::copy_all(&mut from_peer, &mut to_target, Direction::In).await;
        copied.map_err(|broken| broken.between(of_peer, of_target))
    };
    let back = async {
        let copied = copy::copy_all(&mut from_target, &mut to_peer, Direction::Out).await;
        copied.map_err(|broken| broken.between(of_target, of_peer))
    };
    let forwarded = match half_close {
        (true, true) => both(there, back).await,
        (false, true) => copy::until(back, there).await,
        (true, false) => copy::until(there, back).await,
        (false, false) => copy::first(there, back).await,
    };
    forwarded.map_err(Broken::into_inner)
}

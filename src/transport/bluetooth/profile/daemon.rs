//! What BlueZ's daemon knows.

use bluer::Session;
use tower_multiserver_core::Error;

use super::error::failed;
use crate::transport::bluetooth::{Adapter, Device, DeviceAddress, error::unavailable};

/// A connection to the daemon.
pub(super) async fn session() -> Result<Session, Error> {
    // Whatever prevents it, there is no bus to be used.
    Session::new().await.map_err(unavailable)
}

/// The adapter with this address, or the first, if it is on.
pub(super) async fn adapter(
    session: &Session,
    wanted: DeviceAddress,
) -> Result<bluer::Adapter, Error> {
    let mut found = powered(session, wanted).await?;
    Ok(found.swap_remove(0).0)
}

/// The addresses of these adapters, all of which are on.
pub(super) async fn addresses(
    session: &Session,
    wanted: DeviceAddress,
) -> Result<Vec<DeviceAddress>, Error> {
    let found = powered(session, wanted).await?;
    Ok(found.into_iter().map(|(_, address)| address).collect())
}

/// Those that are on: one at least.
async fn powered(
    session: &Session,
    wanted: DeviceAddress,
) -> Result<Vec<(bluer::Adapter, DeviceAddress)>, Error> {
    let (mut found, mut off) = (Vec::new(), false);
    for (adapter, address) in all(session).await.map_err(failed)? {
        if ![DeviceAddress::ANY, address].contains(&wanted) {
            continue;
        }
        match adapter.is_powered().await.map_err(failed)? {
            true => found.push((adapter, address)),
            false => off = true,
        }
    }
    match (found.is_empty(), off) {
        (false, _) => Ok(found),
        (true, true) => Err(unavailable("the Bluetooth adapter is off")),
        (true, false) if wanted == DeviceAddress::ANY => {
            Err(unavailable("there is no Bluetooth adapter"))
        }
        (true, false) => Err(unavailable("no Bluetooth adapter has that address")),
    }
}

async fn all(session: &Session) -> bluer::Result<Vec<(bluer::Adapter, DeviceAddress)>> {
    let mut names = session.adapter_names().await?;
    names.sort();
    let mut adapters = Vec::new();
    for name in names {
        let adapter = session.adapter(&name)?;
        let address = adapter.address().await?.into();
        adapters.push((adapter, address));
    }
    Ok(adapters)
}

/// What a device calls itself.
pub(super) async fn name(device: &bluer::Device) -> Option<String> {
    device.name().await.ok().flatten()
}

/// The two ends of a connection that came in from `peer`: through the adapter with the address `local` or, where the
/// socket does not tell, the one to which the device is connected. What the daemon does not say stays unknown.
pub(super) async fn ends(
    session: &Session,
    peer: DeviceAddress,
    local: Option<bluer::Address>,
) -> (Device, Option<Adapter>) {
    for (adapter, address) in all(session).await.unwrap_or_default() {
        let Ok(device) = adapter.device(peer.into()) else {
            continue;
        };
        let through = match local {
            Some(local) => DeviceAddress::from(local) == address,
            None => device.is_connected().await.unwrap_or(false),
        };
        if through {
            let device = Device {
                address: peer,
                name: name(&device).await,
            };
            let name = Some(adapter.name().to_owned());
            return (device, Some(Adapter { address, name }));
        }
    }
    let device = Device {
        address: peer,
        name: None,
    };
    let address = local.map(DeviceAddress::from);
    let adapter = address.map(|address| Adapter {
        address,
        name: None,
    });
    (device, adapter)
}

//! Who is around.

use std::{collections::BTreeMap, io, pin::pin, time::Duration};

use bluer::{Adapter, AdapterEvent, DiscoveryFilter, DiscoveryTransport, Uuid};
use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;
use tower_multiserver_core::Error;

use super::{daemon, error::failed};
use crate::transport::bluetooth::{Device, DeviceAddress, SERVICE};

/// How many devices are listed at most: more than anybody could choose from, and a bound for who invents devices.
const MAX_FOUND: usize = 256;

/// The devices that offer the service, after looking for them for `time`.
pub(super) async fn services(adapter: DeviceAddress, time: Duration) -> Result<Vec<Device>, Error> {
    let session = daemon::session().await?;
    let adapter = daemon::adapter(&session, adapter).await?;
    filter(&adapter).await?;
    // What a device offers is often known only a while after the device itself.
    let looking = adapter.discover_devices_with_changes().await;
    let mut events = pin!(looking.map_err(failed)?);
    let mut found = BTreeMap::new();
    let look = async {
        while let Some(event) = events.next().await {
            match event {
                AdapterEvent::DeviceAdded(address) => {
                    if let Some(device) = offering(&adapter, address).await
                        && (found.len() < MAX_FOUND || found.contains_key(&device.address))
                    {
                        found.insert(device.address, device);
                    }
                }
                AdapterEvent::DeviceRemoved(address) => {
                    found.remove(&address.into());
                }
                AdapterEvent::PropertyChanged(_) => {}
            }
        }
    };
    // It ends by itself when the adapter is switched off.
    let _ = timeout(time, look).await;
    Ok(found.into_values().collect())
}

async fn offering(adapter: &Adapter, address: bluer::Address) -> Option<Device> {
    let device = adapter.device(address).ok()?;
    let services = device.uuids().await.ok().flatten()?;
    let offers = services.contains(&Uuid::from_u128(SERVICE));
    offers.then_some(())?;
    Some(Device {
        address: address.into(),
        name: daemon::name(&device).await,
    })
}

/// Waits until BlueZ knows the device, whose link the kernel tells it of.
pub(super) async fn heard_of(adapter: &Adapter, wanted: DeviceAddress) -> Result<(), Error> {
    let mut events = pin!(adapter.events().await.map_err(failed)?);
    let known = adapter.device_addresses().await.map_err(failed)?;
    if known.contains(&wanted.into()) {
        return Ok(());
    }
    added(events.as_mut(), wanted).await
}

/// Looks for the device where BlueZ does not know it. That may take for ever.
pub(super) async fn looked_for(adapter: &Adapter, wanted: DeviceAddress) -> Result<(), Error> {
    let known = adapter.device_addresses().await.map_err(failed)?;
    if known.contains(&wanted.into()) {
        return Ok(());
    }
    filter(adapter).await?;
    let mut events = pin!(adapter.discover_devices().await.map_err(failed)?);
    added(events.as_mut(), wanted).await
}

async fn added(
    mut events: impl Stream<Item = AdapterEvent> + Unpin,
    wanted: DeviceAddress,
) -> Result<(), Error> {
    while let Some(event) = events.next().await {
        if matches!(event, AdapterEvent::DeviceAdded(address) if address == wanted.into()) {
            return Ok(());
        }
    }
    let reason = "the search for the device was ended";
    Err(io::Error::new(io::ErrorKind::NotFound, reason).into())
}

/// There is no RFCOMM with devices of low energy.
async fn filter(adapter: &Adapter) -> Result<(), Error> {
    let filter = DiscoveryFilter {
        transport: DiscoveryTransport::BrEdr,
        ..DiscoveryFilter::default()
    };
    match adapter.set_discovery_filter(filter).await {
        // Another search of ours is under way, with this filter.
        Err(error) if error.kind == bluer::ErrorKind::DiscoveryActive => Ok(()),
        result => result.map_err(failed),
    }
}

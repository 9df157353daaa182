//! The link to a device, below all services.

use std::{io, time::Duration};

use bluer::{AddressType, l2cap};
use tokio::time::{sleep, timeout};
use tower_multiserver_core::Error;

use crate::transport::bluetooth::{DeviceAddress, closing::connected, error::socket_failed};

/// The protocol/service multiplexer of service discovery, which every device answers, paired or not (Bluetooth SIG,
/// Assigned Numbers, 2.5).
const SERVICE_DISCOVERY: u16 = 1;

/// After its last use a link stays for two seconds for the service discovery of BlueZ (src/sdp-client.c) and for two, or
/// four at the side that was dialed, for the kernel (`HCI_DISCONN_TIMEOUT`). A link that is there still is in use.
const LINK_END: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(100);

/// A channel over the link, which keeps it up.
///
/// It is held until BlueZ has its own: under Linux 6.12.117 BlueZ was seen to hang at times when a stream channel was closed
/// as soon as it was open, and never with this one held.
pub(super) type Link = l2cap::SeqPacket;

/// Brings up a link, with the kernel's sockets alone, so that BlueZ hears of the device and finds it in reach. `None`
/// where this process has no such sockets, or none for the adapter: they are of the first network namespace, a sandbox may
/// forbid them, and the bus may lead to the BlueZ of another kernel.
///
/// BlueZ itself would look for a device that it does not know, which takes long and finds only those that want to be
/// found; and it forgets one that it cannot reach, unless it is paired, without an answer to who dialed it (seen with 5.66).
pub(super) async fn raise(from: DeviceAddress, to: DeviceAddress) -> Result<Option<Link>, Error> {
    match attempt(from, to).await {
        Ok(link) => Ok(Some(link)),
        Err(error) if is_without_sockets(&error) => Ok(None),
        Err(error) => Err(socket_failed(error)),
    }
}

async fn attempt(from: DeviceAddress, to: DeviceAddress) -> io::Result<Link> {
    let at =
        |device: DeviceAddress, psm| l2cap::SocketAddr::new(device.into(), AddressType::BrEdr, psm);
    let socket = l2cap::Socket::new_seq_packet()?;
    socket.bind(at(from, 0))?;
    let link = socket.connect(at(to, SERVICE_DISCOVERY)).await?;
    let there = &link;
    let info = || there.as_ref().conn_info().map(drop);
    // Unasked, a device says nothing.
    connected(info, || async move { there.recv(&mut [0]).await }).await?;
    Ok(link)
}

fn is_without_sockets(error: &io::Error) -> bool {
    use libc::{EADDRNOTAVAIL, EAFNOSUPPORT, EHOSTUNREACH, ENODEV, EPROTONOSUPPORT};

    matches!(
        error.raw_os_error(),
        Some(EAFNOSUPPORT | EPROTONOSUPPORT | ENODEV | EADDRNOTAVAIL | EHOSTUNREACH)
    )
}

/// Waits for the end of a link that nobody uses, but not for long.
pub(super) async fn ended(adapter: &bluer::Adapter, to: DeviceAddress) {
    let ended = async {
        while let Ok(device) = adapter.device(to.into())
            && device.is_connected().await.unwrap_or(false)
        {
            sleep(PAUSE).await;
        }
    };
    let _ = timeout(LINK_END, ended).await;
}

//! By service: real calls over D-Bus to a stand-in for BlueZ (`bluez.py`).

mod device;
mod sharing;
mod talk;
mod unavailable;

use std::{io, time::Duration};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tower::{Layer as _, ServiceExt as _};
use tower_multiserver::{
    Address, Connection, Error, ErrorKind, Incoming, Listen, Scope, Shutdown, StackExt as _,
    bluetooth::{
        Adapter, BluetoothIo, Device, DeviceAddress,
        profile::{BluetoothProfile, ProfileListener},
    },
};

use crate::{
    assert_io,
    lab::{Machine, ready, with_bus, without_daemon, world},
    support::{HANG, echo, identity, shs},
};

const ALICE: DeviceAddress = DeviceAddress::from_bytes([0x00, 0xaa, 0x01, 0x00, 0x00, 0x42]);
const BOB: DeviceAddress = DeviceAddress::from_bytes([0x00, 0xaa, 0x01, 0x01, 0x00, 0x24]);
const BOB_TOO: DeviceAddress = DeviceAddress::from_bytes([0x00, 0xaa, 0x01, 0x01, 0x00, 0x25]);
const CAROL: DeviceAddress = DeviceAddress::from_bytes([0x00, 0xaa, 0x01, 0x02, 0x00, 0x66]);

pub(crate) fn at(device: DeviceAddress) -> Address {
    Address::new(device.section())
}

fn alice() -> Machine {
    Machine::new("alice", &[ALICE]).knows(BOB)
}

fn bob() -> Machine {
    Machine::new("bob", &[BOB])
}

/// A machine whose two adapters are in each other's reach.
fn both() -> Machine {
    Machine::new("both", &[ALICE, BOB]).knows(BOB)
}

pub(crate) type Accepted = Incoming<BluetoothProfile, ProfileListener, BluetoothIo>;

/// A server that runs until the `Shutdown` is dropped.
pub(crate) async fn serve(
    bluetooth: &BluetoothProfile,
    device: DeviceAddress,
) -> (Shutdown, Accepted) {
    let (shutdown, closing) = Shutdown::new();
    let incoming = bluetooth.listen(at(device), closing).await;
    (shutdown, incoming.expect("listening"))
}

/// Both ends of a new connection: of who dialed and of who listened.
async fn connect(
    bluetooth: &BluetoothProfile,
    incoming: &mut Accepted,
) -> (Connection<BluetoothIo>, Connection<BluetoothIo>) {
    let (dialed, accepted) = tokio::join!(bluetooth.dial(at(BOB)), incoming.next());
    (
        dialed.expect("dialed"),
        accepted.expect("one").expect("accepted"),
    )
}

#[track_caller]
fn assert_unavailable(error: &Error, place: Option<DeviceAddress>) {
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(error.address(), place.map(at).as_ref());
}

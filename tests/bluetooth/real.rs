//! By service, between two adapters of the real BlueZ: see `by_channel`. They are of one machine with one daemon, and so of
//! one program: BlueZ gives a service to one at a time.

use std::{error::Error as _, io, process::Command, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tower::{Layer as _, ServiceExt as _};
use tower_multiserver::{
    Connection, Error, Listen, Scope, Shutdown, StackExt as _,
    bluetooth::{
        Adapter, Bluetooth, BluetoothIo, ChannelNumber, Device, DeviceAddress,
        profile::BluetoothProfile,
    },
};

use crate::{
    assert_io,
    by_channel::adapters,
    by_service::{Accepted, at, serve},
    support::{echo, identity, round_trip, shs},
};

/// An emulated machine looks for devices and asks what they offer in no hurry.
const PATIENCE: Duration = Duration::from_secs(60);

fn bluetooth(from: DeviceAddress) -> BluetoothProfile {
    BluetoothProfile::new().adapter(from).dial_timeout(PATIENCE)
}

/// Both ends of a new connection: of who dialed and of who listened.
async fn connect(
    bluetooth: &BluetoothProfile,
    to: DeviceAddress,
    incoming: &mut Accepted,
) -> (Connection<BluetoothIo>, Connection<BluetoothIo>) {
    let dial = async { bluetooth.dial(at(to)).await.expect("dialed") };
    let accept = async { incoming.next().await.expect("one").expect("accepted") };
    let both = async { tokio::join!(dial, accept) };
    timeout(PATIENCE, both).await.expect("no hang")
}

async fn refused(bluetooth: &BluetoothProfile, to: DeviceAddress) -> Error {
    let dialed = timeout(PATIENCE, bluetooth.dial(at(to))).await;
    let error = dialed.expect("no hang").expect_err("no connection");
    assert_eq!(error.address(), Some(&at(to)));
    error
}

/// The first by its name, while nobody has offered the service yet: BlueZ keeps what it has heard.
#[tokio::test]
async fn a_busy_link_is_left_alone_and_what_bluez_remembers_is_told_as_such() {
    let Some([from, to]) = adapters() else {
        return;
    };
    let channel = Bluetooth::new().channel(ChannelNumber::new(20).unwrap());
    let (_shutdown, closing) = Shutdown::new();
    let mut incoming = channel.listen(at(to), closing).await.unwrap();
    let dialer = channel.clone().adapter(from);
    let dial = async { dialer.dial(at(to)).await.unwrap() };
    let accept = async { incoming.next().await.unwrap().unwrap() };
    let (mut dialed, mut accepted) = tokio::join!(dial, accept);

    let bluetooth = bluetooth(from);
    let mut reasons = Vec::new();
    for _ in 0..2 {
        let error = refused(&bluetooth, to).await;
        assert_io(&error, io::ErrorKind::NotFound);
        reasons.push(error.source().unwrap().to_string());
    }
    assert!(reasons[1].contains("remembers"), "{reasons:?}");
    // The link is not ours to end.
    dialed.write_all(b"here").await.unwrap();
    let mut heard = [0; 4];
    accepted.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"here");
}

#[tokio::test]
async fn two_adapters_talk_under_shs_by_service() {
    let Some([from, to]) = adapters() else {
        return;
    };
    let bluetooth = bluetooth(from);
    let (_shutdown, closing) = Shutdown::new();
    let server = shs("bob").layer(bluetooth.clone());
    let incoming = server.listen(format!("{}~shs", at(to)), closing).await;
    let mut incoming = incoming.unwrap();
    let (scope, address) = incoming.addresses()[0].clone();
    assert_eq!(scope, Scope::Local);
    let serve = async {
        let peer = incoming.next().await.unwrap().unwrap();
        let info = peer.info().clone();
        echo(peer).await;
        info
    };
    let dial = async {
        let peer = shs("alice").layer(bluetooth).dial(address).await.unwrap();
        let info = peer.info().clone();
        round_trip(peer, &vec![7; 30_000]).await;
        info
    };
    let both = async { tokio::join!(serve, dial) };
    let (accepted, dialed) = timeout(PATIENCE, both).await.expect("no hang");
    for (info, own, other, name) in [(accepted, to, from, "alice"), (dialed, from, to, "bob")] {
        assert_eq!(info.remote_key(), Some(identity(name).public_key()));
        assert_eq!(info.get::<Device>().unwrap().address, other);
        let adapter: &Adapter = info.get().unwrap();
        assert_eq!(adapter.address, own);
        assert!(adapter.name.as_ref().unwrap().starts_with("hci"));
        assert_eq!(info.scope(), Scope::Local);
    }
}

#[tokio::test]
async fn a_service_that_nobody_offers_is_not_found_until_somebody_does() {
    let Some([from, to]) = adapters() else {
        return;
    };
    // Once for what BlueZ has just asked and, while the link stays, for what it remembers.
    let before = bluetooth(from);
    for _ in 0..2 {
        assert_io(&refused(&before, to).await, io::ErrorKind::NotFound);
    }
    drop(before);

    let bluetooth = bluetooth(from);
    let (_shutdown, mut incoming) = serve(&bluetooth, to).await;
    let _ends = connect(&bluetooth, to, &mut incoming).await;
}

#[tokio::test]
async fn two_devices_have_one_connection_at_a_time_whoever_dialed() {
    let Some([from, to]) = adapters() else {
        return;
    };
    let bluetooth = bluetooth(from);
    let (_shutdown, mut incoming) = serve(&bluetooth, DeviceAddress::ANY).await;
    let (mut dialed, mut accepted) = connect(&bluetooth, to, &mut incoming).await;
    assert_io(&refused(&bluetooth, to).await, io::ErrorKind::ResourceBusy);
    let back = bluetooth.clone().adapter(to);
    assert_io(&refused(&back, from).await, io::ErrorKind::ResourceBusy);

    // They leave it as it is.
    dialed.write_all(b"here").await.unwrap();
    let mut heard = [0; 4];
    accepted.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"here");
}

#[tokio::test]
async fn a_device_can_be_dialed_by_service_again_as_soon_as_the_last_connection_has_ended() {
    let Some([from, to]) = adapters() else {
        return;
    };
    let bluetooth = bluetooth(from);
    let (_shutdown, mut incoming) = serve(&bluetooth, to).await;
    for _ in 0..5 {
        let (dialed, mut accepted) = connect(&bluetooth, to, &mut incoming).await;
        drop(dialed);
        assert_eq!(accepted.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_device_out_of_reach_does_not_answer() {
    let Some([from, to]) = adapters() else {
        return;
    };
    let bluetooth = bluetooth(from);
    let nobody = DeviceAddress::from_bytes([2, 2, 2, 2, 2, 2]);
    let error = refused(&bluetooth, nobody).await;
    assert_io(&error, io::ErrorKind::HostUnreachable);

    let (_shutdown, mut incoming) = serve(&bluetooth, to).await;
    let ends = connect(&bluetooth, to, &mut incoming).await;
    drop(ends);
    until_the_link_has_ended(to).await;
    answers(to, "noscan").await;
    let error = refused(&bluetooth, to).await;
    answers(to, "piscan").await;
    assert_io(&error, io::ErrorKind::HostUnreachable);
    // BlueZ has forgotten it, and hears of it again.
    let _ends = connect(&bluetooth, to, &mut incoming).await;
}

/// Sets whether an adapter of this machine answers.
async fn answers(at: DeviceAddress, how: &str) {
    let adapter = adapter(at).await;
    let mut set = Command::new("hciconfig");
    let status = set.args([adapter.name(), how]).status();
    assert!(status.unwrap().success());
}

/// Whichever device it goes to: there are but two.
async fn until_the_link_has_ended(at: DeviceAddress) {
    let adapter = adapter(at).await;
    let ended = async {
        for device in adapter.device_addresses().await.unwrap() {
            let device = adapter.device(device).unwrap();
            while device.is_connected().await.unwrap_or(false) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    timeout(PATIENCE, ended).await.expect("no hang");
}

async fn adapter(at: DeviceAddress) -> bluer::Adapter {
    let session = bluer::Session::new().await.unwrap();
    for name in session.adapter_names().await.unwrap() {
        let adapter = session.adapter(&name).unwrap();
        if DeviceAddress::from_bytes(adapter.address().await.unwrap().0) == at {
            return adapter;
        }
    }
    panic!("no adapter has the address {at}");
}

#[tokio::test]
async fn bluez_gives_the_service_to_one_listener() {
    let Some([from, to]) = adapters() else {
        return;
    };
    let first = bluetooth(from);
    let (_shutdown, _incoming) = serve(&first, to).await;
    // As another program's, and of the same one.
    for second in [bluetooth(from), first] {
        let error = second.oneshot(Listen(at(to))).await.unwrap_err();
        assert_io(&error, io::ErrorKind::AddrInUse);
        assert_eq!(error.address(), Some(&at(to)));
    }
}

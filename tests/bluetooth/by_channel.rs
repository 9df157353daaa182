//! By channel number. Most of it takes two adapters that reach each other, real ones or those of BlueZ's `btvirt -l2`:
//! their addresses stand in `MULTISERVER_BLUETOOTH`, with a blank between. `.ci/run nightly` runs it in a virtual machine
//! that has such (`tests/vm`).

use std::{env, error::Error as _, io};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tower::Layer as _;
use tower_multiserver::{
    Address, Connection, Error, ErrorKind, Scope, Shutdown, StackExt as _,
    bluetooth::{Adapter, Bluetooth, BluetoothIo, ChannelNumber, Device, DeviceAddress},
};

use crate::{
    skip,
    support::{HANG, address, echo, identity, round_trip, shs},
};

/// Of the tests' own, so that they may run side by side.
fn on_channel(number: u8) -> Bluetooth {
    Bluetooth::new().channel(ChannelNumber::new(number).expect("a channel"))
}

async fn listen(at: &str) -> Result<(), Error> {
    let (_shutdown, closing) = Shutdown::new();
    on_channel(29).listen(at, closing).await.map(drop)
}

#[tokio::test]
async fn what_names_no_device_is_not_understood() {
    for text in [
        "bt",
        "bt:",
        "bt:65D900DDB35",
        "bt:65:D9:00:DD:B3:53",
        "net:h:1",
    ] {
        let dialed = on_channel(29).dial(address(text)).await.map(drop);
        for result in [dialed, listen(text).await] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported, "{text}");
        }
    }
    let everybody = on_channel(29).dial(address("bt:000000000000")).await;
    assert_eq!(everybody.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_kernel_without_bluetooth_is_unavailable_and_says_where() {
    let at = "bt:65D900DDB353";
    if listen(at).await.is_ok() {
        return skip("this kernel has Bluetooth");
    }
    let dialed = on_channel(29).dial(address(at)).await.map(drop);
    for result in [dialed, listen(at).await] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.address(), Some(&address(at)));
        let source = error.source().expect("a source");
        assert!(source.downcast_ref::<io::Error>().is_some());
    }
}

/// The addresses of the adapters. `None` when the test is to be skipped: machines for tests have no radio, so that none is
/// required.
pub(crate) fn adapters() -> Option<[DeviceAddress; 2]> {
    let Ok(adapters) = env::var("MULTISERVER_BLUETOOTH") else {
        skip("MULTISERVER_BLUETOOTH names no two adapters");
        return None;
    };
    let adapters = adapters
        .split(' ')
        .map(|text| text.parse().expect("an address"));
    Some(
        adapters
            .collect::<Vec<_>>()
            .try_into()
            .expect("two of them"),
    )
}

/// The two ends of a connection: of who dialed and of who listened.
async fn connect(
    channel: u8,
    [from, to]: [DeviceAddress; 2],
) -> (Connection<BluetoothIo>, Connection<BluetoothIo>) {
    let (_shutdown, closing) = Shutdown::new();
    let at = Address::new(to.section());
    let mut incoming = on_channel(channel).listen(at, closing).await.unwrap();
    let (_, at) = incoming.addresses()[0].clone();
    let dialer = on_channel(channel).adapter(from);
    let dial = async { dialer.dial(at).await.unwrap() };
    let accept = async { incoming.next().await.unwrap().unwrap() };
    let both = async { tokio::join!(dial, accept) };
    timeout(HANG, both).await.expect("no hang")
}

#[tokio::test]
async fn two_devices_talk_under_shs() {
    let Some([from, to]) = adapters() else {
        return;
    };
    let server = shs("bob").layer(on_channel(21));
    let (_shutdown, closing) = Shutdown::new();
    let at = Address::new(to.section());
    let mut incoming = server.listen(format!("{at}~shs"), closing).await.unwrap();
    let (scope, at) = incoming.addresses()[0].clone();
    assert_eq!(scope, Scope::Local);
    let serve = async {
        let peer = incoming.next().await.unwrap().unwrap();
        assert_eq!(
            peer.info().remote_key(),
            Some(identity("alice").public_key())
        );
        echo(peer).await;
    };
    let dial = async {
        let peer = shs("alice").layer(on_channel(21).adapter(from)).dial(at);
        round_trip(peer.await.unwrap(), &vec![7; 30_000]).await;
    };
    timeout(HANG, async { tokio::join!(serve, dial) })
        .await
        .expect("no hang");
}

#[tokio::test]
async fn the_other_device_and_the_adapter_are_known_on_both_sides() {
    let Some([from, to]) = adapters() else {
        return;
    };
    let (dialed, accepted) = connect(22, [from, to]).await;
    for (connection, own, other) in [(dialed, from, to), (accepted, to, from)] {
        let info = connection.info();
        assert_eq!(info.get::<Device>().unwrap().address, other);
        assert_eq!(info.get::<Adapter>().unwrap().address, own);
        assert_eq!(info.scope(), Scope::Local);
        assert!(!info.has_half_close());
        assert_eq!(info.address(), &Address::new(other.section()));
    }
}

#[tokio::test]
async fn a_close_is_an_end_behind_what_was_sent_and_nothing_more_can_be_sent() {
    let Some(adapters) = adapters() else {
        return;
    };
    for shut_down in [false, true] {
        let (mut dialed, mut accepted) = connect(23, adapters).await;
        dialed.write_all(&[7; 10_000]).await.unwrap();
        if shut_down {
            dialed.shutdown().await.unwrap();
        }
        drop(dialed);
        let mut all = Vec::new();
        let read = timeout(HANG, accepted.read_to_end(&mut all)).await;
        read.expect("no hang").unwrap();
        assert_eq!(all.len(), 10_000);
        assert_eq!(accepted.read(&mut [0]).await.unwrap(), 0);
        let late = accepted.write_all(b"late").await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::BrokenPipe);
    }
}

#[tokio::test]
async fn a_channel_that_nobody_listens_on_refuses() {
    let Some([from, to]) = adapters() else {
        return;
    };
    let dialed = on_channel(24)
        .adapter(from)
        .dial(Address::new(to.section()));
    let error = timeout(HANG, dialed).await.expect("no hang").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(error.address(), Some(&Address::new(to.section())));
}

#[tokio::test]
async fn a_device_can_be_dialed_again_as_soon_as_the_last_connection_has_ended() {
    let Some(adapters) = adapters() else {
        return;
    };
    for _ in 0..10 {
        let (dialed, mut accepted) = connect(27, adapters).await;
        drop(dialed);
        assert_eq!(accepted.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_second_connection_to_a_channel_is_refused_as_busy() {
    let Some([from, to]) = adapters() else {
        return;
    };
    let _first = connect(28, [from, to]).await;
    let dialed = on_channel(28)
        .adapter(from)
        .dial(Address::new(to.section()));
    let error = timeout(HANG, dialed).await.expect("no hang").unwrap_err();
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::ResourceBusy);
}

#[tokio::test]
async fn an_adapter_that_is_not_there_cannot_be_dialed_through() {
    let Some([_, to]) = adapters() else {
        return;
    };
    let nowhere = DeviceAddress::from_bytes([2, 2, 2, 2, 2, 2]);
    let dialed = on_channel(25)
        .adapter(nowhere)
        .dial(Address::new(to.section()));
    let error = timeout(HANG, dialed).await.expect("no hang").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_channel_has_one_listener() {
    let Some([_, at]) = adapters() else {
        return;
    };
    let (_shutdown, closing) = Shutdown::new();
    let at = Address::new(at.section());
    let _first = on_channel(26)
        .listen(at.clone(), closing.clone())
        .await
        .unwrap();
    let error = on_channel(26).listen(at, closing).await.unwrap_err();
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
}

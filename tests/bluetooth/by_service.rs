//! By service: real calls over D-Bus to a stand-in for BlueZ (`bluez.py`).

use std::{error::Error as _, io, time::Duration};

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
    lab::{Machine, ready, with_bus, without_daemon, world},
    support::{HANG, echo, identity, shs},
};

const ALICE: DeviceAddress = DeviceAddress::from_bytes([0x00, 0xaa, 0x01, 0x00, 0x00, 0x42]);
const BOB: DeviceAddress = DeviceAddress::from_bytes([0x00, 0xaa, 0x01, 0x01, 0x00, 0x24]);
const BOB_TOO: DeviceAddress = DeviceAddress::from_bytes([0x00, 0xaa, 0x01, 0x01, 0x00, 0x25]);
const CAROL: DeviceAddress = DeviceAddress::from_bytes([0x00, 0xaa, 0x01, 0x02, 0x00, 0x66]);

fn at(device: DeviceAddress) -> Address {
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

type Accepted = Incoming<BluetoothProfile, ProfileListener, BluetoothIo>;

/// A server that runs until the `Shutdown` is dropped.
async fn serve(bluetooth: &BluetoothProfile, device: DeviceAddress) -> (Shutdown, Accepted) {
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
fn assert_io(error: &Error, kind: io::ErrorKind) {
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    let source = error
        .source()
        .expect("a source")
        .downcast_ref::<io::Error>();
    assert_eq!(source.expect("an IO error").kind(), kind, "{error:?}");
}

#[track_caller]
fn assert_unavailable(error: &Error, place: Option<DeviceAddress>) {
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(error.address(), place.map(at).as_ref());
}

#[cfg(feature = "serde")]
#[test]
fn two_machines_talk_as_their_configurations_say() {
    world(
        "two_machines_talk_as_their_configurations_say",
        &[bob(), alice()],
        async |machine| {
            let mut config = tower_multiserver::config::Config::default();
            config.bluetooth_by_service = Some(true);
            config.allow = Some(tower_multiserver::config::Allow::All);
            let door = config.multi_server_as(&identity(machine));
            let door = door.expect("a server");
            if machine == "bob" {
                let listening = door.listen(format!("{}~shs", at(BOB))).await;
                let mut listening = listening.expect("listening");
                ready();
                echo(listening.next().await.unwrap().unwrap()).await;
            } else {
                let to = format!("{}~shs:{}", at(BOB), identity("bob").public_key());
                crate::support::round_trip(door.dial(to).await.expect("dialed"), b"hello").await;
            }
        },
    );
}

#[test]
fn two_machines_talk_under_shs() {
    world(
        "two_machines_talk_under_shs",
        &[bob(), alice()],
        async |machine| {
            let info = if machine == "bob" {
                let stack = shs("bob").layer(BluetoothProfile::new());
                let (_shutdown, closing) = Shutdown::new();
                let at = format!("{}~shs", at(BOB));
                let mut incoming = stack.listen(at, closing).await.unwrap();
                let to = format!("bt:00AA01010024~shs:{}", identity("bob").public_key());
                assert_eq!(incoming.addresses(), [(Scope::Local, to.parse().unwrap())]);
                ready();
                let peer = incoming.next().await.unwrap().unwrap();
                let info = peer.info().clone();
                echo(peer).await;
                info
            } else {
                let stack = shs("alice").layer(BluetoothProfile::new());
                let to = format!("{}~shs:{}", at(BOB), identity("bob").public_key());
                let peer = stack.dial(to).await.unwrap();
                let info = peer.info().clone();
                let (mut reader, mut writer) = split(peer);
                let message = vec![7; 1_000_000];
                let send = async {
                    writer.write_all(&message).await.unwrap();
                    writer.shutdown().await.unwrap();
                };
                let mut answer = Vec::new();
                let ((), read) = tokio::join!(send, reader.read_to_end(&mut answer));
                read.unwrap();
                assert!(answer == message, "the answer differs");
                info
            };
            let (own, other) = match machine {
                "bob" => (BOB, ("alice", ALICE)),
                _ => (ALICE, ("bob", BOB)),
            };
            assert_eq!(info.remote_key(), Some(identity(other.0).public_key()));
            let device: &Device = info.get().unwrap();
            assert_eq!(
                (device.address, device.name.as_deref()),
                (other.1, Some(other.0))
            );
            let adapter: &Adapter = info.get().unwrap();
            assert_eq!(
                (adapter.address, adapter.name.as_deref()),
                (own, Some("hci0"))
            );
            assert_eq!(info.scope(), Scope::Local);
            let address = format!("{}~shs:{}", at(other.1), identity(other.0).public_key());
            assert_eq!(info.address().to_string(), address);
        },
    );
}

#[test]
fn one_program_dials_and_listens_with_one_registration() {
    let test = "one_program_dials_and_listens_with_one_registration";
    world(test, &[both()], async |_| {
        let bluetooth = BluetoothProfile::new();
        let (_shutdown, mut incoming) = serve(&bluetooth, DeviceAddress::ANY).await;
        let all = [(Scope::Local, at(ALICE)), (Scope::Local, at(BOB))];
        assert_eq!(incoming.addresses(), all);
        let (dialed, accepted) = connect(&bluetooth, &mut incoming).await;
        for (connection, own, other) in [(dialed, ALICE, BOB), (accepted, BOB, ALICE)] {
            let info = connection.info();
            assert_eq!(info.get::<Device>().unwrap().address, other);
            assert_eq!(info.get::<Adapter>().unwrap().address, own);
            assert!(!info.has_half_close());
        }
    });
}

#[test]
fn a_drop_ends_the_connection_though_the_daemon_keeps_the_socket() {
    let test = "a_drop_ends_the_connection_though_the_daemon_keeps_the_socket";
    world(test, &[both()], async |_| {
        let bluetooth = BluetoothProfile::new();
        let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
        for shut_down in [false, true] {
            let (mut dialed, mut accepted) = connect(&bluetooth, &mut incoming).await;
            dialed.write_all(b"last words").await.unwrap();
            if shut_down {
                dialed.shutdown().await.unwrap();
            }
            drop(dialed);
            let mut heard = String::new();
            accepted.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, "last words");
        }
    });
}

#[test]
fn a_shutdown_is_held_and_the_other_direction_goes_on() {
    let test = "a_shutdown_is_held_and_the_other_direction_goes_on";
    world(test, &[both()], async |_| {
        let bluetooth = BluetoothProfile::new();
        let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
        let (mut dialed, mut accepted) = connect(&bluetooth, &mut incoming).await;
        dialed.write_all(b"question").await.unwrap();
        dialed.shutdown().await.unwrap();
        let mut question = [0; 8];
        accepted.read_exact(&mut question).await.unwrap();
        let mut more = [0];
        let held = tokio::time::timeout(Duration::from_millis(50), accepted.read(&mut more));
        assert!(held.await.is_err(), "ended early");
        accepted.write_all(b"answer").await.unwrap();
        drop(accepted);
        let mut answer = String::new();
        dialed.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
    });
}

#[test]
fn an_adapter_that_is_off_is_unavailable() {
    let test = "an_adapter_that_is_off_is_unavailable";
    world(test, &[alice().off(), bob()], async |machine| {
        if machine != "bob" {
            unavailable(BOB, ALICE).await;
        }
        ready();
    });
}

#[test]
fn a_machine_without_an_adapter_is_unavailable() {
    let test = "a_machine_without_an_adapter_is_unavailable";
    world(test, &[Machine::new("bare", &[])], async |_| {
        unavailable(BOB, DeviceAddress::ANY).await;
    });
}

#[test]
fn an_adapter_of_another_machine_is_unavailable() {
    let test = "an_adapter_of_another_machine_is_unavailable";
    world(test, &[alice()], async |_| {
        let bluetooth = BluetoothProfile::new();
        let error = bluetooth
            .clone()
            .oneshot(Listen(at(BOB)))
            .await
            .unwrap_err();
        assert_unavailable(&error, Some(BOB));
        let error = bluetooth.adapter(BOB).dial(at(ALICE)).await.unwrap_err();
        assert_unavailable(&error, Some(ALICE));
    });
}

#[test]
fn a_machine_without_the_daemon_is_unavailable() {
    without_daemon("a_machine_without_the_daemon_is_unavailable", async |_| {
        unavailable(BOB, ALICE).await;
    });
}

#[test]
fn a_machine_without_a_bus_is_unavailable() {
    let test = "a_machine_without_a_bus_is_unavailable";
    with_bus(test, "unix:path=/nowhere/bus", async |_| {
        unavailable(BOB, ALICE).await;
    });
}

async fn unavailable(to: DeviceAddress, own: DeviceAddress) {
    let bluetooth = BluetoothProfile::new();
    let error = bluetooth.dial(at(to)).await.unwrap_err();
    assert_unavailable(&error, Some(to));
    let error = bluetooth
        .clone()
        .oneshot(Listen(at(own)))
        .await
        .unwrap_err();
    assert_unavailable(&error, Some(own));
    let error = bluetooth.discover(Duration::ZERO).await.unwrap_err();
    assert_unavailable(&error, None);
}

#[test]
fn a_device_without_the_service_refuses() {
    let test = "a_device_without_the_service_refuses";
    world(test, &[bob(), alice()], async |machine| {
        if machine == "alice" {
            let error = BluetoothProfile::new().dial(at(BOB)).await.unwrap_err();
            assert_io(&error, io::ErrorKind::ConnectionRefused);
            assert_eq!(error.address(), Some(&at(BOB)));
        }
        ready();
    });
}

#[test]
fn a_device_that_was_never_asked_is_asked_what_it_offers() {
    let test = "a_device_that_was_never_asked_is_asked_what_it_offers";
    world(test, &[both().never_asked()], async |_| {
        let bluetooth = BluetoothProfile::new();
        let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
        connect(&bluetooth, &mut incoming).await;
    });
}

#[test]
fn an_unknown_device_is_looked_for_before_it_is_dialed() {
    let test = "an_unknown_device_is_looked_for_before_it_is_dialed";
    let strangers = Machine::new("both", &[ALICE, BOB]);
    world(test, &[strangers], async |_| {
        let bluetooth = BluetoothProfile::new();
        let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
        connect(&bluetooth, &mut incoming).await;
    });
}

#[test]
fn a_device_that_is_not_around_is_looked_for_until_the_deadline() {
    let test = "a_device_that_is_not_around_is_looked_for_until_the_deadline";
    world(test, &[bob()], async |_| {
        let bluetooth = BluetoothProfile::new().dial_timeout(Duration::from_millis(300));
        let error = bluetooth.dial(at(ALICE)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.address(), Some(&at(ALICE)));
    });
}

#[test]
fn discovery_lists_the_devices_that_offer_the_service() {
    let test = "discovery_lists_the_devices_that_offer_the_service";
    let mute = Machine::new("mute", &[BOB_TOO]);
    let stranger = Machine::new("alice", &[ALICE]);
    world(
        test,
        &[mute, bob(), stranger],
        async |machine| match machine {
            "mute" => ready(),
            "bob" => {
                let (_shutdown, mut incoming) = serve(&BluetoothProfile::new(), BOB).await;
                ready();
                incoming.next().await.unwrap().unwrap();
            }
            _ => {
                let bluetooth = BluetoothProfile::new();
                let found = loop {
                    let found = bluetooth.discover(Duration::from_millis(500)).await;
                    match found.unwrap() {
                        none if none.is_empty() => {}
                        found => break found,
                    }
                };
                let found: Vec<_> = found
                    .iter()
                    .map(|d| (d.address, d.name.as_deref()))
                    .collect();
                assert_eq!(found, [(BOB, Some("bob"))]);
                bluetooth.dial(at(found[0].0)).await.unwrap();
            }
        },
    );
}

#[test]
fn the_service_belongs_to_one_program() {
    let test = "the_service_belongs_to_one_program";
    world(test, &[both().taken()], async |_| {
        let bluetooth = BluetoothProfile::new();
        let error = bluetooth.dial(at(BOB)).await.unwrap_err();
        assert_io(&error, io::ErrorKind::AddrInUse);
        let error = bluetooth.oneshot(Listen(at(BOB))).await.unwrap_err();
        assert_io(&error, io::ErrorKind::AddrInUse);
    });
}

#[test]
fn a_service_has_one_listener_at_a_time() {
    let test = "a_service_has_one_listener_at_a_time";
    world(test, &[both()], async |_| {
        let bluetooth = BluetoothProfile::new();
        let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
        let second = bluetooth.clone().oneshot(Listen(at(BOB)));
        assert_io(&second.await.unwrap_err(), io::ErrorKind::AddrInUse);

        // Beside the connections of one that is gone.
        let _before = connect(&bluetooth, &mut incoming).await;
        drop(incoming);
        let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
        let _after = connect(&bluetooth, &mut incoming).await;
    });
}

#[test]
fn what_is_not_needed_any_more_is_given_back() {
    let test = "what_is_not_needed_any_more_is_given_back";
    world(test, &[both()], async |_| {
        // Three programs, as far as BlueZ can see.
        for _ in 0..3 {
            let bluetooth = BluetoothProfile::new();
            let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
            connect(&bluetooth, &mut incoming).await;
        }
    });
}

#[test]
fn who_only_dials_offers_nothing_and_listens_when_that_is_over() {
    let test = "who_only_dials_offers_nothing_and_listens_when_that_is_over";
    world(test, &[bob(), alice()], async |machine| {
        if machine == "bob" {
            let bluetooth = BluetoothProfile::new();
            let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
            ready();
            let mut peer = incoming.next().await.unwrap().unwrap();
            let error = bluetooth.dial(at(ALICE)).await.unwrap_err();
            assert_io(&error, io::ErrorKind::ConnectionRefused);
            peer.write_all(b"refused").await.unwrap();
            assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
        } else {
            let bluetooth = BluetoothProfile::new();
            let mut peer = bluetooth.dial(at(BOB)).await.unwrap();
            peer.read_exact(&mut [0; 7]).await.unwrap();
            let listen = || bluetooth.clone().oneshot(Listen(at(ALICE)));
            assert_io(&listen().await.unwrap_err(), io::ErrorKind::AddrInUse);
            drop(peer);
            listen().await.unwrap();
        }
    });
}

#[test]
fn what_comes_of_a_dial_that_was_given_up_is_refused() {
    let test = "what_comes_of_a_dial_that_was_given_up_is_refused";
    world(test, &[both()], async |_| {
        let bluetooth = BluetoothProfile::new().adapter(ALICE);
        let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
        let session = bluer::Session::new().await.unwrap();
        let adapter = session.adapter("hci0").unwrap();
        adapter.set_alias("slow".to_owned()).await.unwrap();
        let patient = bluetooth.clone().dial_timeout(HANG);
        let begun = async {
            while adapter.alias().await.unwrap() != "held" {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            dialed = patient.dial(at(BOB)) => panic!("nothing comes about: {dialed:?}"),
            () = begun => {}
        }
        // A second one would be taken for the first.
        let error = bluetooth.dial(at(BOB)).await.unwrap_err();
        assert_io(&error, io::ErrorKind::ResourceBusy);

        adapter.set_alias("quick".to_owned()).await.unwrap();
        let mut half = incoming.next().await.unwrap().unwrap();
        assert_eq!(half.read(&mut [0]).await.unwrap(), 0);
        // Neither is it in the way of the next one, nor taken for one that came in.
        let dial = async {
            loop {
                match bluetooth.dial(at(BOB)).await {
                    Ok(dialed) => break dialed,
                    Err(error) => assert_io(&error, io::ErrorKind::ResourceBusy),
                }
            }
        };
        let (mut dialed, accepted) = tokio::join!(dial, incoming.next());
        let mut accepted = accepted.unwrap().unwrap();
        dialed.write_all(b"hello").await.unwrap();
        let mut hello = [0; 5];
        accepted.read_exact(&mut hello).await.unwrap();
        assert_eq!(&hello, b"hello");
    });
}

#[test]
fn only_the_adapter_that_is_listened_at_lets_peers_in() {
    let test = "only_the_adapter_that_is_listened_at_lets_peers_in";
    let bob = Machine::new("bob", &[BOB, BOB_TOO]);
    let carol = Machine::new("carol", &[CAROL]).knows(BOB_TOO);
    world(
        test,
        &[bob, alice(), carol],
        async |machine| match machine {
            "bob" => {
                let (_shutdown, mut incoming) = serve(&BluetoothProfile::new(), BOB_TOO).await;
                ready();
                let error = incoming.next().await.unwrap().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unauthorized);
                assert_eq!(error.address(), Some(&at(ALICE)));
                incoming.next().await.unwrap().unwrap();
            }
            "alice" => {
                let mut refused = BluetoothProfile::new().dial(at(BOB)).await.unwrap();
                assert_eq!(refused.read(&mut [0]).await.unwrap(), 0);
                ready();
            }
            _ => {
                BluetoothProfile::new().dial(at(BOB_TOO)).await.unwrap();
            }
        },
    );
}

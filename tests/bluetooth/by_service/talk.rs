//! Two machines talk, and end it.

use super::*;

#[cfg(feature = "serde")]
#[test]
fn two_machines_talk_as_their_configurations_say() {
    world(
        "talk::two_machines_talk_as_their_configurations_say",
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
        "talk::two_machines_talk_under_shs",
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
    let test = "talk::one_program_dials_and_listens_with_one_registration";
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
    let test = "talk::a_drop_ends_the_connection_though_the_daemon_keeps_the_socket";
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
    let test = "talk::a_shutdown_is_held_and_the_other_direction_goes_on";
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

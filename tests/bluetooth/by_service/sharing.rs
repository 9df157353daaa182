//! Who has the service, and which connection is whose.

use super::*;

#[test]
fn the_service_belongs_to_one_program() {
    let test = "sharing::the_service_belongs_to_one_program";
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
    let test = "sharing::a_service_has_one_listener_at_a_time";
    let three = Machine::new("three", &[ALICE, BOB, CAROL]).knows(BOB);
    world(test, &[three], async |_| {
        let bluetooth = BluetoothProfile::new().adapter(ALICE);
        let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
        let second = bluetooth.clone().oneshot(Listen(at(BOB)));
        assert_io(&second.await.unwrap_err(), io::ErrorKind::AddrInUse);

        // Beside the connections of one that is gone.
        let _before = connect(&bluetooth, &mut incoming).await;
        drop(incoming);
        let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
        let carol = bluetooth.clone().adapter(CAROL);
        let _after = connect(&carol, &mut incoming).await;
    });
}

#[test]
fn what_is_not_needed_any_more_is_given_back() {
    let test = "sharing::what_is_not_needed_any_more_is_given_back";
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
    let test = "sharing::who_only_dials_offers_nothing_and_listens_when_that_is_over";
    world(test, &[bob(), alice()], async |machine| {
        if machine == "bob" {
            let bluetooth = BluetoothProfile::new();
            let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
            ready();
            let mut peer = incoming.next().await.unwrap().unwrap();
            let error = bluetooth.dial(at(ALICE)).await.unwrap_err();
            assert_io(&error, io::ErrorKind::ResourceBusy);
            peer.write_all(b"ask").await.unwrap();
            peer.read_exact(&mut [0; 5]).await.unwrap();
            drop(peer);
            let error = bluetooth.dial(at(ALICE)).await.unwrap_err();
            assert_io(&error, io::ErrorKind::NotFound);
            ready();
        } else {
            let bluetooth = BluetoothProfile::new();
            let mut peer = bluetooth.dial(at(BOB)).await.unwrap();
            peer.read_exact(&mut [0; 3]).await.unwrap();
            let listen = || bluetooth.clone().oneshot(Listen(at(ALICE)));
            assert_io(&listen().await.unwrap_err(), io::ErrorKind::AddrInUse);
            peer.write_all(b"asked").await.unwrap();
            assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
            drop(peer);
            listen().await.unwrap();
        }
    });
}

#[test]
fn two_devices_have_one_connection_at_a_time_whoever_dialed() {
    let test = "sharing::two_devices_have_one_connection_at_a_time_whoever_dialed";
    world(test, &[both()], async |_| {
        let bluetooth = BluetoothProfile::new();
        let (_shutdown, mut incoming) = serve(&bluetooth, DeviceAddress::ANY).await;
        let ends = connect(&bluetooth, &mut incoming).await;
        let back = bluetooth.clone().adapter(BOB);
        for (bluetooth, to) in [(&bluetooth, BOB), (&back, ALICE)] {
            let error = bluetooth.dial(at(to)).await.unwrap_err();
            assert_io(&error, io::ErrorKind::ResourceBusy);
        }
        drop(ends);
        let (dialed, accepted) = tokio::join!(back.dial(at(ALICE)), incoming.next());
        assert_eq!(accepted.unwrap().unwrap().info().address(), &at(BOB));
        dialed.unwrap();
    });
}

#[test]
fn what_comes_of_a_dial_that_was_given_up_is_refused() {
    let test = "sharing::what_comes_of_a_dial_that_was_given_up_is_refused";
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
    let test = "sharing::only_the_adapter_that_is_listened_at_lets_peers_in";
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

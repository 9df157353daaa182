//! Which devices there are, and what they offer.

use super::*;

#[test]
fn a_service_that_nobody_offers_is_not_found_until_somebody_does() {
    let test = "device::a_service_that_nobody_offers_is_not_found_until_somebody_does";
    world(test, &[both()], async |_| {
        // Once for what BlueZ has just asked and, while the link stays, for what it remembers.
        let before = BluetoothProfile::new();
        for _ in 0..2 {
            let error = before.dial(at(BOB)).await.unwrap_err();
            assert_io(&error, io::ErrorKind::NotFound);
            assert_eq!(error.address(), Some(&at(BOB)));
        }
        drop(before);

        let bluetooth = BluetoothProfile::new();
        let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
        connect(&bluetooth, &mut incoming).await;
    });
}

#[test]
fn a_service_that_is_offered_no_more_is_not_found() {
    let test = "device::a_service_that_is_offered_no_more_is_not_found";
    world(test, &[both()], async |_| {
        let bluetooth = BluetoothProfile::new();
        let (shutdown, mut incoming) = serve(&bluetooth, BOB).await;
        connect(&bluetooth, &mut incoming).await;
        drop((shutdown, incoming, bluetooth));

        let error = BluetoothProfile::new().dial(at(BOB)).await.unwrap_err();
        assert_io(&error, io::ErrorKind::NotFound);
    });
}

#[test]
fn a_device_that_does_not_answer_is_unreachable() {
    let test = "device::a_device_that_does_not_answer_is_unreachable";
    world(test, &[both()], async |_| {
        let session = bluer::Session::new().await.unwrap();
        let bob = session.adapter("hci1").unwrap();
        bob.set_powered(false).await.unwrap();
        let bluetooth = BluetoothProfile::new();
        let error = bluetooth.dial(at(BOB)).await.unwrap_err();
        assert_io(&error, io::ErrorKind::HostUnreachable);

        // One whose service BlueZ knows is told of in other words.
        bob.set_powered(true).await.unwrap();
        drop(bluetooth);
        let bluetooth = BluetoothProfile::new();
        let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
        connect(&bluetooth, &mut incoming).await;
        bob.set_powered(false).await.unwrap();
        let error = bluetooth.dial(at(BOB)).await.unwrap_err();
        assert_io(&error, io::ErrorKind::ConnectionAborted);
    });
}

#[test]
fn an_unknown_device_is_looked_for_before_it_is_dialed() {
    let test = "device::an_unknown_device_is_looked_for_before_it_is_dialed";
    let strangers = Machine::new("both", &[ALICE, BOB]);
    world(test, &[strangers], async |_| {
        let bluetooth = BluetoothProfile::new();
        let (_shutdown, mut incoming) = serve(&bluetooth, BOB).await;
        connect(&bluetooth, &mut incoming).await;
    });
}

#[test]
fn a_device_that_is_not_around_is_looked_for_until_the_deadline() {
    let test = "device::a_device_that_is_not_around_is_looked_for_until_the_deadline";
    world(test, &[bob()], async |_| {
        let bluetooth = BluetoothProfile::new().dial_timeout(Duration::from_millis(300));
        let error = bluetooth.dial(at(ALICE)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.address(), Some(&at(ALICE)));
    });
}

#[test]
fn discovery_lists_the_devices_that_offer_the_service() {
    let test = "device::discovery_lists_the_devices_that_offer_the_service";
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

//! What this machine lacks.

use super::*;

#[test]
fn an_adapter_that_is_off_is_unavailable() {
    let test = "unavailable::an_adapter_that_is_off_is_unavailable";
    world(test, &[alice().off(), bob()], async |machine| {
        if machine != "bob" {
            unavailable(BOB, ALICE).await;
        }
        ready();
    });
}

#[test]
fn a_machine_without_an_adapter_is_unavailable() {
    let test = "unavailable::a_machine_without_an_adapter_is_unavailable";
    world(test, &[Machine::new("bare", &[])], async |_| {
        unavailable(BOB, DeviceAddress::ANY).await;
    });
}

#[test]
fn an_adapter_of_another_machine_is_unavailable() {
    let test = "unavailable::an_adapter_of_another_machine_is_unavailable";
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
    without_daemon(
        "unavailable::a_machine_without_the_daemon_is_unavailable",
        async |_| {
            unavailable(BOB, ALICE).await;
        },
    );
}

#[test]
fn a_machine_without_a_bus_is_unavailable() {
    let test = "unavailable::a_machine_without_a_bus_is_unavailable";
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

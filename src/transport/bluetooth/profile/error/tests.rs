use std::error::Error as _;

use tower_multiserver_core::ErrorKind;

use super::*;

fn error(kind: Kind, message: &str) -> Error {
    let message = message.to_owned();
    failed(bluer::Error { kind, message })
}

fn bus(name: &str) -> Kind {
    Kind::Internal(Internal::DBus(format!("org.freedesktop.DBus.Error.{name}")))
}

#[test]
fn a_daemon_or_an_adapter_that_is_not_there_is_unavailable() {
    for (kind, message) in [
        (Kind::NotReady, "Resource Not Ready"),
        (Kind::NotReady, "br-connection-adapter-not-powered"),
        (Kind::Failed, "br-connection-adapter-not-powered"),
        (Kind::Failed, "le-connection-adapter-not-powered"),
        (bus("ServiceUnknown"), ""),
        (bus("Spawn.ServiceNotFound"), ""),
        (Kind::Internal(Internal::DBusConnectionLost), ""),
    ] {
        let shown = format!("{kind:?} {message}");
        assert_eq!(
            error(kind, message).kind(),
            ErrorKind::Unavailable,
            "{shown}"
        );
    }
}

/// Every name in BlueZ's src/error.h, of 5.66 and of 5.87.
#[test]
fn each_failure_of_a_connection_has_its_kind() {
    for (name, expected) in [
        ("br-connection-already-connected", ResourceBusy),
        ("br-connection-page-timeout", HostUnreachable),
        ("br-connection-profile-unavailable", NotFound),
        ("br-connection-sdp-search", Other),
        ("br-connection-create-socket", Other),
        ("br-connection-invalid-argument", InvalidInput),
        ("br-connection-not-supported", NotFound),
        ("br-connection-bad-socket", Other),
        ("br-connection-memory-allocation", OutOfMemory),
        ("br-connection-busy", ResourceBusy),
        ("br-connection-concurrent-connection-limit", ResourceBusy),
        ("br-connection-timeout", TimedOut),
        ("br-connection-refused", ConnectionRefused),
        ("br-connection-aborted-by-remote", ConnectionReset),
        ("br-connection-aborted-by-local", ConnectionAborted),
        ("br-connection-lmp-protocol-error", Other),
        ("br-connection-canceled", ConnectionAborted),
        ("br-connection-key-missing", PermissionDenied),
        ("br-connection-unknown", Other),
        ("le-connection-invalid-arguments", InvalidInput),
        ("le-connection-not-supported", NotFound),
        ("le-connection-already-connected", ResourceBusy),
        ("le-connection-bad-socket", Other),
        ("le-connection-memory-allocation", OutOfMemory),
        ("le-connection-busy", ResourceBusy),
        ("le-connection-refused", ConnectionRefused),
        ("le-connection-create-socket", Other),
        ("le-connection-timeout", TimedOut),
        ("le-connection-concurrent-connection-limit", ResourceBusy),
        ("le-connection-abort-by-remote", ConnectionReset),
        ("le-connection-abort-by-local", ConnectionAborted),
        ("le-connection-link-layer-protocol-error", Other),
        ("le-connection-gatt-browsing", Other),
        ("le-connection-key-missing", PermissionDenied),
        ("le-connection-unknown", Other),
    ] {
        // Most come as `Failed`; `busy` and `profile-unavailable` under other names too.
        for kind in [Kind::Failed, Kind::InProgress, Kind::NotAvailable] {
            assert_io(&error(kind, name), expected, name);
        }
        let known = FAILURES
            .iter()
            .any(|(known, ..)| failure(name) == Some(known));
        assert!(known, "{name}");
    }
}

#[test]
fn an_absent_service_is_not_found_under_each_of_its_names_and_said_in_words() {
    for (kind, message) in [
        (Kind::NotAvailable, "br-connection-profile-unavailable"),
        (Kind::Failed, "br-connection-not-supported"),
        (
            Kind::Internal(Internal::DBus(
                "org.bluez.Error.BREDR.ProfileUnavailable".into(),
            )),
            "No more profiles to connect to",
        ),
    ] {
        let error = error(kind, message);
        assert_io(&error, NotFound, message);
        let source = error.source().expect("a source");
        assert_eq!(source.to_string(), "the device offers no such service");
        let theirs = source.source().expect("what BlueZ said");
        assert!(theirs.to_string().contains(message), "{theirs}");
    }
}

#[test]
fn what_the_rights_of_a_user_or_the_daemon_prevent_is_told_apart() {
    for (kind, expected) in [
        (Kind::AuthenticationRejected, PermissionDenied),
        (Kind::InProgress, ResourceBusy),
        (bus("AccessDenied"), PermissionDenied),
        (bus("NoReply"), TimedOut),
        (bus("UnknownMethod"), Other),
    ] {
        let shown = format!("{kind:?}");
        assert_io(&error(kind, ""), expected, &shown);
    }
}

#[track_caller]
fn assert_io(error: &Error, expected: io::ErrorKind, shown: &str) {
    assert_eq!(error.kind(), ErrorKind::Io, "{shown}");
    assert_eq!(io_kind(error), Some(expected), "{shown}");
}

//! What BlueZ's errors mean.

use std::io;

use bluer::{ErrorKind as Kind, InternalErrorKind as Internal};
use tower_multiserver_core::Error;

use crate::transport::bluetooth::error::unavailable;

/// What BlueZ says in words alone (doc/org.bluez.Device.rst, under `ConnectProfile`).
pub(super) const NO_SUCH_PROFILE: &str = "br-connection-profile-unavailable";
const REFUSED: &str = "br-connection-refused";
const ADAPTER_IS_OFF: &str = "br-connection-adapter-not-powered";

/// The bus's own way to say that nobody is there.
const NOBODY: [&str; 4] = [
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.Disconnected",
    "org.freedesktop.DBus.Error.NoServer",
];

/// A failure of a call to BlueZ's daemon.
pub(super) fn failed(error: bluer::Error) -> Error {
    let absent = match &error.kind {
        Kind::NotReady => true,
        Kind::Internal(Internal::DBus(name)) => {
            // It could not be started either.
            NOBODY.contains(&&**name) || name.starts_with("org.freedesktop.DBus.Error.Spawn.")
        }
        Kind::Internal(Internal::DBusConnectionLost) => true,
        _ => error.message.contains(ADAPTER_IS_OFF),
    };
    if absent {
        return unavailable(error);
    }
    if error.message.contains(REFUSED) {
        return io::Error::new(io::ErrorKind::ConnectionRefused, error).into();
    }
    io::Error::from(error).into()
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use tower_multiserver_core::ErrorKind;

    use super::*;

    fn error(kind: Kind, message: &str) -> Error {
        let message = message.to_owned();
        failed(bluer::Error { kind, message })
    }

    fn bus(name: &str) -> Kind {
        let name = format!("org.freedesktop.DBus.Error.{name}");
        Kind::Internal(Internal::DBus(name))
    }

    #[test]
    fn a_daemon_or_an_adapter_that_is_not_there_is_unavailable() {
        for (kind, message) in [
            (Kind::NotReady, "Resource Not Ready"),
            (Kind::Failed, "br-connection-adapter-not-powered"),
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

    #[test]
    fn what_a_peer_or_the_rights_of_a_user_prevent_is_not() {
        for (kind, message, expected) in [
            (
                Kind::Failed,
                "br-connection-refused",
                io::ErrorKind::ConnectionRefused,
            ),
            (
                Kind::Failed,
                "br-connection-page-timeout",
                io::ErrorKind::Other,
            ),
            (
                Kind::AuthenticationRejected,
                "",
                io::ErrorKind::PermissionDenied,
            ),
            (bus("AccessDenied"), "", io::ErrorKind::Other),
        ] {
            let shown = format!("{kind:?} {message}");
            let error = error(kind, message);
            assert_eq!(error.kind(), ErrorKind::Io, "{shown}");
            let source = error.source().unwrap().downcast_ref::<io::Error>();
            assert_eq!(source.unwrap().kind(), expected, "{shown}");
        }
    }
}

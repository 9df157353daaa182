//! What BlueZ's errors mean.

use std::{error, fmt, io};

use bluer::{ErrorKind as Kind, InternalErrorKind as Internal};
use tower_multiserver_core::Error;

use crate::transport::bluetooth::error::unavailable;

use io::ErrorKind::{
    ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, InvalidInput, NotFound,
    Other, OutOfMemory, PermissionDenied, ResourceBusy, TimedOut,
};

const NO_SUCH_SERVICE: &str = "the device offers no such service";
const NO_ANSWER: &str = "the device does not answer";
const OTHER: &str = "BlueZ could not connect to the device";

/// What BlueZ says in words alone, behind `br-connection-` and, where it fell back to low energy, `le-connection-`
/// (src/error.h of 5.66, which is from 5.62 on, to 5.87). Before 5.62 it said the system's words.
const FAILURES: &[(&str, io::ErrorKind, &str)] = &[
    ("already-connected", ResourceBusy, CONNECTED),
    ("page-timeout", HostUnreachable, NO_ANSWER),
    (UNHEARD_OF, NotFound, NO_SUCH_SERVICE),
    // It was offered once, and its record is gone.
    ("not-supported", NotFound, NO_SUCH_SERVICE),
    ("sdp-search", Other, "BlueZ could not ask what it offers"),
    ("gatt-browsing", Other, "BlueZ could not ask what it offers"),
    ("create-socket", Other, OTHER),
    ("bad-socket", Other, OTHER),
    ("unknown", Other, OTHER),
    ("lmp-protocol-error", Other, OTHER),
    ("link-layer-protocol-error", Other, OTHER),
    ("invalid-argument", InvalidInput, OTHER),
    ("invalid-arguments", InvalidInput, OTHER),
    ("memory-allocation", OutOfMemory, OTHER),
    ("busy", ResourceBusy, "BlueZ is busy with the device"),
    (
        "concurrent-connection-limit",
        ResourceBusy,
        "the adapter can hold no more connections",
    ),
    ("timeout", TimedOut, NO_ANSWER),
    ("refused", ConnectionRefused, "the device refused"),
    ("aborted-by-remote", ConnectionReset, "the device gave up"),
    ("abort-by-remote", ConnectionReset, "the device gave up"),
    ("aborted-by-local", ConnectionAborted, "BlueZ gave up"),
    ("abort-by-local", ConnectionAborted, "BlueZ gave up"),
    ("canceled", ConnectionAborted, "the link ended meanwhile"),
    (
        "key-missing",
        PermissionDenied,
        "the device has forgotten that it was paired",
    ),
];
const ADAPTER_IS_OFF: &str = "adapter-not-powered";

/// Of a service, and how BlueZ calls it from 5.84 on.
const UNHEARD_OF: &str = "profile-unavailable";
const PROFILE_UNAVAILABLE: &str = "org.bluez.Error.BREDR.ProfileUnavailable";

const CONNECTED: &str = "there is a connection to the device already";

/// The bus's own errors.
const BUS: &str = "org.freedesktop.DBus.Error.";
const NOBODY: [&str; 4] = [
    "ServiceUnknown",
    "NameHasNoOwner",
    "Disconnected",
    "NoServer",
];

/// A failure of a call to BlueZ's daemon.
pub(super) fn failed(error: bluer::Error) -> Error {
    let failure = failure(&error.message);
    let (kind, meaning) = match &error.kind {
        Kind::NotReady => return unavailable(error),
        Kind::Internal(Internal::DBusConnectionLost) => return unavailable(error),
        Kind::Internal(Internal::DBus(name)) => match name.strip_prefix(BUS) {
            Some(name) if NOBODY.contains(&name) => return unavailable(error),
            // It could not be started either.
            Some(name) if name.starts_with("Spawn.") => return unavailable(error),
            Some("AccessDenied") => (PermissionDenied, "BlueZ may not be asked by this user"),
            Some("NoReply" | "Timeout" | "TimedOut") => (TimedOut, "BlueZ does not answer"),
            None if name == PROFILE_UNAVAILABLE => (NotFound, NO_SUCH_SERVICE),
            _ => (Other, "BlueZ failed"),
        },
        _ if failure == Some(ADAPTER_IS_OFF) => return unavailable(error),
        kind => match FAILURES.iter().find(|(name, ..)| failure == Some(name)) {
            Some((_, kind, meaning)) => (*kind, *meaning),
            None if *kind == Kind::InProgress => (ResourceBusy, "BlueZ is busy with the device"),
            None => return io::Error::from(error).into(),
        },
    };
    explained(kind, meaning, error)
}

fn failure(message: &str) -> Option<&str> {
    let [br, le] = ["br", "le"].map(|bearer| message.strip_prefix(bearer));
    br.or(le)?.strip_prefix("-connection-")
}

/// Whether BlueZ has never heard that the device offers the service.
pub(super) fn is_unheard_of(error: &bluer::Error) -> bool {
    failure(&error.message) == Some(UNHEARD_OF)
        || matches!(&error.kind, Kind::Internal(Internal::DBus(name)) if name == PROFILE_UNAVAILABLE)
}

/// BlueZ has answered from its memory, and goes on doing so.
pub(super) fn remembered(error: Error) -> Error {
    let meaning =
        "BlueZ remembers no such service of the device, and asks it again only on a new link";
    explained(NotFound, meaning, error)
}

/// It says that it has connected and brings no connection: it holds one to a device's service, whoever made it.
pub(super) fn no_new_connection() -> Error {
    io::Error::new(ResourceBusy, CONNECTED).into()
}

/// It has forgotten the device while it was dialed.
pub(super) fn forgotten() -> Error {
    io::Error::new(HostUnreachable, NO_ANSWER).into()
}

/// Of a failure of the transport.
pub(super) fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    let source = error::Error::source(error)?;
    Some(source.downcast_ref::<io::Error>()?.kind())
}

fn explained(
    kind: io::ErrorKind,
    meaning: &'static str,
    source: impl error::Error + Send + Sync + 'static,
) -> Error {
    let source = Box::new(source);
    io::Error::new(kind, Explained { meaning, source }).into()
}

/// A failure with what it means, which BlueZ's own words say to few.
#[derive(Debug)]
struct Explained {
    meaning: &'static str,
    source: tower_multiserver_core::BoxError,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.meaning)
    }
}

impl error::Error for Explained {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.source)
    }
}

#[cfg(test)]
mod tests;

//! Which failures are this machine's own.

use std::io;

use tower_multiserver_core::{Error, ErrorKind};

/// There is no Bluetooth here that could be used, so no peer is at fault.
pub(super) fn unavailable(source: impl Into<tower_multiserver_core::BoxError>) -> Error {
    Error::new(ErrorKind::Unavailable, source)
}

/// A failure of a Bluetooth socket.
///
/// The kernel says "no route to host" when it finds no adapter that is on, and "host is down" when a device does not
/// answer (net/bluetooth/l2cap_core.c and lib.c).
pub(super) fn socket_failed(error: io::Error) -> Error {
    match error.raw_os_error() {
        Some(
            libc::EAFNOSUPPORT
            | libc::EPROTONOSUPPORT
            | libc::ENODEV
            | libc::ENETDOWN
            | libc::EHOSTUNREACH,
        ) => unavailable(error),
        Some(libc::EHOSTDOWN) => io::Error::new(io::ErrorKind::HostUnreachable, error).into(),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_told_from_what_a_peer_does() {
        for (number, kind) in [
            (libc::EAFNOSUPPORT, ErrorKind::Unavailable),
            (libc::EPROTONOSUPPORT, ErrorKind::Unavailable),
            (libc::ENODEV, ErrorKind::Unavailable),
            (libc::ENETDOWN, ErrorKind::Unavailable),
            (libc::EHOSTUNREACH, ErrorKind::Unavailable),
            (libc::EHOSTDOWN, ErrorKind::Io),
            (libc::ECONNREFUSED, ErrorKind::Io),
            (libc::EADDRINUSE, ErrorKind::Io),
            (libc::EACCES, ErrorKind::Io),
            (libc::EMFILE, ErrorKind::Io),
        ] {
            let error = socket_failed(io::Error::from_raw_os_error(number));
            assert_eq!(error.kind(), kind, "{number}");
        }
    }

    #[test]
    fn a_device_that_does_not_answer_is_unreachable() {
        let error = socket_failed(io::Error::from_raw_os_error(libc::EHOSTDOWN));
        let source = error.into_source().downcast::<io::Error>();
        let source = source.expect("an IO error");
        assert_eq!(source.kind(), io::ErrorKind::HostUnreachable);
    }
}

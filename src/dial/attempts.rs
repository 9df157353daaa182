//! What was tried, and why it failed.

use std::{cmp::Reverse, error, fmt};

use tower_multiserver_core::{Address, Error, ErrorKind};

/// Every address that was tried, and why it failed: the [`source`](error::Error::source) of the one error of a dial that
/// tried more than one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::error::Error as _;
/// use tower_multiserver::{MultiServer, dial::Attempts, net::Net};
///
/// let multi = MultiServer::new().stack(Net::new());
/// let error = multi.dial("fake:one;net:no-port").await.expect_err("neither is understood");
/// let attempts = error.source().and_then(|source| source.downcast_ref::<Attempts>());
/// let failed = attempts.expect("a list").iter().map(|(address, _)| address.to_string());
/// assert_eq!(failed.collect::<Vec<_>>(), ["fake:one", "net:no-port"]);
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Attempts {
    listed: Vec<(Address, Error)>,
    more: usize,
}

/// An address list from outside may have any length; an error may not.
const MAX_LISTED: usize = 16;

impl Attempts {
    /// The addresses, without their secrets, and their errors, in the order in which they failed. Of a long list there are
    /// the first 16, those that were dialed before those that were not.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Address, &Error)> {
        self.listed.iter().map(|(address, error)| (address, error))
    }

    /// How many more there were.
    pub fn more(&self) -> usize {
        self.more
    }

    pub(crate) fn push(&mut self, address: &Address, error: Error) {
        if self.listed.len() == MAX_LISTED {
            self.more = self.more.saturating_add(1);
            let not_dialed = |(_, error): &(Address, Error)| error.is_unsupported();
            match self.listed.iter().rposition(not_dialed) {
                Some(index) if !error.is_unsupported() => drop(self.listed.remove(index)),
                _ => return,
            }
        }
        self.listed.push((address.redacted(), error));
    }

    /// Adds what failed in a dial of several addresses, of which `address` was one.
    pub(crate) fn absorb(&mut self, address: &Address, error: Error) {
        let source = error::Error::source(&error);
        if !source.is_some_and(|source| source.is::<Self>()) {
            let at = error.address().unwrap_or(address).clone();
            return self.push(&at, error);
        }
        if let Ok(inner) = error.into_source().downcast::<Self>() {
            self.more = self.more.saturating_add(inner.more);
            for (address, error) in inner.listed {
                self.push(&address, error);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The one error: that of the only attempt, or one with the kind and the place of the attempt that got furthest. An
    /// answer from whoever was reached goes before a way that was closed, and that before an address that was not
    /// understood; the first of them counts.
    pub(crate) fn into_error(mut self) -> Error {
        if self.more == 0 && self.listed.len() == 1 {
            return self.listed.remove(0).1;
        }
        let by_weight = |(_, error): &&(Address, Error)| Reverse(weight(error.kind()));
        let Some((_, furthest)) = self.listed.iter().min_by_key(by_weight) else {
            return Error::unsupported(self);
        };
        let (kind, at) = (furthest.kind(), furthest.address().cloned());
        let error = Error::new(kind, self);
        match at {
            Some(at) => error.at(|| at),
            None => error,
        }
    }
}

/// Whether it says that the way to an address is closed, and nothing about whoever is at its end.
pub(crate) fn is_of_the_way(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Unsupported
            | ErrorKind::Io
            | ErrorKind::Proxy
            | ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::Overloaded
            | ErrorKind::Closed
    )
}

fn weight(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Unsupported => 0,
        kind if is_of_the_way(kind) => 1,
        _ => 2,
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("there was nothing to try");
        }
        for (index, (address, error)) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            let address = address.to_string();
            write!(f, "`{}`: ", address.escape_debug())?;
            match error::Error::source(error) {
                // One reason for each stack would hide the other addresses.
                Some(source) if source.is::<Self>() => f.write_str("no stack understands it")?,
                Some(reason) if error.is_unsupported() => write!(f, "{reason}")?,
                Some(reason) => write!(f, "{error}: {reason}")?,
                None => write!(f, "{error}")?,
            }
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl error::Error for Attempts {}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn attempts(kinds: &[ErrorKind]) -> Attempts {
        let mut attempts = Attempts::default();
        for (index, kind) in kinds.iter().enumerate() {
            let at = address(&format!("channel:{index}"));
            let error = Error::new(*kind, "why").at(|| at.clone());
            attempts.push(&at, error);
        }
        attempts
    }

    #[test]
    fn the_attempt_that_got_furthest_gives_kind_and_place() {
        use ErrorKind::{Handshake, Io, Timeout, Unauthorized, Unsupported};
        for (kinds, furthest) in [
            (&[Unsupported, Unsupported][..], 0),
            (&[Unsupported, Io, Timeout], 1),
            (&[Io, Timeout, Handshake, Unauthorized], 2),
        ] {
            let error = attempts(kinds).into_error();
            assert_eq!(error.kind(), kinds[furthest]);
            let at = address(&format!("channel:{furthest}"));
            assert_eq!(error.address(), Some(&at));
            let listed = error.source().unwrap().downcast_ref::<Attempts>().unwrap();
            assert_eq!(listed.iter().len(), kinds.len());
        }
    }

    #[test]
    fn a_single_attempt_is_no_list() {
        let error = attempts(&[ErrorKind::Io]).into_error();
        assert_eq!(error.source().unwrap().to_string(), "why");
        assert!(Attempts::default().into_error().is_unsupported());
    }

    #[test]
    fn a_long_list_keeps_what_was_dialed() {
        let mut kinds = vec![ErrorKind::Unsupported; 1000];
        kinds.push(ErrorKind::Io);
        let attempts = attempts(&kinds);
        assert_eq!((attempts.iter().len(), attempts.more()), (MAX_LISTED, 985));
        assert_eq!(attempts.into_error().kind(), ErrorKind::Io);
    }

    #[test]
    fn a_list_in_a_list_is_one_list() {
        let mut all = attempts(&[ErrorKind::Unsupported]);
        let inner = attempts(&[ErrorKind::Io, ErrorKind::Timeout]).into_error();
        all.absorb(&address("channel:x"), inner);
        all.absorb(&address("channel:y"), Error::new(ErrorKind::Other, "why"));
        let listed: Vec<_> = all.iter().map(|(address, _)| address.to_string()).collect();
        assert_eq!(listed, ["channel:0", "channel:0", "channel:1", "channel:y"]);
    }
}

//! The one error of the stack.

use std::{convert::Infallible, error, fmt, io};

use crate::Address;

/// A type-erased error, as tower's middleware has it.
pub type BoxError = Box<dyn error::Error + Send + Sync>;

/// Why there is no connection: a kind to branch on, the place where it happened, and the cause as
/// [`source`](error::Error::source).
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    at: Option<Address>,
    source: BoxError,
}

/// What a caller can do something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not an address, a key or a key file.
    InvalidAddress,
    /// The stack does not understand the address. Another one may.
    Unsupported,
    /// The transport failed; the source is often an [`io::Error`].
    Io,
    /// The peer failed a transform's handshake, or ended it.
    Handshake,
    /// The peer's certificate is not one that we trust, has expired, or is another's; or our own cannot be used.
    Certificate,
    /// A proxy on the way refused, failed, or does not speak its protocol.
    Proxy,
    /// A device or service of this machine, such as a Bluetooth adapter, is off or absent.
    Unavailable,
    /// The peer sent more than a limit allows: a message too long, a bomb of compressed data.
    Limit,
    /// We know the peer, or the way it came, and refuse it.
    Unauthorized,
    /// The deadline passed before the connection was made.
    Timeout,
    /// There were too many connections in the making.
    Overloaded,
    /// The server is shutting down.
    Closed,
    /// Something else: a middleware of the application in the stack, or a panic in a hook.
    Other,
}

impl Error {
    /// An error of `kind`, caused by `source`.
    pub fn new(kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        Self(Box::new(Inner {
            kind,
            at: None,
            source: source.into(),
        }))
    }

    /// A layer's refusal of an address that it does not understand.
    pub fn unsupported(source: impl Into<BoxError>) -> Self {
        Self::new(ErrorKind::Unsupported, source)
    }

    /// What a caller can branch on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the stack did not understand the address, so that another one may.
    pub fn is_unsupported(&self) -> bool {
        self.0.kind == ErrorKind::Unsupported
    }

    /// How far it got: the address up to and including the section that failed, without secrets.
    pub fn address(&self) -> Option<&Address> {
        self.0.at.as_ref()
    }

    /// Says where it happened, unless a lower layer already did. Secrets are left out of the address.
    #[must_use]
    pub fn at(mut self, address: impl FnOnce() -> Address) -> Self {
        self.0.at.get_or_insert_with(|| address().redacted());
        self
    }

    /// The cause itself, which [`source`](error::Error::source) only shows.
    pub fn into_source(self) -> BoxError {
        self.0.source
    }

    pub(crate) fn timed_out() -> Self {
        let source = "the connection was not made before its deadline";
        Self::new(ErrorKind::Timeout, source)
    }
}

/// Finds our own error again after a foreign middleware, such as tower's `Timeout`, has boxed it.
///
/// An error of ours anywhere in the chain of sources gives its kind and place to the whole.
impl From<BoxError> for Error {
    fn from(source: BoxError) -> Self {
        let source = match source.downcast::<Self>() {
            Ok(error) => return *error,
            Err(source) => source,
        };
        let mut cause: Option<&(dyn error::Error + 'static)> = Some(&*source);
        while let Some(error) = cause {
            if let Some(ours) = ours(error) {
                let (kind, at) = (ours.0.kind, ours.0.at.clone());
                return Self(Box::new(Inner { kind, at, source }));
            }
            if let Some(kind) = foreign_kind(error) {
                return Self::new(kind, source);
            }
            cause = error.source();
        }
        Self::new(ErrorKind::Other, source)
    }
}

/// Our own error, also where an [`io::Error`] carries it (its `source` skips what it carries).
fn ours<'a>(error: &'a (dyn error::Error + 'static)) -> Option<&'a Error> {
    error
        .downcast_ref()
        .or_else(|| error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref())
}

fn foreign_kind(error: &(dyn error::Error + 'static)) -> Option<ErrorKind> {
    if error.is::<tower::timeout::error::Elapsed>() || error.is::<tokio::time::error::Elapsed>() {
        Some(ErrorKind::Timeout)
    } else if error.is::<tower::load_shed::error::Overloaded>() {
        Some(ErrorKind::Overloaded)
    } else if error.is::<io::Error>() {
        Some(ErrorKind::Io)
    } else {
        None
    }
}

impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        BoxError::from(source).into()
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("at", &self.0.at)
            .field("source", &self.0.source)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.kind {
            ErrorKind::InvalidAddress => "invalid address",
            ErrorKind::Unsupported => "unsupported address",
            ErrorKind::Io => "transport failed",
            ErrorKind::Handshake => "handshake failed",
            ErrorKind::Certificate => "certificate refused",
            ErrorKind::Proxy => "proxy failed",
            ErrorKind::Unavailable => "not available",
            ErrorKind::Limit => "limit exceeded",
            ErrorKind::Unauthorized => "not authorized",
            ErrorKind::Timeout => "timed out",
            ErrorKind::Overloaded => "overloaded",
            ErrorKind::Closed => "closed",
            ErrorKind::Other => "connection failed",
        })?;
        match &self.0.at {
            // Escaped, since what stands in an address must not forge a line of a log.
            Some(at) => write!(f, " at `{}`", at.to_string().escape_debug()),
            None => Ok(()),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.0.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Context(Error);

    impl fmt::Display for Context {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("while doing something")
        }
    }

    impl error::Error for Context {
        fn source(&self) -> Option<&(dyn error::Error + 'static)> {
            Some(&self.0)
        }
    }

    fn refusal() -> Error {
        Error::new(ErrorKind::Unauthorized, "no")
            .at(|| "net:a:1~shs:KEY:SEED".parse().expect("an address"))
    }

    #[test]
    fn an_error_is_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn our_own_error_keeps_kind_and_place_through_any_wrapping() {
        let boxed: BoxError = refusal().into();
        let wrapped: BoxError = Context(refusal()).into();
        let in_io: BoxError = io::Error::other(refusal()).into();
        let io_again: Error = io::Error::other(refusal()).into();
        for error in [boxed.into(), wrapped.into(), in_io.into(), io_again] {
            let error: Error = error;
            assert_eq!(error.kind(), ErrorKind::Unauthorized);
            assert_eq!(error.to_string(), "not authorized at `net:a:1~shs:KEY:…`");
        }
    }

    #[test]
    fn the_errors_of_towers_middleware_have_kinds() {
        let elapsed: BoxError = tower::timeout::error::Elapsed::new().into();
        assert_eq!(Error::from(elapsed).kind(), ErrorKind::Timeout);
        let shed: BoxError = tower::load_shed::error::Overloaded::new().into();
        assert_eq!(Error::from(shed).kind(), ErrorKind::Overloaded);
    }
}

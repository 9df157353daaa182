//! What is wrong with a configuration.

use std::{error, fmt};

use tower_multiserver_core::{BoxError, Error, ErrorKind};

/// A field of a [`Config`](super::Config) that cannot hold: the source of the [`Error`] that says so. The reason is its
/// own source.
#[derive(Debug)]
pub struct Invalid {
    field: String,
    reason: BoxError,
}

impl Invalid {
    /// The field, such as `limits.max-connections`.
    pub fn field(&self) -> &str {
        &self.field
    }

    pub(super) fn error(
        kind: ErrorKind,
        field: impl Into<String>,
        reason: impl Into<BoxError>,
    ) -> Error {
        let (field, reason) = (field.into(), reason.into());
        Error::new(kind, Self { field, reason })
    }

    /// An error of the same kind as that which shows it.
    pub(super) fn caused_by(field: impl Into<String>, reason: Error) -> Error {
        Self::error(reason.kind(), field, reason)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of the configuration", self.field.escape_debug())
    }
}

impl error::Error for Invalid {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self.reason.downcast_ref::<Error>() {
            // Its kind has been told.
            Some(error) => error.source(),
            None => Some(&*self.reason),
        }
    }
}

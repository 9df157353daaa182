//! Why the program, or one of its connections, failed.

use std::{error::Error as StdError, io, process::ExitCode};

use tower_multiserver::{Error, ErrorKind, Info};

/// A failure as the user is told it. It holds no secrets.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    kind: &'static str,
    address: Option<String>,
    message: String,
}

/// What the program's exit code says; 0 is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Usage = 2,
    Broken = 3,
    Refused = 4,
}

const USAGE: &str = "usage";

impl Failure {
    /// The user has to write something else.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            code: Code::Usage,
            kind: USAGE,
            address: None,
            message: message.into(),
        }
    }

    /// Something on this machine went wrong.
    pub(crate) fn io(what: &str, error: &io::Error) -> Self {
        Self {
            code: Code::Broken,
            kind: kind(ErrorKind::Io),
            address: None,
            message: format!("{what}: {}", chain(error)),
        }
    }

    /// A signal ended what was not over.
    pub(crate) fn interrupted() -> Self {
        Self {
            code: Code::Broken,
            kind: "interrupted",
            address: None,
            message: "interrupted".to_owned(),
        }
    }

    /// The same failure, for which what the user wrote is to blame.
    #[must_use]
    pub(crate) fn of_usage(self) -> Self {
        Self {
            code: Code::Usage,
            ..self
        }
    }

    /// The same failure, of the connection with `peer` where it does not say of which.
    #[must_use]
    pub(crate) fn of(mut self, peer: &Info) -> Self {
        self.address
            .get_or_insert_with(|| peer.address().to_string());
        self
    }

    /// What a script can branch on.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// How far a connection got.
    pub(crate) fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// The failure and all its causes, in one line.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The message for people. What came from elsewhere stays in one line.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        let lines = if self.kind == USAGE { usize::MAX } else { 1 };
        self.message.splitn(lines, '\n')
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code as u8)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            code: match error.kind() {
                ErrorKind::InvalidAddress | ErrorKind::Unsupported => Code::Usage,
                ErrorKind::Handshake | ErrorKind::Certificate | ErrorKind::Unauthorized => {
                    Code::Refused
                }
                _ => Code::Broken,
            },
            kind: kind(error.kind()),
            address: error.address().map(ToString::to_string),
            message: chain(&error),
        }
    }
}

fn kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidAddress => "invalid-address",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Io => "io",
        ErrorKind::Handshake => "handshake",
        ErrorKind::Certificate => "certificate",
        ErrorKind::Proxy => "proxy",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Limit => "limit",
        ErrorKind::Unauthorized => "unauthorized",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Overloaded => "overloaded",
        ErrorKind::Closed => "closed",
        _ => "other",
    }
}

/// The cause alone: what it befell is known to the caller.
pub(crate) fn root(error: &Error) -> String {
    let mut root: &dyn StdError = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

/// An error and its causes. A cause that the text before it already ends in is not repeated.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_tells_bad_addresses_broken_peers_and_refusals_apart() {
        for (kind, code) in [
            (ErrorKind::InvalidAddress, Code::Usage),
            (ErrorKind::Unsupported, Code::Usage),
            (ErrorKind::Io, Code::Broken),
            (ErrorKind::Timeout, Code::Broken),
            (ErrorKind::Overloaded, Code::Broken),
            (ErrorKind::Other, Code::Broken),
            (ErrorKind::Handshake, Code::Refused),
            (ErrorKind::Unauthorized, Code::Refused),
        ] {
            assert_eq!(Failure::from(Error::new(kind, "")).code, code, "{kind:?}");
        }
    }

    #[test]
    fn a_message_holds_each_cause_once() {
        let inner = io::Error::other("no route");
        let error = Error::new(ErrorKind::Io, io::Error::other(inner));
        assert_eq!(Failure::from(error).message(), "transport failed: no route");
    }
}

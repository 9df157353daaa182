//! Why no proxy made the connection.

use std::{fmt, io};

/// What each proxy answered: the source of an [`Error`](crate::Error) of kind [`Proxy`](crate::ErrorKind::Proxy).
#[derive(Debug)]
pub struct Failed {
    attempts: Vec<(String, Failure)>,
}

/// Why one proxy did not make the connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// It cannot be connected to.
    Unreachable(io::Error),
    /// It did not answer the greeting in time.
    Mute,
    /// What it answered is not SOCKS5.
    NotSocks,
    /// The connection to it ended before its answer.
    BrokenOff(io::Error),
    /// It wants a name and a password, or others than it was told.
    Login,
    /// It lets everybody in without a name, or was given one to log in with, so it cannot keep circuits apart.
    NotIsolated,
    /// It could not connect, and says why. No other proxy was tried after it.
    Replied(Reply),
}

/// Why a proxy could not connect, by the code of its reply (RFC 1928, section 6).
///
/// Tor tells more than the first eight with `ExtendedErrors` on its `SocksPort` (Tor's proposal 304).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reply {
    /// 1: something went wrong. Of Tor: the service is there, and what it should forward to is not.
    General,
    /// 2: its rules forbid it.
    NotAllowed,
    /// 3: there is no way to the network.
    NetworkUnreachable,
    /// 4: there is no way to the host. Of Tor: no such service is known.
    HostUnreachable,
    /// 5: the host refused.
    ConnectionRefused,
    /// 6: it took too long. Of Tor also: it has no connection to its network.
    TtlExpired,
    /// 7: it cannot connect anywhere.
    CommandNotSupported,
    /// 8: it cannot resolve names, or not this kind of address.
    AddressTypeNotSupported,
    /// F0: Tor found no descriptor of the onion service.
    DescriptorNotFound,
    /// F1: the descriptor of the onion service is invalid.
    DescriptorInvalid,
    /// F2: the onion service could not be introduced to.
    IntroductionFailed,
    /// F3: the rendezvous with the onion service failed.
    RendezvousFailed,
    /// F4: the onion service asks for an authorization that Tor does not have.
    AuthorizationMissing,
    /// F5: the authorization that Tor has is not accepted.
    AuthorizationWrong,
    /// F6: Tor takes it for no onion address.
    AddressInvalid,
    /// F7: the introduction to the onion service took too long.
    IntroductionTimedOut,
    /// Another code.
    Other(u8),
}

/// By code.
const REPLIES: [(u8, Reply, &str); 16] = [
    (0x01, Reply::General, "general failure"),
    (0x02, Reply::NotAllowed, "its rules forbid it"),
    (0x03, Reply::NetworkUnreachable, "network unreachable"),
    (0x04, Reply::HostUnreachable, "host unreachable"),
    (0x05, Reply::ConnectionRefused, "connection refused"),
    (0x06, Reply::TtlExpired, "it took too long"),
    (0x07, Reply::CommandNotSupported, "it cannot connect"),
    (
        0x08,
        Reply::AddressTypeNotSupported,
        "it cannot reach this kind of address",
    ),
    (
        0xf0,
        Reply::DescriptorNotFound,
        "no descriptor of the onion service found",
    ),
    (
        0xf1,
        Reply::DescriptorInvalid,
        "the descriptor of the onion service is invalid",
    ),
    (
        0xf2,
        Reply::IntroductionFailed,
        "the introduction to the onion service failed",
    ),
    (
        0xf3,
        Reply::RendezvousFailed,
        "the rendezvous with the onion service failed",
    ),
    (
        0xf4,
        Reply::AuthorizationMissing,
        "the onion service asks for an authorization",
    ),
    (
        0xf5,
        Reply::AuthorizationWrong,
        "the onion service refuses the authorization",
    ),
    (0xf6, Reply::AddressInvalid, "no onion address"),
    (
        0xf7,
        Reply::IntroductionTimedOut,
        "the introduction to the onion service took too long",
    ),
];

impl Failed {
    pub(super) fn new(attempts: Vec<(String, Failure)>) -> Self {
        Self { attempts }
    }

    /// The proxies that were tried, `HOST:PORT`, and why each failed, in the order in which they were tried.
    pub fn attempts(&self) -> impl DoubleEndedIterator<Item = (&str, &Failure)> {
        self.attempts.iter().map(|(proxy, why)| (&**proxy, why))
    }
}

impl Failure {
    /// Whether the proxy is one, and did what it could: another one would tell the same, and more of them would know.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Replied(_))
    }
}

impl From<u8> for Reply {
    fn from(code: u8) -> Self {
        let known = REPLIES.iter().find(|(of, ..)| *of == code);
        known.map_or(Self::Other(code), |(_, reply, _)| *reply)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempts.is_empty() {
            return f.write_str("there is no proxy to go by");
        }
        for (index, (proxy, why)) in self.attempts.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{proxy}: {why}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failed {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "the proxy cannot be reached, {error}"),
            Self::Mute => f.write_str("the proxy does not answer"),
            Self::NotSocks => f.write_str("it is not a SOCKS5 proxy"),
            Self::BrokenOff(error) => write!(f, "the proxy broke off, {error}"),
            Self::Login => f.write_str("the proxy wants another name and password"),
            Self::NotIsolated => f.write_str("the proxy cannot keep circuits apart"),
            Self::Replied(reply) => reply.fmt(f),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // What it says stands in the text already.
        None
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Other(code) = self {
            return write!(f, "reply code {code:#04x}");
        }
        let known = REPLIES.iter().find(|(_, reply, _)| reply == self);
        f.write_str(known.map_or("", |(_, _, words)| words))
    }
}

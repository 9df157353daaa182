//! What is not read or not written, and why.

use std::{error, fmt};

/// A text that means something in Secure Scuttlebutt, and no address: the [source](error::Error::source) of an error of
/// [`parse`](super::parse).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotAnAddress {
    /// `@KEY.ed25519`: who, and not where.
    Identity,
    /// A message (`%….sha256`) or a blob (`&….sha256`).
    Link,
    /// A web page, such as a room's invitation or alias. What it stands for has to be asked of that server.
    WebPage,
    /// `ssb:experimental`, such as a room's invitation: what it stands for has to be asked of a server.
    Action,
    /// An `ssb:` URI of something else: a feed, a message, a blob.
    OtherUri,
}

/// Why an address has no legacy form: the [source](error::Error::source) of an error of [`to_text`](super::to_text).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotLegacy {
    /// There is more than one address.
    Several,
    /// The transport is none of `net`, `onion`, `ws` and `wss`.
    Transport,
    /// A host that would be read as something else, such as an `onion:` one that does not end in `.onion`; or no port.
    Host,
    /// A URL with more than a host and a port.
    Path,
    /// The transform is not `shs:KEY` or `shs:KEY:SEED` alone.
    Transform,
}

impl fmt::Display for NotAnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "an identity, which says who and not where",
            Self::Link => "a message or a blob",
            Self::WebPage => {
                "a web page, such as a room's invitation or alias: open it in a browser"
            }
            Self::Action => "an action for an application, such as a room's invitation",
            Self::OtherUri => "an `ssb:` URI of something else, such as a feed or a message",
        })
    }
}

impl error::Error for NotAnAddress {}

impl fmt::Display for NotLegacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Several => "the legacy form holds one address only",
            Self::Transport => "the legacy form is for net, onion, ws and wss only",
            Self::Host => "the legacy form holds no such host and port",
            Self::Path => "the legacy form holds no path",
            Self::Transform => "the legacy form is for shs and a key only",
        })
    }
}

impl error::Error for NotLegacy {}

//! What comes of asking the registry.

use std::{error, fmt};

use tower_multiserver_core::PeerId;

use super::super::{Entry, MAX_ORACLES, Message};

/// A message, and whom it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Never ourselves.
    pub to: PeerId,
    /// What it is to be told.
    pub message: Message,
}

/// What came of announcements that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Whose addresses are new.
    pub learned: Vec<PeerId>,
    /// Who said something of whom that does not count, and why. What is known already is not among it.
    pub refused: Vec<(PeerId, Refusal)>,
    /// What is to be sent now.
    pub send: Vec<Outgoing>,
}

/// Why an announcement does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The peer that told us is in none of our groups; of it all goes unread.
    Stranger,
    /// The announcer is an oracle in none of our groups.
    NoOracle,
    /// The signature is not the announcer's.
    Signature,
    /// It is our own of another time and the last that there can be, so we cannot say anything newer.
    LastOfOurs,
    /// What was kept has not the form of an announcement, or is another peer's.
    Entry,
}

/// What comes with a new group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// The peers that were in no group before, without ourselves: a stream to each is needed.
    pub peers: Vec<PeerId>,
    /// The oracles that were in no group before, ourselves too: something may be kept of them, for
    /// [`Registry::load`](super::Registry::load).
    pub oracles: Vec<PeerId>,
}

/// What goes with a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// The peers that are in no group any more, without ourselves: their streams are of no use.
    pub peers: Vec<PeerId>,
    /// What was known of them, to be kept.
    pub entries: Vec<Entry>,
}

/// Why a group is not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupError {
    /// There is one of this digest.
    Exists,
    /// All groups together would have more than 165 oracles.
    TooManyOracles,
}

/// There is no counter above that of our announcement, so it cannot be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterSpent;

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stranger => "a peer that is in none of our groups spoke",
            Self::NoOracle => "the announcer is an oracle in none of our groups",
            Self::Signature => "the signature is not the announcer's",
            Self::LastOfOurs => "another announcement of ours has the highest counter there is",
            Self::Entry => "what was kept is no announcement of this peer",
        })
    }
}

impl error::Error for Refusal {}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("there is a group of this digest"),
            Self::TooManyOracles => {
                write!(f, "all groups together have {MAX_ORACLES} oracles at most")
            }
        }
    }
}

impl error::Error for GroupError {}

impl fmt::Display for CounterSpent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("our announcement has the highest counter there is")
    }
}

impl error::Error for CounterSpent {}

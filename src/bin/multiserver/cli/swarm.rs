//! The arguments of `swarm`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{
    SWARM,
    args::{Guest, guest, seconds},
    shared::{Certificate, Output, Setup},
};

#[derive(Debug, Subcommand)]
pub(crate) enum SwarmCommand {
    /// Send lines of stdin to everybody in a swarm, and print what they say
    ///
    /// Without --listen and --peer, others are found by the name of the swarm, in the DHT of Hyperswarm; that takes a build
    /// with the feature `hyperswarm`. With one of them, each sees those whom it is connected with: those behind each
    /// --peer, and whoever dials --listen. So each should know the address of each other.
    ///
    /// What stdin says while nobody is there waits for the first who comes.
    ///
    /// A line goes to all at once, and the next when everybody has room for it. Who makes none for 5 seconds is told of and
    /// passed over, until it reads again: it misses lines, and nobody else does.
    ///
    /// A name is what a peer says of itself, and proves nothing. Where two have the same, or ours, a part of the key stands
    /// behind it. Characters that a terminal would heed are shown as `\u{…}`.
    ///
    /// The key by which others know us follows from that of --key, and is another; it is the same each time.
    ///
    /// The end of stdin, Ctrl-C and SIGTERM leave the swarm, when what was sent is delivered; a second signal breaks off.
    #[command(after_long_help = SWARM)]
    Join(SwarmJoin),
}

#[derive(Debug, Args)]
pub(crate) struct SwarmJoin {
    /// The name of the swarm, by which all who give the same one meet
    #[arg(value_name = "SWARM")]
    pub(crate) swarm: String,

    /// What to be called by others
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,

    /// Listen on an address in which peers prove their keys, such as `net:0.0.0.0:8008~shs` (repeatable)
    ///
    /// It may be `@FILE`, the first line of a file.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Vec<String>,

    /// Dial a peer, as it says where it listens, and again when the connection ends (repeatable)
    ///
    /// It may be `@FILE`, the first line of a file.
    #[arg(long = "peer", value_name = "ADDRESS")]
    pub(crate) peers: Vec<String>,

    /// Let in only who holds this key (repeatable), or `all`
    ///
    /// It is the key of a peer in the swarm, which it says when it joins, in base64 or another form that `key show` prints.
    #[arg(long, value_name = "ID|all", value_parser = guest)]
    pub(crate) allow: Vec<Guest>,

    /// Stay when stdin has ended, until a signal comes
    #[arg(long)]
    pub(crate) stay: bool,

    /// How many seconds a line waits for somebody to come; for ever unless said
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) wait: Option<Duration>,

    #[command(flatten)]
    pub(crate) certificate: Certificate,

    #[command(flatten)]
    pub(crate) setup: Setup,

    #[command(flatten)]
    pub(crate) output: Output,
}

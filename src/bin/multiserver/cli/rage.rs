//! The arguments of `rage`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use tower_multiserver::ragep2p::Version;

use super::{
    RAGE,
    args::seconds,
    shared::{Certificate, Output, Way},
};

#[derive(Debug, Subcommand)]
pub(crate) enum RageCommand {
    /// Print the messages of peers
    ///
    /// Opens a stream to each peer, dials those that have an address, and lets the others dial. Where there are several
    /// peers, --json says of whom a message is.
    ///
    /// Ctrl-C or SIGTERM closes the streams and ends the connections in good order; a second one breaks them off.
    #[command(after_long_help = RAGE)]
    Listen(RageListen),
    /// Send lines of stdin to a peer, and print what comes back
    ///
    /// Each line is a message, without its line feed. It waits where the peer takes no more, and ends when the last message
    /// was handed to a connection and the replies have come. A peer that takes nothing for --timeout is unreachable.
    ///
    /// Ctrl-C or SIGTERM ends it; what has not been handed over is not sent.
    #[command(after_long_help = RAGE)]
    Send(RageSend),
}

#[derive(Debug, Args)]
pub(crate) struct RageListen {
    /// The addresses to listen on: a transport alone, such as `net:0.0.0.0:6690`; without one it only dials
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<String>,

    /// Whom to expect (repeatable): `PEERID`, `PEERID=ADDRESS;…`, or an ADDRESS with `~knock:PEERID~mtls:PEERID`
    ///
    /// An ADDRESS to dial is a transport, such as `net:10.0.0.7:6690`. A peer may be `@FILE`, the first line of a file.
    #[arg(long = "peer", value_name = "PEER", required = true)]
    pub(crate) peers: Vec<String>,

    /// Send each message back
    #[arg(long)]
    pub(crate) echo: bool,

    #[command(flatten)]
    pub(crate) stream: RageStream,

    #[command(flatten)]
    pub(crate) node: RageNode,

    #[command(flatten)]
    pub(crate) certificate: Certificate,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct RageSend {
    /// To whom: `PEERID=ADDRESS;…`, or an ADDRESS with `~knock:PEERID~mtls:PEERID`
    ///
    /// An ADDRESS is a transport, such as `net:10.0.0.7:6690`; several are tried in turn. It may be `@FILE`, the first line
    /// of a file, or `-`, the first line of stdin.
    pub(crate) peer: String,

    /// Send all of stdin as one message
    #[arg(long)]
    pub(crate) whole: bool,

    /// Wait for so many messages of the peer; more are printed until stdin has ended
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) replies: u64,

    /// How many seconds to wait for the peer to take messages, and to reply
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) stream: RageStream,

    #[command(flatten)]
    pub(crate) node: RageNode,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// A stream, and how much of it. What a peer may send us, we take it to take from us.
#[derive(Debug, Args)]
pub(crate) struct RageStream {
    /// The name of the stream, which both ends must give it
    #[arg(long = "stream", value_name = "NAME")]
    pub(crate) name: String,

    /// The longest message, in bytes, sent or received
    ///
    /// The limits should be the same at both ends. A peer of v1 ends the connection when a message is too long for it,
    /// others drop it.
    #[arg(long, value_name = "BYTES", default_value_t = 65_536)]
    pub(crate) max_message: usize,

    /// How many messages wait in each direction; a further one takes the place of the oldest
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub(crate) queue: usize,

    /// How many messages to take per second, twice as many at once; `send` sends no more per second
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) message_rate: u32,

    /// How many bytes to take per second, twice as many at once; `send` sends no more per second
    #[arg(long, value_name = "BYTES", default_value_t = 1_048_576, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) byte_rate: u32,
}

/// Who we are, and how we are connected.
#[derive(Debug, Args)]
pub(crate) struct RageNode {
    /// The file that holds our key, which the peers must expect
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,

    /// Which version of ragep2p to be; both speak with each other
    #[arg(long, value_enum, default_value_t = Protocol::V1)]
    pub(crate) protocol: Protocol,

    /// How many seconds to wait between two dials, twice as long at most, and for a transport to connect
    ///
    /// By `onion` that takes longer, so say 30.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub(crate) dial_interval: Duration,

    #[command(flatten)]
    pub(crate) way: Way,
}

/// A version of ragep2p.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// Package `ragep2p`
    V1,
    /// Package `ragep2pnew`
    V2,
}

impl From<Protocol> for Version {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::V1 => Self::V1,
            Protocol::V2 => Self::V2,
        }
    }
}

fn interval(text: &str) -> Result<Duration, &'static str> {
    let interval = seconds(text)?;
    match interval.is_zero() {
        true => Err("it is longer than nothing"),
        false => Ok(interval),
    }
}

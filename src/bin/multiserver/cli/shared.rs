//! The arguments that several commands have.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use tower_multiserver::wss::Pin;

/// Who we are, and how we do things.
#[derive(Debug, Args)]
pub(crate) struct Setup {
    /// Read a configuration (TOML); what the arguments say goes before it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The file that holds our key; without it a key is made for this run
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,

    /// The key of the network, in base64 or as `@FILE` [default: Secure Scuttlebutt's main network]
    #[arg(long, value_name = "BASE64|@FILE")]
    pub(crate) app_key: Option<String>,

    /// Find the DHT of `hyperdht`, `hyperswarm` and `dht` by this node, in place of the public ones (repeatable)
    #[cfg(feature = "hyperswarm")]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) bootstrap: Vec<String>,

    #[command(flatten)]
    pub(crate) way: Way,
}

/// How to dial what takes more than an address.
#[derive(Debug, Args)]
pub(crate) struct Way {
    /// Dialing `wss`, accept the certificates of the authorities in this PEM file, in place of those that the system trusts
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// Dialing `wss`, accept the certificates of this public key and no others (repeatable)
    ///
    /// It is the base64 of the SHA-256 of the key, as curl's --pinnedpubkey has it.
    #[arg(long = "pin", value_name = "PIN", conflicts_with = "ca", value_parser = pin)]
    pub(crate) pins: Vec<Pin>,

    /// Dial `onion` by the SOCKS5 proxy at HOST:PORT, in place of the Tor of this machine (repeatable)
    ///
    /// Or `socks5://NAME:PASSWORD@HOST:PORT`, which had better be `@FILE`, the first line of a file: other users can see the
    /// arguments of a program.
    #[arg(long = "proxy", value_name = "PROXY|@FILE")]
    pub(crate) proxies: Vec<String>,
}

/// By which certificate we are known.
#[derive(Debug, Args)]
pub(crate) struct Certificate {
    /// The PEM file of the certificate to listen at `wss` with, and of those that lead to its authority
    #[arg(long, value_name = "FILE", requires = "certificate_key")]
    pub(crate) certificate: Option<PathBuf>,

    /// The PEM file of its private key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) certificate_key: Option<PathBuf>,
}

/// What to do with several addresses, and with names.
#[derive(Debug, Default, Args)]
pub(crate) struct Policy {
    /// Try the next address when one cannot be reached
    ///
    /// A wrong key or a refusal is the end. Of a list that begins with an `onion` address only those are dialed, of another
    /// one none of those. Addresses with a seed are left out unless all have one, as an invite's do.
    #[arg(long, conflicts_with = "race")]
    pub(crate) fallback: bool,

    /// Dial the addresses side by side, each with a head start, and take the first whose handshakes end
    ///
    /// What --fallback says of `onion` and of seeds holds here too.
    #[arg(long)]
    pub(crate) race: bool,

    /// Ask this DNS server for the names of `lookup`, in place of those of the system
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) dns: Option<SocketAddr>,
}

/// What `channel` goes over.
#[derive(Debug, Args)]
pub(crate) struct Pipe {
    /// Run a command whose stdin and stdout are the messages of `channel`, one JSON object a line
    ///
    /// `sh` runs it; its stderr is ours, with --json dropped. It is one connection, and the command counts as this machine
    /// for `~noauth`. Afterwards it has 5 seconds to end.
    #[arg(long = "pipe", value_name = "CMD")]
    pub(crate) command: Option<String>,
}

/// What is told on stderr.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Output {
    /// Report events as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Tell errors only, and show no progress
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Tell what each layer does; twice for more
    ///
    /// MULTISERVER_LOG says more exactly what to tell, such as `tower_multiserver_core=trace`.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

fn pin(text: &str) -> Result<Pin, &'static str> {
    text.parse()
        .map_err(|_| "a pin is the base64 of 32 bytes, perhaps behind `sha256//`")
}

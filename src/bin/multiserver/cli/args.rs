//! The arguments of each command.

use std::path::PathBuf;

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use tower_multiserver::{PeerId, PublicKey, Section, ssb::Form};

use super::shared::{Certificate, Output, Pipe, Policy, Setup};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Write a new key to FILE, and print its public id
    ///
    /// The file is one that only its owner can read, in the format of Secure Scuttlebutt. An existing file is never
    /// overwritten.
    New {
        /// The file to create
        file: PathBuf,
    },
    /// Print the public id of the key in FILE
    Show {
        /// Print it as ragep2p and libp2p write it, `12D3KooW…`
        #[arg(long)]
        peer_id: bool,

        /// The file to read
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AddressCommand {
    /// Say whether this program understands ADDRESS
    ///
    /// For each address of a list. Ends with 0 when it could dial one of them, else with 2. Also says whether the strict
    /// grammar holds, without which other programs may not read it.
    Check {
        /// The address, `@FILE`, or `-` for a line of stdin
        address: String,
    },
    /// Say in words what ADDRESS means
    Explain {
        /// The address, `@FILE`, or `-` for a line of stdin
        address: String,
    },
    /// Print ADDRESS in another of the forms of Secure Scuttlebutt
    ///
    /// With the seeds in it. Only one address with `~shs` alone has the legacy form, which is HOST:PORT:@KEY.ed25519.
    Convert {
        /// The form to write
        #[arg(long, value_name = "FORM", value_parser = forms())]
        to: Form,

        /// The address in any form, `@FILE`, or `-` for a line of stdin
        address: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// The addresses to listen on, such as `net::8008~shs`; each may be `@FILE`, or `-` for a line of stdin
    #[arg(required_unless_present = "config", value_name = "ADDRESS")]
    pub(crate) addresses: Vec<String>,

    #[command(flatten)]
    pub(crate) setup: Setup,

    /// Let in only who holds this key (repeatable), or `all`
    ///
    /// An ID is what `key show` prints, with or without --peer-id, or base64. All addresses must ask for keys then, as `~shs` does; `~noauth` counts as our own key.
    #[arg(long, value_name = "ID|all", value_parser = guest)]
    pub(crate) allow: Vec<Guest>,

    /// Say where a listener is reached from everywhere (repeatable)
    ///
    /// Such as `net:example.com:8008`. Where its transport is another than the listener's, that one's name comes first:
    /// `ws=wss://example.com/peers`.
    #[arg(long, value_name = "[TRANSPORT=]SECTION", value_parser = external)]
    pub(crate) external: Vec<External>,

    #[command(flatten)]
    pub(crate) certificate: Certificate,

    #[command(flatten)]
    pub(crate) pipe: Pipe,

    #[command(flatten)]
    pub(crate) mode: Mode,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// What to do with connections.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Mode {
    /// Send everything back
    #[arg(long)]
    pub(crate) echo: bool,

    /// Forward each connection to an address, or to a TCP server
    ///
    /// Each direction ends by itself, but on bare `ws` (or `ws` with `noauth`), which cannot end one alone: there the end
    /// of what comes from the other side ends the connection.
    #[arg(long, value_name = "ADDRESS|HOST:PORT")]
    pub(crate) to: Option<String>,

    /// Run a command for each connection, which is its stdin and stdout
    ///
    /// `sh` runs it, with MULTISERVER_ADDRESS, and MULTISERVER_REMOTE if the peer has a key. The connection ends when
    /// the command does; when the connection breaks, the command is killed with all that it started. Its stderr is ours,
    /// with --json dropped.
    #[arg(long, value_name = "CMD")]
    pub(crate) exec: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// The address to dial; `@FILE`, or `-` for the first line of stdin
    pub(crate) address: String,

    #[command(flatten)]
    pub(crate) policy: Policy,

    #[command(flatten)]
    pub(crate) pipe: Pipe,

    #[command(flatten)]
    pub(crate) setup: Setup,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Forward {
    /// The address to listen on: a transport alone, such as `net:127.0.0.1:5432` or `unix:/run/db`
    pub(crate) local: String,

    /// The address to dial for each connection; `@FILE`, or `-` for a line of stdin
    pub(crate) address: String,

    #[command(flatten)]
    pub(crate) policy: Policy,

    #[command(flatten)]
    pub(crate) certificate: Certificate,

    #[command(flatten)]
    pub(crate) setup: Setup,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Ping {
    /// The address to dial; `@FILE`, or `-` for a line of stdin
    pub(crate) address: String,

    /// How many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: u64,

    /// How many seconds to wait between two
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(crate) interval: std::time::Duration,

    #[command(flatten)]
    pub(crate) policy: Policy,

    #[command(flatten)]
    pub(crate) setup: Setup,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Invite {
    /// Where the guest reaches the server, such as `net:example.com:8008~shs`
    ///
    /// Without one, those that the configuration listens on, and `external` in their place where it says so.
    #[arg(required_unless_present = "config", value_name = "ADDRESS")]
    pub(crate) addresses: Vec<String>,

    /// The file that holds the server's key
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    pub(crate) key: Option<PathBuf>,

    /// The server's configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The form to write it in
    #[arg(long, value_name = "FORM", default_value = "multiserver", value_parser = forms())]
    pub(crate) format: Form,

    /// Print the invite as a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// An answer to who may connect.
#[derive(Clone, Debug)]
pub(crate) enum Guest {
    All,
    Key(PublicKey),
}

/// Where a listener of `transport` is reached.
#[derive(Clone, Debug)]
pub(crate) struct External {
    pub(crate) transport: String,
    pub(crate) section: Section,
}

pub(super) fn guest(text: &str) -> Result<Guest, &'static str> {
    match text {
        "all" => Ok(Guest::All),
        text => text
            .parse()
            .or_else(|_| text.parse().map(|id: PeerId| id.public_key()))
            .map(Guest::Key)
            .map_err(
                |_| "an id is the base64 of 32 bytes, `@BASE64.ed25519`, or a peer id, `12D3KooW…`",
            ),
    }
}

fn forms() -> impl TypedValueParser<Value = Form> {
    let forms = [Form::Multiserver, Form::Legacy, Form::Uri];
    PossibleValuesParser::new(forms.map(Form::as_str)).try_map(|form| form.parse::<Form>())
}

fn external(text: &str) -> Result<External, &'static str> {
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let (transport, text) = match text.split_once('=') {
        Some((name, text)) if is_name(name) => (Some(name), text),
        _ => (None, text),
    };
    let section: Section = text.parse().map_err(|_| "it is not a section")?;
    let transport = transport.unwrap_or(section.name()).to_owned();
    Ok(External { transport, section })
}

/// More than anybody waits for a peer.
const MAX_SECONDS: f64 = 86_400.0;

pub(super) fn seconds(text: &str) -> Result<std::time::Duration, &'static str> {
    let seconds = text.parse::<f64>().ok();
    let seconds = seconds.filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds));
    let seconds = seconds.ok_or("a number of seconds is expected, a day at most")?;
    Ok(std::time::Duration::from_secs_f64(seconds))
}

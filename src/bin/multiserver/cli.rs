//! The arguments, and the help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tower_multiserver::PublicKey;

use crate::failure::Failure;

/// Dials and serves multiserver addresses.
#[derive(Debug, Parser)]
#[command(name = "multiserver", version, after_long_help = HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const HELP: &str = "\
Addresses:
  TRANSPORT or TRANSPORT~TRANSFORM, several separated by `;`.
    net:HOST:PORT            TCP
    ws://HOST[:PORT][/PATH]  WebSocket
    unix:PATH                unix domain socket, of an absolute path (or `@NAME`, abstract)
    …~shs:KEY[:SEED]         Secret Handshake with the server that holds KEY, as the key of SEED or
                             our own; a server is just `~shs`
    …~noauth                 nothing is proven; on this machine only
  `!` takes the meaning of a following `~`, `;` or `!` away. `channel:` addresses connect the parts
  of one process, so there is nothing here that could dial them.
  A seed is a secret, and other users can see the arguments of a program. So an ADDRESS may be
  `@FILE`, the first line of a file, or `-`, the first line of stdin; what follows that line is data.

Exit codes:
  0 done, 2 bad usage or address, 3 unreachable or broken off, 4 refused by a handshake

`multiserver help COMMAND` says more, such as the events of --json.";

const EVENTS: &str = "\
Events:
  Status goes to stderr; with --json as one object a line, else as text:
    {\"event\":\"listening\",\"address\":ADDRESS,\"scope\":\"device\"|\"local\"|\"public\"}
        for each address to dial, and whom to tell it
    {\"event\":\"connection\",\"address\":ADDRESS,\"remote\":KEY|null}
        a connection was made; the key is the peer's, with noauth our own, else null
    {\"event\":\"closed\",\"address\":ADDRESS,\"remote\":KEY|null}
        it ended as it should; otherwise there is an error with its address
    {\"event\":\"error\",\"kind\":KIND,\"address\":ADDRESS|null,\"message\":TEXT}
        KIND is usage, invalid-address, unsupported, io, handshake, unauthorized, timeout,
        overloaded, closed, interrupted or other; a server goes on unless it ends
    {\"event\":\"note\",\"message\":TEXT}";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make and show keys
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Understand addresses, without dialing them
    Address {
        #[command(subcommand)]
        command: AddressCommand,
    },
    /// Serve at one or more addresses
    ///
    /// Prints the addresses to dial. Without --echo, --to or --exec it bridges one connection to stdin and stdout, and
    /// ends as `connect` does.
    ///
    /// Ctrl-C or SIGTERM stops listening and waits for the connections to end; a second one aborts them.
    #[command(after_long_help = EVENTS)]
    Listen(Listen),
    /// Dial an address; send stdin and print what comes back
    ///
    /// Of several addresses it dials the first that it understands. It ends when both stdin and the peer have ended.
    /// Ctrl-C or SIGTERM breaks the connection off.
    ///
    /// A bare `ws` connection, and one with `noauth` over it, cannot tell the peer that stdin has ended without closing
    /// both directions, which could cost the answer. So it stays open until the peer ends it, and Ctrl-C or SIGTERM then
    /// closes it in good order.
    #[command(after_long_help = EVENTS)]
    Connect(Connect),
}

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
}

#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// The addresses to listen on, such as `net::8008~shs`; each may be `@FILE`, or `-` for a line of stdin
    #[arg(required = true, value_name = "ADDRESS")]
    pub(crate) addresses: Vec<String>,

    #[command(flatten)]
    pub(crate) keys: Keys,

    /// Let in only who holds this key (repeatable); all addresses must say `~shs` then
    #[arg(long, value_name = "ID", value_parser = id)]
    pub(crate) allow: Vec<PublicKey>,

    #[command(flatten)]
    pub(crate) mode: Mode,

    /// Report events as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do with connections.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Mode {
    /// Send everything back
    #[arg(long)]
    pub(crate) echo: bool,

    /// Forward each connection to a TCP server
    ///
    /// Each direction ends by itself, but on bare `ws` (or `ws` with `noauth`): there the end of the TCP server's
    /// direction ends the connection.
    #[arg(long, value_name = "HOST:PORT")]
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
    pub(crate) keys: Keys,

    /// Report events as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// The file that holds our key; without it a key is made for this run
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,

    /// The key of the network, in base64 or as `@FILE` [default: Secure Scuttlebutt's main network]
    #[arg(long, value_name = "BASE64|@FILE")]
    pub(crate) app_key: Option<String>,
}

impl Cli {
    /// Whether events are JSON.
    pub(crate) fn json(&self) -> bool {
        match &self.command {
            Command::Listen(args) => args.json,
            Command::Connect(args) => args.json,
            Command::Key { .. } | Command::Address { .. } => false,
        }
    }
}

fn id(text: &str) -> Result<PublicKey, &'static str> {
    text.parse()
        .map_err(|_| "an id is the base64 of 32 bytes, or `@BASE64.ed25519`")
}

/// What is wrong with the arguments.
///
/// The message quotes them, and one can be an address with a seed that stands in the wrong place.
pub(crate) fn misused(error: &clap::Error) -> Failure {
    let message = error.render().to_string();
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    Failure::usage(hide_base64(message.trim_end()))
}

/// `…` in place of all that is long enough to be 32 bytes in base64.
fn hide_base64(text: &str) -> String {
    const SECRET: usize = 40;

    let is_base64 =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=' | '%');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|c| !is_base64(c)).unwrap_or(rest.len());
        shown.push_str(if run < SECRET { &rest[..run] } else { "…" });
        let other = rest[run..].find(is_base64).unwrap_or(rest.len() - run);
        shown.push_str(&rest[run..run + other]);
        rest = &rest[run + other..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_declared_without_contradiction() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_message_about_arguments_quotes_no_seed() {
        let seed = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";
        for arguments in [
            ["connect", "net:h:1", &format!("net:h:1~shs:KEY:{seed}")],
            ["key", "show", &format!("--{seed}")],
            ["listen", "net:h:1", &format!("--allow={seed}:")],
            ["connect", "net:h:1", &format!("--appkey={seed}")],
        ] {
            let error = Cli::try_parse_from(["multiserver"].iter().chain(&arguments)).unwrap_err();
            let failure = misused(&error);
            assert!(!failure.message().contains(&seed[..20]), "{failure:?}");
        }
    }

    #[test]
    fn only_what_is_long_enough_for_a_key_is_hidden() {
        let long = "a".repeat(40);
        assert_eq!(hide_base64(&format!("é {long}: x{long}")), "é …: …");
        assert_eq!(hide_base64(&long[1..]), long[1..]);
    }
}

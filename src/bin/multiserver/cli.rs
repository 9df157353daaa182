//! The commands, and the help.

mod args;
mod misuse;
mod rage;
mod shared;
mod swarm;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use self::{
    args::{
        AddressCommand, Connect, External, Forward, Guest, Invite, KeyCommand, Listen, Mode, Ping,
    },
    misuse::{hide_secrets, misused},
    rage::{RageCommand, RageListen, RageNode, RageSend, RageStream},
    shared::{Certificate, Output, Policy, Setup, Way},
    swarm::{SwarmCommand, SwarmJoin},
};

/// Dials and serves multiserver addresses
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
    wss://HOST[:PORT][/PATH] the same over TLS; a server needs --certificate
    unix:PATH                unix domain socket, of an absolute path (or `@NAME`, abstract)
    onion:HOST:PORT          through a SOCKS5 proxy such as Tor's; to dial only
    bt:ADDRESS               Bluetooth (Linux), 12 hexadecimal digits
    channel                  messages to and from a command, with --pipe
    hyperdht:KEY             a peer of Hyperswarm, its KEY in hexadecimal digits; a server is just `hyperdht`,
                             under our key. It proves the keys of both; `~shs` may go over it
    hyperswarm:TOPIC         to dial only: who is found first of those that announce TOPIC (or `dht:CHANNEL`).
                             These are there in a build with the feature `hyperswarm`
    lookup:NAME              to dial only: the addresses in the DNS records (TXT) of `_multiserver.NAME`,
                             of them those that prove the KEY of a `~shs:KEY` behind it
    …~shs:KEY[:SEED]         Secret Handshake with the server that holds KEY, as the key of SEED or
                             our own; a server is just `~shs`
    …~noise:KEY[:SEED]       the Noise protocol between the same keys
    …~mtls:PEERID            mutual TLS with the server of that peer id, `12D3KooW…`; a server is just `~mtls`
    …~knock:PEERID           before anything else we say who we are, so that the server can keep silent to
                             strangers; it proves nothing: `net:h:1~knock:PEERID~mtls:PEERID`
    …~noauth                 nothing is proven; on this machine only
    …~gzip ~zstd ~deflate ~br
                             compressed; encrypt outside: `net:h:1~shs:KEY~zstd`
  `!` takes the meaning of a following `~`, `;` or `!` away. `channel:NAME` connects the parts of one
  process, so there is nothing here that could dial it.
  An ADDRESS may also be `HOST:PORT:@KEY.ed25519`, an invite in this form, or an `ssb:` URI.
  A seed is a secret, and other users can see the arguments of a program. So an ADDRESS may be
  `@FILE`, the first line of a file, or `-`, the first line of stdin; what follows that line is data.

Configuration:
  --config FILE names a TOML file. Each field may be left out; relative paths begin at its directory.
    listen = [\"net:0.0.0.0:8008~shs\"]    # the addresses to listen on
    key-file = \"secret\"
    app-key = \"BASE64\"
    allow = [\"@BASE64.ed25519\"]          # who may connect, or \"all\"; needed to listen with `~shs`
    plain = false                        # refuses addresses that prove nothing; true unless set
    dial-timeout = 10                    # seconds
    user-timeout = 120                   # seconds without acknowledgement that end a TCP connection
    certificate = { chain = \"chain.pem\", key = \"key.pem\" }
    trust.roots = \"ca.pem\"               # or trust.pins = [\"sha256/BASE64\"]
    proxies = [\"127.0.0.1:9050\"]         # for `onion`
    bootstrap = [\"HOST:PORT\"]            # for `hyperdht`; public nodes unless set
    [external]                           # how a transport's listeners are reached from everywhere
    net = [\"net:example.com:8008\"]
    [limits]
    handshake-timeout = 5                # seconds
    max-handshakes = 256                 # unfinished ones at each address
    max-connections = 160                # at all addresses

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
        overloaded, certificate, proxy, unavailable, limit, closed, interrupted or other; a server
        goes on unless it ends
    {\"event\":\"note\",\"message\":TEXT}
    {\"event\":\"log\",\"message\":TEXT}
        with --verbose
  Where stderr is a terminal, it shows the bytes and their rate too, but with --json or --quiet.";

const PING: &str = "\
Events:
  With --json each dial that got through is an object on stdout, times in seconds:
    {\"event\":\"ping\",\"address\":ADDRESS,\"remote\":KEY|null,\"seconds\":NUMBER,
     \"layers\":[{\"layer\":NAME,\"seconds\":NUMBER},…]}
  and others are errors on stderr, as in the other commands.";

const INVITE: &str = "\
Events:
  With --json stdout is {\"event\":\"invite\",\"address\":ADDRESS,\"guest\":KEY}.";

const RAGE: &str = "\
Events:
  With --json each message that is received is an object on stdout:
    {\"event\":\"message\",\"peer\":PEERID,\"stream\":NAME,\"data\":BASE64}
  without it, its bytes and a line feed. `listening`, `error`, `note` and `log` are on stderr, as `multiserver help listen`
  says.";

const SWARM: &str = "\
Events:
  With --json each line of a peer is an object on stdout; the name is null where it says none:
    {\"event\":\"message\",\"peer\":KEY,\"name\":TEXT|null,\"text\":TEXT}
  and on stderr, beside `listening`, `error`, `note` and `log`, as `multiserver help listen` says:
    {\"event\":\"swarm\",\"swarm\":NAME,\"peer\":KEY}
        we are in it, under this key
    {\"event\":\"joined\",\"peer\":KEY,\"name\":TEXT|null}
    {\"event\":\"renamed\",\"peer\":KEY,\"name\":TEXT|null}
    {\"event\":\"left\",\"peer\":KEY,\"name\":TEXT|null,\"reason\":TEXT}";

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
    /// Of several addresses it dials the first that it understands, unless told otherwise. It ends when both stdin and the peer have ended.
    /// Ctrl-C or SIGTERM breaks the connection off.
    ///
    /// A bare `ws`, `wss`, `onion` or `bt` connection, and one with `noauth` over it, cannot tell the peer that stdin has
    /// ended without closing both directions, which could cost the answer. So it stays open until the peer ends it, and Ctrl-C or SIGTERM then
    /// closes it in good order.
    #[command(after_long_help = EVENTS)]
    Connect(Connect),
    /// Listen on a local address, and forward each connection to ADDRESS
    ///
    /// What the local program sends goes to the peer and back; each direction ends by itself. A connection for which the
    /// peer is not there is closed, and told as an error. It is the other side of `listen ADDRESS --to HOST:PORT`.
    ///
    /// Ctrl-C or SIGTERM stops listening and waits for the connections to end; a second one aborts them.
    #[command(after_long_help = EVENTS)]
    Forward(Forward),
    /// Dial ADDRESS, and print the time of each layer
    ///
    /// The time of a transport is that until it is connected, that of a transform its handshake. Ends with 0 when one of
    /// the dials got through, else as `connect` does. A server that bridges one connection takes the first for it.
    #[command(after_long_help = PING)]
    Ping(Ping),
    /// Exchange messages with the peers of a ragep2p network, such as oracles
    ///
    /// A stream is between two peers, who both must expect each other and open it by the same name; it outlives every
    /// connection. What is received was sent by that peer, unaltered, in order and once. Messages may be lost, and nobody
    /// is told: what is on its way when a connection ends, the oldest of more than --queue that wait, and what is above
    /// the limits of the receiver. Only an answer says that a message has arrived.
    ///
    /// A peer is known by its peer id, which `multiserver key show --peer-id FILE` prints. Who is not expected is not
    /// answered, so a wrong id, a wrong address and a peer that is down look the same; --verbose tells more.
    Rage {
        #[command(subcommand)]
        command: RageCommand,
    },
    /// Meet others in a swarm, such as to chat
    Swarm {
        #[command(subcommand)]
        command: SwarmCommand,
    },
    /// Make an address for a guest, with a key of its own
    ///
    /// Prints the address on stdout, and on stderr the id to let in with --allow, or `allow` of the configuration. The
    /// address holds the guest's secret key, made for it: whoever has it is that guest, so send it to nobody else.
    #[command(after_long_help = INVITE)]
    Invite(Invite),
    /// Print what completes the arguments in a shell
    ///
    /// Such as `source <(multiserver completions bash)`.
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write those of all commands
    Man {
        /// The directory to write them to
        directory: Option<PathBuf>,
    },
}

impl Cli {
    /// What is told on stderr, and how.
    pub(crate) fn output(&self) -> Output {
        match &self.command {
            Command::Listen(args) => args.output,
            Command::Connect(args) => args.output,
            Command::Forward(args) => args.output,
            Command::Ping(args) => args.output,
            Command::Rage { command } => match command {
                RageCommand::Listen(args) => args.output,
                RageCommand::Send(args) => args.output,
            },
            Command::Swarm {
                command: SwarmCommand::Join(args),
            } => args.output,
            Command::Invite(args) => Output {
                json: args.json,
                ..Output::default()
            },
            Command::Key { .. }
            | Command::Address { .. }
            | Command::Completions { .. }
            | Command::Man { .. } => Output::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_declared_without_contradiction() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}

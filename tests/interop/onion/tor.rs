//! A Tor network of its own on this machine: three directory authorities, two relays, an onion service and a client.
//! Nothing leaves 127.0.0.1.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Child,
    sync::{Mutex, OnceLock},
    thread::sleep,
    time::{Duration, Instant},
};

use super::supervised;
use crate::{
    harness::npm::{output, skip},
    ports::free_ports,
};

/// The network of all tests of this process.
pub(crate) struct Network {
    /// The name of the onion service.
    pub(crate) onion: String,
    /// Where the client's proxy is.
    pub(crate) socks: u16,
    control: u16,
    /// What the ports of the service lead to.
    services: Mutex<Vec<Service>>,
    /// Lives as long as its stdin.
    _supervisor: Child,
}

/// A port of the onion service, and the socket that it leads to.
pub(crate) struct Service {
    pub(crate) port: u16,
    pub(crate) listener: TcpListener,
}

/// The port of the service that leads nowhere, and one that it does not have.
pub(crate) const CLOSED: u16 = 7999;
pub(crate) const ABSENT: u16 = 7998;

/// How many ports of the service lead to a test.
const SERVICES: u16 = 12;
const AUTHORITIES: u16 = 3;
const RELAYS: u16 = 4;

/// How long it may take until the service is reached. Mostly it is half a minute.
const PATIENCE: Duration = Duration::from_secs(240);

/// One Tor for each configuration. There is nothing to save, so they need no time to end.
const START: &str = r#"
for torrc in "$1"/*/torrc; do
    tor -f "$torrc" --quiet </dev/null >"${torrc%/torrc}/stdout" 2>&1 &
    running="$running $!"
done
"#;

/// The network, which the first test starts. `None` when that cannot be, and the test is to be skipped.
pub(crate) fn network() -> Option<&'static Network> {
    static NETWORK: OnceLock<Result<Network, String>> = OnceLock::new();
    match NETWORK.get_or_init(start) {
        Ok(network) => Some(network),
        Err(reason) => skip(reason),
    }
}

impl Network {
    /// A port of the onion service, for one test.
    pub(crate) fn service(&self) -> Service {
        let mut services = self.services.lock().expect("no panic");
        services.pop().expect("as many as there are tests")
    }

    /// The circuits of the client's streams to this port of the onion service.
    pub(crate) fn circuits_to(&self, port: u16) -> Vec<String> {
        let mut control = TcpStream::connect((Ipv4Addr::LOCALHOST, self.control)).expect("open");
        let commands = b"AUTHENTICATE\r\nGETINFO stream-status\r\nQUIT\r\n";
        control.write_all(commands).expect("sent");
        let target = format!("{}:{port}", self.onion);
        // `3 SUCCEEDED 7 NAME.onion:8000`, with a circuit instead of the 7.
        let mut circuits = Vec::new();
        for line in BufReader::new(control).lines() {
            let line = line.expect("read");
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [.., "SUCCEEDED", circuit, to] = words[..]
                && to == target
            {
                circuits.push(circuit.to_owned());
            }
        }
        circuits
    }
}

fn start() -> Result<Network, String> {
    output("tor", &["--version"], Path::new("."))?;
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let directory = directory.join(format!("tor-{}", std::process::id()));
    let fail = |error: std::io::Error| format!("{}: {error}", directory.display());
    fs::create_dir_all(&directory).map_err(fail)?;
    let ports = free_ports(2 * AUTHORITIES + RELAYS + 2).ok_or("no free ports")?;
    let services = services();
    if let Err(reason) = configure(&directory, ports, &services) {
        fs::remove_dir_all(&directory).map_err(fail)?;
        return Err(reason);
    }
    let supervisor = supervised(START, &[&shown(&directory)]).map_err(fail)?;
    let begin = Instant::now();
    let onion = wait_for(begin, &directory, || uploaded(&directory))?;
    let socks = socks_port(ports);
    wait_for(begin, &directory, || reached(socks, &onion).then_some(()))?;
    Ok(Network {
        onion,
        socks,
        control: socks + 1,
        services: Mutex::new(services),
        _supervisor: supervisor,
    })
}

fn services() -> Vec<Service> {
    let bind = |port| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
        Service { port, listener }
    };
    (8000..8000 + SERVICES).map(bind).collect()
}

fn socks_port(ports: u16) -> u16 {
    ports + 2 * AUTHORITIES + RELAYS
}

/// Writes a directory for each Tor, with its configuration and the keys of an authority.
fn configure(directory: &Path, ports: u16, services: &[Service]) -> Result<(), String> {
    let home = |name: &str| -> Result<PathBuf, String> {
        let home = directory.join(name);
        output("mkdir", &["-p", "-m", "700", &shown(&home)], directory)?;
        Ok(home)
    };
    let mut authorities = String::new();
    for index in 0..AUTHORITIES {
        let name = format!("authority{index}");
        let (or_port, dir_port) = (ports + 2 * index, ports + 2 * index + 1);
        let line = create_authority(&home(&name)?, &name, or_port, dir_port)?;
        authorities.push_str(&line);
    }
    let write = |name: &str, special: &str| {
        let home = home(name)?;
        let shown = shown(&home);
        let torrc = format!(
            "TestingTorNetwork 1\nDataDirectory {shown}\nNickname {name}\nAddress 127.0.0.1\n\
             Log notice file {shown}/notice.log\nShutdownWaitLength 0\n{authorities}{special}"
        );
        fs::write(home.join("torrc"), torrc).map_err(|error| format!("{shown}: {error}"))
    };
    for index in 0..AUTHORITIES {
        let (or_port, dir_port) = (ports + 2 * index, ports + 2 * index + 1);
        let relay = relay(or_port);
        write(
            &format!("authority{index}"),
            &format!("{relay}DirPort 127.0.0.1:{dir_port}\n{AUTHORITY}"),
        )?;
    }
    for index in 0..RELAYS {
        let relay = relay(ports + 2 * AUTHORITIES + index);
        write(&format!("relay{index}"), &relay)?;
    }
    let socks = socks_port(ports);
    let control = socks + 1;
    write(
        "client",
        &format!("SocksPort 127.0.0.1:{socks}\nControlPort 127.0.0.1:{control}\n{NO_VANGUARDS}"),
    )?;
    let service = directory.join("service");
    let service = shown(&service);
    // Nobody listens at the socket that the closed port leads to.
    let mut special = format!(
        "SocksPort 0\n{NO_VANGUARDS}Log [rend]info file {service}/rend.log\nHiddenServiceDir {service}/onion\n\
         HiddenServicePort {CLOSED} unix:{service}/nobody\n"
    );
    for Service { port, listener } in services {
        let to = listener.local_addr().expect("bound");
        writeln!(special, "HiddenServicePort {port} {to}").expect("a string");
    }
    write("service", &special)
}

fn relay(or_port: u16) -> String {
    format!(
        "SocksPort 0\nORPort 127.0.0.1:{or_port}\nExitRelay 1\nExitPolicy accept 127.0.0.0/8:*\n\
         ExitPolicyRejectPrivate 0\nAssumeReachable 1\nDirCache 1\nContactInfo none@example.invalid\n"
    )
}

/// A vanguard is chosen for good out of the first relays that are known, which in so small a network can leave no way.
const NO_VANGUARDS: &str = "VanguardsLiteEnabled 0\n";

/// They vote every ten seconds, and take everybody for everything at once.
const AUTHORITY: &str = "AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
V3AuthVotingInterval 10 seconds
V3AuthVoteDelay 2 seconds
V3AuthDistDelay 2 seconds
TestingV3AuthInitialVotingInterval 10 seconds
TestingV3AuthInitialVoteDelay 2 seconds
TestingV3AuthInitialDistDelay 2 seconds
TestingAuthDirTimeToLearnReachability 0 minutes
TestingMinExitFlagThreshold 0
TestingDirAuthVoteExit *
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
AuthDirMaxServersPerAddr 0
MinUptimeHidServDirectoryV2 0
";

/// Makes the keys of an authority; its line in everybody's configuration comes back.
fn create_authority(
    home: &Path,
    name: &str,
    or_port: u16,
    dir_port: u16,
) -> Result<String, String> {
    let script = r#"set -e
        mkdir -m 700 keys
        echo pass | tor-gencert --create-identity-key -m 12 -a "127.0.0.1:$2" -i keys/authority_identity_key \
            -s keys/authority_signing_key -c keys/authority_certificate --passphrase-fd 0
        sed -n 's/^fingerprint //p' keys/authority_certificate
        tor --quiet --list-fingerprint --orport 1 --datadirectory . --nickname "$1" -f /dev/null --ignore-missing-torrc \
            --dirserver 'x 127.0.0.1:1 ffffffffffffffffffffffffffffffffffffffff' | sed 's/^[^ ]* //; s/ //g'"#;
    let said = output(
        "sh",
        &["-c", script, "sh", name, &dir_port.to_string()],
        home,
    )?;
    let mut lines = said.lines();
    let (Some(v3), Some(fingerprint)) = (lines.next(), lines.next_back()) else {
        return Err(format!("the keys of {name} have no fingerprints: {said}"));
    };
    Ok(format!(
        "DirAuthority {name} orport={or_port} no-v2 v3ident={v3} 127.0.0.1:{dir_port} {fingerprint}\n"
    ))
}

fn wait_for<T>(
    begin: Instant,
    directory: &Path,
    happened: impl Fn() -> Option<T>,
) -> Result<T, String> {
    loop {
        if let Some(happened) = happened() {
            return Ok(happened);
        }
        if begin.elapsed() > PATIENCE {
            let log = fs::read_to_string(directory.join("client/notice.log"));
            return Err(format!("Tor is not ready in time: {log:?}"));
        }
        sleep(Duration::from_millis(200));
    }
}

/// The name of the service, when the client is ready and the directories have the descriptor.
fn uploaded(directory: &Path) -> Option<String> {
    let read = |path| fs::read_to_string(directory.join(path)).ok();
    let ready = read("client/notice.log")?.contains("Bootstrapped 100%");
    let uploads = read("service/rend.log")?;
    let uploads = uploads.matches("descriptor: finished with status 200");
    let name = read("service/onion/hostname")?.trim().to_owned();
    (ready && uploads.count() >= 4).then_some(name)
}

/// Whether the service answers, though it be that there is nothing at this port.
fn reached(socks: u16, onion: &str) -> bool {
    let ask = || -> std::io::Result<u8> {
        let mut proxy = TcpStream::connect((Ipv4Addr::LOCALHOST, socks))?;
        let mut request = vec![5, 1, 0, 5, 1, 0, 3, onion.len() as u8];
        request.extend_from_slice(onion.as_bytes());
        request.extend_from_slice(&CLOSED.to_be_bytes());
        proxy.write_all(&request)?;
        let mut answer = [0; 12];
        proxy.read_exact(&mut answer)?;
        Ok(answer[3])
    };
    matches!(ask(), Ok(1 | 5))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

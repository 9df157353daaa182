//! Machines that are near each other, each with a bus and a process of its own.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{runtime::Builder, time::timeout};
use tower_multiserver::bluetooth::DeviceAddress;

use crate::support::HANG;

/// Which machine this process is, where it is one.
const MACHINE: &str = "TOWER_MULTISERVER_TEST_MACHINE";

/// Debian's own, which has the bindings for D-Bus; another one may be the first on the path.
const PYTHON: &str = "/usr/bin/python3";

/// What there is in the world.
#[derive(Clone)]
pub(crate) struct Machine {
    name: &'static str,
    adapters: Vec<(DeviceAddress, bool)>,
    knows: Vec<DeviceAddress>,
    taken: bool,
}

impl Machine {
    /// One with these adapters, which are on and called `hci0`, `hci1` and so on. It knows no other device.
    pub(crate) fn new(name: &'static str, adapters: &[DeviceAddress]) -> Self {
        Self {
            name,
            adapters: adapters.iter().map(|address| (*address, true)).collect(),
            knows: Vec::new(),
            taken: false,
        }
    }

    /// It knows the device, and has never asked it what it offers.
    pub(crate) fn knows(mut self, device: DeviceAddress) -> Self {
        self.knows.push(device);
        self
    }

    /// Its adapters are off.
    pub(crate) fn off(mut self) -> Self {
        self.adapters.iter_mut().for_each(|(_, on)| *on = false);
        self
    }

    /// Another program has the service.
    pub(crate) fn taken(mut self) -> Self {
        self.taken = true;
        self
    }

    fn describe(&self, bus: &str) -> Value {
        let adapters = self.adapters.iter().enumerate();
        let adapters: Vec<_> = adapters
            .map(|(n, (address, on))| {
                json!({"name": format!("hci{n}"), "address": written(*address), "on": on})
            })
            .collect();
        let knows: Vec<_> = self.knows.iter().map(|device| written(*device)).collect();
        json!({
            "name": self.name,
            "bus": bus,
            "adapters": adapters,
            "knows": knows,
            "taken": self.taken,
        })
    }
}

/// As BlueZ writes it.
fn written(address: DeviceAddress) -> String {
    bluer::Address::new(address.to_bytes()).to_string()
}

/// Runs `part` on each of the machines, on the last one when the others have said that they are [`ready`]. `test` is the
/// name of the test that calls this.
///
/// The bus of a process is a variable of its environment, so each machine is this program again, with this test alone.
pub(crate) fn world(test: &str, machines: &[Machine], part: impl AsyncFnOnce(&str)) {
    if let Ok(machine) = env::var(MACHINE) {
        let runtime = Builder::new_current_thread().enable_all().build();
        let part = async { timeout(HANG, part(&machine)).await.expect("no hang") };
        return runtime.expect("a runtime").block_on(part);
    }
    let Some(lab) = Lab::open(machines) else {
        return;
    };
    let mut waiting = Vec::new();
    for (machine, bus) in machines.iter().zip(&lab.buses) {
        let mut child = this_program(test, machine.name, bus);
        if waiting.len() + 1 < machines.len() {
            wait_for(&mut child, "ready");
        }
        waiting.push((machine.name, child));
    }
    // The last first: the others may serve it.
    for (name, child) in waiting.into_iter().rev() {
        let Output { status, stdout, .. } = child.wait_with_output().expect("it ran");
        let said = String::from_utf8_lossy(&stdout);
        assert!(status.success(), "{name} failed: {said}");
        assert!(!said.contains("0 passed"), "there is no such test: {test}");
    }
}

/// Runs `part` with a bus at `at`, whatever is there.
pub(crate) fn with_bus(test: &str, at: &str, part: impl AsyncFnOnce(&str)) {
    if env::var(MACHINE).is_ok() {
        return world(test, &[], part);
    }
    let output = this_program(test, "alone", at).wait_with_output();
    let output = output.expect("it ran");
    assert!(output.status.success(), "{output:?}");
}

/// Runs `part` on a bus without BlueZ.
pub(crate) fn without_daemon(test: &str, part: impl AsyncFnOnce(&str)) {
    let directory = tempfile::tempdir().expect("a directory");
    if env::var(MACHINE).is_ok() {
        return world(test, &[], part);
    }
    if let Some(bus) = Bus::open(directory.path(), "alone") {
        with_bus(test, &bus.address, part);
    }
}

/// Lets the next machine begin.
pub(crate) fn ready() {
    // With the rest of the line that the test runner has begun.
    println!("ready");
}

struct Lab {
    buses: Vec<String>,
    _daemons: Vec<Bus>,
    _bluez: Killed,
    _directory: TempDir,
}

impl Lab {
    /// `None` when the test is to be skipped.
    fn open(machines: &[Machine]) -> Option<Self> {
        let has_bindings = Command::new(PYTHON)
            .args(["-c", "import dbus, gi"])
            .stderr(Stdio::null())
            .status();
        if !has_bindings.is_ok_and(|status| status.success()) {
            return skip("python3-dbus or python3-gi is missing");
        }
        let directory = tempfile::tempdir().expect("a directory");
        let open = |machine: &Machine| Bus::open(directory.path(), machine.name);
        let daemons: Vec<_> = machines.iter().map(open).collect::<Option<_>>()?;
        let buses: Vec<_> = daemons.iter().map(|bus| bus.address.clone()).collect();
        let described = machines.iter().zip(&buses);
        let described: Vec<_> = described.map(|(m, bus)| m.describe(bus)).collect();
        let bluez = Command::new(PYTHON)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bluetooth/bluez.py"))
            .arg(Value::from(described).to_string())
            .stdout(Stdio::piped())
            .spawn();
        let mut bluez = Killed(bluez.expect("python ran a moment ago"));
        wait_for(&mut bluez.0, "ready");
        Some(Self {
            buses,
            _daemons: daemons,
            _bluez: bluez,
            _directory: directory,
        })
    }
}

struct Bus {
    address: String,
    _daemon: Killed,
}

impl Bus {
    fn open(directory: &Path, name: &str) -> Option<Self> {
        let address = format!("unix:path={}/{name}", directory.display());
        let daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address"])
            .arg(format!("--address={address}"))
            .stdout(Stdio::piped())
            // It complains of limits that it does not need.
            .stderr(Stdio::null())
            .spawn();
        let Ok(daemon) = daemon else {
            return skip("dbus-daemon is missing");
        };
        let mut daemon = Killed(daemon);
        wait_for(&mut daemon.0, "unix:");
        Some(Self {
            address,
            _daemon: daemon,
        })
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn this_program(test: &str, machine: &str, bus: &str) -> Child {
    let child = Command::new(env::current_exe().expect("a program"))
        .args(["--exact", &format!("by_service::{test}"), "--nocapture"])
        .env(MACHINE, machine)
        .env("DBUS_SYSTEM_BUS_ADDRESS", bus)
        .stdout(Stdio::piped())
        .spawn();
    child.expect("it ran a moment ago")
}

/// Reads up to a line that has `word` in it.
fn wait_for(child: &mut Child, word: &str) {
    let mut stdout = BufReader::with_capacity(1, child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        let read = stdout.read_line(&mut line).expect("it can be read");
        assert!(read > 0, "it ended without having said {word:?}");
    }
    child.stdout = Some(stdout.into_inner());
}

/// Skips a test, or fails it when nothing may be missing (`MULTISERVER_INTEROP=required`).
fn skip<T>(reason: &str) -> Option<T> {
    let required = env::var("MULTISERVER_INTEROP").is_ok_and(|value| value == "required");
    assert!(!required, "MULTISERVER_INTEROP=required, but {reason}");
    crate::skip(reason);
    None
}

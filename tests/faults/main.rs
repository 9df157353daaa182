//! What becomes of connections whose network fails: between two hosts, which are network namespaces on this machine.
#![cfg(test)]
#![cfg(target_os = "linux")]

mod far;
mod inside;
mod lab;
mod netem;
#[path = "../support/mod.rs"]
mod support;

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

/// Two hosts, 10.9.0.1 where this runs and 10.9.0.2 by the name `far`, with a cable between them.
const TWO_HOSTS: &str = r"
mount -t tmpfs none /run
mkdir /run/netns
ip netns add far
ip link add near type veth peer name far netns far
ip addr add 10.9.0.1/24 dev near
ip link set near gso_max_segs 1
ip link set near up
ip link set lo up
ip -n far addr add 10.9.0.2/24 dev far
ip -n far link set far gso_max_segs 1
ip -n far link set far up
ip -n far link set lo up
nft add table inet faults
";

/// Runs this script there.
fn there(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--net", "--mount"])
        .args(["sh", "-ec", &format!("{TWO_HOSTS}\n{script}"), "sh"])
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::null());
    command
}

/// Runs the tests of this module there, so many.
fn run_there(module: &str, count: usize) {
    let program = std::env::current_exe().expect("it runs");
    let inside = there(r#"exec "$1" --ignored "$2" --test-threads=1 --nocapture"#)
        .arg(program)
        .arg(module)
        .output();
    let inside = inside.expect("it ran a moment ago");
    let said = String::from_utf8_lossy(&inside.stdout);
    println!("{said}");
    assert!(
        inside.status.success() && said.contains(&format!("{count} passed")),
        "{said}\n{}",
        String::from_utf8_lossy(&inside.stderr)
    );
}

/// Past the test runner, which would keep it from sight, since the test passes.
fn skip(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped faults: {reason}");
}

#[test]
fn connections_bear_a_bad_network_or_end_in_a_stated_time() {
    let possible = there("true").output();
    if !matches!(&possible, Ok(output) if output.status.success()) {
        let required = std::env::var("MULTISERVER_INTEROP").is_ok_and(|value| value == "required");
        assert!(!required, "MULTISERVER_INTEROP=required, but {possible:?}");
        return skip(&format!("no networks of one's own: {possible:?}"));
    }
    run_there("inside::", 7);
}

/// `.ci/run nightly` runs it in a virtual machine (`tests/vm`), whose kernel has what this takes.
#[test]
fn every_stack_bears_delays_losses_doubles_swaps_and_changes() {
    if std::env::var("MULTISERVER_NETEM").as_deref() != Ok("required") {
        return skip(
            "MULTISERVER_NETEM is not `required`: it takes a kernel with sch_netem, and minutes",
        );
    }
    run_there("netem::", 4);
}

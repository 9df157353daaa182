//! What was measured, in Markdown.

use crate::parts::Parts;

use super::{
    bounds::{Bound, Side},
    plan::{BULK, CROWD, HANDSHAKE, HANDSHAKES, IDLE, PING},
    samples::{Samples, Series},
};

/// Prints a table for each work, the parts, and the bounds.
pub(crate) fn print(samples: &Samples, parts: &Parts, bounds: &[Bound]) {
    section(
        samples,
        BULK,
        "MiB/s | CPU s/GiB, sending | receiving | both",
        |of| {
            let (client, server) = of.cpu();
            let rate = of.rate() * 1024.0;
            format!("{rate:.0} | {client:.3} | {server:.3} | {:.3}", of.both())
        },
    );
    for name in [HANDSHAKE, HANDSHAKES] {
        section(
            samples,
            name,
            "a second | CPU µs, client | server | both",
            |of| {
                let (client, server) = of.cpu();
                let both = of.both() * 1e6;
                let (client, server) = (client * 1e6, server * 1e6);
                format!("{:.0} | {client:.0} | {server:.0} | {both:.0}", of.rate())
            },
        );
    }
    section(samples, PING, "p50 µs | p99 µs | CPU µs, both", |of| {
        let (p50, p99) = of.latency();
        format!("{p50:.1} | {p99:.1} | {:.1}", of.both() * 1e6)
    });
    for name in [IDLE, CROWD] {
        section(
            samples,
            name,
            "KiB, client | server | CPU of the server",
            |of| {
                let (client, server) = of.memory();
                let cpu = of.idle_cpu() * 100.0;
                format!("{client:.2} | {server:.2} | {cpu:.2} %")
            },
        );
    }
    head("part | CPU");
    for (name, seconds) in parts {
        match seconds * 1e6 {
            large @ 1000.0.. => println!("| {name} | {:.3} s/GiB |", large / 1e6),
            small => println!("| {name} | {small:.1} µs |"),
        }
    }
    println!();
    head("what is to hold | measured | bound | met");
    for bound in bounds {
        let Bound { name, value, .. } = bound;
        let side = match bound.side {
            Side::AtLeast => "≥",
            Side::AtMost => "≤",
        };
        let is_met = if bound.is_met() { "yes" } else { "**no**" };
        println!(
            "| {name} | {value:.2} | {side} {} | {is_met} |",
            bound.bound
        );
    }
}

fn head(columns: &str) {
    println!("| {columns} |");
    println!("{}|", "|---".repeat(columns.split('|').count()));
}

fn section(samples: &Samples, name: &str, columns: &str, row: impl Fn(&Series) -> String) {
    let mut all = samples.of(name).peekable();
    if all.peek().is_none() {
        return;
    }
    head(&format!("{name} | {columns}"));
    for series in all {
        println!("| {} | {} |", series.stack, row(series));
    }
    println!();
}

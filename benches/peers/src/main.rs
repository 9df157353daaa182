//! Whole stacks of ours beside those of others, each end a process of its own, over loopback.
//!
//! See `benches/README.md` for how to run it and what came out.

#![cfg(target_os = "linux")]

mod channel;
mod child;
mod client;
mod compare;
mod parts;
mod stack;
mod stacks;
mod work;

use std::process::ExitCode;

use stacks::End;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["serve", stack, work] => end(stack, work, End::Serve),
        ["dial", stack, work, address] => end(stack, work, End::Dial(address.to_owned())),
        ["parts"] => parts::run(),
        _ => compare::Options::parse(&args).and_then(compare::run),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", args.join(" "));
            ExitCode::FAILURE
        }
    }
}

/// One of the two processes of a pair.
fn end(stack: &str, work: &str, end: End) -> Result<()> {
    stacks::run(stack, serde_json::from_str(work)?, end)
}

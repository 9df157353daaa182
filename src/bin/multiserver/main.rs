//! The command line program `multiserver`: dials and serves every address that the library knows.

mod address;
mod bridge;
mod cli;
mod connect;
mod copy;
mod endpoint;
mod exec;
mod failure;
mod forward;
mod input;
mod key;
mod listen;
mod report;
mod signals;
mod stacks;

use std::{io, process::ExitCode};

use clap::Parser as _;
use tokio::runtime::Runtime;
use tower_multiserver::transport::lingered;

use crate::{
    cli::{AddressCommand, Cli, Command, KeyCommand},
    failure::Failure,
    report::Report,
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => {
            // The help or the version, which somebody may have stopped reading.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let json = std::env::args_os().any(|arg| arg == "--json");
            return ended(Report::new(json), Err(cli::misused(&error)));
        }
    };
    let report = Report::new(cli.json());
    let result = match cli.command {
        Command::Key { command } => match command {
            KeyCommand::New { file } => key::new(&file),
            KeyCommand::Show { file } => key::show(&file),
        },
        Command::Address { command } => match command {
            AddressCommand::Check { address } => address::check(&address),
            AddressCommand::Explain { address } => address::explain(&address),
        },
        Command::Listen(args) => on_runtime(listen::run(args, report)),
        Command::Connect(args) => on_runtime(connect::run(args, report)),
    };
    ended(report, result)
}

fn ended(report: Report, result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report.error(&failure);
            failure.exit_code()
        }
    }
}

fn on_runtime(program: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = Runtime::new().map_err(|error| Failure::io("cannot start", &error))?;
    let result = runtime.block_on(async {
        let result = program.await;
        lingered().await;
        result
    });
    // A read of stdin that is under way cannot be called off, and is not waited for.
    runtime.shutdown_background();
    result
}

/// Prints to stdout. That nobody reads it any more is no failure.
fn print(text: &str) -> Result<(), Failure> {
    use io::Write as _;

    let mut stdout = io::stdout().lock();
    let printed = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::io("cannot write to stdout", &error))
        }
        _ => Ok(()),
    }
}

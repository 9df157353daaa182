//! The command line program `multiserver`: dials and serves every address that the library knows.

mod address;
mod bridge;
mod cli;
mod command;
mod connect;
mod copy;
mod dial;
mod exec;
mod explain;
mod failure;
mod forward;
mod input;
mod invite;
mod key;
mod listen;
mod log;
mod pages;
mod ping;
mod pipe;
mod progress;
mod rage;
mod relay;
mod report;
mod serve;
mod settings;
mod signals;
mod swarm;

use std::{io, process::ExitCode};

use clap::Parser as _;
use tokio::runtime::Runtime;
use tower_multiserver::transport::lingered;

use crate::{
    cli::{AddressCommand, Cli, Command, KeyCommand, Output, RageCommand, SwarmCommand},
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
            let output = Output {
                json,
                ..Output::default()
            };
            return ended(Report::new(output), Err(cli::misused(&error)));
        }
    };
    let output = cli.output();
    let report = Report::new(output);
    if let Err(failure) = log::start(output, report) {
        return ended(report, Err(failure));
    }
    let result = match cli.command {
        Command::Key { command } => match command {
            KeyCommand::New { file } => key::new(&file),
            KeyCommand::Show { peer_id, file } => key::show(&file, peer_id),
        },
        Command::Address { command } => match command {
            AddressCommand::Check { address } => address::check(&address),
            AddressCommand::Explain { address } => explain::run(&address),
            AddressCommand::Convert { to, address } => address::convert(&address, to),
        },
        Command::Listen(args) => on_runtime(listen::run(args, report)),
        Command::Connect(args) => on_runtime(connect::run(args, report)),
        Command::Forward(args) => on_runtime(forward::run(args, report)),
        Command::Ping(args) => on_runtime(ping::run(args, report)),
        Command::Rage { command } => match command {
            RageCommand::Listen(args) => on_runtime(rage::listen(args, report)),
            RageCommand::Send(args) => on_runtime(rage::send(args, report)),
        },
        Command::Swarm {
            command: SwarmCommand::Join(args),
        } => on_runtime(swarm::join(args, report)),
        Command::Invite(args) => invite::run(&args, report),
        Command::Completions { shell } => pages::completions(shell),
        Command::Man { directory } => pages::man(directory.as_deref()),
    };
    progress::finish();
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

//! What the layers tell, on stderr.

use std::io;

use tracing_subscriber::{EnvFilter, fmt, fmt::MakeWriter};

use crate::{cli::Output, failure::Failure, report::Report};

/// Says more exactly what to tell, in the form of `tracing-subscriber`'s directives.
const VARIABLE: &str = "MULTISERVER_LOG";

/// Begins to tell it.
pub(crate) fn start(output: Output, report: Report) -> Result<(), Failure> {
    let directives = match std::env::var(VARIABLE) {
        Ok(directives) if !directives.is_empty() => directives,
        // The name of each of our crates begins so.
        _ => format!("tower_multiserver={}", level(output)),
    };
    let filter = EnvFilter::builder()
        .parse(directives)
        .map_err(|error| Failure::usage(format!("{VARIABLE}: {error}")))?;
    fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Lines(report))
        .init();
    Ok(())
}

fn level(output: Output) -> &'static str {
    match (output.quiet, output.verbose) {
        (true, _) => "off",
        (false, 0) => "warn",
        (false, 1) => "debug",
        (false, _) => "trace",
    }
}

/// Each write is one line.
#[derive(Clone, Copy, Debug)]
struct Lines(Report);

impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.log(String::from_utf8_lossy(line).trim_end());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

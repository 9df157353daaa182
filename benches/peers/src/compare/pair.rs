//! A server and its client, as two processes.

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Result,
    child::Used,
    work::{Told, Work},
};

use super::plan::Plan;

/// How long connections are watched while they wait.
const IDLE: Duration = Duration::from_secs(3);

/// What came of one pair.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) told: Told,
    pub(crate) client: Used,
    pub(crate) server: Used,
    /// Seconds of CPU of the server while its connections waited.
    pub(crate) idle_cpu: f64,
}

/// A server and its client.
pub(crate) struct Pair {
    server: Process,
    client: Process,
    work: Work,
}

#[derive(Deserialize)]
struct Begun {
    address: String,
}

#[derive(Deserialize)]
struct Empty {}

impl Pair {
    /// Starts both.
    pub(crate) fn new(plan: &Plan, stack: &str, work: Work) -> Result<Self> {
        let work_text = serde_json::to_string(&work)?;
        let mut server = Process::start(plan.command(stack)?.args(["serve", stack, &work_text]))?;
        let Begun { address } = server.hear()?;
        let args = ["dial", stack, &work_text, &address];
        let mut client = Process::start(plan.command(stack)?.args(args))?;
        let Begun { .. } = client.hear()?;
        Ok(Self {
            server,
            client,
            work,
        })
    }

    /// Lets them work.
    pub(crate) fn measure(mut self) -> Result<Sample> {
        let Empty {} = self.server.ask("start")?;
        let Empty {} = self.client.ask("start")?;
        let mut sample = Sample {
            told: self.client.ask("work")?,
            client: self.client.ask("report")?,
            server: self.server.ask("report")?,
            idle_cpu: 0.0,
        };
        if let Work::Idle { .. } = self.work {
            let Empty {} = self.server.ask("start")?;
            thread::sleep(IDLE);
            sample.idle_cpu = self.server.ask::<Used>("report")?.cpu / IDLE.as_secs_f64();
        }
        Ok(sample)
    }
}

/// A process that is ended when this is dropped.
struct Process {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            child,
            input: input.ok_or("no stdin")?,
            output: BufReader::new(output.ok_or("no stdout")?).lines(),
        })
    }

    fn ask<T: DeserializeOwned>(&mut self, question: &str) -> Result<T> {
        writeln!(self.input, "{question}")?;
        self.hear()
    }

    fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        let line = self.output.next().ok_or("the process has ended")??;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

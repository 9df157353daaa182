//! One end of a connection, as a process of its own that is told what to do line by line.
//!
//! | line | answer |
//! |---|---|
//! | (at the start) | `{"address": …}`: a server listens, or a client is prepared |
//! | `start` | the count of CPU and memory begins, `{}` |
//! | `work` | a client has done its work, [`Told`](crate::work::Told) |
//! | `report` | [`Used`] since the start |

use std::{fs, future::Future, io, sync::mpsc, thread};

use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Result, client::Client, stack::Stack, work::Work};

/// What a process has used.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Used {
    /// Seconds of CPU, of the program and of the system for it.
    pub(crate) cpu: f64,
    /// KiB of memory that it holds.
    pub(crate) memory: f64,
}

impl Used {
    pub(crate) fn now() -> Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        let seconds =
            |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 * 1e-6;
        let pages = fs::read_to_string("/proc/self/statm")?;
        let resident: f64 = pages.split(' ').nth(1).ok_or("no memory")?.parse()?;
        Ok(Self {
            cpu: seconds(usage.user_time()) + seconds(usage.system_time()),
            memory: resident * 4.0,
        })
    }

    pub(crate) fn since(self, start: Self) -> Self {
        Self {
            cpu: self.cpu - start.cpu,
            memory: self.memory - start.memory,
        }
    }
}

/// Listens, and answers from a thread of its own, which waits all the time.
pub(crate) fn serve(stack: impl Stack, work: Work) -> Result<()> {
    run(async {
        let (listening, heard) = mpsc::channel();
        thread::spawn(move || {
            if let Ok(address) = heard.recv() {
                let _ = obey(address, || Err("a server has no work of its own".into()));
            }
            std::process::exit(0);
        });
        stack
            .serve(work, |address| {
                let _ = listening.send(address);
            })
            .await
    })
}

/// Dials, and answers between its works.
pub(crate) fn dial(stack: impl Stack, work: Work, address: &str) -> Result<()> {
    let runtime = runtime()?;
    let mut client = runtime.block_on(Client::prepare(stack, address.to_owned(), work))?;
    obey(address.to_owned(), || {
        let told = runtime.block_on(client.work())?;
        Ok(serde_json::to_string(&told)?)
    })
}

fn run(task: impl Future<Output = Result<()>>) -> Result<()> {
    runtime()?.block_on(task)
}

/// One thread, so that each end has a processor and nothing moves between them.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

fn obey(address: String, mut work: impl FnMut() -> Result<String>) -> Result<()> {
    println!("{}", json!({ "address": address }));
    let mut start = Used::now()?;
    for line in io::stdin().lines() {
        match line?.as_str() {
            "start" => {
                start = Used::now()?;
                println!("{{}}");
            }
            "work" => println!("{}", work()?),
            "report" => println!("{}", serde_json::to_string(&Used::now()?.since(start))?),
            other => return Err(format!("what is {other:?}?").into()),
        }
    }
    Ok(())
}

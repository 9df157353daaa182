//! `ping`.

use std::{fmt::Write as _, time::Duration};

use serde_json::json;
use tokio::{
    io::AsyncWriteExt as _,
    time::{Instant, sleep},
};
use tower_multiserver::{DIAL_TIMEOUT, Error, Info, LayerTime, within};

use crate::{
    cli,
    dial::Target,
    failure::Failure,
    input, print,
    report::{Report, harmless},
    settings,
    signals::Signals,
};

/// Dials so many times, and prints the time of each layer.
pub(crate) async fn run(args: cli::Ping, report: Report) -> Result<(), Failure> {
    let addresses = input::addresses(&args.address)?;
    let config = settings::load(&args.setup)?;
    let (identity, _) = settings::identity(&config)?;
    let server = settings::server(&config, &identity)?;
    let target = Target::new(server, addresses, &args.policy)?;

    let mut signals = Signals::catch()?;
    let mut tally = Tally::default();
    let mut last = None;
    for n in 0..args.count {
        if n > 0 {
            tokio::select! {
                () = sleep(args.interval) => {}
                () = signals.next() => break,
            }
        }
        let dialed = tokio::select! {
            dialed = once(&target) => dialed,
            () = signals.next() => {
                last.get_or_insert_with(Failure::interrupted);
                break;
            }
        };
        match dialed {
            Ok((info, time)) => {
                tally.add(time);
                print(&line(&info, time, report))?;
            }
            // Another time would not help.
            Err(error) if error.is_unsupported() => return Err(error.into()),
            Err(error) => {
                // The last is told when the program ends with it.
                if let Some(failure) = last.replace(error.into()) {
                    report.error(&failure);
                }
            }
        }
    }
    if args.count > 1 && !report.is_json() {
        print(&tally.to_string(args.count))?;
    }
    match (last, tally.is_empty()) {
        (Some(failure), true) => Err(failure),
        (Some(failure), false) => {
            report.error(&failure);
            Ok(())
        }
        (None, _) => Ok(()),
    }
}

/// One dial, and the end of its connection.
async fn once(target: &Target) -> Result<(Info, Duration), Error> {
    let start = Instant::now();
    let mut connection = target.dial().await?;
    let time = start.elapsed();
    // The peer sees a good end. That it takes long, or fails, is no matter of the handshakes.
    let deadline = Some(Instant::now() + DIAL_TIMEOUT);
    let _ = within(deadline, connection.shutdown()).await;
    Ok((connection.info().clone(), time))
}

fn line(info: &Info, total: Duration, report: Report) -> String {
    let layers = info.all::<LayerTime>();
    let mut line = match report.is_json() {
        true => {
            let layers = layers.map(
                |time| json!({ "layer": time.layer(), "seconds": time.elapsed().as_secs_f64() }),
            );
            json!({
                "event": "ping",
                "address": info.address().to_string(),
                "remote": info.remote_key().map(|key| key.to_string()),
                "seconds": total.as_secs_f64(),
                "layers": layers.collect::<Vec<_>>(),
            })
            .to_string()
        }
        false => {
            let mut line = format!("{}:", info.address());
            for time in layers {
                // Writing to a string does not fail.
                let _ = write!(line, " {} {},", time.layer(), millis(time.elapsed()));
            }
            let _ = write!(line, " total {}", millis(total));
            harmless(&line)
        }
    };
    line.push('\n');
    line
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// How it went altogether.
#[derive(Debug, Default)]
struct Tally {
    times: usize,
    sum: Duration,
    least: Option<Duration>,
    most: Duration,
}

impl Tally {
    fn add(&mut self, time: Duration) {
        self.times += 1;
        self.sum += time;
        self.least = Some(self.least.map_or(time, |least| least.min(time)));
        self.most = self.most.max(time);
    }

    fn is_empty(&self) -> bool {
        self.times == 0
    }

    fn to_string(&self, asked: u64) -> String {
        let mut text = format!("{} of {asked} got through", self.times);
        if let Some(least) = self.least {
            let mean = self.sum.div_f64(self.times as f64);
            let (least, mean, most) = (millis(least), millis(mean), millis(self.most));
            let _ = write!(text, "; least {least}, mean {mean}, most {most}");
        }
        text.push('\n');
        text
    }
}

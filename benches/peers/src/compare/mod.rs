//! Runs the pairs in turn and says how they compare.

mod bounds;
mod chart;
mod javascript;
mod pair;
mod plan;
mod samples;
mod table;

use std::fs;

use crate::{Result, parts::Parts};

use self::{pair::Pair, plan::Plan, samples::Samples};

/// What the command line says.
pub(crate) struct Options {
    /// Less of everything, to see whether it works.
    quick: bool,
    rounds: usize,
    /// The works and stacks whose names hold one of these, or all.
    only: Vec<String>,
    chart: Option<String>,
}

const USAGE: &str = "usage: [--quick] [--rounds N] [--only TEXT]… [--chart FILE]
    --only   works or stacks whose name holds TEXT, such as `bulk` or `net~shs`
    --chart  writes a picture (SVG) of what came out";

impl Options {
    pub(crate) fn parse(args: &[&str]) -> Result<Self> {
        let mut options = Self {
            quick: false,
            rounds: 0,
            only: Vec::new(),
            chart: None,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(USAGE);
            match *arg {
                "--quick" => options.quick = true,
                "--rounds" => options.rounds = value()?.parse()?,
                "--only" => options.only.push((*value()?).to_owned()),
                "--chart" => options.chart = Some((*value()?).to_owned()),
                _ => return Err(USAGE.into()),
            }
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { 2 } else { 5 };
        }
        Ok(options)
    }
}

/// Measures all of it, and prints it.
pub(crate) fn run(options: Options) -> Result<()> {
    let plan = Plan::new(&options)?;
    let mut samples = Samples::default();
    let mut parts = Parts::new();
    for round in 1..=options.rounds {
        if plan.has_parts() {
            eprint!("\rround {round} of {}: parts\x1b[K", options.rounds);
            for (name, seconds) in plan.parts()? {
                let least = parts.entry(name).or_insert(seconds);
                *least = least.min(seconds);
            }
        }
        for (name, stack, work) in plan.runs(round) {
            eprint!(
                "\rround {round} of {}: {name} {stack}\x1b[K",
                options.rounds
            );
            match Pair::new(&plan, stack, work).and_then(Pair::measure) {
                Ok(sample) => samples.add(name, stack, work, sample),
                Err(error) => eprintln!("\r{name} {stack}: {error}\x1b[K"),
            }
        }
    }
    eprint!("\r\x1b[K");
    let bounds = bounds::bounds(&samples, &parts);
    table::print(&samples, &parts, &bounds);
    if let Some(chart) = options.chart {
        fs::write(chart, chart::draw(&samples))?;
    }
    Ok(())
}

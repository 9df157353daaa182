//! How much has moved, and how fast: a line on stderr where that is a terminal.

use std::{
    fmt::Write,
    io::{IsTerminal as _, stderr, stdout},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use indicatif::{BinaryBytes, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// Where the bytes of a copy go, for who counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From a peer.
    In,
    /// To a peer.
    Out,
}

/// The terminal's one line. There is none unless it was started.
static LINE: OnceLock<Line> = OnceLock::new();

struct Line {
    bar: ProgressBar,
    received: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
}

/// Often enough to be alive, seldom enough to cost nothing.
const TICK: Duration = Duration::from_millis(200);

/// Begins to show it, where somebody can see it.
pub(crate) fn start() {
    if stderr().is_terminal() {
        LINE.get_or_init(Line::new).bar.enable_steady_tick(TICK);
    }
}

/// As [`start`], for a connection whose bytes go to stdout: on the same terminal they would run into the line.
pub(crate) fn start_beside_stdout() {
    if !stdout().is_terminal() {
        start();
    }
}

/// Counts.
pub(crate) fn moved(direction: Direction, bytes: usize) {
    if let Some(line) = LINE.get() {
        let count = match direction {
            Direction::In => &line.received,
            Direction::Out => &line.sent,
        };
        count.fetch_add(bytes as u64, Ordering::Relaxed);
        line.bar.inc(bytes as u64);
    }
}

/// Takes the line away for as long as `print` takes.
pub(crate) fn aside(print: impl FnOnce()) {
    match LINE.get() {
        Some(line) => line.bar.suspend(print),
        None => print(),
    }
}

/// Leaves the line as it is, when nothing moves any more.
pub(crate) fn finish() {
    if let Some(line) = LINE.get() {
        line.bar.abandon();
    }
}

impl Line {
    fn new() -> Self {
        let (received, sent) = <(Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let style = ProgressStyle::with_template("{spinner} received {in}, sent {out}, {rate}/s");
        let style = style
            .expect("the template is well formed")
            .with_key("in", counted(&received))
            .with_key("out", counted(&sent))
            .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
                let _ = write!(out, "{}", BinaryBytes(state.per_sec() as u64));
            });
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        Self {
            bar: bar.with_style(style),
            received,
            sent,
        }
    }
}

fn counted(
    count: &Arc<AtomicU64>,
) -> impl Fn(&ProgressState, &mut dyn Write) + Clone + Send + Sync + 'static {
    let count = count.clone();
    move |_, out| {
        let _ = write!(out, "{}", BinaryBytes(count.load(Ordering::Relaxed)));
    }
}

//! Polls tasks in an order that a seed tells.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use fastrand::Rng;
use futures_util::task::AtomicWaker;

/// So many polls in one turn of the runtime, so that timers and tokio's own budget come into their own.
const TURN: usize = 16;

/// One poll of so many is of a task that nobody has woken, which must bear it.
const UNASKED: usize = 8;

/// A future that polls its tasks one at a time, in an order that a seed tells, until all have ended.
pub struct Scheduler<'a> {
    rng: Rng,
    tasks: Vec<Task<'a>>,
    turn: Arc<AtomicWaker>,
}

struct Task<'a> {
    future: Pin<Box<dyn Future<Output = ()> + 'a>>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

/// Remembers that a task was woken.
struct Alarm {
    is_on: AtomicBool,
    turn: Arc<AtomicWaker>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.is_on.store(true, Ordering::SeqCst);
        self.turn.wake();
    }
}

impl<'a> Scheduler<'a> {
    /// Without tasks.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            tasks: Vec::new(),
            turn: Arc::default(),
        }
    }

    /// Adds a task.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'a) {
        let alarm = Arc::new(Alarm {
            is_on: AtomicBool::new(true),
            turn: self.turn.clone(),
        });
        self.tasks.push(Task {
            future: Box::pin(future),
            waker: Waker::from(alarm.clone()),
            alarm,
        });
    }

    /// Which task is polled next, if one is to be.
    fn next(&mut self) -> Option<usize> {
        let is_on = |task: &Task<'_>| task.alarm.is_on.load(Ordering::SeqCst);
        let woken: Vec<_> = (0..self.tasks.len())
            .filter(|at| is_on(&self.tasks[*at]))
            .collect();
        let next = self.rng.choice(woken)?;
        match self.rng.usize(..UNASKED) {
            0 => Some(self.rng.usize(..self.tasks.len())),
            _ => Some(next),
        }
    }
}

impl Future for Scheduler<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.turn.register(cx.waker());
        for _ in 0..TURN {
            if self.tasks.is_empty() {
                return Poll::Ready(());
            }
            let Some(at) = self.next() else {
                return Poll::Pending;
            };
            let task = &mut self.tasks[at];
            task.alarm.is_on.store(false, Ordering::SeqCst);
            let polled = task
                .future
                .as_mut()
                .poll(&mut Context::from_waker(&task.waker));
            if polled.is_ready() {
                // What it holds is dropped at once, as in any executor.
                drop(self.tasks.swap_remove(at));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl fmt::Debug for Scheduler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

/// Polls `future` so often at most, then drops it: `None` if it had not ended by then.
pub async fn cancelled_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Lets the others have their turn.
pub(super) async fn pause() {
    let mut is_over = false;
    poll_fn(move |cx| match is_over {
        true => Poll::Ready(()),
        false => {
            is_over = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

//! Whose turn it is, of several dials of one peer, to say who we are.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::{Either, select};
use tokio::{
    sync::{Notify, OnceCell, OwnedSemaphorePermit, Semaphore, watch},
    time::sleep,
};

use crate::{Error, ErrorKind};

tokio::task_local! {
    /// The dial that is being polled, where it is one of several.
    static DIAL: Arc<Dial>;
}

/// Waits until this dial may say who we are. Cancel safe.
///
/// When several ways to a peer are dialed at once, each of them may reach somebody else, and only one at a time shall
/// learn who is dialing. So a [`Transform`](crate::Transform) that dials awaits this just before the first byte that
/// depends on our identity, such as a key or a proof, even an encrypted one. The turn lasts until the whole dial has
/// failed or is done; a second call in it, by a layer further up, returns at once. So does every call in a dial that is
/// alone.
///
/// It knows the dial by the task that polls it. A middleware that moves a dial into a task of its own
/// (`tokio::spawn`) takes it out of the order.
pub async fn turn() {
    let mut next = DIAL.try_with(Arc::clone).ok();
    // Of a dial inside a dial the inner one first: both always in this order, so that none waits for the other.
    while let Some(dial) = next {
        dial.take_turn().await;
        next = dial.outer.upgrade();
    }
    // It tries nobody's patience before it has them all.
    let mut next = DIAL.try_with(Arc::clone).ok();
    while let Some(dial) = next {
        dial.begun.notify_one();
        next = dial.outer.upgrade();
    }
}

/// The order in which several dials of one peer say who we are: one after the other. See [`turn`].
///
/// ```
/// use std::{cell::Cell, time::Duration};
/// use tower_multiserver_core::{Error, Turns, turn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Error> {
/// let (turns, saying) = (Turns::new(Duration::from_secs(3)), Cell::new(0));
/// let dial = async || {
///     turn().await;
///     saying.set(saying.get() + 1);
///     assert_eq!(saying.get(), 1);
///     tokio::task::yield_now().await;
///     saying.set(0);
///     Ok::<_, Error>(())
/// };
/// let (one, other) = tokio::join!(turns.of(dial()), turns.of(dial()));
/// one.and(other)
/// # }
/// ```
pub struct Turns {
    one: Arc<Semaphore>,
    waiting: watch::Sender<usize>,
    patience: Duration,
}

impl Turns {
    /// A new order. A dial that has had its turn for longer than `patience` is given up as soon as another one waits, so
    /// that a peer which falls silent in the middle of a handshake does not keep us from the others.
    pub fn new(patience: Duration) -> Self {
        Self {
            one: Arc::new(Semaphore::new(1)),
            waiting: watch::Sender::new(0),
            patience,
        }
    }

    /// Runs `dial` as one of those that take turns.
    ///
    /// # Errors
    ///
    /// Its own, or one of kind [`Timeout`](ErrorKind::Timeout) when it was given up in favour of another.
    pub async fn of<T>(&self, dial: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let this = Arc::new(Dial {
            one: Arc::clone(&self.one),
            waiting: self.waiting.clone(),
            turn: OnceCell::new(),
            begun: Notify::new(),
            outer: DIAL.try_with(Arc::downgrade).unwrap_or_default(),
        });
        let outstayed = async {
            this.begun.notified().await;
            sleep(self.patience).await;
            // Its sender is `self`.
            let _ = self.waiting.subscribe().wait_for(|dials| *dials > 0).await;
        };
        let dial = pin!(DIAL.scope(Arc::clone(&this), dial));
        match select(dial, pin!(outstayed)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(Error::new(
                ErrorKind::Timeout,
                "it fell silent while others waited for their turn",
            )),
        }
    }
}

/// One of those that take turns. With it ends its turn.
struct Dial {
    one: Arc<Semaphore>,
    waiting: watch::Sender<usize>,
    turn: OnceCell<OwnedSemaphorePermit>,
    /// Told when it may say who we are.
    begun: Notify,
    outer: Weak<Dial>,
}

impl Dial {
    async fn take_turn(&self) {
        let wait = async {
            let _waiting = Waiting::new(&self.waiting);
            let turn = Arc::clone(&self.one).acquire_owned().await;
            #[expect(clippy::expect_used, reason = "nothing closes it")]
            turn.expect("the semaphore is never closed")
        };
        self.turn.get_or_init(|| wait).await;
    }
}

/// Counts one more that waits, as long as it lives.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|dials| *dials = dials.saturating_add(1));
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|dials| *dials = dials.saturating_sub(1));
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::{
        sync::oneshot,
        time::{Instant, timeout},
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(3);

    async fn hold_for(time: Duration) -> Result<Instant, Error> {
        turn().await;
        sleep(time).await;
        Ok(Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_dial_that_is_alone_never_waits() {
        timeout(Duration::ZERO, turn()).await.unwrap();
        let start = Instant::now();
        let alone = Turns::new(PATIENCE);
        let end = alone.of(hold_for(PATIENCE * 2)).await.unwrap();
        assert_eq!(end - start, PATIENCE * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_turn_begins_when_the_whole_dial_has_ended() {
        let (start, turns) = (Instant::now(), Turns::new(PATIENCE));
        let second = Duration::from_secs(1);
        let dial = || {
            turns.of(async {
                turn().await;
                turn().await;
                hold_for(second).await
            })
        };
        let (one, other) = tokio::join!(dial(), dial());
        assert_eq!(one.unwrap() - start, second);
        assert_eq!(other.unwrap() - start, second * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_falls_silent_in_its_turn_is_given_up_when_another_waits() {
        let (start, turns) = (Instant::now(), Turns::new(PATIENCE));
        let late = async {
            sleep(PATIENCE * 2).await;
            turns.of(hold_for(Duration::ZERO)).await
        };
        let silent = turns.of(async {
            turn().await;
            pending::<Result<(), Error>>().await
        });
        let (silent, late) = tokio::join!(silent, late);
        assert_eq!(silent.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(late.unwrap() - start, PATIENCE * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dial_that_is_dropped_gives_its_turn_away() {
        let turns = Turns::new(PATIENCE);
        let (taken, has_taken) = oneshot::channel();
        let holding = turns.of(async {
            turn().await;
            taken.send(()).unwrap();
            pending::<Result<(), Error>>().await
        });
        let dropped = async {
            tokio::select! {
                _ = holding => unreachable!("it never ends"),
                taken = has_taken => taken.unwrap(),
            }
        };
        dropped.await;
        turns.of(hold_for(Duration::ZERO)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_dial_within_a_dial_has_its_turn_when_it_has_both() {
        let (outer, inner) = (Turns::new(PATIENCE * 2), Turns::new(PATIENCE));
        let start = Instant::now();
        let (first, second, third) = tokio::join!(
            outer.of(hold_for(PATIENCE)),
            // Waits for the first, and then the third for it.
            outer.of(inner.of(hold_for(PATIENCE / 2))),
            inner.of(hold_for(Duration::ZERO)),
        );
        assert_eq!(first.unwrap() - start, PATIENCE);
        assert_eq!(second.unwrap() - start, PATIENCE * 3 / 2);
        assert_eq!(third.unwrap() - start, PATIENCE * 3 / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dial_within_a_dial_waits_for_both() {
        let (outer, inner) = (Turns::new(PATIENCE), Turns::new(PATIENCE));
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let (one, other) = tokio::join!(
            outer.of(hold_for(second)),
            outer.of(inner.of(hold_for(second))),
        );
        assert_eq!(one.unwrap() - start, second);
        assert_eq!(other.unwrap() - start, second * 2);
    }
}

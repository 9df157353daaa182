//! What two sides of a connection say to each other, and what must come of it.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io::{self, IoSlice},
    pin::pin,
    task::{Context, Poll, Waker},
};

use fastrand::Rng;
use futures_util::future;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Connection, Io};

use super::{
    Fault, Promise, Scheduler, Side, Tap, cancelled_after,
    plan::{Plan, Trouble},
    scheduler,
};

/// One conversation.
#[derive(Debug)]
pub(super) struct Dialog {
    plan: Plan,
    tap: Tap,
    /// Whether an end is told from a cut.
    tells_cuts: bool,
    /// What was written goes out without a flush.
    is_prompt: bool,
    /// What is read is what was said.
    is_exact: [bool; 2],
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What either side says.
    lanes: [Lane; 2],
    /// Who has left, or could not stay.
    is_gone: [bool; 2],
    /// Whose end takes the other direction with it.
    ends_both: [bool; 2],
    /// Whose end is held back until the other has ended, or it is dropped.
    holds_end: [bool; 2],
    waiting: Vec<Waker>,
}

#[derive(Debug, Default)]
struct Lane {
    said: u64,
    heard: u64,
    /// The speaker has begun to say that it ends.
    is_ending: bool,
    /// How the speaker ended.
    speech: End,
    /// How the listener did.
    hearing: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    /// It goes on, or went on to no end.
    #[default]
    Open,
    Clean,
    Failed,
}

impl Dialog {
    pub(super) fn new(plan: Plan, tap: Tap, missing: &[Promise]) -> Self {
        let is_changed = |side| {
            let flips = |trouble| matches!(trouble, Trouble::Fault(Fault::Flip { .. }));
            let trouble = plan.trouble;
            trouble.is_some_and(|(who, trouble)| who == side && flips(trouble))
        };
        let notices = !missing.contains(&Promise::Changes);
        Self {
            plan,
            tap,
            tells_cuts: !missing.contains(&Promise::Cuts),
            is_prompt: !missing.contains(&Promise::Unflushed) && !plan.manner.waits_for_flush,
            is_exact: Side::BOTH.map(|side| notices || !is_changed(side)),
            state: RefCell::default(),
        }
    }

    /// Of the tasks in which it goes on.
    pub(super) fn scheduler(&self) -> Scheduler<'_> {
        Scheduler::new(self.plan.seed)
    }

    /// Lets `side` talk in tasks of the scheduler.
    pub(super) fn join<'a, I: Io>(
        &'a self,
        side: Side,
        connection: Connection<I>,
        scheduler: &mut Scheduler<'a>,
    ) {
        let info = connection.info();
        let takes_shutdown = info.takes_shutdown();
        let holds_end = takes_shutdown && !info.has_half_close();
        {
            let mut state = self.state.borrow_mut();
            state.ends_both[side as usize] = !takes_shutdown;
            state.holds_end[side as usize] = holds_end;
        }
        let mut rng = Rng::with_seed(self.plan.seed ^ (1 + side as u64));
        let (speaking, hearing) = (rng.fork(), rng);
        let (reader, writer) = tokio::io::split(connection);
        let speak = self.speak(side, writer, speaking);
        let hear = self.hear(side, reader, hearing);
        match self.plan.splits[side as usize] {
            true => {
                scheduler.spawn(speak);
                scheduler.spawn(hear);
            }
            false => scheduler.spawn(async {
                future::join(speak, hear).await;
            }),
        }
    }

    /// Tells that `side` has no connection.
    pub(super) fn stay_away(&self, side: Side) {
        self.leave(side);
        self.state.borrow_mut().lanes[side.other() as usize].hearing = End::Failed;
    }

    /// Whether `side` had a connection.
    pub(super) fn has_connected(&self, side: Side) -> bool {
        let state = self.state.borrow();
        state.lanes[side as usize].speech != End::Open || !state.is_gone[side as usize]
    }

    /// Checks what came of it.
    pub(super) fn judge(&self) {
        let plan = self.plan;
        let state = self.state.borrow();
        for side in Side::BOTH {
            let lane = &state.lanes[side as usize];
            let is_whole = lane.is_ending && lane.heard == lane.said;
            if plan.trouble.is_none() {
                let all = plan.lengths[side as usize];
                let is_clean = [lane.speech, lane.hearing] == [End::Clean; 2];
                let is_good = is_whole && is_clean && lane.heard == all;
                assert!(
                    is_good,
                    "{side:?} was not heard to its end: {lane:?}: {plan:?}"
                );
            }
            let Some((who, trouble)) = plan.trouble else {
                continue;
            };
            // Who went without it has heard no end.
            let has_gone = side == Side::Acceptor && state.holds_end[Side::Dialer as usize];
            let is_clean = lane.hearing == End::Clean && !has_gone;
            if self.tells_cuts && self.is_exact[side as usize] {
                assert!(
                    !is_clean || is_whole,
                    "an end that {side:?} did not say: {lane:?}: {plan:?}"
                );
                let is_cut = matches!(trouble, Trouble::Fault(Fault::Cut(_)));
                if who == side && is_cut && self.tap.has_struck(side) {
                    assert!(!is_clean, "a cut of {side:?} is no end: {lane:?}: {plan:?}");
                }
            }
        }
    }

    async fn speak(&self, side: Side, mut io: impl AsyncWrite + Unpin, mut rng: Rng) {
        let end = self.while_there(side, self.say_all(side, &mut io, &mut rng));
        let end = match end.await {
            Some(Ok(true)) => End::Clean,
            Some(Ok(false)) => {
                self.leave(side);
                End::Open
            }
            Some(Err(error)) => {
                self.excuse(side, "write", &error);
                self.leave(side);
                End::Failed
            }
            None => End::Failed,
        };
        self.change(|state| state.lanes[side as usize].speech = end);
    }

    /// Whether it has said all, and not left before.
    async fn say_all(
        &self,
        side: Side,
        io: &mut (impl AsyncWrite + Unpin),
        rng: &mut Rng,
    ) -> io::Result<bool> {
        let all = self.plan.lengths[side as usize];
        let mut said = 0;
        loop {
            if let Some((who, Trouble::Leave(at))) = self.plan.trouble
                && who == side
                && said >= at
            {
                return Ok(false);
            }
            if said == all {
                break;
            }
            // After a cancelled call it is another text than before.
            let length = 1 + rng.u64(..(all - said).min(self.plan.piece as u64));
            let text: Vec<u8> = (said..said + length)
                .map(|at| self.byte(side, at))
                .collect();
            if let Some(count) = self.write(io, &text, rng).await {
                let count = count?;
                assert!((1..=text.len()).contains(&count), "{count} of {length}");
                said += count as u64;
                self.change(|state| state.lanes[side as usize].said = said);
            }
            if rng.u8(..4) == 0 {
                self.maybe(rng, io.flush()).await.transpose()?;
            }
            if rng.u8(..6) == 0 {
                if self.is_prompt {
                    self.heard_or_alone(side, said).await;
                }
                io.flush().await?;
                self.heard(side, said).await;
            }
        }
        if self.state.borrow().ends_both[side as usize] {
            io.flush().await?;
            self.all_heard().await;
        }
        self.change(|state| state.lanes[side as usize].is_ending = true);
        while self.maybe(rng, io.shutdown()).await.transpose()?.is_none() {}
        assert!(io.write(&[1]).await.is_err(), "a write behind the end");
        Ok(true)
    }

    async fn write(
        &self,
        io: &mut (impl AsyncWrite + Unpin),
        text: &[u8],
        rng: &mut Rng,
    ) -> Option<io::Result<usize>> {
        if rng.bool() {
            return self.maybe(rng, io.write(text)).await;
        }
        let (first, second) = text.split_at(rng.usize(..=text.len()));
        let texts = [IoSlice::new(first), IoSlice::new(second)];
        self.maybe(rng, io.write_vectored(&texts)).await
    }

    async fn hear(&self, side: Side, mut io: impl AsyncRead + Unpin, mut rng: Rng) {
        let from = side.other();
        let end = self.while_there(side, self.hear_all(from, &mut io, &mut rng));
        let end = match end.await {
            Some(Ok(())) => End::Clean,
            Some(Err(error)) => {
                self.excuse(side, "read", &error);
                End::Failed
            }
            None => End::Failed,
        };
        if end == End::Failed {
            self.leave(side);
        }
        self.change(|state| state.lanes[from as usize].hearing = end);
    }

    async fn hear_all(
        &self,
        from: Side,
        io: &mut (impl AsyncRead + Unpin),
        rng: &mut Rng,
    ) -> io::Result<()> {
        let mut buf = vec![0; self.plan.piece];
        loop {
            let size = rng.usize(1..=buf.len());
            let buf = &mut buf[..size];
            let read = self.maybe(rng, io.read(buf));
            let Some(read) = self.unless(|state| self.is_enough(state, from), read).await else {
                return Ok(());
            };
            let Some(count) = read.transpose()? else {
                continue;
            };
            if count == 0 {
                break;
            }
            self.listen(from, &buf[..count]);
        }
        // An end is told for good.
        for _ in 0..2 {
            let again = io.read(&mut buf).await;
            assert!(
                matches!(again, Ok(0)),
                "{again:?} behind the end: {:?}",
                self.plan
            );
        }
        Ok(())
    }

    /// Whether the listener goes without an end: of two sides that hold theirs back, the dialer does.
    fn is_enough(&self, state: &State, from: Side) -> bool {
        let (lanes, listener) = (&state.lanes, from.other());
        listener == Side::Dialer
            && state.holds_end[listener as usize]
            && lanes[listener as usize].speech != End::Open
            && lanes[from as usize].heard >= self.plan.lengths[from as usize]
    }

    fn listen(&self, from: Side, text: &[u8]) {
        let is_exact = self.is_exact[from as usize];
        self.change(|state| {
            let lane = &mut state.lanes[from as usize];
            for byte in text {
                let is_right = *byte == self.byte(from, lane.heard);
                assert!(is_right || !is_exact, "at {}: {:?}", lane.heard, self.plan);
                lane.heard += 1;
            }
            let was_said = lane.heard <= lane.said || !is_exact;
            assert!(was_said, "{lane:?} was never said: {:?}", self.plan);
        });
    }

    /// What a side says at that place.
    fn byte(&self, side: Side, at: u64) -> u8 {
        let mixed = (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0];
        (mixed ^ (side as u8)) & self.plan.mask
    }

    /// Awaits `future`, or cancels it and lets others have their turn.
    async fn maybe<F: Future>(&self, rng: &mut Rng, future: F) -> Option<F::Output> {
        if rng.u8(..) >= self.plan.cancels {
            return Some(future.await);
        }
        let output = cancelled_after(rng.usize(1..4), future).await;
        if output.is_none() {
            scheduler::pause().await;
        }
        output
    }

    /// Waits until so much of what `side` said is heard, or nobody listens.
    async fn heard(&self, side: Side, said: u64) {
        self.until(|state| {
            let lane = &state.lanes[side as usize];
            lane.heard >= said || lane.hearing != End::Open
        })
        .await;
    }

    /// Waits until so much of what `side` said is heard, or it does not listen itself any more.
    async fn heard_or_alone(&self, side: Side, said: u64) {
        self.until(|state| {
            let listens = state.lanes[side.other() as usize].hearing == End::Open;
            state.lanes[side as usize].heard >= said || !listens
        })
        .await;
    }

    /// Waits until all that is to be said is heard, or nobody listens.
    async fn all_heard(&self) {
        for side in Side::BOTH {
            self.heard(side, self.plan.lengths[side as usize]).await;
        }
    }

    /// Awaits `future` unless `side` leaves before.
    async fn while_there<F: Future>(&self, side: Side, future: F) -> Option<F::Output> {
        self.unless(|state| state.is_gone[side as usize], future)
            .await
    }

    /// Awaits `future` unless it is so before.
    async fn unless<F: Future>(
        &self,
        is_so: impl Fn(&State) -> bool,
        future: F,
    ) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if is_so(&self.state.borrow()) {
                return Poll::Ready(None);
            }
            self.wait(cx);
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        poll_fn(|cx| {
            if is_so(&self.state.borrow()) {
                return Poll::Ready(());
            }
            self.wait(cx);
            Poll::Pending
        })
        .await;
    }

    fn wait(&self, cx: &Context<'_>) {
        let waiting = &mut self.state.borrow_mut().waiting;
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
    }

    fn leave(&self, side: Side) {
        self.change(|state| state.is_gone[side as usize] = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waiting = {
            let mut state = self.state.borrow_mut();
            change(&mut state);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// An error must have its reason in the plan.
    fn excuse(&self, side: Side, what: &str, error: &io::Error) {
        let plan = self.plan;
        let sent = Side::BOTH.map(|side| self.tap.sent(side));
        assert!(
            plan.trouble.is_some(),
            "a {what} of {side:?} failed: {error}: {sent:?}: {plan:?}"
        );
    }
}

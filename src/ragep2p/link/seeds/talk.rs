//! The tasks of one connection: both links, who speaks and who listens, and whoever makes trouble.

use std::cell::Cell;

use fastrand::Rng;
use futures_util::{FutureExt as _, SinkExt as _};
use tokio::task::yield_now;
use tower_multiserver_core::testing::{Scheduler, Side, Wire, cancelled_after, pipe};

use super::{super::*, Case, Lane, Trouble, id};
use crate::ragep2p::{SendError, Stream};

/// A listener hears no more once nothing has come for so long, and nobody speaks.
const SILENCE: Duration = Duration::from_secs(2);

/// What is said over one connection.
pub(super) struct Talk<'a> {
    case: &'a Case,
    trouble: Option<Trouble>,
    /// So many calls of 256 are given up.
    cancels: u8,
    /// Another connection waits at the side; or it has ended, where its reader and its writer are tasks of their own.
    replaced: [CancellationToken; 2],
    /// The side closes its streams.
    closed: [CancellationToken; 2],
    /// So many tasks of the links still run.
    links: Cell<usize>,
    /// Both links have ended.
    down: CancellationToken,
    /// So many speak or listen.
    talkers: Cell<usize>,
    /// Nobody does any more.
    quiet: CancellationToken,
    /// Whether all was heard before a link ended.
    pub(super) is_whole: Cell<bool>,
}

impl<'a> Talk<'a> {
    pub(super) fn new(case: &'a Case, trouble: Option<Trouble>, rng: &mut Rng) -> Self {
        Self {
            case,
            trouble,
            cancels: rng.choice([0, 40, 128]).unwrap(),
            replaced: Default::default(),
            closed: Default::default(),
            links: Cell::new(0),
            down: CancellationToken::new(),
            talkers: Cell::new(0),
            quiet: CancellationToken::new(),
            is_whole: Cell::new(false),
        }
    }

    pub(super) async fn run(&self, wires: [Wire; 2], rng: &mut Rng) {
        let peers = Side::BOTH.map(|side| {
            let peer = self.case.hosts[side as usize].find(id(side.other()));
            peer.expect("there are streams")
        });
        let mut scheduler = Scheduler::new(rng.u64(..));
        for ((side, peer), wire) in Side::BOTH.into_iter().zip(&peers).zip(wires) {
            peer.connected();
            let connection = pipe(wire).boxed();
            match rng.bool() {
                true => self.spawn_link(&mut scheduler, side, peer, connection),
                false => self.spawn_halves(&mut scheduler, side, peer, connection),
            }
            for lane in &self.case.lanes {
                let stream = lane.streams[side as usize].take();
                let stream = stream.expect("it was opened");
                self.talkers.set(self.talkers.get() + 1);
                scheduler.spawn(self.talk(side, lane, stream, rng.fork()));
            }
        }
        scheduler.spawn(self.make_trouble());
        scheduler.spawn(self.end(rng.choice(Side::BOTH).unwrap(), rng.bool()));
        scheduler.await;
    }

    fn spawn_link<'b>(
        &'b self,
        scheduler: &mut Scheduler<'b>,
        side: Side,
        peer: &'b Peer,
        connection: Connection,
    ) {
        let replaced = &self.replaced[side as usize];
        let polls = self.polls(side);
        self.links.set(self.links.get() + 1);
        scheduler.spawn(async move {
            let ended = cancelled_after(polls, run(peer, connection, replaced)).await;
            self.link_ended(side, peer, ended);
        });
    }

    /// The same as [`run`], in two tasks.
    fn spawn_halves<'b>(
        &'b self,
        scheduler: &mut Scheduler<'b>,
        side: Side,
        peer: &'b Peer,
        connection: Connection,
    ) {
        let (from, mut to) = split(connection);
        let reader = Reader {
            peer,
            io: BufReader::with_capacity(READ_BUFFER, from),
            metered: Metered::default(),
        };
        let replaced = &self.replaced[side as usize];
        let polls = self.polls(side);
        self.links.set(self.links.get() + 2);
        scheduler.spawn(async move {
            let reader = cancelled_after(polls, reader.run());
            let ended = replaced.run_until_cancelled(reader).await.flatten();
            self.link_ended(side, peer, ended.map(either));
        });
        scheduler.spawn(async move {
            let writer = cancelled_after(polls, write(peer, &mut to));
            let ended = replaced.run_until_cancelled(writer).await.flatten();
            self.link_ended(side, peer, ended.map(either));
        });
    }

    /// After how many polls the side gives its link up.
    fn polls(&self, side: Side) -> usize {
        match self.trouble {
            Some(Trouble::Abort(who, polls)) if who == side => polls,
            _ => usize::MAX,
        }
    }

    fn link_ended(&self, side: Side, peer: &Peer, ended: Option<Ended>) {
        assert!(
            !matches!(ended, Some(Ended::Violated(_))),
            "{side:?} breaks a rule: {ended:?}"
        );
        self.replaced[side as usize].cancel();
        peer.mux().disconnected();
        self.links.set(self.links.get() - 1);
        if self.links.get() == 0 {
            self.down.cancel();
        }
    }

    async fn make_trouble(&self) {
        let (Some(Trouble::Replace(side, turns)) | Some(Trouble::Close(side, turns))) =
            self.trouble
        else {
            return;
        };
        for _ in 0..turns {
            yield_now().await;
        }
        match self.trouble {
            Some(Trouble::Replace(..)) => self.replaced[side as usize].cancel(),
            _ => self.close(side),
        }
    }

    /// Ends the links once all is said and heard.
    async fn end(&self, side: Side, closes: bool) {
        self.quiet.cancelled().await;
        let has_struck = self.down.is_cancelled() || self.closed.iter().any(|it| it.is_cancelled());
        self.is_whole.set(!has_struck);
        match closes {
            true => self.close(side),
            false => self.replaced[side as usize].cancel(),
        }
    }

    fn close(&self, side: Side) {
        self.closed[side as usize].cancel();
        for lane in &self.case.lanes {
            drop(lane.streams[side as usize].take());
        }
    }

    async fn talk(&self, side: Side, lane: &Lane, mut stream: Stream, rng: Rng) {
        let closed = &self.closed[side as usize];
        tokio::select! {
            biased;
            () = self.down.cancelled() => {}
            () = closed.cancelled() => {}
            () = self.talk_on(side, lane, &mut stream, rng) => {}
        }
        if !closed.is_cancelled() {
            lane.streams[side as usize].replace(Some(stream));
        }
        self.talkers.set(self.talkers.get() - 1);
        if self.talkers.get() == 0 {
            self.quiet.cancel();
        }
    }

    async fn talk_on(&self, side: Side, lane: &Lane, stream: &mut Stream, mut rng: Rng) {
        if side == lane.from {
            let said = self.say(lane, stream, &mut rng).await;
            said.expect("it is open");
            lane.is_over.set(true);
        } else if self.case.is_tight {
            self.hear_some(lane, stream, &mut rng).await;
        } else {
            self.hear_all(lane, stream, &mut rng).await;
        }
    }

    async fn say(&self, lane: &Lane, stream: &mut Stream, rng: &mut Rng) -> Result<(), SendError> {
        while lane.said.get() < lane.until.get() {
            let message = lane.message(lane.said.get()).into();
            let said = match self.case.is_tight && rng.bool() {
                true => {
                    sleep(Duration::from_millis(rng.u64(..1000))).await;
                    Some(Stream::send(stream, message).map(drop))
                }
                // One that is given up at an await is not said.
                false => self.maybe(rng, stream.feed(message)).await,
            };
            if said.transpose()?.is_some() {
                lane.said.set(lane.said.get() + 1);
            }
            if rng.u8(..4) == 0 {
                self.maybe(rng, stream.flush()).await.transpose()?;
            }
        }
        stream.flush().await
    }

    async fn hear_all(&self, lane: &Lane, stream: &mut Stream, rng: &mut Rng) {
        while lane.heard.get() < lane.until.get() {
            let message = self.maybe(rng, stream.recv()).await;
            if let Some(message) = message {
                self.heard(lane, &message.expect("it is open"));
            }
        }
        assert!(stream.recv().now_or_never().is_none(), "there is more");
    }

    /// As many as the limits let in.
    async fn hear_some(&self, lane: &Lane, stream: &mut Stream, rng: &mut Rng) {
        loop {
            match timeout(SILENCE, stream.recv()).await {
                Ok(message) => self.heard(lane, &message.expect("it is open")),
                Err(_) if lane.is_over.get() => return,
                Err(_) => {}
            }
            if rng.bool() {
                sleep(Duration::from_millis(rng.u64(..3000))).await;
                let mut waited = 0;
                while let Some(message) = stream.recv().now_or_never() {
                    self.heard(lane, &message.expect("it is open"));
                    waited += 1;
                }
                assert!(waited <= lane.most_waiting(), "{waited} wait: {lane:?}");
            }
            if rng.u8(..8) == 0 {
                let limits = rng.choice(lane.limits).unwrap();
                stream.update_limits(limits).expect("they can be");
            }
        }
    }

    fn heard(&self, lane: &Lane, message: &[u8]) {
        lane.hear(message, self.case.is_tight);
        let heard = (lane.number, message.to_vec());
        self.case.course.borrow_mut().note(heard);
    }

    /// Awaits `future`, or gives it up and lets others have their turn.
    async fn maybe<F: Future>(&self, rng: &mut Rng, future: F) -> Option<F::Output> {
        if rng.u8(..) >= self.cancels {
            return Some(future.await);
        }
        let output = cancelled_after(rng.usize(1..4), future).await;
        if output.is_none() {
            yield_now().await;
        }
        output
    }
}

fn either(ended: Result<Ended, Ended>) -> Ended {
    ended.unwrap_or_else(|ended| ended)
}

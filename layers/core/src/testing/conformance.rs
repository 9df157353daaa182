//! Checks that hold of every layer.

use std::{cell::RefCell, fmt, time::Duration};

use futures_util::future::join;
use tokio::time::timeout;

use crate::{Connection, Error, FromSection, Io, Role, Transform};

use super::{
    Fault, Manner, Scheduler, Side, Wire, cancelled_after,
    dialog::Dialog,
    pipe,
    plan::{Plan, Trouble},
    seeds,
};

/// What ends no sooner than so hangs. With paused time that is found at once.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a layer may not promise, beside what all must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Promise {
    /// The end of the transport is told from that of the peer.
    Cuts,
    /// A byte that was changed on the way is never read.
    Changes,
    /// What was written goes out without a flush, as long as somebody reads.
    Unflushed,
}

/// The checks of the two sides of a layer. See the [module](super).
pub struct Suite<D, A> {
    name: String,
    dial: D,
    accept: A,
    missing: Vec<Promise>,
    room: usize,
}

/// The checks of a transform. What is dialed is the section that `accept` advertises.
#[expect(
    clippy::type_complexity,
    reason = "the two closures have no names, and a suite is used as a whole"
)]
pub fn transform<D: Transform, A: Transform>(
    dial: D,
    accept: A,
) -> Suite<
    impl AsyncFn(Connection<Wire>) -> Result<Connection<D::Io<Wire>>, Error>,
    impl AsyncFn(Connection<Wire>) -> Result<Connection<A::Io<Wire>>, Error>,
> {
    let name = accept.name().to_owned();
    let section = accept.section();
    connections(
        &name,
        async move |connection| {
            let args = D::Args::from_section(&section)?;
            dial.clone().upgrade(connection, Role::Dial(args)).await
        },
        async move |connection| accept.clone().upgrade(connection, Role::Accept).await,
    )
}

/// The checks of whatever makes connections over a stream: of several layers, or of a transport's own protocol.
pub fn connections<D, A, I: Io, J: Io>(name: &str, dial: D, accept: A) -> Suite<D, A>
where
    D: AsyncFn(Connection<Wire>) -> Result<Connection<I>, Error>,
    A: AsyncFn(Connection<Wire>) -> Result<Connection<J>, Error>,
{
    Suite {
        name: name.to_owned(),
        dial,
        accept,
        missing: Vec::new(),
        room: 1,
    }
}

impl<D, A> Suite<D, A> {
    /// Says what the layer does not promise.
    #[must_use]
    pub fn without(mut self, promises: impl IntoIterator<Item = Promise>) -> Self {
        self.missing.extend(promises);
        self
    }

    /// Says that the transport must hold so many bytes each way, or the two sides wait for each other: of a protocol in which
    /// both speak at the same time. One byte is enough unless told otherwise.
    #[must_use]
    pub fn needs_room(mut self, bytes: usize) -> Self {
        self.room = bytes;
        self
    }
}

impl<D, A, I: Io, J: Io> Suite<D, A>
where
    D: AsyncFn(Connection<Wire>) -> Result<Connection<I>, Error>,
    A: AsyncFn(Connection<Wire>) -> Result<Connection<J>, Error>,
{
    /// All checks, with so many seeds.
    ///
    /// # Panics
    ///
    /// Where the layer breaks a promise.
    pub async fn run(&self, count: u64) {
        self.truncations().await;
        self.cancellations().await;
        self.seeds(count).await;
    }

    /// Ends the transport at every byte that either side sends in its handshake.
    ///
    /// # Panics
    ///
    /// Where the layer breaks a promise.
    pub async fn truncations(&self) {
        let lengths = self.handshake_lengths().await;
        for (side, length) in Side::BOTH.into_iter().zip(lengths) {
            for at in 0..length {
                let trouble = Trouble::Fault(Fault::Cut(at));
                self.case(Plan::smooth(Some((side, trouble)))).await;
            }
        }
        let [there, back] = lengths;
        println!(
            "measured {}\tends in a handshake\t{}",
            self.name,
            there + back
        );
    }

    /// Drops the handshake of either side at each of its awaits.
    ///
    /// # Panics
    ///
    /// Where the layer breaks a promise.
    pub async fn cancellations(&self) {
        // A byte at a time, so that there are many.
        let manner = Manner {
            piece: 1,
            ..Manner::SMOOTH
        };
        let mut count = 0;
        for side in Side::BOTH {
            for polls in 0.. {
                let plan = Plan {
                    manner,
                    ..Plan::smooth(Some((side, Trouble::Abandon(polls))))
                };
                count += 1;
                if self.case(plan).await.has_connected(side) {
                    break;
                }
            }
        }
        println!("measured {}\tdropped handshakes\t{count}", self.name);
    }

    /// A conversation for each of so many seeds.
    ///
    /// # Panics
    ///
    /// Where the layer breaks a promise.
    pub async fn seeds(&self, count: u64) {
        let case = async |seed| drop(self.case(Plan::draw(seed, self.room)).await);
        seeds(&self.name, count, case).await;
    }

    /// So many bytes either side sends until both have finished their handshakes, the dialer first.
    async fn handshake_lengths(&self) -> [u64; 2] {
        let (near, far, tap) = Wire::pair(Manner::SMOOTH, 0);
        let (dial, accept) = join((self.dial)(pipe(near)), (self.accept)(pipe(far))).await;
        dial.expect("a dialer connects where nothing is wrong");
        accept.expect("an acceptor connects where nothing is wrong");
        Side::BOTH.map(|side| tap.sent(side))
    }

    async fn case(&self, plan: Plan) -> Dialog {
        let (near, far, tap) = Wire::pair(plan.manner, plan.seed);
        if let Some((side, Trouble::Fault(fault))) = plan.trouble {
            tap.set_fault(side, fault);
        }
        let dialog = Dialog::new(plan, tap, &self.missing);
        let mut case = Box::pin(async {
            let (dialed, accepted) = self.shake_hands(plan, near, far).await;
            Self::talk(&dialog, dialed, accepted).await;
        });
        let ended = timeout(PATIENCE, &mut case).await;
        // A length that was changed may be waited for: until the deadline of a handshake, or as long as an application does.
        let may_wait = matches!(plan.trouble, Some((_, Trouble::Fault(Fault::Flip { .. }))));
        assert!(may_wait || ended.is_ok(), "{} hangs: {dialog:?}", self.name);
        drop(case);
        dialog.judge();
        dialog
    }

    /// What became of either side.
    async fn shake_hands(
        &self,
        plan: Plan,
        near: Wire,
        far: Wire,
    ) -> (Option<Connection<I>>, Option<Connection<J>>) {
        let (dialed, accepted) = (RefCell::new(None), RefCell::new(None));
        let with_ends = |connection: Connection<Wire>| match plan.manner.half_close {
            true => connection.with(crate::HalfClose),
            false => connection,
        };
        let polls = |side| match plan.trouble {
            Some((who, Trouble::Abandon(polls))) if who == side => polls,
            _ => usize::MAX,
        };
        let mut scheduler = Scheduler::new(plan.seed);
        scheduler.spawn(async {
            let dial = (self.dial)(with_ends(pipe(near)));
            let end = cancelled_after(polls(Side::Dialer), dial).await;
            dialed.replace(end);
        });
        scheduler.spawn(async {
            let accept = (self.accept)(with_ends(pipe(far)));
            let end = cancelled_after(polls(Side::Acceptor), accept).await;
            accepted.replace(end);
        });
        scheduler.await;
        let dialed = self.connected(plan, dialed.take());
        (dialed, self.connected(plan, accepted.take()))
    }

    fn connected<C>(&self, plan: Plan, end: Option<Result<C, Error>>) -> Option<C> {
        let end = end.transpose();
        if plan.trouble.is_none()
            && let Err(error) = &end
        {
            let cause = std::error::Error::source(error);
            assert!(end.is_ok(), "{}: {error}: {cause:?}: {plan:?}", self.name);
        }
        end.ok().flatten()
    }

    async fn talk(dialog: &Dialog, dialed: Option<Connection<I>>, accepted: Option<Connection<J>>) {
        let mut scheduler = dialog.scheduler();
        match dialed {
            Some(connection) => dialog.join(Side::Dialer, connection, &mut scheduler),
            None => dialog.stay_away(Side::Dialer),
        }
        match accepted {
            Some(connection) => dialog.join(Side::Acceptor, connection, &mut scheduler),
            None => dialog.stay_away(Side::Acceptor),
        }
        scheduler.await;
    }
}

impl<D, A> fmt::Debug for Suite<D, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("name", &self.name)
            .field("missing", &self.missing)
            .finish_non_exhaustive()
    }
}

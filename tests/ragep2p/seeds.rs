//! Hosts that dial each other over a network that fails as a seed says.
//!
//! `MULTISERVER_SEEDS` sets how many seeds are run, `MULTISERVER_SEED` runs one alone.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use futures_util::SinkExt as _;
use tokio::{
    runtime::Handle,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tower_multiserver::ragep2p::{Host, Limits, Priority, RateLimit, Stream, Version};
use tower_multiserver_core::testing::{Lan, cancelled_after};

use crate::{
    alone::{Course, alone, seeds_alone},
    lab::{Map, id, identity},
};

/// Between two dials, at least.
const DIAL_INTERVAL: Duration = Duration::from_secs(1);

/// Within so long what is said is heard again: a write that is stuck, some dials, and buckets that fill.
const HEALED: Duration = Duration::from_secs(60);

const NAMES: [&str; 3] = ["first", "second", "third"];

#[test]
fn whatever_the_network_does_messages_come_in_order_once_and_again() {
    seeds_alone("ragep2p", 20, hosts);
}

/// So one that fails can be looked at.
#[test]
fn a_seed_takes_the_same_course_each_time() {
    for seed in 0..3 {
        assert_eq!(alone(hosts(seed)), alone(hosts(seed)), "seed {seed}");
    }
}

/// What came of it.
async fn hosts(seed: u64) -> (u64, u64) {
    // What the hosts draw themselves, such as their pauses.
    fastrand::seed(seed);
    let rng = &mut Rng::with_seed(seed);
    let mut case = Case::new(seed, rng);
    for side in 0..2 {
        case.start(side, rng).await;
    }
    for _ in 0..rng.u32(2..12) {
        sleep(Duration::from_millis(rng.u64(..8000))).await;
        case.trouble(rng).await;
    }
    case.heal(rng).await;
    case.hear().await;
    case.end(rng).await
}

/// What is going on between two hosts.
struct Case {
    lan: Lan,
    map: Map,
    version: Version,
    limits: [Limits; NAMES.len()],
    sides: [Option<Side>; 2],
    /// What either says, of each name.
    lanes: Arc<[[Lane; NAMES.len()]; 2]>,
    /// When who heard what.
    course: Arc<Mutex<Course>>,
    began: Instant,
    /// How often either may have dialed at once, since the peer was new to it.
    starts: [u64; 2],
}

struct Side {
    host: Host,
    streams: Vec<Option<JoinSet<()>>>,
}

/// What one says on the streams of a name, however often they are opened.
#[derive(Default)]
struct Lane {
    /// How many were begun to be said.
    said: AtomicU64,
    /// One more than the number of the last that was heard.
    heard: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

impl Case {
    fn new(seed: u64, rng: &mut Rng) -> Self {
        let lan = Lan::new("nobody", seed);
        let map = Map::default();
        // Either or both can be dialed.
        let dialed = rng.u8(..3);
        for (side, other) in [(0, 1), (1, 0)] {
            if dialed != other {
                map.set(id(side), [format!("lan:{side}").parse().unwrap()]);
            }
        }
        let version = rng.choice(crate::lab::VERSIONS).unwrap();
        Self {
            lan,
            map,
            version,
            limits: NAMES.map(|_| limits(rng)),
            sides: [None, None],
            lanes: Arc::default(),
            course: Arc::new(Mutex::new(Course::begin())),
            began: Instant::now(),
            starts: [0; 2],
        }
    }

    async fn start(&mut self, side: usize, rng: &mut Rng) {
        let builder = Host::builder(identity(side as u8));
        let builder = builder.listen(&*format!("lan:{side}")).unwrap();
        let host = builder
            .transport(self.lan.host(&side.to_string()))
            .discover(self.map.clone())
            .dial_interval(DIAL_INTERVAL)
            .version(self.version)
            .start();
        let host = host.await.unwrap();
        self.sides[side] = Some(Side {
            host,
            streams: NAMES.iter().map(|_| None).collect(),
        });
        for name in 0..NAMES.len() {
            self.open(side, name, rng);
        }
    }

    fn open(&mut self, side: usize, name: usize, rng: &mut Rng) {
        let Some(this) = &mut self.sides[side] else {
            return;
        };
        self.starts[side] += 1;
        // The former closes.
        this.streams[name] = None;
        let limits = self.limits[name];
        let priority = rng.choice([Priority::Low, Priority::Default]).unwrap();
        let stream = this.host.stream(id(1 - side as u8), NAMES[name]);
        let opened = stream.limits(limits).priority(priority).open();
        // Dropped with the task, which is aborted in its own time.
        let Ok(stream) = opened else {
            return;
        };
        let mut talk = JoinSet::new();
        talk.spawn(talk_on(
            stream,
            side,
            name,
            limits,
            self.lanes.clone(),
            self.course.clone(),
            rng.fork(),
        ));
        this.streams[name] = Some(talk);
    }

    async fn trouble(&mut self, rng: &mut Rng) {
        let (side, name) = (rng.usize(..2), rng.usize(..NAMES.len()));
        match rng.u8(..7) {
            0 => self.lan.part("0", "1"),
            1 => self.lan.rejoin("0", "1"),
            2 => self.lan.cut("0", "1"),
            3 => self.lan.set_fragile(Some(1 << rng.u32(..15))),
            4 => {
                if let Some(this) = &mut self.sides[side] {
                    this.streams[name] = None;
                }
            }
            5 => self.open(side, name, rng),
            _ => {
                self.stop(side, rng).await;
                if rng.bool() {
                    sleep(Duration::from_millis(rng.u64(..5000))).await;
                    self.stop(1 - side, rng).await;
                    self.start(1 - side, rng).await;
                }
                self.start(side, rng).await;
            }
        }
    }

    async fn stop(&mut self, side: usize, rng: &mut Rng) {
        if let Some(this) = self.sides[side].take() {
            if rng.bool() {
                this.host.close().await;
            }
            drop(this);
            // What listens is dropped with its task.
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// No more faults, and every stream is open.
    async fn heal(&mut self, rng: &mut Rng) {
        self.lan.set_fragile(None);
        self.lan.rejoin("0", "1");
        for side in 0..2 {
            for name in 0..NAMES.len() {
                if let Some(this) = &mut self.sides[side] {
                    this.streams[name] = None;
                }
                sleep(Duration::from_millis(1)).await;
                self.open(side, name, rng);
            }
        }
    }

    /// Checks that what is said from now on is heard, both ways.
    async fn hear(&self) {
        let lanes = || self.lanes.iter().flatten();
        let said: Vec<_> = lanes()
            .map(|lane| lane.said.load(Ordering::Relaxed))
            .collect();
        let all_heard = async {
            let is_heard = |(lane, said): (&Lane, &u64)| lane.heard.load(Ordering::Relaxed) > *said;
            while !lanes().zip(&said).all(is_heard) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        let heard = timeout(HEALED, all_heard).await;
        let lanes = &self.lanes;
        assert!(
            heard.is_ok(),
            "not heard again: {said:?}: {:?}: {lanes:?}",
            self.limits
        );
        // Both dial, and agree on one.
        sleep(Duration::from_secs(10)).await;
        assert_eq!(self.lan.connections("0", "1"), 1);
        let most = self.began.elapsed().as_secs() + 1;
        for (side, [from, to]) in [["0", "1"], ["1", "0"]].into_iter().enumerate() {
            let dials = self.lan.dials(from, to) as u64;
            assert!(
                dials <= most + self.starts[side],
                "{from} dials {dials} times in {most} s"
            );
        }
    }

    /// Checks that nothing stays behind, and nothing was wrong.
    async fn end(mut self, rng: &mut Rng) -> (u64, u64) {
        for side in 0..2 {
            self.stop(side, rng).await;
        }
        for lane in self.lanes.iter().flatten() {
            assert_eq!(*lane.wrong.lock().unwrap(), [""; 0]);
        }
        sleep(Duration::from_secs(15)).await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
        assert_eq!(self.lan.connections("0", "1"), 0);
        let mut course = self.course.lock().unwrap();
        course.note("the end");
        course.summary()
    }
}

/// Narrow ones, which what is said often exceeds.
fn limits(rng: &mut Rng) -> Limits {
    let max_message = 100 << rng.u32(..8);
    Limits {
        outgoing: rng.usize(1..10),
        incoming: rng.usize(1..10),
        max_message,
        messages: RateLimit::new(f64::from(rng.u32(2..20)), rng.u32(2..20)),
        bytes: RateLimit::new(2.0 * max_message as f64, 4 * max_message as u32),
    }
}

/// Says numbered messages and checks those that come, until it is dropped.
async fn talk_on(
    mut stream: Stream,
    side: usize,
    name: usize,
    limits: Limits,
    lanes: Arc<[[Lane; NAMES.len()]; 2]>,
    course: Arc<Mutex<Course>>,
    mut rng: Rng,
) {
    let [ours, theirs] = [side, 1 - side].map(|who| &lanes[who][name]);
    let opened = Instant::now();
    let mut next_said = Instant::now();
    let mut taken = (0, 0);
    loop {
        if next_said <= Instant::now() {
            let number = ours.said.fetch_add(1, Ordering::Relaxed);
            let message = numbered(number, limits.max_message).into();
            // One that is given up at an await is not said, or has been: it is not said again.
            let sent = match rng.bool() {
                true => stream.send(message).map(|_| ()),
                false => cancelled_after(rng.usize(..3), stream.feed(message))
                    .await
                    .unwrap_or(Ok(())),
            };
            if sent.is_err() {
                return;
            }
            // Now and then a burst.
            if rng.u8(..4) > 0 {
                next_said = Instant::now() + Duration::from_millis(rng.u64(100..3000));
            }
        }
        match timeout(Duration::from_millis(rng.u64(1..200)), stream.recv()).await {
            Ok(Some(message)) => {
                course.lock().unwrap().note((side, name, &message));
                taken = (taken.0 + 1, taken.1 + message.len());
                if let Err(wrong) = theirs.check(&message, limits.max_message) {
                    theirs.wrong.lock().unwrap().push(wrong);
                }
                let limits = [
                    (taken.0 as f64, limits.messages),
                    (taken.1 as f64, limits.bytes),
                ];
                let seconds = opened.elapsed().as_secs_f64();
                for (count, limit) in limits {
                    if count > limit.rate * seconds + f64::from(limit.capacity) {
                        let wrong = format!("{count} in {seconds} s with {limit:?}");
                        theirs.wrong.lock().unwrap().push(wrong);
                    }
                }
            }
            Ok(None) => return,
            Err(_) => {}
        }
    }
}

impl Lane {
    /// Whether it is one that was said, later than those before.
    fn check(&self, message: &[u8], max: usize) -> Result<(), String> {
        let number = message
            .first_chunk()
            .map(|bytes| u64::from_be_bytes(*bytes));
        let number = number.ok_or("it has no number")?;
        if message != numbered(number, max) {
            return Err(format!("{number} was altered"));
        }
        if number >= self.said.load(Ordering::Relaxed) {
            return Err(format!("{number} was not said yet"));
        }
        let heard = self.heard.fetch_max(number + 1, Ordering::Relaxed);
        match number < heard {
            true => Err(format!("{number} comes after {}", heard - 1)),
            false => Ok(()),
        }
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (said, heard) = (&self.said, &self.heard);
        write!(
            f,
            "{} of {}",
            heard.load(Ordering::Relaxed),
            said.load(Ordering::Relaxed)
        )
    }
}

/// The message of this number: short, or as long as may be.
fn numbered(number: u64, max: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed(number);
    let len = match rng.u8(..8) {
        0 => max,
        _ => rng.usize(8..=100),
    };
    let mut message = number.to_be_bytes().to_vec();
    message.extend((8..len).map(|_| rng.u8(..)));
    message
}

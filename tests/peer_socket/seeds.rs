//! Swarms whose peers dial each other over a network that fails as a seed says.
//!
//! `MULTISERVER_SEEDS` sets how many seeds are run, `MULTISERVER_SEED` runs one alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use futures_util::StreamExt as _;
use tokio::{
    runtime::Handle,
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::ServiceBuilder;
use tower_multiserver::{
    MultiServer, PublicKey, Seed,
    peer_socket::{AddressNetwork, Message, PeerSocket, PeerSockets, Swarm},
    shs::ShsLayer,
};
use tower_multiserver_core::testing::{Lan, cancelled_after};

use crate::{
    alone::{Course, alone, seeds_alone},
    lab::room,
};

/// Within so long all meet again: the longest pause between two dials, the dial, and a silence that is noticed.
const HEALED: Duration = Duration::from_secs(2 * 60 + 10 + 20);

/// What has stayed so long stays.
const STEADY: Duration = Duration::from_secs(60);

/// So many dials of one address in the first minute at most, where the pause is a second at first and doubles, and in each
/// minute in which it starts anew.
const DIALS_A_MINUTE: u64 = 7;

#[test]
fn after_a_partition_all_meet_again_over_one_connection_each() {
    seeds_alone("swarm", 20, swarm);
}

/// So one that fails can be looked at.
#[test]
fn a_seed_takes_the_same_course_each_time() {
    for seed in 0..3 {
        assert_eq!(alone(swarm(seed)), alone(swarm(seed)), "seed {seed}");
    }
}

/// What came of it.
async fn swarm(seed: u64) -> (u64, u64) {
    // What the peers draw themselves, such as their pauses.
    fastrand::seed(seed);
    let mut rng = Rng::with_seed(seed);
    let mut case = Case::start(&mut rng, seed).await;
    for _ in 0..rng.u32(2..10) {
        sleep(Duration::from_millis(rng.u64(..15_000))).await;
        case.trouble(&mut rng).await;
    }
    case.heal();
    case.meet().await;
    case.end().await
}

/// What is going on.
struct Case {
    lan: Lan,
    members: Vec<Member>,
    began: Instant,
    heard: Heard,
    /// Whom each dials.
    dialed: Vec<Vec<usize>>,
}

struct Member {
    swarm: Swarm,
    key: PublicKey,
    starts: u64,
    /// Speaks and listens on every socket.
    _talk: JoinSet<()>,
}

type Heard = Arc<Mutex<Tally>>;

#[derive(Debug)]
struct Tally {
    /// How many messages each heard from whom.
    messages: HashMap<(usize, PublicKey), u64>,
    /// What was not what had been said.
    wrong: Vec<String>,
    /// When which socket ended and why, to tell where all do not meet.
    ends: Vec<(Instant, String)>,
    /// When who heard what.
    course: Course,
}

impl Case {
    async fn start(rng: &mut Rng, seed: u64) -> Self {
        let count = rng.usize(3..=5);
        let mut dialed = vec![Vec::new(); count];
        for a in 0..count {
            for b in 0..a {
                // Either or both.
                let who = rng.u8(..3);
                if who != 0 {
                    dialed[a].push(b);
                }
                if who != 1 {
                    dialed[b].push(a);
                }
            }
        }
        let mut case = Self {
            lan: Lan::new("nobody", seed),
            members: Vec::new(),
            began: Instant::now(),
            heard: Arc::new(Mutex::new(Tally {
                messages: HashMap::new(),
                wrong: Vec::new(),
                ends: Vec::new(),
                course: Course::begin(),
            })),
            dialed,
        };
        for at in 0..count {
            let member = case.member(at, 1, rng).await;
            case.members.push(member);
        }
        case
    }

    async fn member(&self, at: usize, starts: u64, rng: &mut Rng) -> Member {
        let lan = self.lan.host(&name(at));
        let network = AddressNetwork::new(move |identity| {
            let shs = ShsLayer::new(identity);
            let stack = ServiceBuilder::new().layer(shs).service(lan.clone());
            MultiServer::new().stack(stack)
        });
        let network = network.listen(&*format!("lan:{}~shs", name(at))).unwrap();
        for &other in &self.dialed[at] {
            let key = key(other);
            let address = format!("lan:{}~shs:{key}", name(other));
            network.add_peer(&*address).unwrap();
        }
        let swarm = peers(network, at).join(room()).await.unwrap();
        let mut talk = JoinSet::new();
        talk.spawn(talk_to_all(
            at,
            swarm.clone(),
            self.heard.clone(),
            rng.fork(),
        ));
        Member {
            key: swarm.loopback().id(),
            swarm,
            starts,
            _talk: talk,
        }
    }

    async fn trouble(&mut self, rng: &mut Rng) {
        let (a, b) = (
            rng.usize(..self.members.len()),
            rng.usize(..self.members.len()),
        );
        match rng.u8(..6) {
            // Two halves.
            0 => {
                let is_left: Vec<_> = self.members.iter().map(|_| rng.bool()).collect();
                for (a, b) in self.pairs() {
                    match is_left[a] == is_left[b] {
                        true => self.lan.rejoin(&name(a), &name(b)),
                        false => self.lan.part(&name(a), &name(b)),
                    }
                }
            }
            1 => self.lan.part(&name(a), &name(b)),
            2 => self.lan.cut(&name(a), &name(b)),
            3 => self.lan.set_fragile(Some(1 << rng.u32(..14))),
            4 => self.heal(),
            _ => {
                let former = self.members.remove(a);
                if rng.bool() {
                    former.swarm.close().await;
                }
                let starts = former.starts + 1;
                drop(former);
                sleep(Duration::from_millis(1 + rng.u64(..5000))).await;
                let member = self.member(a, starts, rng).await;
                self.members.insert(a, member);
            }
        }
    }

    fn heal(&self) {
        self.lan.set_fragile(None);
        for (a, b) in self.pairs() {
            self.lan.rejoin(&name(a), &name(b));
        }
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let count = self.members.len();
        (0..count)
            .flat_map(|a| (0..a).map(move |b| (a, b)))
            .collect()
    }

    /// Checks that all meet in time, and stay together.
    async fn meet(&self) {
        let healed = Instant::now();
        loop {
            let sockets = self.sockets();
            // Where an end has not noticed yet that its connection is lost, there is another soon.
            self.heard.lock().unwrap().messages.clear();
            sleep(STEADY).await;
            if !sockets.contains(&None) && sockets == self.sockets() {
                break;
            }
            let is_late = healed.elapsed() >= HEALED + STEADY;
            assert!(!is_late, "they do not meet: {}", self.report(healed));
        }
        for (a, b) in self.pairs() {
            assert_eq!(self.lan.connections(&name(a), &name(b)), 1, "{a} with {b}");
            for (from, to) in [(a, b), (b, a)] {
                let messages = &self.heard.lock().unwrap().messages;
                let heard = messages.contains_key(&(to, self.members[from].key));
                assert!(heard, "{to} hears nothing of {from}");
                self.judge_dials(from, to);
            }
        }
    }

    fn sockets(&self) -> Vec<Option<PeerSocket>> {
        let others = |a: &Member| {
            let others = self.members.iter().filter(|b| b.key != a.key);
            let sockets = others.map(|b| a.swarm.socket(&b.key));
            sockets.collect::<Vec<_>>()
        };
        self.members.iter().flat_map(others).collect()
    }

    fn missing(&self) -> Vec<(usize, usize)> {
        let pairs = self.pairs().into_iter();
        pairs
            .filter(|&(a, b)| self.members[a].swarm.socket(&self.members[b].key).is_none())
            .collect()
    }

    /// Who has not met whom, and what has ended since.
    fn report(&self, healed: Instant) -> String {
        let ends = &self.heard.lock().unwrap().ends;
        let since = ends.iter().filter(|(at, _)| *at >= healed);
        let ends: Vec<_> = since.map(|(at, end)| (*at - healed, end)).collect();
        format!("{:?}: {ends:#?}", self.missing())
    }

    fn judge_dials(&self, from: usize, to: usize) {
        let minutes = self.began.elapsed().as_secs() / 60 + 1;
        let most = DIALS_A_MINUTE * (minutes + self.members[from].starts);
        let dials = self.lan.dials(&name(from), &name(to)) as u64;
        assert!(dials <= most, "{from} dials {to} {dials} times");
        let are_wanted = self.dialed[from].contains(&to);
        assert_eq!(dials > 0, are_wanted, "{from} and {to}");
    }

    /// Checks that nothing stays behind.
    async fn end(self) -> (u64, u64) {
        let pairs = self.pairs();
        for member in self.members {
            member.swarm.close().await;
        }
        assert_eq!(self.heard.lock().unwrap().wrong, [""; 0]);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
        for (a, b) in pairs {
            assert_eq!(self.lan.connections(&name(a), &name(b)), 0, "{a} with {b}");
        }
        let mut tally = self.heard.lock().unwrap();
        tally.course.note("the end");
        tally.course.summary()
    }
}

fn name(at: usize) -> String {
    format!("peer{at}")
}

fn peers(network: AddressNetwork, at: usize) -> PeerSockets {
    let secret = Seed::from_bytes([at as u8; 32]);
    PeerSockets::builder(network)
        .secret(secret)
        .build()
        .unwrap()
}

fn key(at: usize) -> PublicKey {
    peers(AddressNetwork::new(|_| MultiServer::new()), at).public_key()
}

async fn talk_to_all(own: usize, swarm: Swarm, heard: Heard, mut rng: Rng) {
    let mut sockets = swarm.incoming();
    drop(swarm);
    let mut talks = JoinSet::new();
    while let Some(socket) = sockets.next().await {
        talks.spawn(speak(socket.clone(), rng.fork()));
        talks.spawn(listen(own, socket, heard.clone(), rng.fork()));
    }
}

/// Says numbered messages, and gives some of them up at an await: those are not said.
async fn speak(socket: PeerSocket, mut rng: Rng) {
    let mut number = 0;
    loop {
        let send = socket.send(Message::Bytes(numbered(number).into()));
        match cancelled_after(rng.usize(..3), send).await {
            Some(Ok(())) => number += 1,
            Some(Err(_)) => return,
            None => {}
        }
        if rng.u8(..4) > 0 {
            sleep(Duration::from_millis(rng.u64(1..8000))).await;
        }
    }
}

/// Checks that they come in order, once and unaltered.
async fn listen(own: usize, socket: PeerSocket, heard: Heard, mut rng: Rng) {
    let mut number = 0;
    loop {
        match cancelled_after(rng.usize(..3), socket.recv()).await {
            Some(Some(message)) => {
                let expected = Message::Bytes(numbered(number).into());
                let tally = &mut *heard.lock().unwrap();
                if message.as_ref() != Ok(&expected) {
                    tally.wrong.push(format!("{message:?} is not {number}"));
                }
                tally.course.note((own, socket.id(), number));
                number += 1;
                *tally.messages.entry((own, socket.id())).or_default() += 1;
            }
            Some(None) => {
                let reason = socket.close_reason();
                let end = format!("{own} with {}: {reason:?}", socket.id());
                heard.lock().unwrap().ends.push((Instant::now(), end));
                return;
            }
            None => sleep(Duration::from_millis(rng.u64(1..500))).await,
        }
    }
}

/// The message of this number, short ones more often than long ones.
fn numbered(number: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(number);
    let most = 1 << rng.u32(..12);
    let mut message = number.to_be_bytes().to_vec();
    message.extend((0..rng.usize(..most)).map(|_| rng.u8(..)));
    message
}

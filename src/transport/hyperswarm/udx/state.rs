//! A stream of UDX, free of IO and clocks.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    time::Duration,
};

use tokio::time::Instant;

use super::packet::{DATA, DESTROY, END, HEARTBEAT, MAX_RANGES, Packet};

/// Both directions of a stream.
pub(super) struct State {
    remote_id: u32,
    /// Why it is over, for good.
    pub(super) failed: Option<io::ErrorKind>,

    // What we send.
    unsent: VecDeque<u8>,
    /// We want to end our direction.
    ends: bool,
    end_sent: bool,
    flying: VecDeque<Flying>,
    next: u32,
    acked: u32,
    room: u32,
    window: f64,
    threshold: f64,
    /// No loss counts again until this number is acknowledged.
    recovery: u32,
    round_trip: Option<(Duration, Duration)>,
    timeouts: u32,
    timer: Option<Instant>,
    /// When the last of those that have arrived was sent.
    newest: Option<Instant>,
    burst: u32,
    burst_began: Option<Instant>,

    // What we receive.
    expected: u32,
    early: BTreeMap<u32, (u8, Vec<u8>)>,
    early_bytes: usize,
    arrived: VecDeque<Vec<u8>>,
    position: usize,
    unread: usize,
    peer_ended: bool,
    told_window: u32,
    owes_ack: bool,
}

/// A packet that is not acknowledged.
struct Flying {
    seq: u32,
    flags: u8,
    payload: Vec<u8>,
    sent: Option<Instant>,
    again: bool,
    arrived: bool,
}

/// As much fits into the smallest packets that every way takes.
const PAYLOAD: usize = 1200 - 20;

/// How much may wait to be read.
const RECEIVE: usize = 1024 * 1024;

/// How much may wait to be sent.
const SEND: usize = 256 * 1024;

/// How many packets may fly at once.
const MAX_WINDOW: f64 = 1024.0;

/// How much earlier than one that has arrived a packet must have been sent to be lost, at least (RFC 8985).
const REORDERED: Duration = Duration::from_millis(1);

/// How many packets go out within one tick of the clock. More at once overrun the receiver's socket.
const BURST: u32 = 64;
const TICK: Duration = Duration::from_millis(1);

/// How often the timer may run out with nothing acknowledged.
const MAX_TIMEOUTS: u32 = 6;

const MIN_TIMEOUT: Duration = Duration::from_millis(250);
const FIRST_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether `a` comes behind `b`; numbers wrap around.
fn after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}

impl State {
    pub(super) fn new(remote_id: u32) -> Self {
        Self {
            remote_id,
            failed: None,
            unsent: VecDeque::new(),
            ends: false,
            end_sent: false,
            flying: VecDeque::new(),
            next: 0,
            acked: 0,
            room: RECEIVE as u32,
            window: 10.0,
            threshold: MAX_WINDOW,
            recovery: 0,
            round_trip: None,
            timeouts: 0,
            timer: None,
            newest: None,
            burst: 0,
            burst_began: None,
            expected: 0,
            early: BTreeMap::new(),
            early_bytes: 0,
            arrived: VecDeque::new(),
            position: 0,
            unread: 0,
            peer_ended: false,
            told_window: RECEIVE as u32,
            owes_ack: false,
        }
    }

    /// Takes bytes to send, as many as there is room for.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(SEND.saturating_sub(self.unsent.len()));
        self.unsent.extend(&bytes[..count]);
        count
    }

    /// Ends our direction behind what is written.
    pub(super) fn end(&mut self) {
        self.ends = true;
    }

    /// Whether all that was written, and the end if there is one, has arrived.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.unsent.is_empty() && self.flying.is_empty() && self.ends == self.end_sent
    }

    /// Whether both directions have ended.
    pub(super) fn is_over(&self) -> bool {
        self.end_sent && self.is_acknowledged() && self.peer_ended
    }

    /// Whether the peer waits to be told something.
    pub(super) fn owes_ack(&self) -> bool {
        self.owes_ack
    }

    /// Gives what has arrived; the number of bytes. None when there is nothing yet.
    pub(super) fn read(&mut self, mut take: impl FnMut(&[u8]) -> usize) -> Option<usize> {
        let mut count = 0;
        while let Some(first) = self.arrived.front() {
            let rest = &first[self.position..];
            let length = rest.len();
            let taken = take(rest);
            count += taken;
            self.unread -= taken;
            if taken < length {
                self.position += taken;
                break;
            }
            self.arrived.pop_front();
            self.position = 0;
        }
        // The peer may have stopped for want of room.
        let opened = self.own_window() - self.told_window.min(self.own_window());
        if opened as usize >= RECEIVE / 4 {
            self.owes_ack = true;
        }
        (count > 0 || self.peer_ended).then_some(count)
    }

    fn own_window(&self) -> u32 {
        RECEIVE.saturating_sub(self.unread + self.early_bytes) as u32
    }

    /// Takes a packet of the peer.
    pub(super) fn receive(&mut self, packet: &Packet<'_>, now: Instant) {
        // It lives, though it may have no room.
        self.timeouts = self.timeouts.min(MAX_TIMEOUTS / 3);
        if packet.flags & HEARTBEAT != 0 {
            self.owes_ack = true;
            return;
        }
        if !after(self.expected, packet.seq) {
            if packet.flags & (DATA | END) != 0 {
                self.take(packet);
            }
            if packet.flags & DESTROY != 0 {
                self.failed.get_or_insert(io::ErrorKind::ConnectionReset);
                return;
            }
        }
        // What was taken before is acknowledged again: the first time may be lost.
        self.owes_ack |= packet.flags & (DATA | END) != 0;
        if !after(packet.ack, self.next) && !after(self.acked, packet.ack) {
            self.acknowledged(packet, now);
        }
    }

    fn take(&mut self, packet: &Packet<'_>) {
        let far = packet.seq.wrapping_sub(self.expected);
        let length = packet.payload.len();
        let is_known = self.early.contains_key(&packet.seq);
        // What does not keep to the window that it was told, with some grace, is dropped, and will come again.
        let has_room = self.unread + self.early_bytes + length <= RECEIVE + RECEIVE / 4;
        if is_known || far > 2 * RECEIVE as u32 / 64 || !(has_room || far == 0 && self.unread == 0)
        {
            return;
        }
        self.early_bytes += length;
        let entry = (packet.flags, packet.payload.to_vec());
        self.early.insert(packet.seq, entry);
        while let Some((flags, payload)) = self.early.remove(&self.expected) {
            self.expected = self.expected.wrapping_add(1);
            self.early_bytes -= payload.len();
            if self.peer_ended {
                continue;
            }
            if !payload.is_empty() {
                self.unread += payload.len();
                self.arrived.push_back(payload);
            }
            self.peer_ended |= flags & END != 0;
        }
    }

    fn acknowledged(&mut self, packet: &Packet<'_>, now: Instant) {
        self.room = packet.window;
        let mut news = 0;
        while let Some(first) = self.flying.front()
            && after(packet.ack, first.seq)
        {
            if !first.arrived {
                news += 1;
                self.newest = self.newest.max(first.sent);
                self.measure(now);
            }
            self.flying.pop_front();
        }
        if after(packet.ack, self.acked) {
            self.acked = packet.ack;
        }
        for (first, end) in packet.ranges.iter().take(MAX_RANGES) {
            for flying in &mut self.flying {
                let is_in = !after(*first, flying.seq) && after(*end, flying.seq);
                if is_in && !flying.arrived {
                    flying.arrived = true;
                    self.newest = self.newest.max(flying.sent);
                    news += 1;
                }
            }
        }
        if news > 0 {
            self.timeouts = 0;
            self.timer = match self.flying.is_empty() {
                true => None,
                false => Some(now + self.timeout()),
            };
            self.grow(news);
        }
        self.find_lost();
    }

    /// The time of the first flying packet, if it was sent once.
    fn measure(&mut self, now: Instant) {
        let Some(Flying {
            sent: Some(sent),
            again: false,
            ..
        }) = self.flying.front()
        else {
            return;
        };
        let took = now - *sent;
        self.round_trip = Some(match self.round_trip {
            None => (took, took / 2),
            Some((mean, deviation)) => (
                (mean * 7 + took) / 8,
                (deviation * 3 + took.abs_diff(mean)) / 4,
            ),
        });
    }

    fn grow(&mut self, packets: usize) {
        let by = match self.window < self.threshold {
            true => packets as f64,
            false => packets as f64 / self.window,
        };
        self.window = (self.window + by).min(MAX_WINDOW);
    }

    /// What was sent well before something that has arrived is lost, a second time too (RFC 8985).
    fn find_lost(&mut self) {
        let Some(newest) = self.newest else { return };
        let quarter = self.round_trip.map(|(mean, _)| mean / 4);
        let grace = quarter.unwrap_or_default().max(REORDERED);
        let mut is_new = false;
        for flying in self.flying.iter_mut().filter(|flying| !flying.arrived) {
            if flying.sent.is_some_and(|sent| sent + grace < newest) {
                flying.sent = None;
                flying.again = true;
                is_new |= !after(self.recovery, flying.seq);
            }
        }
        if is_new {
            self.recovery = self.next;
            self.threshold = (self.window * 0.7).max(4.0);
            self.window = self.threshold;
        }
    }

    /// The timer has run out.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.timer.is_none_or(|timer| timer > now) {
            return;
        }
        self.timer = None;
        self.timeouts += 1;
        self.newest = None;
        if self.timeouts > MAX_TIMEOUTS {
            self.failed.get_or_insert(io::ErrorKind::TimedOut);
            return;
        }
        for flying in self.flying.iter_mut().filter(|flying| !flying.arrived) {
            flying.sent = None;
            flying.again = true;
        }
        self.recovery = self.next;
        self.threshold = (self.window / 2.0).max(4.0);
        self.window = 2.0;
    }

    /// When to tick.
    pub(super) fn timer(&self) -> Option<Instant> {
        let pause = self.burst_began.filter(|_| self.burst >= BURST);
        let pause = pause.map(|began| began + TICK);
        match (self.timer, pause) {
            (Some(timer), Some(pause)) => Some(timer.min(pause)),
            (timer, pause) => timer.or(pause),
        }
    }

    fn timeout(&self) -> Duration {
        let base = match self.round_trip {
            Some((mean, deviation)) => (mean + deviation * 4).max(MIN_TIMEOUT),
            None => FIRST_TIMEOUT,
        };
        base * 2_u32.pow(self.timeouts.min(MAX_TIMEOUTS))
    }

    /// The next packet to send, if any.
    pub(super) fn send(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.failed.is_some() {
            return None;
        }
        let under_way = self
            .flying
            .iter()
            .filter(|f| f.sent.is_some() && !f.arrived);
        let (mut count, mut bytes) = (0, 0);
        under_way.for_each(|flying| {
            count += 1;
            bytes += flying.payload.len();
        });
        if self.burst_began.is_none_or(|began| began + TICK <= now) {
            self.burst = 0;
            self.burst_began = Some(now);
        }
        let may_send = (count as f64) < self.window && self.burst < BURST;
        let lost = self
            .flying
            .iter()
            .position(|f| f.sent.is_none() && !f.arrived);
        if may_send && let Some(at) = lost {
            return Some(self.launch(at, now));
        }
        // With nothing under way one packet asks whether there is room again; the timer paces it.
        let has_room =
            bytes + PAYLOAD <= self.room as usize || (count == 0 && self.timer.is_none());
        let has_data = !self.unsent.is_empty();
        if may_send && (has_room && has_data || !has_data && self.ends && !self.end_sent) {
            let length = self.unsent.len().min(PAYLOAD);
            let payload: Vec<u8> = self.unsent.drain(..length).collect();
            let is_end = self.ends && self.unsent.is_empty();
            self.end_sent |= is_end;
            let mut flags = if is_end { END } else { 0 };
            if !payload.is_empty() {
                flags |= DATA;
            }
            self.flying.push_back(Flying {
                seq: self.next,
                flags,
                payload,
                sent: None,
                again: false,
                arrived: false,
            });
            self.next = self.next.wrapping_add(1);
            return Some(self.launch(self.flying.len() - 1, now));
        }
        if std::mem::take(&mut self.owes_ack) {
            return Some(self.packet(0, self.next, &[]));
        }
        None
    }

    fn launch(&mut self, at: usize, now: Instant) -> Vec<u8> {
        if self.timer.is_none() {
            self.timer = Some(now + self.timeout());
        }
        self.burst += 1;
        self.flying[at].sent = Some(now);
        self.owes_ack &= !self.early.is_empty();
        let (flags, seq) = (self.flying[at].flags, self.flying[at].seq);
        let payload = std::mem::take(&mut self.flying[at].payload);
        let bytes = self.packet(flags, seq, &payload);
        self.flying[at].payload = payload;
        bytes
    }

    /// The packet that tells the peer that nobody is here any more.
    pub(super) fn destroy(&mut self) -> Vec<u8> {
        self.packet(DESTROY, self.next, &[])
    }

    fn packet(&mut self, flags: u8, seq: u32, payload: &[u8]) -> Vec<u8> {
        self.told_window = self.own_window();
        // Beside data there is no room for them.
        let ranges = match flags {
            0 => ranges(self.early.keys().copied()),
            _ => Vec::new(),
        };
        Packet {
            flags,
            stream: self.remote_id,
            window: self.told_window,
            seq,
            ack: self.expected,
            ranges,
            payload,
        }
        .encode()
    }
}

/// Successive numbers as ranges.
fn ranges(numbers: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        let is_full = ranges.len() == MAX_RANGES;
        match ranges.last_mut() {
            Some((_, end)) if *end == number => *end = number.wrapping_add(1),
            _ if is_full => break,
            _ => ranges.push((number, number.wrapping_add(1))),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves packets between two ends in virtual time, losing so many of a hundred, until a step says that it is done.
    fn exchange(ends: &mut [State; 2], lose: u32, mut step: impl FnMut(&mut [State; 2]) -> bool) {
        let mut now = Instant::now();
        let mut count = 0;
        let mut chance = fastrand::Rng::with_seed(lose.into());
        for _ in 0..200_000 {
            if step(ends) {
                return;
            }
            let mut idle = true;
            for from in 0..2 {
                while let Some(bytes) = ends[from].send(now) {
                    idle = false;
                    count += 1;
                    if chance.u32(..100) >= lose {
                        let packet = Packet::decode(&bytes).unwrap();
                        ends[1 - from].receive(&packet, now);
                    }
                    if count % 8 == 0 {
                        break;
                    }
                }
            }
            now += Duration::from_millis(if idle { 100 } else { 1 });
            ends.iter_mut().for_each(|end| end.tick(now));
        }
        panic!("it does not end");
    }

    fn transfer(lose: u32) {
        let mut ends = [State::new(1), State::new(2)];
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7) as u8).collect();
        let (mut sent, mut came) = (0, Vec::new());
        exchange(&mut ends, lose, |ends| {
            sent += ends[0].write(&bytes[sent..]);
            if sent == bytes.len() {
                ends[0].end();
            }
            let read = ends[1].read(|part| {
                came.extend_from_slice(part);
                part.len()
            });
            assert_eq!(ends[0].failed, None);
            read == Some(0) && ends[0].is_acknowledged()
        });
        assert!(came == bytes);
    }

    #[tokio::test]
    async fn all_arrives_in_order_whatever_is_lost() {
        for lose in [0, 1, 5, 20] {
            transfer(lose);
        }
    }

    #[tokio::test]
    async fn a_reader_that_stops_stops_the_writer_and_both_go_on() {
        let mut ends = [State::new(1), State::new(2)];
        let mut sent = 0;
        let mut rounds = 0;
        exchange(&mut ends, 0, |ends| {
            sent += ends[0].write(&[7; 65536]);
            rounds += 1;
            rounds == 5000
        });
        assert!(sent <= RECEIVE * 5 / 4 + SEND + 65536, "{sent}");
        assert!(ends[1].unread <= RECEIVE * 5 / 4);
        let mut came = 0;
        exchange(&mut ends, 0, |ends| {
            ends[1].read(|part| {
                came += part.len();
                part.len()
            });
            came == sent
        });
    }

    #[tokio::test]
    async fn a_peer_that_is_gone_is_a_timeout_and_one_that_destroys_a_reset() {
        let mut ends = [State::new(1), State::new(2)];
        ends[0].write(b"hello");
        exchange(&mut ends, 100, |ends| ends[0].failed.is_some());
        assert_eq!(ends[0].failed, Some(io::ErrorKind::TimedOut));

        let mut ends = [State::new(1), State::new(2)];
        let bytes = ends[0].destroy();
        ends[1].receive(&Packet::decode(&bytes).unwrap(), Instant::now());
        assert_eq!(ends[1].failed, Some(io::ErrorKind::ConnectionReset));
    }

    #[tokio::test]
    async fn numbers_far_ahead_take_no_memory() {
        let mut state = State::new(1);
        for seq in 0..200_000 {
            let packet = Packet {
                flags: DATA,
                stream: 1,
                window: 0,
                seq: seq * 1000 + 1,
                ack: 0,
                ranges: vec![(0, u32::MAX); MAX_RANGES],
                payload: &[0; 1000],
            };
            state.receive(&packet, Instant::now());
        }
        assert!(state.early_bytes <= RECEIVE * 5 / 4);
    }
}

//! The direction in which a stream sends.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{
    packet::{DATA, END, MAX_RANGES, Packet, after},
    receive::RECEIVE,
};
use crate::fits::at_most;

/// What is to be sent, and what is on its way.
pub(super) struct Sender {
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

/// A packet to be sent now.
pub(super) struct Outgoing<'a> {
    pub(super) flags: u8,
    pub(super) seq: u32,
    pub(super) payload: &'a [u8],
}

/// As much fits into the smallest packets that every way takes.
const PAYLOAD: usize = 1200 - 20;

/// How much may wait to be sent.
pub(super) const SEND: usize = 256 * 1024;

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

impl Sender {
    pub(super) fn new() -> Self {
        Self {
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
        }
    }

    /// Takes bytes to send, as many as there is room for.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let bytes = at_most(bytes, SEND.saturating_sub(self.unsent.len()));
        self.unsent.extend(bytes);
        bytes.len()
    }

    /// Ends our direction behind what is written.
    pub(super) fn end(&mut self) {
        self.ends = true;
    }

    /// Whether all that was written, and the end if there is one, has arrived.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.unsent.is_empty() && self.flying.is_empty() && self.ends == self.end_sent
    }

    /// Whether our direction has ended, and the peer knows it.
    pub(super) fn has_ended(&self) -> bool {
        self.end_sent && self.is_acknowledged()
    }

    /// The number of the next packet.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// The peer lives, though it may have no room.
    pub(super) fn heard(&mut self) {
        self.timeouts = self.timeouts.min(MAX_TIMEOUTS / 3);
    }

    /// Hears what has arrived at the peer.
    pub(super) fn acknowledged(&mut self, packet: &Packet<'_>, now: Instant) {
        if after(packet.ack, self.next) || after(self.acked, packet.ack) {
            return;
        }
        self.room = packet.window;
        let mut news = 0_usize;
        while let Some(first) = self.flying.front()
            && after(packet.ack, first.seq)
        {
            if !first.arrived {
                news = news.saturating_add(1);
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
                    news = news.saturating_add(1);
                }
            }
        }
        if news > 0 {
            self.timeouts = 0;
            self.timer = match self.flying.is_empty() {
                true => None,
                false => now.checked_add(self.timeout()),
            };
            self.grow(news);
        }
        self.find_lost();
    }

    /// The time of the first flying packet, if it was sent once.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "eight times as long as any packet flies is no overflow"
    )]
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
        let quarter = self.round_trip.and_then(|(mean, _)| mean.checked_div(4));
        let grace = quarter.unwrap_or_default().max(REORDERED);
        let mut is_new = false;
        for flying in self.flying.iter_mut().filter(|flying| !flying.arrived) {
            let earlier = flying
                .sent
                .map(|sent| newest.saturating_duration_since(sent));
            if earlier.is_some_and(|earlier| earlier > grace) {
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

    /// The timer may have run out. False when it has too often.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        if self.timer.is_none_or(|timer| timer > now) {
            return true;
        }
        self.timer = None;
        self.timeouts = self.timeouts.saturating_add(1);
        self.newest = None;
        if self.timeouts > MAX_TIMEOUTS {
            return false;
        }
        for flying in self.flying.iter_mut().filter(|flying| !flying.arrived) {
            flying.sent = None;
            flying.again = true;
        }
        self.recovery = self.next;
        self.threshold = (self.window / 2.0).max(4.0);
        self.window = 2.0;
        true
    }

    /// When to tick.
    pub(super) fn timer(&self) -> Option<Instant> {
        let pause = self.burst_began.filter(|_| self.burst >= BURST);
        let pause = pause.and_then(|began| began.checked_add(TICK));
        match (self.timer, pause) {
            (Some(timer), Some(pause)) => Some(timer.min(pause)),
            (timer, pause) => timer.or(pause),
        }
    }

    fn timeout(&self) -> Duration {
        let base = match self.round_trip {
            Some((mean, deviation)) => {
                let longest = mean.saturating_add(deviation.saturating_mul(4));
                longest.max(MIN_TIMEOUT)
            }
            None => FIRST_TIMEOUT,
        };
        base.saturating_mul(2_u32.pow(self.timeouts.min(MAX_TIMEOUTS)))
    }

    /// The next packet that brings something, if any may go.
    pub(super) fn send(&mut self, now: Instant) -> Option<Outgoing<'_>> {
        let under_way = self
            .flying
            .iter()
            .filter(|f| f.sent.is_some() && !f.arrived);
        let (mut count, mut bytes) = (0_usize, 0_usize);
        under_way.for_each(|flying| {
            count = count.saturating_add(1);
            bytes = bytes.saturating_add(flying.payload.len());
        });
        let since = |began| now.saturating_duration_since(began);
        if self.burst_began.is_none_or(|began| since(began) >= TICK) {
            self.burst = 0;
            self.burst_began = Some(now);
        }
        let may_send = (count as f64) < self.window && self.burst < BURST;
        let lost = self
            .flying
            .iter()
            .position(|f| f.sent.is_none() && !f.arrived);
        if may_send && let Some(at) = lost {
            return self.launch(at, now);
        }
        // With nothing under way one packet asks whether there is room again; the timer paces it.
        let has_room = bytes.saturating_add(PAYLOAD) <= self.room as usize
            || (count == 0 && self.timer.is_none());
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
            let at = self.flying.len();
            self.flying.push_back(Flying {
                seq: self.next,
                flags,
                payload,
                sent: None,
                again: false,
                arrived: false,
            });
            self.next = self.next.wrapping_add(1);
            return self.launch(at, now);
        }
        None
    }

    fn launch(&mut self, at: usize, now: Instant) -> Option<Outgoing<'_>> {
        if self.timer.is_none() {
            self.timer = now.checked_add(self.timeout());
        }
        self.burst = self.burst.saturating_add(1);
        let flying = self.flying.get_mut(at)?;
        flying.sent = Some(now);
        Some(Outgoing {
            flags: flying.flags,
            seq: flying.seq,
            payload: &flying.payload,
        })
    }
}

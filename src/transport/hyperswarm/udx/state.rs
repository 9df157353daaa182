//! A stream of UDX, free of IO and clocks.

use std::io;

use tokio::time::Instant;

use super::{
    packet::{DATA, DESTROY, END, HEARTBEAT, Packet, after},
    receive::Receiver,
    send::{Outgoing, Sender},
};

/// Both directions of a stream.
pub(super) struct State {
    remote_id: u32,
    /// Why it is over, for good.
    pub(super) failed: Option<io::ErrorKind>,
    sender: Sender,
    receiver: Receiver,
}

impl State {
    pub(super) fn new(remote_id: u32) -> Self {
        Self {
            remote_id,
            failed: None,
            sender: Sender::new(),
            receiver: Receiver::new(),
        }
    }

    /// Takes bytes to send, as many as there is room for.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        self.sender.write(bytes)
    }

    /// Ends our direction behind what is written.
    pub(super) fn end(&mut self) {
        self.sender.end();
    }

    /// Whether all that was written, and the end if there is one, has arrived.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.sender.is_acknowledged()
    }

    /// Whether both directions have ended.
    pub(super) fn is_over(&self) -> bool {
        self.sender.has_ended() && self.receiver.ended
    }

    /// Whether the peer waits to be told something.
    pub(super) fn owes_ack(&self) -> bool {
        self.receiver.owes_ack
    }

    /// Gives what has arrived; the number of bytes. None when there is nothing yet.
    pub(super) fn read(&mut self, take: impl FnMut(&[u8]) -> usize) -> Option<usize> {
        self.receiver.read(take)
    }

    /// Takes a packet of the peer.
    pub(super) fn receive(&mut self, packet: &Packet<'_>, now: Instant) {
        self.sender.heard();
        if packet.flags & HEARTBEAT != 0 {
            self.receiver.owes_ack = true;
            return;
        }
        if !after(self.receiver.expected(), packet.seq) {
            if packet.flags & (DATA | END) != 0 {
                self.receiver.take(packet);
            }
            if packet.flags & DESTROY != 0 {
                self.failed.get_or_insert(io::ErrorKind::ConnectionReset);
                return;
            }
        }
        // What was taken before is acknowledged again: the first time may be lost.
        self.receiver.owes_ack |= packet.flags & (DATA | END) != 0;
        self.sender.acknowledged(packet, now);
    }

    /// The timer may have run out.
    pub(super) fn tick(&mut self, now: Instant) {
        if !self.sender.tick(now) {
            self.failed.get_or_insert(io::ErrorKind::TimedOut);
        }
    }

    /// When to tick.
    pub(super) fn timer(&self) -> Option<Instant> {
        self.sender.timer()
    }

    /// The next packet to send, if any.
    pub(super) fn send(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.failed.is_some() {
            return None;
        }
        if let Some(outgoing) = self.sender.send(now) {
            self.receiver.told_with_data();
            return Some(packet(self.remote_id, &mut self.receiver, &outgoing));
        }
        std::mem::take(&mut self.receiver.owes_ack).then(|| self.bare(0))
    }

    /// The packet that tells the peer that nobody is here any more.
    pub(super) fn destroy(&mut self) -> Vec<u8> {
        self.bare(DESTROY)
    }

    fn bare(&mut self, flags: u8) -> Vec<u8> {
        let outgoing = Outgoing {
            flags,
            seq: self.sender.next(),
            payload: &[],
        };
        packet(self.remote_id, &mut self.receiver, &outgoing)
    }
}

fn packet(stream: u32, receiver: &mut Receiver, outgoing: &Outgoing<'_>) -> Vec<u8> {
    // Beside data there is no room for the ranges.
    let (window, ranges) = receiver.tell(outgoing.flags == 0);
    Packet {
        flags: outgoing.flags,
        stream,
        window,
        seq: outgoing.seq,
        ack: receiver.expected(),
        ranges,
        payload: outgoing.payload,
    }
    .encode()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{packet::MAX_RANGES, receive::RECEIVE, send::SEND},
        *,
    };

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
        assert!(ends[1].receiver.held() <= RECEIVE * 5 / 4);
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
        assert!(state.receiver.held() <= RECEIVE * 5 / 4);
    }
}

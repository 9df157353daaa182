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
mod tests;

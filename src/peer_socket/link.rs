//! One connection: its channels, what is read and what is written.

mod events;

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    CloseReason, MAX_SESSION_DATA, PeerInfo, ReadyState, Topic,
    frame::{self, Frame},
    home::Home,
    links::LinkEntry,
    mux::{Mux, Number},
    network::{FrameStream, Link, PacketSink},
    packet::Packet,
    roster::Roster,
    socket::{PROTOCOL, Socket},
};
use crate::{by_turns::by_turns, lock::lock};

/// The messages on a channel.
const MESSAGE: u64 = 0;
const SESSION_DATA: u64 = 1;

/// What a frame has beside a message: the number of the channel, and the type.
const HEADER: usize = 18;

/// After so long a silence an empty frame is sent, as `@hyperswarm/secret-stream` does.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// After so long a silence the peer is gone: three empty frames were lost.
const SILENCE: Duration = Duration::from_secs(20);

/// How long the end of a connection may take.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// So many frames are written before they are flushed.
const BATCH: usize = 64;

struct Channels {
    mux: Mux,
    by_number: HashMap<Number, Channel>,
    numbers: HashMap<Topic, Number>,
    /// The swarms that we are in, by the id of their channel.
    ids: HashMap<[u8; 32], Arc<Roster>>,
    /// Those of which the peer, or we, want no channel: by generation.
    unwanted: HashMap<Topic, u64>,
    /// As of when the swarms are known.
    version: Option<u64>,
    /// After which channel it is whose turn.
    turn: Number,
}

/// One swarm.
struct Channel {
    swarm: Arc<Roster>,
    session: watch::Receiver<Option<Bytes>>,
    /// Once the peer has opened it too.
    socket: Option<Arc<Socket>>,
}

struct Shared<'a> {
    home: &'a Home,
    info: PeerInfo,
    handshake_hash: [u8; 64],
    entry: &'a LinkEntry,
    channels: Mutex<Channels>,
    /// Answers were taken, so that more may be read.
    room: Notify,
}

/// What is to be written, and who hears of it.
enum Out {
    Control(Packet),
    Message(Packet, Arc<Socket>),
    /// The last of a socket.
    Close(Packet, Arc<Socket>),
}

/// Reads and writes until the connection ends, however it does.
pub(super) async fn run(home: &Home, link: Link, entry: &LinkEntry) {
    let max_content = home.options.max_message.max(MAX_SESSION_DATA);
    let max_frame = frame::max_len(max_content).saturating_add(HEADER);
    let (frames, mut sink, keep_alive) = link.body.into_frames(max_frame);
    let shared = Shared {
        home,
        info: link.info,
        handshake_hash: link.handshake_hash,
        entry,
        channels: Mutex::new(Channels {
            mux: Mux::new(PROTOCOL),
            by_number: HashMap::new(),
            numbers: HashMap::new(),
            ids: HashMap::new(),
            unwanted: HashMap::new(),
            version: None,
            turn: 0,
        }),
        room: Notify::new(),
    };
    // Dropped before the lease of the network, which may connect again then.
    let _lease = link.lease;
    let mut ended = Ended(&shared, CloseReason::Reset);
    let read = shared.read(frames, keep_alive);
    let write = shared.write(&mut sink, keep_alive);
    let result = tokio::select! {
        biased;
        () = entry.closing.cancelled() => Ok(match entry.replaced.load(Ordering::Acquire) {
            true => CloseReason::Reset,
            false => CloseReason::Local,
        }),
        result = by_turns(read, write) => result,
    };
    ended.1 = match result {
        Ok(reason) => reason,
        Err(error) => reason(&error),
    };
    let peer = shared.info.id;
    tracing::debug!(%peer, reason = %ended.1, "the connection to a peer ended");
    drop(ended);
    let _ = timeout(END_TIMEOUT, sink.close()).await;
}

fn reason(error: &io::Error) -> CloseReason {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    match (cause, error.kind()) {
        (Some(malformed), _) => CloseReason::Protocol(*malformed),
        (None, io::ErrorKind::TimedOut) => CloseReason::Timeout,
        _ => CloseReason::Reset,
    }
}

/// Ends the sockets, also when the task is aborted.
struct Ended<'a, 'b>(&'a Shared<'b>, CloseReason);

impl Drop for Ended<'_, '_> {
    fn drop(&mut self) {
        let channels = std::mem::take(&mut self.0.lock().by_number);
        for socket in channels.into_values().filter_map(|channel| channel.socket) {
            socket.finish(self.1);
        }
    }
}

impl Shared<'_> {
    async fn read(&self, mut frames: FrameStream, keep_alive: bool) -> io::Result<CloseReason> {
        loop {
            let next = match keep_alive {
                true => timeout(SILENCE, frames.next()).await?,
                false => frames.next().await,
            };
            let frame = match next {
                Some(frame) => frame?,
                // Such a stream tells its end from a loss.
                None if !keep_alive => return Ok(CloseReason::Remote),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
            self.lock().mux.receive(frame);
            while self.handle_event().await? {}
            self.entry.work.notify_one();
            // Answers that are not taken stop us here, so that they cannot pile up.
            while !self.lock().mux.may_read() {
                self.room.notified().await;
            }
        }
    }

    /// False when there are no more events in the frame.
    async fn handle_event(&self) -> io::Result<bool> {
        let (socket, frame) = {
            let mut channels = self.lock();
            // Before the event, so that none asks for a channel of a swarm that we are in and have not heard of.
            self.refresh(&mut channels);
            let Some(event) = channels.mux.next_event()? else {
                return Ok(false);
            };
            match self.handle(&mut channels, event) {
                Some(delivery) => delivery,
                None => return Ok(true),
            }
        };
        // While the socket is full, nothing more is read. One that is closed takes nothing, which is as well.
        let _ = socket.incoming.push(frame).await;
        Ok(true)
    }

    /// Never ends well: others decide when there is no more to write.
    async fn write(&self, sink: &mut PacketSink, keep_alive: bool) -> io::Result<CloseReason> {
        let mut written: Vec<(Arc<Socket>, bool)> = Vec::with_capacity(BATCH);
        // Counted from what was written: what is read wakes us too, and says nothing to the peer.
        let mut silent_since = Instant::now();
        loop {
            let next = match written.len() {
                BATCH => None,
                _ => self.next_out(),
            };
            if next.is_some() {
                silent_since = Instant::now();
            }
            match next {
                Some(Out::Control(frame)) => sink.feed(frame).await?,
                Some(Out::Message(frame, socket)) => {
                    sink.feed(frame).await?;
                    written.push((socket, false));
                }
                Some(Out::Close(frame, socket)) => {
                    sink.feed(frame).await?;
                    written.push((socket, true));
                }
                None => {
                    sink.flush().await?;
                    if !written.is_empty() {
                        for (socket, is_last) in written.drain(..) {
                            match is_last {
                                true => socket.finish(CloseReason::Local),
                                false => socket.outgoing.done(1),
                            }
                        }
                        continue;
                    }
                    let quiet = silent_since.elapsed();
                    if keep_alive && quiet >= KEEP_ALIVE {
                        sink.feed(Packet::Control(Bytes::new())).await?;
                        silent_since = Instant::now();
                        continue;
                    }
                    tokio::select! {
                        biased;
                        () = self.entry.work.notified() => {}
                        () = sleep(KEEP_ALIVE.saturating_sub(quiet)), if keep_alive => {}
                    }
                }
            }
        }
    }

    /// The next frame: first what controls the channels, then what they have, in turn.
    fn next_out(&self) -> Option<Out> {
        let channels = &mut *self.lock();
        self.refresh(channels);
        if let Some(frame) = channels.mux.next_frame() {
            if channels.mux.may_read() {
                self.room.notify_one();
            }
            return Some(Out::Control(Packet::Control(frame)));
        }
        let mut numbers: Vec<_> = channels.by_number.keys().copied().collect();
        let turn = channels.turn;
        numbers.sort_unstable_by_key(|number| (*number <= turn, *number));
        for our in numbers {
            let Some(channel) = channels.by_number.get_mut(&our) else {
                continue;
            };
            let out = match channel.next(our) {
                Next::Nothing => continue,
                Next::Out(out) => out,
                Next::Close(socket) => {
                    self.remove(channels, our);
                    let Some(frame) = channels.mux.close(our) else {
                        continue;
                    };
                    let frame = Packet::Control(frame);
                    match socket {
                        Some(socket) => Out::Close(frame, socket),
                        None => Out::Control(frame),
                    }
                }
            };
            channels.turn = our;
            return Some(out);
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, Channels> {
        lock(&self.channels)
    }
}

enum Next {
    Nothing,
    Out(Out),
    Close(Option<Arc<Socket>>),
}

impl Channel {
    fn next(&mut self, our: Number) -> Next {
        let Some(socket) = &self.socket else {
            return match self.swarm.is_left() {
                true => Next::Close(None),
                false => Next::Nothing,
            };
        };
        if socket.ready_state() == ReadyState::Closed {
            return Next::Close(None);
        }
        if self.session.has_changed().unwrap_or(false)
            && let Some(json) = self.session.borrow_and_update().clone()
        {
            return Next::Out(Out::Control(Packet::Message {
                our,
                kind: SESSION_DATA,
                message: Frame::session_data(json),
            }));
        }
        match socket.outgoing.try_pop() {
            Some(message) => {
                let packet = Packet::Message {
                    our,
                    kind: MESSAGE,
                    message: message.0,
                };
                Next::Out(Out::Message(packet, socket.clone()))
            }
            None if socket.outgoing.is_closed() => Next::Close(Some(socket.clone())),
            None => Next::Nothing,
        }
    }
}

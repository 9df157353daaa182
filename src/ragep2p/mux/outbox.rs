//! What is written next.

use super::*;

/// A message that waits to be sent.
#[derive(Debug)]
pub(in crate::ragep2p) enum Outbound {
    Message(Bytes),
    Request(Bytes, ResponsePolicy),
    Response(RequestId, Bytes),
}

/// A frame to write.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ragep2p) struct OutFrame {
    pub(in crate::ragep2p) header: Header,
    pub(in crate::ragep2p) request: Option<RequestId>,
    pub(in crate::ragep2p) payload: Bytes,
}

/// Every so many messages one of low priority goes first.
const LOW_FIRST: u32 = 8;

impl Mux {
    /// Lets a message wait to be sent.
    pub(in crate::ragep2p) fn send(
        &mut self,
        id: &StreamId,
        message: Outbound,
    ) -> Result<Sent, SendError> {
        let on = self.is_on(id);
        let channel = self.streams.get_mut(id).ok_or(SendError::Closed)?;
        let max = match message {
            // The policy of the request says how long it may be.
            Outbound::Response(..) => MAX_MESSAGE_LEN,
            _ => channel.max_message,
        };
        let len = message.payload().len();
        if len > max {
            return Err(SendError::TooLong { len, max });
        }
        let evicted = channel.outgoing.push(message);
        if on {
            self.ready.insert(channel.priority, *id);
        }
        Ok(match evicted {
            Some(_) => Sent::Evicted,
            None => Sent::Queued,
        })
    }

    /// Resolves when a message can wait to be sent without taking another's place.
    pub(in crate::ragep2p) fn poll_room(
        &mut self,
        id: &StreamId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        self.poll_writer(id, cx, |outgoing| !outgoing.is_full())
    }

    /// Resolves when no message waits to be sent.
    pub(in crate::ragep2p) fn poll_flushed(
        &mut self,
        id: &StreamId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        self.poll_writer(id, cx, Ring::is_empty)
    }

    fn poll_writer(
        &mut self,
        id: &StreamId,
        cx: &mut Context<'_>,
        until: impl Fn(&Ring<Outbound>) -> bool,
    ) -> Poll<Result<(), SendError>> {
        let channel = self.streams.get_mut(id).ok_or(SendError::Closed)?;
        if until(&channel.outgoing) {
            return Poll::Ready(Ok(()));
        }
        channel.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The next frame to write: what the peer must be told of streams, then the oldest message of one of the streams that
    /// have some, each as likely as the other.
    pub(in crate::ragep2p) fn next_frame(&mut self, now: Instant) -> Option<OutFrame> {
        self.next_notice().or_else(|| self.next_message(now))
    }

    fn next_notice(&mut self) -> Option<OutFrame> {
        let (stream, notice) = self.notices.pop_first()?;
        let (frame, payload) = match notice {
            Notice::Open => {
                let name = self.streams.get(&stream)?.name.clone();
                (FrameType::Open, Bytes::copy_from_slice(name.as_bytes()))
            }
            Notice::Close => (FrameType::Close, Bytes::new()),
        };
        Some(OutFrame::new(frame, stream, None, payload))
    }

    fn next_message(&mut self, now: Instant) -> Option<OutFrame> {
        let stream = self.ready.choose(&mut self.random)?;
        let channel = self.streams.get_mut(&stream)?;
        let message = channel.outgoing.pop()?;
        if channel.outgoing.is_empty() {
            self.ready.remove(channel.priority, &stream);
        }
        if let Some(waker) = channel.writer.take() {
            waker.wake();
        }
        Some(match message {
            Outbound::Message(payload) => OutFrame::new(FrameType::Message, stream, None, payload),
            Outbound::Response(id, payload) => {
                OutFrame::new(FrameType::Response, stream, Some(id), payload)
            }
            Outbound::Request(payload, policy) => {
                let id = self.request_id();
                let random = |id: &mut RequestId| self.random.fill(id);
                self.policies.insert(id, stream, policy, now, random);
                OutFrame::new(FrameType::Request, stream, Some(id), payload)
            }
        })
    }

    /// A name that the peer cannot have guessed.
    fn request_id(&mut self) -> RequestId {
        let mut id = [0; 32];
        // There is no supported system whose random source fails once it runs. A poor name would only let a peer answer what
        // it was asked anyway.
        if getrandom::fill(&mut id).is_err() {
            self.random.fill(&mut id);
        }
        id
    }
}

impl Outbound {
    fn payload(&self) -> &Bytes {
        match self {
            Self::Message(payload) | Self::Request(payload, _) | Self::Response(_, payload) => {
                payload
            }
        }
    }
}

impl OutFrame {
    #[expect(
        clippy::expect_used,
        reason = "what is longer was refused when it was to be queued"
    )]
    fn new(frame: FrameType, stream: StreamId, request: Option<RequestId>, payload: Bytes) -> Self {
        let len = u32::try_from(payload.len()).expect("it is at most MAX_MESSAGE_LEN");
        let header = Header { frame, stream, len };
        Self {
            header,
            request,
            payload,
        }
    }
}

/// The streams that have messages which may be written, by their priority. Each operation takes the same time, however many
/// there are.
#[derive(Debug, Default)]
pub(super) struct Ready {
    low: Set,
    default: Set,
    chosen: u32,
}

#[derive(Debug, Default)]
struct Set {
    ids: Vec<StreamId>,
    places: HashMap<StreamId, usize>,
}

impl Ready {
    pub(super) fn insert(&mut self, priority: Priority, id: StreamId) {
        self.of(priority).insert(id);
    }

    pub(super) fn remove(&mut self, priority: Priority, id: &StreamId) {
        self.of(priority).remove(id);
    }

    pub(super) fn clear(&mut self) {
        for set in [&mut self.low, &mut self.default] {
            set.ids.clear();
            set.places.clear();
        }
    }

    /// One of them. Of low priority only where there is no other, but for one in [`LOW_FIRST`].
    fn choose(&mut self, random: &mut fastrand::Rng) -> Option<StreamId> {
        self.chosen = self.chosen.wrapping_add(1);
        let classes = match self.chosen.is_multiple_of(LOW_FIRST) {
            true => [&self.low, &self.default],
            false => [&self.default, &self.low],
        };
        let class = classes.into_iter().find(|class| !class.ids.is_empty())?;
        random.choice(&class.ids).copied()
    }

    /// All of them, and whether they are of low priority.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<(bool, StreamId)> {
        let classes = [(false, &self.default), (true, &self.low)];
        let mut all: Vec<_> = classes
            .into_iter()
            .flat_map(|(is_low, set)| set.ids.iter().map(move |id| (is_low, *id)))
            .collect();
        all.sort();
        all
    }

    fn of(&mut self, priority: Priority) -> &mut Set {
        match priority {
            Priority::Low => &mut self.low,
            Priority::Default => &mut self.default,
        }
    }
}

impl Set {
    fn insert(&mut self, id: StreamId) {
        self.places.entry(id).or_insert_with(|| {
            let place = self.ids.len();
            self.ids.push(id);
            place
        });
    }

    fn remove(&mut self, id: &StreamId) {
        let Some(place) = self.places.remove(id) else {
            return;
        };
        self.ids.swap_remove(place);
        if let Some(moved) = self.ids.get(place) {
            self.places.insert(*moved, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(number: u8) -> StreamId {
        StreamId::from_bytes([number; 32])
    }

    /// The next so many.
    fn chosen(ready: &mut Ready, count: usize) -> Vec<StreamId> {
        let mut random = fastrand::Rng::with_seed(7);
        let next = || ready.choose(&mut random);
        std::iter::from_fn(next).take(count).collect()
    }

    #[test]
    fn low_priority_goes_first_one_time_in_eight() {
        let mut ready = Ready::default();
        ready.insert(Priority::Low, id(1));
        ready.insert(Priority::Default, id(2));
        let chosen = chosen(&mut ready, 8000);
        let low = chosen.iter().filter(|chosen| **chosen == id(1)).count();
        assert_eq!(low, 1000);
        // It never waits longer.
        for eight in chosen.windows(8) {
            assert!(eight.contains(&id(1)));
        }
    }

    #[test]
    fn low_priority_has_all_where_it_is_alone_and_leaves_none() {
        let mut ready = Ready::default();
        ready.insert(Priority::Low, id(1));
        assert_eq!(chosen(&mut ready, 100), [id(1); 100]);
        ready.remove(Priority::Low, &id(1));
        ready.insert(Priority::Default, id(2));
        assert_eq!(chosen(&mut ready, 100), [id(2); 100]);
        ready.clear();
        assert_eq!(chosen(&mut ready, 1), []);
    }

    #[test]
    fn streams_of_one_priority_have_equal_shares() {
        let mut ready = Ready::default();
        for number in 0..12 {
            ready.insert(Priority::Default, id(number));
            ready.insert(Priority::Default, id(number));
        }
        // From the middle, and the last.
        ready.remove(Priority::Default, &id(3));
        ready.remove(Priority::Default, &id(11));
        let chosen = chosen(&mut ready, 10_000);
        for number in (0..11).filter(|number| *number != 3) {
            let share = chosen.iter().filter(|chosen| **chosen == id(number));
            let share = share.count();
            assert!((800..1200).contains(&share), "{share}");
        }
    }
}

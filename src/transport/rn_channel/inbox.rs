//! Messages in, bytes out: in the order of their sequence numbers.

use std::{collections::BTreeMap, io};

use tokio::io::ReadBuf;

use super::{
    message::{Content, MAX_MESSAGE, Message},
    violation::{Aborted, Violation},
};
use crate::fits::read_into;

/// How many messages wait for one that is missing: far more than a pipe that swaps messages ever keeps back.
const MAX_WAITING: usize = 1024;

/// How many bytes they may hold.
const MAX_WAITING_BYTES: usize = MAX_MESSAGE;

/// What came and was not read yet.
#[derive(Debug)]
pub(super) struct Inbox {
    /// The data that is being read, and how much of it was.
    current: Vec<u8>,
    at: usize,
    /// The number of the message that follows it.
    next: u64,
    waiting: BTreeMap<u64, Content>,
    waiting_bytes: usize,
    end: Option<End>,
}

#[derive(Clone, Debug)]
enum End {
    Clean,
    Aborted(Aborted),
    Violation(Violation),
    Truncated,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            current: Vec::new(),
            at: 0,
            next: 1,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            end: None,
        }
    }

    /// Hands on data, or says how it ended; `None` when there is neither, so that another message is needed.
    pub(super) fn deliver(&mut self, buf: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        loop {
            let unread = self.current.get(self.at..).unwrap_or_default();
            if !unread.is_empty() {
                self.at = self.at.saturating_add(read_into(buf, unread));
                if self.at >= self.current.len() {
                    // So that an idle connection holds no buffer.
                    self.current = Vec::new();
                    self.at = 0;
                }
                return Some(Ok(()));
            }
            if let Some(end) = &self.end {
                return Some(end.clone().result());
            }
            let content = self.waiting.remove(&self.next)?;
            self.waiting_bytes = self.waiting_bytes.saturating_sub(content.len());
            self.next = self.next.saturating_add(1);
            match content {
                Content::Data(data) => self.current = data,
                Content::End => self.end(End::Clean),
                Content::Error(aborted) => self.end(End::Aborted(aborted)),
            }
        }
    }

    /// Takes a message, of which there must be need.
    pub(super) fn receive(&mut self, text: &str) {
        if let Err(violation) = self.sort(text) {
            tracing::debug!(error = %violation, "giving up");
            self.end(End::Violation(violation));
        }
    }

    fn sort(&mut self, text: &str) -> Result<(), Violation> {
        let Message { seq, content } = Message::parse(text)?;
        if seq < self.next || self.waiting.contains_key(&seq) {
            return Err(Violation::Repeated);
        }
        // The one that is missing is never refused: it goes on at once.
        let bytes = self.waiting_bytes.saturating_add(content.len());
        let room = self.waiting.len() < MAX_WAITING && bytes <= MAX_WAITING_BYTES;
        if seq > self.next && !room {
            return Err(Violation::TooFar);
        }
        self.waiting_bytes = bytes;
        self.waiting.insert(seq, content);
        Ok(())
    }

    /// There will be no more messages.
    pub(super) fn cut(&mut self) {
        self.end(End::Truncated);
    }

    fn end(&mut self, end: End) {
        self.waiting = BTreeMap::new();
        self.waiting_bytes = 0;
        self.end.get_or_insert(end);
    }

    /// Whether the end was reached, and told to the reader or about to be.
    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::End => 0,
            Self::Error(aborted) => aborted.reason().len(),
        }
    }
}

impl End {
    fn result(self) -> io::Result<()> {
        match self {
            Self::Clean => Ok(()),
            Self::Aborted(aborted) => Err(aborted.into()),
            Self::Violation(violation) => Err(violation.into()),
            Self::Truncated => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the pipe ended without an end message",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{super::message, *};

    /// Receives all the messages; what they say, and how it ended, if it did.
    fn read(messages: &[String]) -> (Vec<u8>, Option<io::Result<()>>) {
        let mut inbox = Inbox::new();
        let mut all = Vec::new();
        let mut messages = messages.iter();
        loop {
            let mut space = [0; 7];
            let mut buf = ReadBuf::new(&mut space);
            match inbox.deliver(&mut buf) {
                Some(result) if buf.filled().is_empty() => return (all, Some(result)),
                Some(_) => all.extend_from_slice(buf.filled()),
                None => match messages.next() {
                    Some(text) => inbox.receive(text),
                    None => return (all, None),
                },
            }
        }
    }

    fn violation(messages: &[String]) -> Option<Violation> {
        let error = read(messages).1?.err()?;
        let inner = error.get_ref()?;
        let in_limit = || {
            inner
                .downcast_ref::<tower_multiserver_core::Error>()?
                .source()
        };
        let in_limit = || in_limit()?.downcast_ref();
        use std::error::Error as _;
        inner.downcast_ref().or_else(in_limit).copied()
    }

    #[test]
    fn messages_are_read_in_the_order_of_their_numbers() {
        let [a, b, c] = [(1, "a"), (2, "b"), (3, "c")].map(|(n, t)| message::data(n, t.as_bytes()));
        let (all, end) = read(&[c, a, message::end(4), b]);
        assert_eq!(all, b"abc");
        assert!(matches!(end, Some(Ok(()))));
    }

    #[test]
    fn an_end_is_told_again_and_what_follows_it_is_ignored() {
        let mut inbox = Inbox::new();
        inbox.receive(&message::data(3, b"never"));
        inbox.receive(&message::end(1));
        for _ in 0..3 {
            let mut space = [0; 7];
            let mut buf = ReadBuf::new(&mut space);
            assert!(matches!(inbox.deliver(&mut buf), Some(Ok(()))));
            assert!(buf.filled().is_empty());
            inbox.cut();
        }
    }

    #[test]
    fn an_empty_message_is_no_end() {
        let empty = message::data(1, b"");
        assert!(read(std::slice::from_ref(&empty)).1.is_none());
        let (all, end) = read(&[empty, message::data(2, b"x"), message::end(3)]);
        assert_eq!(all, b"x");
        assert!(matches!(end, Some(Ok(()))));
    }

    #[test]
    fn a_number_for_the_second_time_is_a_violation() {
        let message = |seq| message::data(seq, b"x");
        for twice in [[1, 1], [3, 3], [0, 1]] {
            let messages = twice.map(message);
            assert_eq!(violation(&messages), Some(Violation::Repeated), "{twice:?}");
        }
    }

    #[test]
    fn what_came_in_order_before_a_violation_or_a_cut_is_read() {
        let messages = [message::data(1, b"whole"), "{".to_owned()];
        assert_eq!(read(&messages).0, b"whole");
        assert_eq!(violation(&messages), Some(Violation::Syntax));
    }

    #[test]
    fn only_so_many_messages_wait_for_a_missing_one() {
        let mut messages: Vec<_> = (2..MAX_WAITING as u64 + 2).map(message::end).collect();
        messages.push(message::data(1, b"it came"));
        assert_eq!(read(&messages).0, b"it came");
        let missing = messages.last_mut().expect("one");
        *missing = message::end(u64::MAX);
        assert_eq!(violation(&messages), Some(Violation::TooFar));
    }

    #[test]
    fn only_so_many_bytes_wait_for_a_missing_message() {
        let quarter = vec![0; MAX_WAITING_BYTES / 4];
        let mut messages: Vec<_> = (2..=5).map(|n| message::data(n, &quarter)).collect();
        messages.extend([message::data(1, &quarter), message::end(6)]);
        let (all, end) = read(&messages);
        assert_eq!(all.len(), 5 * quarter.len());
        assert!(matches!(end, Some(Ok(()))));
        messages[4] = message::data(6, b"x");
        assert_eq!(violation(&messages), Some(Violation::TooFar));
    }

    #[test]
    fn a_read_and_dropped_message_frees_its_memory() {
        let mut inbox = Inbox::new();
        inbox.receive(&message::data(1, &[0; 100_000]));
        let mut space = vec![0; 100_000];
        let mut buf = ReadBuf::new(&mut space);
        assert!(inbox.deliver(&mut buf).is_some());
        assert_eq!((inbox.current.capacity(), inbox.waiting_bytes), (0, 0));
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same_bytes(
            chunks in vec(vec(any::<u8>(), 0..20), 0..40),
            order in any::<prop::sample::Index>(),
            swaps in vec(any::<[prop::sample::Index; 2]>(), 0..40),
        ) {
            let all = chunks.concat();
            let mut messages: Vec<_> = (1..).zip(&chunks).map(|(n, c)| message::data(n, c)).collect();
            messages.push(message::end(messages.len() as u64 + 1));
            for [a, b] in swaps {
                let (a, b) = (a.index(messages.len()), b.index(messages.len()));
                messages.swap(a, b);
            }
            let (read_all, end) = read(&messages);
            prop_assert_eq!(&read_all, &all);
            prop_assert!(matches!(end, Some(Ok(()))));

            // Without one of them it does not end.
            let lost = order.index(messages.len());
            messages.remove(lost);
            let (some, end) = read(&messages);
            prop_assert!(end.is_none() && all.starts_with(&some));
        }
    }
}

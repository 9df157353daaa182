//! A bounded queue with any number of writers and readers.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// What has a length in bytes.
pub(super) trait Weight {
    fn weight(&self) -> usize;
}

/// Holds so many items, and so many bytes: but one item always finds room in an empty queue.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    max_items: usize,
    max_bytes: usize,
}

struct State<T> {
    items: VecDeque<T>,
    bytes: usize,
    closed: bool,
    cleared: bool,
    /// How many items ever went in, and how many of the first of them are done with.
    pushed: u64,
    done: u64,
    /// Who waits for an item, and who for room. As many as there are tasks that wait.
    readers: Vec<Waker>,
    writers: Vec<Waker>,
    flushers: Vec<Waker>,
}

impl<T: Weight> Queue<T> {
    pub(super) fn new(max_items: usize, max_bytes: usize) -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                bytes: 0,
                closed: false,
                cleared: false,
                pushed: 0,
                done: 0,
                readers: Vec::new(),
                writers: Vec::new(),
                flushers: Vec::new(),
            }),
            max_items,
            max_bytes,
        }
    }

    /// Ready when an item of this weight has room, or with an error when the queue is closed.
    ///
    /// Another writer may be faster: then [`try_push`](Self::try_push) gives the item back.
    pub(super) fn poll_room(
        &self,
        weight: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Closed>> {
        let mut state = self.lock();
        if state.closed {
            return Poll::Ready(Err(Closed));
        }
        if self.has_room(&state, weight) {
            return Poll::Ready(Ok(()));
        }
        register(&mut state.writers, cx);
        Poll::Pending
    }

    /// Puts an item in, or gives it back.
    pub(super) fn try_push(&self, item: T) -> Result<(), PushError<T>> {
        let mut state = self.lock();
        if state.closed {
            return Err(PushError::Closed);
        }
        let weight = item.weight();
        if !self.has_room(&state, weight) {
            return Err(PushError::Full(item));
        }
        state.items.push_back(item);
        state.bytes = state.bytes.saturating_add(weight);
        state.pushed = state.pushed.saturating_add(1);
        wake(&mut state.readers);
        Ok(())
    }

    /// Puts an item in, as soon as there is room. Cancel safe: then it is not in.
    pub(super) async fn push(&self, mut item: T) -> Result<(), Closed> {
        loop {
            let weight = item.weight();
            std::future::poll_fn(|cx| self.poll_room(weight, cx)).await?;
            match self.try_push(item) {
                Ok(()) => return Ok(()),
                Err(PushError::Closed) => return Err(Closed),
                Err(PushError::Full(back)) => item = back,
            }
        }
    }

    pub(super) fn try_pop(&self) -> Option<T> {
        let mut state = self.lock();
        state.pop()
    }

    /// The next item; `None` when there are no more and the queue is closed.
    pub(super) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(item) = self.try_pop() {
            return Poll::Ready(Some(item));
        }
        let mut state = self.lock();
        match state.pop() {
            Some(item) => Poll::Ready(Some(item)),
            None if state.closed => Poll::Ready(None),
            None => {
                register(&mut state.readers, cx);
                Poll::Pending
            }
        }
    }

    /// How many items ever went in.
    pub(super) fn pushed(&self) -> u64 {
        self.lock().pushed
    }

    /// So many more of those that came out are done with.
    pub(super) fn done(&self, count: u64) {
        let mut state = self.lock();
        state.done = state.done.saturating_add(count);
        wake(&mut state.flushers);
    }

    /// Ready when the first so many items are done with; with an error when the queue was [cleared](Self::clear) before.
    pub(super) fn poll_done(&self, target: u64, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let mut state = self.lock();
        if state.done >= target {
            Poll::Ready(Ok(()))
        } else if state.cleared {
            Poll::Ready(Err(Closed))
        } else {
            register(&mut state.flushers, cx);
            Poll::Pending
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Lets nothing more in. What is in comes out still.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        wake(&mut state.readers);
        wake(&mut state.writers);
    }

    /// Closes it and forgets what is in.
    pub(super) fn clear(&self) {
        self.close();
        let mut state = self.lock();
        state.cleared = true;
        state.items = VecDeque::new();
        state.bytes = 0;
        wake(&mut state.flushers);
    }

    fn has_room(&self, state: &State<T>, weight: usize) -> bool {
        let bytes = state.bytes.saturating_add(weight);
        state.items.is_empty() || (state.items.len() < self.max_items && bytes <= self.max_bytes)
    }

    /// The state is whole whenever the lock is free, also after a panic.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Weight> State<T> {
    /// Takes an item out, so that there is room.
    fn pop(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        self.bytes = self.bytes.saturating_sub(item.weight());
        wake(&mut self.writers);
        Some(item)
    }
}

/// Nothing goes in any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum PushError<T> {
    Closed,
    Full(T),
}

impl<T> PushError<T> {
    pub(super) fn map<U>(self, map: impl FnOnce(T) -> U) -> PushError<U> {
        match self {
            Self::Closed => PushError::Closed,
            Self::Full(item) => PushError::Full(map(item)),
        }
    }
}

fn register(wakers: &mut Vec<Waker>, cx: &Context<'_>) {
    if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
        wakers.push(cx.waker().clone());
    }
}

fn wake(wakers: &mut Vec<Waker>) {
    wakers.drain(..).for_each(Waker::wake);
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use bytes::Bytes;
    use tokio_test::{assert_pending, assert_ready_eq, task::spawn};

    use super::*;

    impl Weight for Bytes {
        fn weight(&self) -> usize {
            self.len()
        }
    }

    fn item(len: usize) -> Bytes {
        vec![0; len].into()
    }

    #[test]
    fn a_writer_waits_for_room_in_items_and_in_bytes() {
        let queue = Queue::new(2, 10);
        for (first, second, third) in [(1, 1, 1), (5, 5, 1)] {
            queue.try_push(item(first)).unwrap();
            queue.try_push(item(second)).unwrap();
            let mut writer = spawn(queue.push(item(third)));
            assert_pending!(writer.poll());
            queue.try_pop().unwrap();
            assert!(writer.is_woken());
            assert_ready_eq!(writer.poll(), Ok(()));
            while queue.try_pop().is_some() {}
        }
        // One that is too large by itself goes alone.
        queue.try_push(item(11)).unwrap();
        assert_eq!(queue.try_push(item(0)), Err(PushError::Full(item(0))));
    }

    #[test]
    fn every_reader_that_waits_is_woken() {
        let queue = Queue::new(2, 10);
        let mut readers = [(); 2].map(|()| spawn(poll_fn(|cx| queue.poll_pop(cx))));
        for reader in &mut readers {
            assert_pending!(reader.poll());
        }
        queue.try_push(item(1)).unwrap();
        assert!(readers.iter().all(|reader| reader.is_woken()));
        assert_ready_eq!(readers[1].poll(), Some(item(1)));
        assert_pending!(readers[0].poll());
        queue.close();
        assert_ready_eq!(readers[0].poll(), None);
    }

    #[test]
    fn what_is_in_a_closed_queue_comes_out_and_nothing_goes_in() {
        let queue = Queue::new(1, 10);
        queue.try_push(item(1)).unwrap();
        let mut writer = spawn(queue.push(item(1)));
        assert_pending!(writer.poll());
        queue.close();
        assert_ready_eq!(writer.poll(), Err(Closed));
        let mut reader = spawn(poll_fn(|cx| queue.poll_pop(cx)));
        assert_ready_eq!(reader.poll(), Some(item(1)));
        assert_ready_eq!(reader.poll(), None);
    }
}

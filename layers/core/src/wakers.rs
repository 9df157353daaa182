//! One waker for both halves of a stream.

use std::{
    sync::Arc,
    task::{Context, Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// One waker for both halves of a stream, of which either may send what waits.
///
/// A transport remembers one waker for what it is written. Where a reader sends too, such as what a writer has left behind,
/// the last of them to come would take the other's place; and if it then goes away, nobody is woken. So whoever sends
/// polls the transport in this [`context`](Self::context), which wakes both.
#[derive(Debug)]
pub struct Wakers {
    both: Arc<Both>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Both {
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Wakers {
    /// With nobody to wake yet.
    pub fn new() -> Self {
        let both = Arc::<Both>::default();
        Self {
            waker: Waker::from(both.clone()),
            both,
        }
    }

    /// The context in which the transport is written to.
    pub fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Remembers who reads.
    pub fn keep_reader(&self, cx: &Context<'_>) {
        self.both.reader.register(cx.waker());
    }

    /// Remembers who writes.
    pub fn keep_writer(&self, cx: &Context<'_>) {
        self.both.writer.register(cx.waker());
    }

    /// Wakes who reads.
    pub fn wake_reader(&self) {
        self.both.reader.wake();
    }

    /// Wakes who writes.
    pub fn wake_writer(&self) {
        self.both.writer.wake();
    }
}

impl Default for Wakers {
    fn default() -> Self {
        Self::new()
    }
}

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.reader.wake();
        self.writer.wake();
    }
}

//! One waker for both halves of a connection.

use std::{
    sync::Arc,
    task::{Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// Both halves of a split connection write to the transport, which remembers one waker only: this one wakes both.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    pub(super) reader: AtomicWaker,
    pub(super) writer: AtomicWaker,
}

impl Wakers {
    /// The wakers, none yet, and the one that wakes them.
    pub(super) fn new() -> (Arc<Self>, Waker) {
        let wakers = Arc::new(Self::default());
        (wakers.clone(), Waker::from(wakers))
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.reader.wake();
        self.writer.wake();
    }
}

//! The standard library, with loom's locks and wakers in the place of its own and of `futures-util`'s: under the names `std`
//! and `futures_util` it lets a file of the library be compiled unchanged into a model.

pub use ::std::*;

/// As in the standard library.
pub mod sync {
    pub use ::std::sync::*;
    pub use loom::sync::{Mutex, MutexGuard};
}

/// As in the standard library, and what `futures_util::task` has beside.
pub mod task {
    pub use ::std::task::*;

    /// As that of `futures-util`.
    #[derive(Default)]
    pub struct AtomicWaker(loom::future::AtomicWaker);

    impl AtomicWaker {
        /// Takes the place of the waker before.
        pub fn register(&self, waker: &Waker) {
            self.0.register_by_ref(waker);
        }

        /// Wakes it, if there is one.
        pub fn wake(&self) {
            self.0.wake();
        }
    }

    impl ::std::fmt::Debug for AtomicWaker {
        fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
            f.write_str("AtomicWaker")
        }
    }
}

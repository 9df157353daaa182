//! Mutexes that nothing leaves half done.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks it, also after a panic: nothing is left half done where one could be.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

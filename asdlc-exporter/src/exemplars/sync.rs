//! The lock that threads share. `tests/loom` replaces this file by loom's types.

pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

use std::sync::PoisonError;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

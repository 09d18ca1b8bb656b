//! A small index for each thread, which no other living thread has. It selects the thread's shard and its batches.
//!
//! The `thread_local` crate has such indices too, but they are private. It also panics if it is used while the thread-local
//! variables of a thread are dropped, which happens if such a variable holds a request.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// The number of shards, a power of two. Threads with an [index](current) below it have a shard and batches of their own. All other
/// threads share the shards, and have no batches.
pub(crate) fn shard_count() -> usize {
    // Cached: on Linux `available_parallelism` reads files, and each new series needs the number.
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| {
        // About as many threads handle requests as there are processors.
        let processors = thread::available_parallelism().map_or(1, usize::from);
        (2 * processors).next_power_of_two().min(64)
    })
}

/// The index of this thread. Indices of threads that have ended are reused, so they stay small when few threads live at once.
///
/// While its thread-local variables are dropped, a thread has no index any more; it then gets one beyond all shards.
#[inline(always)]
pub(crate) fn current() -> usize {
    match INDEX.get() {
        UNCLAIMED => claim(),
        index => index,
    }
}

/// As [`current`], but does not claim an index. Until this thread has one, returns a number beyond all shards. To compare it with the
/// index of a shard needs no check whether this thread has an index.
#[inline(always)]
pub(crate) fn claimed() -> usize {
    INDEX.get()
}

/// Gives this thread an index, even if another thread has it.
#[cfg(test)]
pub(crate) fn set_current(index: usize) {
    INDEX.set(index);
}

#[cold]
fn claim() -> usize {
    let index = CLAIM.try_with(|claim| claim.0).unwrap_or(ENDED);
    INDEX.set(index);
    index
}

thread_local! {
    // Separate from the claim: a variable without a destructor is faster to read.
    static INDEX: Cell<usize> = const { Cell::new(UNCLAIMED) };
    static CLAIM: Claim = Claim::new();
}

const UNCLAIMED: usize = usize::MAX;
const ENDED: usize = usize::MAX - 1;

/// An index that no other thread has until this is dropped.
struct Claim(usize);

impl Claim {
    fn new() -> Self {
        let mut indices = indices();
        let index = indices.free.pop_first();
        Self(index.unwrap_or_else(|| {
            indices.created += 1;
            indices.created - 1
        }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        INDEX.set(ENDED);
        indices().free.insert(self.0);
    }
}

struct Indices {
    created: usize,
    /// Indices whose threads have ended.
    free: BTreeSet<usize>,
}

static INDICES: Mutex<Indices> = Mutex::new(Indices { created: 0, free: BTreeSet::new() });

/// Locked once when a thread claims its index, and once when the thread ends.
fn indices() -> MutexGuard<'static, Indices> {
    INDICES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn threads_that_live_at_once_have_different_indices() {
        const THREADS: usize = 50;
        let barrier = Barrier::new(THREADS);
        let index_while_all_live = || {
            let index = current();
            barrier.wait();
            assert_eq!(index, current());
            index
        };
        let indices: BTreeSet<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(index_while_all_live)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(indices.len(), THREADS);
    }

    #[test]
    fn indices_of_threads_that_ended_are_reused() {
        let indices = (0..5_000).map(|_| thread::spawn(current).join().unwrap());
        // Threads of other tests have indices too.
        assert!(indices.max().unwrap() < 500);
    }

    #[test]
    fn a_thread_that_is_ending_has_no_index_that_another_may_get() {
        struct AtEnd(usize);
        impl Drop for AtEnd {
            fn drop(&mut self) {
                let index = current();
                let is_free = indices().free.contains(&index);
                WRONG.fetch_or(is_free || ![self.0, ENDED].contains(&index), Ordering::Relaxed);
            }
        }
        static WRONG: AtomicBool = AtomicBool::new(false);
        thread_local! {
            static FIRST: Cell<Option<AtEnd>> = const { Cell::new(None) };
            static LAST: Cell<Option<AtEnd>> = const { Cell::new(None) };
        }
        let barrier = Barrier::new(2);
        let end = || {
            // One is dropped before the claim and one after it, in whichever order that is.
            FIRST.set(None);
            let index = current();
            FIRST.set(Some(AtEnd(index)));
            LAST.set(Some(AtEnd(index)));
            // So that the two threads have different indices.
            barrier.wait();
        };
        // Joined one by one: a scope does not wait for the destructors of thread-local variables.
        thread::scope(|scope| {
            for thread in [scope.spawn(end), scope.spawn(end)] {
                thread.join().unwrap();
            }
        });
        assert!(!WRONG.load(Ordering::Relaxed));
    }
}

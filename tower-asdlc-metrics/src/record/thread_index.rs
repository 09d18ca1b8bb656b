//! What makes it possible that each thread has something of its own: a number, which no other thread has while this one lives.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// For how many threads it is worth having something: those with a [`number`] below.
pub(crate) fn count() -> usize {
    // Asked once: on Linux it reads files, and each new series needs it.
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| {
        // The threads that handle requests are about as many as there are processors.
        let processors = thread::available_parallelism().map_or(1, usize::from);
        (2 * processors).next_power_of_two().min(64)
    })
}

/// The number of this thread, small if few threads ever lived at once: that of a thread that ended is given again.
#[inline]
pub(crate) fn number() -> usize {
    match NUMBER.get() {
        UNKNOWN => claim(),
        number => number,
    }
}

/// Gives this thread a number, whoever else has it: what is one thread's own is then shared with that one.
#[cfg(test)]
pub(crate) fn set_number(number: usize) {
    NUMBER.set(number);
}

#[cold]
fn claim() -> usize {
    // There is none when this thread is just ending.
    let number = CLAIM.try_with(|claim| claim.0).unwrap_or(NONE);
    NUMBER.set(number);
    number
}

thread_local! {
    // Beside the claim, for what has nothing to drop is faster to read.
    static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
    static CLAIM: Claim = Claim::new();
}

const UNKNOWN: usize = usize::MAX;
const NONE: usize = usize::MAX - 1;

struct Claim(usize);

impl Claim {
    fn new() -> Self {
        let mut numbers = numbers();
        let number = numbers.free.pop_first();
        Self(number.unwrap_or_else(|| {
            numbers.given += 1;
            numbers.given - 1
        }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        NUMBER.set(NONE);
        numbers().free.insert(self.0);
    }
}

struct Numbers {
    /// How many there are.
    given: usize,
    /// Those that no thread has.
    free: BTreeSet<usize>,
}

static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers { given: 0, free: BTreeSet::new() });

/// Locked once when a thread first asks, and once when it ends.
fn numbers() -> MutexGuard<'static, Numbers> {
    NUMBERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn threads_that_live_at_once_have_different_numbers() {
        const THREADS: usize = 50;
        let barrier = Barrier::new(THREADS);
        let number_while_all_live = || {
            let number = number();
            barrier.wait();
            assert_eq!(number, super::number());
            number
        };
        let numbers: BTreeSet<_> = thread::scope(|scope| {
            let threads: Vec<_> =
                (0..THREADS).map(|_| scope.spawn(number_while_all_live)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(numbers.len(), THREADS);
    }

    #[test]
    fn numbers_of_threads_that_ended_are_given_again() {
        let numbers = (0..5_000).map(|_| thread::spawn(number).join().unwrap());
        // Other tests have theirs meanwhile.
        assert!(numbers.max().unwrap() < 500);
    }

    #[test]
    fn a_thread_that_is_ending_has_no_number_that_another_may_get() {
        struct AtEnd(usize);
        impl Drop for AtEnd {
            fn drop(&mut self) {
                let number = number();
                let is_free = numbers().free.contains(&number);
                WRONG.fetch_or(is_free || ![self.0, NONE].contains(&number), Ordering::Relaxed);
            }
        }
        static WRONG: AtomicBool = AtomicBool::new(false);
        thread_local! {
            static FIRST: Cell<Option<AtEnd>> = const { Cell::new(None) };
            static LAST: Cell<Option<AtEnd>> = const { Cell::new(None) };
        }
        let barrier = Barrier::new(2);
        let end = || {
            // One is dropped before the claim and one after, in whichever order that is.
            FIRST.set(None);
            let number = number();
            FIRST.set(Some(AtEnd(number)));
            LAST.set(Some(AtEnd(number)));
            // Not both have the number 0.
            barrier.wait();
        };
        // Joined one by one: a scope does not wait for what is dropped when its threads end.
        thread::scope(|scope| {
            for thread in [scope.spawn(end), scope.spawn(end)] {
                thread.join().unwrap();
            }
        });
        assert!(!WRONG.load(Ordering::Relaxed));
    }
}

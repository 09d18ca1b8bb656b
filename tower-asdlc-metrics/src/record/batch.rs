//! Measurements of one thread that the SDK is told of together.
//!
//! What it keeps of a series, a lock among it, must be fetched from the processor of the thread that told it last. Where several
//! threads record one series they wait for that, and for each other, each time. Told of many at once, they do so rarely.

use super::sync::{AtomicBool, AtomicU64, AtomicUsize, BATCH_SIZE as SIZE, Ordering, yield_now};

/// A ring of measurements that one thread adds to; it, and whoever collects, tells of them.
///
/// Adding waits for nobody, and most often is no atomic operation but loads and stores.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Batch {
    /// How many were ever added.
    added: AtomicUsize,
    /// How many of these were told of.
    told: AtomicUsize,
    /// Whether a thread is just telling: once it no longer is, all that was added before has been told of.
    is_telling: AtomicBool,
    /// Bits of `f64`, for which there is no atomic type.
    values: [AtomicU64; SIZE],
}

impl Batch {
    /// Adds a value, to which end it tells of the others if there is no more room. To be called by one thread only.
    ///
    /// `false` if another thread is just telling of them, so that there is no room: this one does not wait.
    #[inline]
    pub(crate) fn add(&self, value: f64, tell: impl FnOnce(&[f64])) -> bool {
        let added = self.added.load(Ordering::Relaxed);
        let is_full = || added.wrapping_sub(self.told.load(Ordering::Acquire)) >= SIZE;
        if is_full() {
            self.try_tell(tell);
            if is_full() {
                return false;
            }
        }
        self.values[added % SIZE].store(value.to_bits(), Ordering::Relaxed);
        self.added.store(added.wrapping_add(1), Ordering::Release);
        true
    }

    /// Tells of all that was added before, or waits until another thread has: no longer than that takes for
    /// as many values as there is room for.
    pub(crate) fn tell(&self, tell: impl FnOnce(&[f64])) {
        loop {
            if let Some(teller) = Teller::of(self) {
                return teller.tell(tell);
            }
            yield_now();
        }
    }

    #[inline(never)]
    fn try_tell(&self, tell: impl FnOnce(&[f64])) {
        if let Some(teller) = Teller::of(self) {
            teller.tell(tell);
        }
    }
}

/// The thread that tells of a batch, until it is dropped.
struct Teller<'a>(&'a Batch);

impl<'a> Teller<'a> {
    /// `None` while there is one.
    fn of(batch: &'a Batch) -> Option<Self> {
        // Not `swap`: a model checker, loom, can follow what does not write when it fails.
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        let claimed = batch.is_telling.compare_exchange(false, true, acquire, relaxed);
        claimed.is_ok().then(|| Self(batch))
    }

    fn tell(&self, tell: impl FnOnce(&[f64])) {
        let Self(batch) = self;
        let told = batch.told.load(Ordering::Relaxed);
        let added = batch.added.load(Ordering::Acquire);
        if told != added {
            let mut values = [0.0; SIZE];
            let values = &mut values[..added.wrapping_sub(told)];
            for (at, value) in values.iter_mut().enumerate() {
                let bits = batch.values[told.wrapping_add(at) % SIZE].load(Ordering::Relaxed);
                *value = f64::from_bits(bits);
            }
            tell(values);
            batch.told.store(added, Ordering::Release);
        }
    }
}

impl Drop for Teller<'_> {
    fn drop(&mut self) {
        self.0.is_telling.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{self, AssertUnwindSafe};
    use std::sync::Barrier;
    use std::thread;

    fn all(batch: &Batch) -> Vec<f64> {
        let mut told = Vec::new();
        batch.tell(|values| told.extend(values));
        told
    }

    #[test]
    fn each_value_is_told_once_and_in_order() {
        let batch = Batch::default();
        let mut told = Vec::new();
        for value in 0..100 {
            assert!(batch.add(f64::from(value), |values| {
                assert_eq!(values.len(), SIZE);
                told.extend(values);
            }));
        }
        told.extend(all(&batch));
        assert_eq!(told, (0..100).map(f64::from).collect::<Vec<_>>());
        batch.tell(|_| unreachable!("all is told"));
    }

    //
    #[test]
    fn while_another_tells_a_full_batch_takes_nothing_and_does_not_wait() {
        let batch = Batch::default();
        for _ in 0..SIZE {
            assert!(batch.add(1.0, |_| unreachable!("there is room")));
        }
        batch.tell(|values| {
            assert!(!batch.add(2.0, |_| unreachable!("it is being told")));
            assert_eq!(values, [1.0; SIZE]);
        });
        assert!(batch.add(3.0, |_| unreachable!("there is room again")));
        assert_eq!(all(&batch), [3.0]);
    }

    #[test]
    fn a_panic_while_telling_loses_nothing() {
        let batch = Batch::default();
        assert!(batch.add(1.0, |_| unreachable!("there is room")));
        let panics = || batch.tell(|_| panic!("told to"));
        assert!(panic::catch_unwind(AssertUnwindSafe(panics)).is_err());
        for _ in 1..SIZE {
            assert!(batch.add(2.0, |_| unreachable!("there is room")));
        }
        let mut told = Vec::new();
        assert!(batch.add(3.0, |values| told.extend(values)));
        told.extend(all(&batch));
        assert_eq!((told.len(), told[0], told[SIZE]), (SIZE + 1, 1.0, 3.0));
    }

    // `tests/loom` has this for every interleaving, of fewer values.
    #[test]
    fn between_a_thread_that_adds_and_others_that_tell_no_value_is_lost_or_doubled() {
        const VALUES: u32 = 200_000;
        const TIMES: usize = 20_000;
        let batch = Batch::default();
        let start = Barrier::new(3);
        let tell = || {
            start.wait();
            (0..TIMES).flat_map(|_| all(&batch)).collect::<Vec<_>>()
        };
        let mut told = thread::scope(|scope| {
            let others = [scope.spawn(tell), scope.spawn(tell)];
            start.wait();
            let mut told = Vec::new();
            for value in (0..VALUES).map(f64::from) {
                if !batch.add(value, |values| told.extend(values)) {
                    told.push(value);
                }
            }
            told.extend(others.into_iter().flat_map(|other| other.join().unwrap()));
            told
        });
        told.extend(all(&batch));
        told.sort_by(f64::total_cmp);
        assert!(told.into_iter().eq((0..VALUES).map(f64::from)));
    }
}

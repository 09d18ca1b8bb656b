//! Measurements that one thread buffers, to flush several to the SDK at once.
//!
//! A series' state and its lock share a cache line in the SDK. If several threads record into one series, the line moves
//! between their cores, and the threads wait for it at each measurement. With batches this is rare.

use super::sync::{AtomicBool, AtomicU64, AtomicUsize, BATCH_SIZE as SIZE, Ordering, yield_now};
use std::array;

/// A ring buffer of measurements. One thread adds to it; that thread and any collector flush it.
///
/// Adding a value never waits. It usually takes only atomic loads and stores, and no read-modify-write.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Batch {
    /// How many values were ever added.
    added: AtomicUsize,
    /// How many of them were flushed.
    flushed: AtomicUsize,
    /// Whether a [`FlushGuard`] exists.
    is_flushing: AtomicBool,
    /// The bits of `f64`, for which there is no atomic type.
    values: [AtomicU64; SIZE],
}

impl Batch {
    /// Adds a value. If the batch is full, passes the buffered values to `record` first. Only one thread may call this.
    ///
    /// Returns `false` if the batch is full and another thread is flushing it: this thread does not wait.
    #[inline(always)]
    pub(crate) fn add(&self, value: f64, record: impl FnOnce(&[f64])) -> bool {
        let added = self.added.load(Ordering::Relaxed);
        let is_full = || added.wrapping_sub(self.flushed.load(Ordering::Acquire)) >= SIZE;
        if is_full() {
            self.try_flush(record);
            if is_full() {
                return false;
            }
        }
        self.values[added % SIZE].store(value.to_bits(), Ordering::Relaxed);
        self.added.store(added.wrapping_add(1), Ordering::Release);
        true
    }

    /// Passes the buffered values to `record`. When this returns, every value that was added before the call is recorded. If
    /// another thread is flushing, this thread waits for it, at most as long as it takes to record a full batch.
    pub(crate) fn flush(&self, record: impl FnOnce(&[f64])) {
        loop {
            if let Some(guard) = FlushGuard::acquire(self) {
                return guard.record_pending(record);
            }
            yield_now();
        }
    }

    #[inline(never)]
    fn try_flush(&self, record: impl FnOnce(&[f64])) {
        if let Some(guard) = FlushGuard::acquire(self) {
            guard.record_pending(record);
        }
    }
}

/// The right to flush a batch, which one thread has at a time.
struct FlushGuard<'a>(&'a Batch);

impl<'a> FlushGuard<'a> {
    /// Returns `None` while another thread is flushing.
    fn acquire(batch: &'a Batch) -> Option<Self> {
        // Not `swap`: loom explores fewer states if a failed attempt does not write.
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        let acquired = batch.is_flushing.compare_exchange(false, true, acquire, relaxed);
        acquired.is_ok().then(|| Self(batch))
    }

    fn record_pending(&self, record: impl FnOnce(&[f64])) {
        let Self(batch) = self;
        let flushed = batch.flushed.load(Ordering::Relaxed);
        let added = batch.added.load(Ordering::Acquire);
        if flushed != added {
            // All slots, because a loop over those that are in use takes more instructions.
            let values: [f64; SIZE] = array::from_fn(|index| {
                let slot = &batch.values[flushed.wrapping_add(index) % SIZE];
                f64::from_bits(slot.load(Ordering::Relaxed))
            });
            record(&values[..added.wrapping_sub(flushed)]);
            // After `record`: if it panics, the values are still buffered. Release: the slots may be overwritten only after
            // they were read.
            batch.flushed.store(added, Ordering::Release);
        }
    }
}

impl Drop for FlushGuard<'_> {
    fn drop(&mut self) {
        self.0.is_flushing.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{self, AssertUnwindSafe};
    use std::sync::Barrier;
    use std::thread;

    fn flush_all(batch: &Batch) -> Vec<f64> {
        let mut flushed = Vec::new();
        batch.flush(|values| flushed.extend(values));
        flushed
    }

    #[test]
    fn each_value_is_flushed_once_and_in_order() {
        let batch = Batch::default();
        let mut flushed = Vec::new();
        for value in 0..100 {
            assert!(batch.add(f64::from(value), |values| {
                assert_eq!(values.len(), SIZE);
                flushed.extend(values);
            }));
        }
        flushed.extend(flush_all(&batch));
        assert_eq!(flushed, (0..100).map(f64::from).collect::<Vec<_>>());
        batch.flush(|_| unreachable!("nothing is buffered"));
    }

    //
    #[test]
    fn while_another_thread_flushes_a_full_batch_refuses_values_and_does_not_wait() {
        let batch = Batch::default();
        for _ in 0..SIZE {
            assert!(batch.add(1.0, |_| unreachable!("there is room")));
        }
        batch.flush(|values| {
            assert!(!batch.add(2.0, |_| unreachable!("another thread flushes")));
            assert_eq!(values, [1.0; SIZE]);
        });
        assert!(batch.add(3.0, |_| unreachable!("there is room again")));
        assert_eq!(flush_all(&batch), [3.0]);
    }

    #[test]
    fn a_panic_while_flushing_loses_nothing() {
        let batch = Batch::default();
        assert!(batch.add(1.0, |_| unreachable!("there is room")));
        let panics = || batch.flush(|_| panic!("on purpose"));
        assert!(panic::catch_unwind(AssertUnwindSafe(panics)).is_err());
        for _ in 1..SIZE {
            assert!(batch.add(2.0, |_| unreachable!("there is room")));
        }
        let mut flushed = Vec::new();
        assert!(batch.add(3.0, |values| flushed.extend(values)));
        flushed.extend(flush_all(&batch));
        assert_eq!((flushed.len(), flushed[0], flushed[SIZE]), (SIZE + 1, 1.0, 3.0));
    }

    // `tests/loom` checks this for every interleaving, with fewer values.
    #[test]
    fn with_a_thread_that_adds_and_others_that_flush_no_value_is_lost_or_doubled() {
        const VALUES: u32 = 200_000;
        const TIMES: usize = 20_000;
        let batch = Batch::default();
        let start = Barrier::new(3);
        let flush = || {
            start.wait();
            (0..TIMES).flat_map(|_| flush_all(&batch)).collect::<Vec<_>>()
        };
        let mut flushed = thread::scope(|scope| {
            let others = [scope.spawn(flush), scope.spawn(flush)];
            start.wait();
            let mut flushed = Vec::new();
            for value in (0..VALUES).map(f64::from) {
                if !batch.add(value, |values| flushed.extend(values)) {
                    flushed.push(value);
                }
            }
            flushed.extend(others.into_iter().flat_map(|other| other.join().unwrap()));
            flushed
        });
        flushed.extend(flush_all(&batch));
        flushed.sort_by(f64::total_cmp);
        assert!(flushed.into_iter().eq((0..VALUES).map(f64::from)));
    }
}

//! The place of one exemplar, which threads write and read without a lock.

use super::sync::{AtomicU64, Ordering, fence, spin_loop, yield_now};
use crate::exemplars::{Exemplar, Moment, SpanIds};

/// Has one exemplar, and `MORE` further numbers. It is never empty: it is created with its first exemplar.
///
/// A reader never gets a mix of two exemplars, although each word is written separately:
///
/// - A writer first marks the stamp as busy, with the only atomic exchange of a write. While the stamp is busy, no other thread
///   writes.
/// - As its last step, a writer sets a new stamp. All exemplars of a slot have different stamps: each is greater than the one
///   before.
/// - A reader reads the stamp, then the words, and then the stamp again. The words belong together if both stamps are the same,
///   and not busy. If one of the words is of a later exemplar, then the second stamp is different: it is the busy stamp that was
///   set before this word was written, or a later stamp. The release fence of the writer and the acquire fence of the reader
///   guarantee this.
#[derive(Debug)]
pub(super) struct Slot<const MORE: usize> {
    /// The moment. While a thread writes, it is [`BUSY`], too.
    stamp: AtomicU64,
    value: AtomicU64,
    trace: [AtomicU64; 2],
    span: AtomicU64,
    more: [AtomicU64; MORE],
}

impl<const MORE: usize> Slot<MORE> {
    pub(super) fn new(exemplar: Exemplar<Moment>, more: [u64; MORE]) -> Self {
        let Exemplar { value, time, span } = exemplar;
        let (trace, span) = span.words();
        Self {
            stamp: AtomicU64::new(time.0),
            value: AtomicU64::new(value.to_bits()),
            trace: trace.map(AtomicU64::new),
            span: AtomicU64::new(span),
            more: more.map(AtomicU64::new),
        }
    }

    /// The value of the exemplar, or of one that is being written.
    #[inline(always)]
    pub(super) fn value(&self) -> f64 {
        f64::from_bits(self.value.load(Ordering::Relaxed))
    }

    /// The moment of the exemplar, or of the one before if another is being written.
    pub(super) fn moment(&self) -> Moment {
        Moment(self.stamp.load(Ordering::Relaxed) & !BUSY)
    }

    /// Replaces the exemplar by a new one, unless the slot has a newer one, or another thread writes for too long. If both are of
    /// the same moment, the new exemplar gets a moment that is one nanosecond later.
    #[inline(always)]
    pub(super) fn replace(
        &self,
        (value, time): (f64, Moment),
        span: impl FnOnce() -> SpanIds,
        more: [u64; MORE],
    ) {
        if let Some(stamp) = self.begin(time) {
            let (trace, span) = span().words();
            self.value.store(value.to_bits(), Ordering::Relaxed);
            store(&self.trace, trace);
            self.span.store(span, Ordering::Relaxed);
            store(&self.more, more);
            self.stamp.store(stamp, Ordering::Release);
        }
    }

    /// Marks the stamp as busy, and returns the stamp of the new exemplar. `None` if the new exemplar must not be written.
    #[inline(always)]
    fn begin(&self, time: Moment) -> Option<u64> {
        let last = self.stamp.load(Ordering::Relaxed);
        // A busy stamp is greater than all moments.
        if last < time.0 && self.mark_busy(last) {
            return Some(time.0);
        }
        self.begin_after_others(time)
    }

    /// The rest of [`begin`](Self::begin) if there is a newer exemplar, or one of the same moment, or if another thread writes.
    ///
    /// It waits only a few microseconds for the other thread, which may have been interrupted. Then it gives up: the exemplar of
    /// the other thread is about as new.
    #[cold]
    #[inline(never)]
    fn begin_after_others(&self, time: Moment) -> Option<u64> {
        for _ in 0..WRITE_ATTEMPTS {
            let last = self.stamp.load(Ordering::Relaxed);
            if time.0 < last & !BUSY {
                return None;
            }
            if last & BUSY == 0 && self.mark_busy(last) {
                return Some(time.0.max(last + 1));
            }
            spin_loop();
        }
        None
    }

    /// Marks the stamp as busy if it is still `last`. Returns whether it was: then this thread may write.
    #[inline(always)]
    fn mark_busy(&self, last: u64) -> bool {
        let marked =
            self.stamp.compare_exchange(last, last | BUSY, Ordering::Acquire, Ordering::Relaxed);
        // If a reader gets one of the words that are written after this fence, then its second read of the stamp finds the busy
        // stamp, or a later one.
        fence(Ordering::Release);
        marked.is_ok()
    }

    /// `None` if other threads write all the time, or if one was interrupted while it wrote.
    pub(super) fn read(&self) -> Option<(Exemplar<Moment>, [u64; MORE])> {
        for _ in 0..READ_ATTEMPTS {
            let stamp = self.stamp.load(Ordering::Acquire);
            let value = self.value();
            let trace = load(&self.trace);
            let span = self.span.load(Ordering::Relaxed);
            let more = load(&self.more);
            fence(Ordering::Acquire);
            if stamp & BUSY == 0 && self.stamp.load(Ordering::Relaxed) == stamp {
                let span = SpanIds::of_words(trace, span);
                return Some((Exemplar { value, time: Moment(stamp), span }, more));
            }
            yield_now();
        }
        None
    }
}

#[inline(always)]
fn store<const N: usize>(words: &[AtomicU64; N], new: [u64; N]) {
    for (word, new) in words.iter().zip(new) {
        word.store(new, Ordering::Relaxed);
    }
}

fn load<const N: usize>(words: &[AtomicU64; N]) -> [u64; N] {
    let mut loaded = [0; N];
    for (loaded, word) in loaded.iter_mut().zip(words) {
        *loaded = word.load(Ordering::Relaxed);
    }
    loaded
}

/// Greater than all moments.
const BUSY: u64 = 1 << 63;
/// How often a writer tries. All attempts take a few microseconds, and writing takes a few nanoseconds.
const WRITE_ATTEMPTS: usize = 100;
/// How often a reader tries. A scrape has more time than a request.
const READ_ATTEMPTS: usize = 1_000;

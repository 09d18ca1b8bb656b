//! The newest exemplar of each bucket.

use super::sync::{Arc, AtomicUsize, OnceLock};
use crate::exemplars::{
    Exemplar, Moment, SpanIds,
    buckets::{Bucket, Buckets},
    slot::Slot,
};

/// The exemplars of one series. It can also have those of several series: then a further number of each exemplar says which
/// series it belongs to. Any number of threads may record and read, and no thread waits long for another one.
///
/// A slot does not store its bucket: the value of the exemplar determines the bucket. So the buckets can change. After a change,
/// several slots may have exemplars of the same bucket, and a caller of [`for_each`](Self::for_each) takes the newest. With more
/// than [`MAX_SLOTS`] buckets, threads that record at the same time may replace each other's exemplars.
#[derive(Debug)]
pub(crate) struct Reservoir<const MORE: usize = 0> {
    buckets: Arc<Buckets>,
    /// The number of the bucket that was found last.
    last: AtomicUsize,
    /// A list of as many slots as there are buckets that ever had an exemplar, but at most [`MAX_SLOTS`].
    first: Link<MORE>,
}

type Link<const MORE: usize> = OnceLock<Box<Node<MORE>>>;

#[derive(Debug)]
struct Node<const MORE: usize> {
    slot: Slot<MORE>,
    next: Link<MORE>,
}

impl<const MORE: usize> Reservoir<MORE> {
    pub(crate) fn new(buckets: Arc<Buckets>) -> Self {
        Self { buckets, last: AtomicUsize::new(0), first: OnceLock::new() }
    }

    /// Records an exemplar, whose value has to be finite. It replaces the exemplar of its bucket, unless the latter is newer.
    /// Beyond [`MAX_SLOTS`] buckets, it replaces the oldest exemplar of all.
    ///
    /// `span` is called when the ids are written, so that they are not copied before.
    #[inline(always)]
    pub(crate) fn record(
        &self,
        (value, time): (f64, Moment),
        span: impl FnOnce() -> SpanIds,
        more: [u64; MORE],
    ) {
        let bucket = self.buckets.find(value, &self.last);
        match self.first.get() {
            Some(node) if bucket.has(node.slot.value()) => {
                node.slot.replace((value, time), span, more);
            }
            _ => self.record_further(bucket, Exemplar { value, time, span: span() }, more),
        }
    }

    /// The rest of [`record`](Self::record) if the exemplar does not belong into the first slot.
    #[inline(never)]
    fn record_further(&self, bucket: Bucket, exemplar: Exemplar<Moment>, more: [u64; MORE]) {
        let Exemplar { value, time, span } = exemplar;
        let (mut link, mut count) = (&self.first, 0);
        loop {
            let Some(Node { slot, next }) = link.get().map(|node| &**node) else {
                if count == MAX_SLOTS {
                    if let Some(oldest) = self.slots().min_by_key(|slot| slot.moment()) {
                        oldest.replace((value, time), || span, more);
                    }
                    return;
                }
                let (slot, next) = (Slot::new(exemplar, more), OnceLock::new());
                if link.set(Box::new(Node { slot, next })).is_ok() {
                    return;
                }
                // Another thread has added a slot.
                continue;
            };
            if bucket.has(slot.value()) {
                return slot.replace((value, time), || span, more);
            }
            (link, count) = (next, count + 1);
        }
    }

    /// Passes the exemplars to `read`, in any order. There may be several of one bucket.
    pub(crate) fn for_each(&self, mut read: impl FnMut(Exemplar<Moment>, [u64; MORE])) {
        for (exemplar, more) in self.slots().filter_map(Slot::read) {
            read(exemplar, more);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.get().is_none()
    }

    fn slots(&self) -> impl Iterator<Item = &Slot<MORE>> {
        let first = self.first.get();
        std::iter::successors(first, |node| node.next.get()).map(|node| &node.slot)
    }
}

/// How many exemplars a series can have at the same time.
const MAX_SLOTS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exemplars::buckets::InitialBuckets;
    use std::thread;

    fn record(reservoir: &Reservoir, value: f64, time: u64) {
        reservoir.record((value, Moment(time)), SpanIds::default, []);
    }

    /// In the order of their values.
    fn kept(reservoir: &Reservoir) -> Vec<(f64, u64)> {
        let mut kept = Vec::new();
        reservoir.for_each(|Exemplar { value, time, .. }, []| kept.push((value, time.0)));
        kept.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        kept
    }

    fn powers_of_two() -> Arc<Buckets> {
        Arc::new(Buckets::new(InitialBuckets::PowersOfTwo))
    }

    //
    #[test]
    fn each_bucket_has_its_newest_exemplar() {
        let buckets = powers_of_two();
        buckets.set_boundaries([1.0, 2.0]);
        let reservoir = Reservoir::new(buckets);
        assert!(reservoir.is_empty());
        for (value, time) in [(5.0, 1), (0.5, 2), (1.0, 3), (f64::MAX, 4), (2.0, 5), (1.5, 4)] {
            record(&reservoir, value, time);
        }
        assert!(!reservoir.is_empty());
        assert_eq!(kept(&reservoir), [(1.0, 3), (2.0, 5), (f64::MAX, 4)]);
    }

    // no two exemplars of a slot have the same moment, see `Slot`.
    #[test]
    fn an_exemplar_of_the_same_moment_replaces_another_and_is_a_nanosecond_later() {
        let reservoir = Reservoir::new(Arc::new(Buckets::new(InitialBuckets::One)));
        for value in [1.0, 2.0, 3.0] {
            record(&reservoir, value, 7);
        }
        assert_eq!(kept(&reservoir), [(2.0, 8)], "the third one is older than the second one");
        record(&reservoir, 4.0, Moment::MAX.0);
        assert_eq!(kept(&reservoir), [(4.0, Moment::MAX.0)]);
    }

    //
    #[test]
    fn exemplars_stay_when_the_boundaries_become_known() {
        let buckets = powers_of_two();
        let reservoir = Reservoir::new(Arc::clone(&buckets));
        for (value, time) in [(1.0, 1), (3.0, 2), (4.0, 3), (4.5, 4), (-1.0, 5), (0.0, 6), (9.0, 7)]
        {
            record(&reservoir, value, time);
        }
        assert_eq!(kept(&reservoir), [(-1.0, 5), (0.0, 6), (1.0, 1), (4.0, 3), (4.5, 4), (9.0, 7)]);
        buckets.set_boundaries([0.5, 4.25]);
        // In the new bucket above 4.25, this exemplar is newer than that of 4.5, and older than that of 9.0.
        record(&reservoir, 8.0, 6);
        let newest = |above: f64, up_to: f64| {
            let kept = kept(&reservoir).into_iter();
            let kept = kept.filter(|(value, _)| above < *value && *value <= up_to);
            kept.max_by_key(|(_, time)| *time)
        };
        let newest =
            || [newest(f64::NEG_INFINITY, 0.5), newest(0.5, 4.25), newest(4.25, f64::INFINITY)];
        assert_eq!(newest(), [Some((0.0, 6)), Some((4.0, 3)), Some((9.0, 7))]);
        for (value, time) in [(-3.0, 8), (0.75, 9), (1e9, 10)] {
            record(&reservoir, value, time);
        }
        assert_eq!(newest(), [Some((-3.0, 8)), Some((0.75, 9)), Some((1e9, 10))]);
        assert!(kept(&reservoir).len() <= 6, "no slot was added");
    }

    //
    #[test]
    fn the_memory_of_a_series_is_bounded() {
        assert!(size_of::<Node<0>>() <= 64 && size_of::<Node<1>>() <= 64);
        let reservoir = Reservoir::new(powers_of_two());
        for exponent in -1_000..1_000 {
            record(&reservoir, 2.0_f64.powi(exponent), (exponent + 2_000) as u64);
        }
        let newest = 1_000 - MAX_SLOTS as i32..1_000;
        let newest: Vec<_> =
            newest.map(|exponent| (2.0_f64.powi(exponent), (exponent + 2_000) as u64)).collect();
        assert_eq!(kept(&reservoir), newest);
    }

    //
    #[test]
    fn threads_that_record_at_once_make_one_slot_for_each_bucket() {
        for _ in 0..100 {
            let reservoir = &Reservoir::new(powers_of_two());
            let start = &std::sync::Barrier::new(2);
            thread::scope(|scope| {
                for thread in 1..=2 {
                    scope.spawn(move || {
                        start.wait();
                        (0..20).for_each(|exponent| {
                            record(reservoir, 2.0_f64.powi(exponent), thread);
                        });
                    });
                }
            });
            assert_eq!(kept(reservoir).len(), 20);
        }
    }

    // `tests/loom` checks this for every interleaving, with fewer steps.
    #[test]
    fn an_exemplar_is_one_that_was_recorded() {
        const COUNT: u64 = 1_000_000;
        let buckets = powers_of_two();
        let reservoir = &Reservoir::new(Arc::clone(&buckets));
        thread::scope(|scope| {
            let record = |thread: u64| {
                for step in 0..COUNT {
                    let time = 2 * step + thread;
                    let ids = time.to_le_bytes();
                    let span = || SpanIds::new([ids, ids].concat().try_into().unwrap(), ids);
                    reservoir.record((time as f64, Moment(time)), span, [time]);
                }
            };
            let threads = [1, 2].map(|thread| scope.spawn(move || record(thread)));
            let mut count = 0;
            // At least once, also if this thread gets no time until the others have ended.
            loop {
                let are_finished = threads.iter().all(thread::ScopedJoinHandle::is_finished);
                reservoir.for_each(|Exemplar { value, time: Moment(time), span }, more| {
                    let ids = (value as u64).to_le_bytes();
                    assert_eq!((span.span(), more), (ids, [value as u64]));
                    assert_eq!(span.trace(), *[ids, ids].concat());
                    assert!((value as u64..value as u64 + 2).contains(&time), "{value} {time}");
                    count += 1;
                });
                if count > 1_000 {
                    buckets.set_boundaries([1e3, 1e6]);
                }
                if are_finished {
                    break;
                }
            }
            assert!(count > 0);
        });
    }
}

//! Shards, one for each thread. Every request of a thread writes to the counters of the thread's shard, which have their own
//! cache lines.

use crate::labels::methods::MAX_METHODS;
use crate::record::flags::FlagSet;
use crate::record::in_flight::InFlightSlot;
use crate::record::recorder::Recorder;
use crate::record::thread_index;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// All shards of a recorder. The layer and the flush callback hold them.
#[derive(Clone)]
pub(crate) struct Shards(Arc<[Arc<Shard>]>);

/// A reference to the recorder for the requests of one thread, and the in-flight counters of that thread.
///
/// Each request takes and drops a reference to a shard, and so does each clone of a service; routers clone their services for
/// each request. If two threads used one reference count, its cache line would move between their cores twice for each request.
#[repr(align(128))]
pub(crate) struct Shard {
    recorder: Arc<Recorder>,
    /// Written only by the thread with the [`index`](Self::index) of this shard, with a load and a store. With atomic additions, a
    /// request took 4.5 % longer when two threads served one route (median of 120 rounds).
    own: Slots,
    /// Written by all other threads, with atomic additions.
    others: Slots,
    /// The index of this shard among its siblings.
    index: usize,
    /// The number of siblings minus 1. Their number is a power of two.
    index_mask: usize,
    /// The shards of all threads. Weak, because shards that own each other would never be dropped.
    siblings: OnceLock<Arc<[Weak<Self>]>>,
}

/// The counters of all slots. Most layers have only a slot for each method.
struct Slots {
    first: [Counters; FIRST_SLOTS],
    more: Box<[Counters]>,
}

/// How many requests of one slot have started and ended. Both numbers only grow. A request can start on one thread and end on
/// another.
#[derive(Default)]
struct Counters {
    started: AtomicI64,
    ended: AtomicI64,
}

impl Shards {
    pub(crate) fn new(recorder: Recorder) -> Self {
        let recorder = Arc::new(recorder);
        let count = thread_index::shard_count();
        let slots = recorder.slots();
        let shard = |index| Shard {
            recorder: Arc::clone(&recorder),
            own: Slots::new(slots),
            others: Slots::new(slots),
            index,
            index_mask: count - 1,
            siblings: OnceLock::new(),
        };
        let shards: Arc<[_]> = (0..count).map(shard).map(Arc::new).collect();
        let siblings: Arc<[_]> = shards.iter().map(Arc::downgrade).collect();
        shards.iter().for_each(|shard| _ = shard.siblings.set(Arc::clone(&siblings)));
        Self(shards)
    }

    /// The shard of the current thread.
    pub(crate) fn current(&self) -> &Arc<Shard> {
        &self.0[thread_index::current() & (self.0.len() - 1)]
    }

    pub(crate) fn recorder(&self) -> &Arc<Recorder> {
        // Not the current shard: a thread that only builds or collects should not claim one of the low thread indices.
        &self.0[0].recorder
    }

    /// Reports the requests in flight and flushes the batches. Called before each collection.
    pub(crate) fn flush(&self) {
        self.recorder().flush(|slot| self.0.iter().map(|shard| shard.in_flight(slot)).sum());
    }
}

impl Shard {
    /// The shard of the current thread. Threads with an index beyond all shards share one with another thread.
    #[inline]
    pub(crate) fn current(self: &Arc<Self>) -> Arc<Self> {
        if thread_index::claimed() == self.index { Arc::clone(self) } else { self.sibling() }
    }

    /// The rest of [`current`](Self::current). Returns this shard if the [`Shards`] were dropped.
    #[inline(never)]
    fn sibling(self: &Arc<Self>) -> Arc<Self> {
        let index = thread_index::current() & self.index_mask;
        if index == self.index {
            return Arc::clone(self);
        }
        let sibling = self.siblings.get().and_then(|siblings| siblings.get(index)?.upgrade());
        sibling.unwrap_or_else(|| Arc::clone(self))
    }

    #[inline(always)]
    pub(crate) fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// Counts a request as started, and returns the shard of the current thread. The exchange keeps this shard, and calls
    /// [`leave`](Self::leave) on any thread after the request is recorded.
    #[inline(always)]
    pub(crate) fn enter(self: &Arc<Self>, slot: InFlightSlot, flags: FlagSet) -> Arc<Self> {
        if thread_index::claimed() == self.index {
            add_1_from_own_thread(&self.own.get(slot).started);
            self.recorder.in_flight_changed(slot, 1, flags);
            return Arc::clone(self);
        }
        self.enter_sibling(slot, flags)
    }

    #[inline(never)]
    fn enter_sibling(self: &Arc<Self>, slot: InFlightSlot, flags: FlagSet) -> Arc<Self> {
        let shard = self.current();
        shard.add_1(slot, |counters| &counters.started);
        shard.recorder.in_flight_changed(slot, 1, flags);
        shard
    }

    /// Counts a request of this shard as ended. The request must be recorded already.
    #[inline(always)]
    pub(crate) fn leave(&self, slot: InFlightSlot, flags: FlagSet) {
        self.add_1(slot, |counters| &counters.ended);
        self.recorder.in_flight_changed(slot, -1, flags);
    }

    #[inline(always)]
    fn add_1(&self, slot: InFlightSlot, counter: impl Fn(&Counters) -> &AtomicI64) {
        if thread_index::claimed() == self.index {
            add_1_from_own_thread(counter(self.own.get(slot)));
        } else {
            add_1_from_other_thread(counter(self.others.get(slot)));
        }
    }

    /// The number of requests in flight that started on this shard.
    fn in_flight(&self, slot: InFlightSlot) -> i64 {
        self.in_flight_with(slot, || ())
    }

    /// Calls `between` between the two reads; a test starts and ends a request in it.
    ///
    /// Reads `ended` first. Every request that it counts has started, and `started` counts it too: the number is never negative.
    /// A request that starts or ends between the reads counts as in flight.
    fn in_flight_with(&self, slot: InFlightSlot, between: impl FnOnce()) -> i64 {
        let [own, others] = [&self.own, &self.others].map(|counters| counters.get(slot));
        let ended = own.ended.load(Ordering::Acquire) + others.ended.load(Ordering::Acquire);
        between();
        let started = own.started.load(Ordering::Acquire) + others.started.load(Ordering::Acquire);
        started - ended
    }
}

impl Slots {
    fn new(count: usize) -> Self {
        let more = count.saturating_sub(FIRST_SLOTS);
        // The padding keeps the counters on cache lines of their own.
        let padding = if more == 0 { 0 } else { 2 * PADDING };
        Self {
            first: Default::default(),
            more: (0..more + padding).map(|_| Counters::default()).collect(),
        }
    }

    #[inline(always)]
    fn get(&self, slot: InFlightSlot) -> &Counters {
        let index = usize::from(slot.0);
        match self.first.get(index) {
            Some(counters) => counters,
            None => self.get_more(index - FIRST_SLOTS),
        }
    }

    #[inline(never)]
    fn get_more(&self, index: usize) -> &Counters {
        // Always in range: the recorder has as many slots.
        self.more.get(index + PADDING).unwrap_or(&self.first[0])
    }
}

#[inline(always)]
fn add_1_from_own_thread(counter: &AtomicI64) {
    // Release: a thread that reads that a request has ended also sees that it has started and is recorded.
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
}

#[inline(never)]
fn add_1_from_other_thread(counter: &AtomicI64) {
    // Release, as above.
    counter.fetch_add(1, Ordering::Release);
}

/// How many slots are stored within the shard.
const FIRST_SLOTS: usize = MAX_METHODS;

/// As many counters as fit into 128 bytes.
const PADDING: usize = 128 / size_of::<Counters>();

/// Prints the recorder once, and not each shard.
impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.recorder().fmt(f)
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.recorder.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::methods::MethodId;
    use crate::{FixedEndpoint, HttpMetricsLayer};
    use opentelemetry::metrics::{MeterProvider, noop::NoopMeterProvider};
    use std::sync::Barrier;
    use std::thread;
    use tower_layer::Layer;

    const HEAD: InFlightSlot = InFlightSlot(MethodId::HEAD.0 as u16);
    const CONNECT: InFlightSlot = InFlightSlot(MethodId::CONNECT.0 as u16);

    #[test]
    fn a_clone_takes_the_shard_of_its_thread() {
        const THREADS: usize = 8;
        let layer = HttpMetricsLayer::builder(FixedEndpoint("/x"))
            .build(&NoopMeterProvider::new().meter("test"))
            .unwrap();
        let service = layer.layer(());
        let barrier = Barrier::new(THREADS);
        let has_other_shard = || {
            let clone = service.clone();
            // So that all threads live at once.
            barrier.wait();
            assert!(Arc::ptr_eq(clone.shard(), layer.layer(()).shard()));
            !Arc::ptr_eq(clone.shard(), service.shard())
        };
        let have_other_shards = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(has_other_shard)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(have_other_shards.contains(&true));
    }

    #[test]
    fn a_request_in_flight_is_counted_until_it_ends_whichever_thread_ends_it_and_clones_are_not() {
        let layer = HttpMetricsLayer::builder(FixedEndpoint("/x"))
            .build(&NoopMeterProvider::new().meter("test"))
            .unwrap();
        let service = layer.layer(());
        let shard = service.shard();
        let flags = shard.recorder().flags();
        let shard = &shard.enter(HEAD, flags);
        let _clones = [service.clone(), service.clone()];
        assert_eq!(shard.in_flight(HEAD), 1);
        thread::scope(|scope| scope.spawn(|| shard.leave(HEAD, flags)).join().unwrap());
        assert_eq!(shard.in_flight(HEAD), 0);
        assert_eq!(shard.in_flight(CONNECT), 0);
    }

    #[test]
    fn the_number_in_flight_is_not_negative_if_another_thread_starts_a_request_that_the_owner_ends()
    {
        let layer = HttpMetricsLayer::builder(FixedEndpoint("/x"))
            .build(&NoopMeterProvider::new().meter("test"))
            .unwrap();
        let service = layer.layer(());
        let shard = service.shard();
        let flags = shard.recorder().flags();
        let owner = shard.index;
        let other = owner + thread_index::shard_count();
        for (starts, ends) in [(other, owner), (owner, other), (owner, owner), (other, other)] {
            let start_and_end = || {
                thread_index::set_current(starts);
                let entered = shard.enter(HEAD, flags);
                assert!(Arc::ptr_eq(&entered, shard));
                thread_index::set_current(ends);
                entered.leave(HEAD, flags);
            };
            assert_eq!(shard.in_flight_with(HEAD, start_and_end), 1);
            assert_eq!(shard.in_flight(HEAD), 0);
        }
    }

    #[test]
    fn debug_output_is_short_whatever_the_number_of_threads_and_series() {
        let layer = HttpMetricsLayer::builder(FixedEndpoint("/x"))
            .build(&NoopMeterProvider::new().meter("test"))
            .unwrap();
        for text in [format!("{layer:?}"), format!("{:?}", layer.layer(()))] {
            assert_eq!(text.matches("Settings").count(), 1, "{text}");
            assert!(text.len() < 1_000, "{text}");
        }
    }
}

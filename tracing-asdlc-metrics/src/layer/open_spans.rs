//! The states of all open spans that are measured.

use crate::layer::span_state::{AtomicSpanState, SpanState};
use crate::record::label_values::ValueIds;
use std::iter;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing_core::span::Id;

/// The open spans of one subscriber, by id. They are not in the spans' `Extensions`, which allocate and take a lock for each
/// span.
///
/// A span is in one of the `WAYS` slots of its bucket. If these are taken, it is in its bucket of the next table, which is twice
/// as large. A table is added when many spans are open at once, and is never released. The memory therefore depends on the
/// largest number of spans that were ever open at once.
///
/// # Synchronization
///
/// Each open span has a unique id, and every search compares the whole id. A slot belongs to the span whose id it holds. Only the
/// thread that creates the span knows its id before the layer returns, and no thread uses the id after the close, which calls
/// [`OpenSpan::take`]. This orders the accesses to the other fields.
#[derive(Debug)]
pub(crate) struct OpenSpans {
    /// Usually the only table. Its length is known, so that the index of a bucket is not checked.
    first: Box<[Bucket; FIRST_TABLE]>,
    later: [OnceLock<Box<[Bucket]>>; TABLES - 1],
}

/// The ids have a cache line of their own. A search reads only this line if the span is not in this bucket.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Bucket {
    /// 0 is a free slot. No span has the id 0.
    ids: [AtomicU64; WAYS],
    states: [AtomicSpanState; WAYS],
}

/// The slot of an open span.
#[cfg(feature = "tracing-opentelemetry")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    pub(crate) table: usize,
    pub(crate) bucket: usize,
    pub(crate) way: usize,
}

/// An open span in its slot.
#[derive(Debug)]
pub(crate) struct OpenSpan<'a> {
    id: &'a AtomicU64,
    state: &'a AtomicSpanState,
}

impl OpenSpans {
    pub(crate) fn new() -> Self {
        // Not `Box::new` of an array, which may be on the stack before it is in the box.
        let Ok(first) = buckets(0).try_into() else {
            unreachable!("the first table has this length");
        };
        Self { first, later: [const { OnceLock::new() }; TABLES - 1] }
    }

    /// Finds a slot for a new span, whose state the caller stores. A span that finds no slot in any table is not measured; this
    /// needs 10⁷ open spans.
    #[inline]
    pub(crate) fn claim(&self, id: &Id) -> Option<&AtomicSpanState> {
        let id = id.into_u64();
        self.first_bucket(id).claim(id).or_else(|| self.claim_later(id))
    }

    #[inline]
    pub(crate) fn get(&self, id: &Id) -> Option<&AtomicSpanState> {
        Some(self.find(id)?.state)
    }

    /// The states of all open spans.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &AtomicSpanState> {
        let buckets = self.tables().flatten();
        let slots = buckets.flat_map(|Bucket { ids, states }| ids.iter().zip(states));
        slots.filter(|(id, _)| id.load(Ordering::Acquire) != 0).map(|(_, state)| state)
    }

    #[inline]
    pub(crate) fn find(&self, id: &Id) -> Option<OpenSpan<'_>> {
        let id = id.into_u64();
        match self.first_bucket(id).find(id) {
            None if self.later[0].get().is_some() => self.find_later(id),
            found => found,
        }
    }

    /// Where an open span is, with its state. It stays there until it closes.
    #[cfg(feature = "tracing-opentelemetry")]
    #[inline]
    pub(crate) fn locate(&self, id: &Id) -> Option<(Position, &AtomicSpanState)> {
        let id = id.into_u64();
        self.tables().enumerate().find_map(|(table, buckets)| {
            let bucket = bucket_index(table, id);
            let Bucket { ids, states } = buckets.get(bucket)?;
            let way = ids.iter().position(|held| held.load(Ordering::Relaxed) == id)?;
            Some((Position { table, bucket, way }, states.get(way)?))
        })
    }

    fn tables(&self) -> impl Iterator<Item = &[Bucket]> {
        let later = self.later.iter().map_while(OnceLock::get);
        iter::once(&self.first[..]).chain(later.map(|table| &**table))
    }

    #[inline]
    fn first_bucket(&self, id: u64) -> &Bucket {
        &self.first[bucket_index(0, id)]
    }

    #[cold]
    #[inline(never)]
    fn claim_later(&self, id: u64) -> Option<&AtomicSpanState> {
        (1..TABLES).find_map(|table| {
            let buckets = self.later[table - 1].get_or_init(|| buckets(table));
            buckets.get(bucket_index(table, id))?.claim(id)
        })
    }

    #[inline(never)]
    fn find_later(&self, id: u64) -> Option<OpenSpan<'_>> {
        let mut tables = self.tables().enumerate().skip(1);
        tables.find_map(|(table, buckets)| buckets.get(bucket_index(table, id))?.find(id))
    }
}

impl<'a> OpenSpan<'a> {
    pub(crate) fn id(&self) -> Id {
        // It is not 0, because the slot is not free.
        Id::from_u64(self.id.load(Ordering::Relaxed))
    }

    pub(crate) fn state(&self) -> &'a AtomicSpanState {
        self.state
    }

    /// Returns the state of the span, and frees its slot.
    #[inline]
    pub(crate) fn take(self, now: impl FnOnce() -> u64) -> SpanState {
        let span = self.state.load(now);
        self.free();
        span
    }

    /// As [`take`](Self::take), for a span of a [simple](crate::plan::plan::Plan::is_simple) plan: its start and its labels.
    #[inline]
    pub(crate) fn take_simple(self) -> (u64, ValueIds) {
        let span = (self.state.start(), self.state.ids());
        self.free();
        span
    }

    #[inline]
    fn free(self) {
        // Release: see `Bucket::claim`.
        self.id.store(0, Ordering::Release);
    }
}

impl Bucket {
    #[inline]
    fn find(&self, id: u64) -> Option<OpenSpan<'_>> {
        let Self { ids, states } = self;
        let mut open = ids.iter().zip(states).map(|(id, state)| OpenSpan { id, state });
        open.find(|open| open.id.load(Ordering::Relaxed) == id)
    }

    #[inline]
    fn claim(&self, id: u64) -> Option<&AtomicSpanState> {
        let Self { ids, states } = self;
        ids.iter().zip(states).find_map(|(held, state)| {
            let is_free = held.load(Ordering::Relaxed) == 0;
            // Acquire: the last span of this slot has read its state before this span writes its own.
            let is_claimed = is_free
                && held.compare_exchange(0, id, Ordering::Acquire, Ordering::Relaxed).is_ok();
            is_claimed.then_some(state)
        })
    }
}

/// The free buckets of a new table.
fn buckets(table: usize) -> Box<[Bucket]> {
    (0..bucket_count(table)).map(|_| Bucket::default()).collect()
}

/// The index of a span's bucket in this table.
///
/// The registry's ids have a counter of reuses in their upper 13 bits. It is ignored: a thread that opens and closes one span
/// after the other then uses one bucket, which stays in the cache of its core. If a later version of the registry makes its ids
/// in another way, the spans are spread less evenly. Nothing else changes.
#[inline]
fn bucket_index(table: usize, id: u64) -> usize {
    let hash = (id << 13 >> 13).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let bits = FIRST_TABLE.ilog2() as usize + table;
    (hash >> (64 - bits)) as usize
}

/// The number of buckets of a table.
#[inline]
pub(crate) fn bucket_count(table: usize) -> usize {
    FIRST_TABLE << table
}

/// The number of slots in a bucket.
pub(crate) const WAYS: usize = 8;
/// The number of buckets in the first table, a power of two: 1024 spans in 72 KiB.
const FIRST_TABLE: usize = 128;
/// Each table is twice as large as the one before.
pub(crate) const TABLES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::callsites::CallsiteId;
    use crate::record::label_values::{VALUE_ID_WORDS, ValueIds};
    use std::thread;

    #[test]
    fn a_span_is_taken_once() {
        let spans = OpenSpans::new();
        assert!(insert(&spans, &id(7), &span(1)));
        assert_eq!(take(&spans, &id(8)), None);
        assert_eq!(take(&spans, &id(7 | 1 << 51)), None, "the same slot of the registry, reused");
        assert_eq!(take(&spans, &id(7)), Some(span(1)));
        assert_eq!(take(&spans, &id(7)), None);
    }

    #[test]
    fn ids_that_share_a_bucket_spill_into_larger_tables_and_are_all_found() {
        let spans = OpenSpans::new();
        // They differ in the bits that count reuses only, so they have the same bucket in every table.
        let ids: Vec<_> = (0..100).map(|reuse| id(5 | reuse << 51)).collect();
        for (start, id) in (0..).zip(&ids) {
            assert!(insert(&spans, id, &span(start)));
        }
        assert_eq!(spans.tables().count(), 100_usize.div_ceil(WAYS));
        for (start, id) in (0..).zip(&ids) {
            assert_eq!(take(&spans, id), Some(span(start)));
        }
        assert!(ids.iter().all(|id| take(&spans, id).is_none()));
    }

    #[test]
    fn a_span_that_finds_no_slot_is_not_measured() {
        let spans = OpenSpans::new();
        // Tables of one bucket: the real ones are too large for a test.
        for table in &spans.later {
            let one: Box<[_]> = Box::new([Bucket::default()]);
            assert!(table.set(one).is_ok());
        }
        let ids: Vec<_> = (0..=WAYS as u64).map(|reuse| id(1 | reuse << 51)).collect();
        let is_measured: Vec<_> = ids.iter().map(|id| insert(&spans, id, &span(1))).collect();
        assert_eq!(is_measured, [[true; WAYS].as_slice(), &[false]].concat());
        assert_eq!(take(&spans, &ids[WAYS]), None);
        assert_eq!(take(&spans, &ids[0]), Some(span(1)));
    }

    #[test]
    fn a_free_slot_is_reused() {
        let spans = OpenSpans::new();
        for reuse in 0..8_192 {
            assert!(insert(&spans, &id(9 | reuse << 51), &span(reuse)));
            assert_eq!(take(&spans, &id(9 | reuse << 51)), Some(span(reuse)));
        }
        assert_eq!(spans.tables().count(), 1);
    }

    /// The registry's ids have the index in the thread's slab, the thread from bit 38 on, and the reuses from bit 51 on.
    #[test]
    fn threads_do_not_see_each_others_spans() {
        let spans = OpenSpans::new();
        thread::scope(|scope| {
            for thread in 0..8 {
                let spans = &spans;
                scope.spawn(move || {
                    for reuse in 0..100 {
                        let ids = (1..=500).map(|place| id(place | thread << 38 | reuse << 51));
                        for id in ids.clone() {
                            assert!(insert(spans, &id, &span(id.into_u64())));
                        }
                        for id in ids {
                            assert_eq!(take(spans, &id), Some(span(id.into_u64())));
                        }
                    }
                });
            }
        });
        for bucket in spans.tables().flatten() {
            assert!(bucket.ids.iter().all(|id| id.load(Ordering::Relaxed) == 0));
        }
    }

    fn insert(spans: &OpenSpans, id: &Id, span: &SpanState) -> bool {
        let state = spans.claim(id);
        state.inspect(|state| {
            state.open(span.callsite, span.start, &span.ids);
            state.open_further(false);
            state.set_in_flight(span.in_flight);
        });
        state.is_some()
    }

    fn take(spans: &OpenSpans, id: &Id) -> Option<SpanState> {
        Some(spans.find(id)?.take(|| 0))
    }

    fn id(id: u64) -> Id {
        Id::from_u64(id)
    }

    fn span(start: u64) -> SpanState {
        SpanState {
            callsite: CallsiteId(start as u32 % 1_000),
            start,
            ids: ValueIds([start; VALUE_ID_WORDS]),
            in_flight: [1, start as u32],
            ..SpanState::default()
        }
    }
}

//! The open, measured spans.

use crate::layer::span_state::{Slot, SpanState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing_core::span::Id;

/// The open spans of one subscriber, by id, outside of their `Extensions`: those allocate for each span, and lock.
///
/// A span belongs into one of the `WAYS` slots of its bucket; when they are taken, into its bucket of the next, larger
/// table. Each open span has an id of its own, and every look-up compares the whole of it. A slot belongs to the span whose
/// id it holds: an id is known to nobody else before `insert` returns, nor after the close that calls [`Open::take`]; this
/// is what orders the accesses to the other fields.
///
/// Tables are added when many spans are open at once, and kept: the memory is that of the most spans ever open at once.
#[derive(Debug)]
pub(crate) struct OpenSpans {
    tables: [OnceLock<Box<[Bucket]>>; TABLES],
}

/// Slots behind one cache line of ids: that line alone answers for a span that is not here.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Bucket {
    /// 0 is a free slot; a span's id never is.
    ids: [AtomicU64; WAYS],
    slots: [Slot; WAYS],
}

/// One of them, with the place of its id.
#[derive(Debug)]
pub(crate) struct Open<'a> {
    held: &'a AtomicU64,
    slot: &'a Slot,
}

impl OpenSpans {
    pub(crate) fn new() -> Self {
        let spans = Self { tables: [const { OnceLock::new() }; TABLES] };
        spans.table(0);
        spans
    }

    /// A span that finds no slot in any table is not measured: 10⁷ open spans come before that.
    #[inline]
    pub(crate) fn insert(&self, id: &Id, span: &SpanState) -> Option<&Slot> {
        let id = id.into_u64();
        let slot = (0..TABLES).find_map(|table| bucket(table, self.table(table), id)?.claim(id));
        slot.inspect(|slot| slot.store(span))
    }

    #[inline]
    pub(crate) fn get(&self, id: &Id) -> Option<&Slot> {
        Some(self.find(id)?.slot)
    }

    /// What is still open.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        let buckets = self.tables.iter().filter_map(OnceLock::get).flat_map(|table| table.iter());
        let slots = buckets.flat_map(|Bucket { ids, slots }| ids.iter().zip(slots));
        slots.filter(|(held, _)| held.load(Ordering::Acquire) != 0).map(|(_, slot)| slot)
    }

    #[inline]
    pub(crate) fn find(&self, id: &Id) -> Option<Open<'_>> {
        let id = id.into_u64();
        let tables = self.tables.iter().map_while(OnceLock::get).enumerate();
        let mut buckets = tables.filter_map(|(table, buckets)| bucket(table, buckets, id));
        buckets.find_map(|Bucket { ids, slots }| {
            let mut open = ids.iter().zip(slots).map(|(held, slot)| Open { held, slot });
            open.find(|open| open.held.load(Ordering::Relaxed) == id)
        })
    }

    #[inline]
    fn table(&self, table: usize) -> &[Bucket] {
        self.tables[table]
            .get_or_init(|| (0..FIRST_TABLE << table).map(|_| Bucket::default()).collect())
    }
}

impl Open<'_> {
    /// The span's state: it is gone after that.
    #[inline]
    pub(crate) fn take(self, now: impl FnOnce() -> u64) -> SpanState {
        let span = self.slot.load(now);
        self.held.store(0, Ordering::Release);
        span
    }
}

impl Bucket {
    #[inline]
    fn claim(&self, id: u64) -> Option<&Slot> {
        let Self { ids, slots } = self;
        ids.iter().zip(slots).find_map(|(held, slot)| {
            let free = held.load(Ordering::Relaxed) == 0;
            // Acquire: what the last span of this slot read comes before what this one writes.
            let claimed =
                free && held.compare_exchange(0, id, Ordering::Acquire, Ordering::Relaxed).is_ok();
            claimed.then_some(slot)
        })
    }
}

/// The registry's ids carry a counter of reuses in their upper 13 bits. Without it a thread that opens and closes one span
/// after the other finds its slot in its own cache. Should ids be made otherwise one day, only the spread suffers.
#[inline]
fn bucket(table: usize, buckets: &[Bucket], id: u64) -> Option<&Bucket> {
    let place = (id << 13 >> 13).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let bits = FIRST_TABLE.ilog2() as usize + table;
    buckets.get((place >> (64 - bits)) as usize)
}

const WAYS: usize = 8;
/// Buckets of the first table, a power of two: 1024 spans in 72 KiB.
const FIRST_TABLE: usize = 128;
/// Each twice as large as the one before.
const TABLES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::callsites::CallsiteId;
    use crate::record::label_values::{IDS_WORDS, Ids};
    use std::thread;

    #[test]
    fn a_span_is_taken_once() {
        let spans = OpenSpans::new();
        assert!(spans.insert(&id(7), &span(1)).is_some());
        assert_eq!(take(&spans, &id(8)), None);
        assert_eq!(take(&spans, &id(7 | 1 << 51)), None, "the same place, used again");
        assert_eq!(take(&spans, &id(7)), Some(span(1)));
        assert_eq!(take(&spans, &id(7)), None);
    }

    #[test]
    fn ids_that_share_a_bucket_spill_into_larger_tables_and_are_all_found() {
        let spans = OpenSpans::new();
        // The same place in every table: they differ in the bits that count reuses.
        let ids: Vec<_> = (0..100).map(|reuse| id(5 | reuse << 51)).collect();
        for (start, id) in (0..).zip(&ids) {
            spans.insert(id, &span(start));
        }
        let tables = spans.tables.iter().filter_map(OnceLock::get).count();
        assert_eq!(tables, 100_usize.div_ceil(WAYS));
        for (start, id) in (0..).zip(&ids) {
            assert_eq!(take(&spans, id), Some(span(start)));
        }
        assert!(ids.iter().all(|id| take(&spans, id).is_none()));
    }

    #[test]
    fn a_span_that_finds_no_slot_is_not_measured() {
        let spans = OpenSpans { tables: [const { OnceLock::new() }; TABLES] };
        // The larger ones are not for a test.
        for table in &spans.tables {
            let one: Box<[_]> = Box::new([Bucket::default()]);
            assert!(table.set(one).is_ok());
        }
        spans.insert(&id(1), &span(1));
        assert_eq!(take(&spans, &id(1)), None);
    }

    #[test]
    fn a_freed_slot_is_used_again() {
        let spans = OpenSpans::new();
        for reuse in 0..8_192 {
            spans.insert(&id(9 | reuse << 51), &span(reuse));
            assert_eq!(take(&spans, &id(9 | reuse << 51)), Some(span(reuse)));
        }
        assert_eq!(spans.tables.iter().filter_map(OnceLock::get).count(), 1);
    }

    /// The registry's ids: the place in the thread's own slab, the thread from bit 38 on, the reuses from bit 51 on.
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
                            spans.insert(&id, &span(id.into_u64()));
                        }
                        for id in ids {
                            assert_eq!(take(spans, &id), Some(span(id.into_u64())));
                        }
                    }
                });
            }
        });
        for bucket in spans.tables.iter().filter_map(OnceLock::get).flatten() {
            assert!(bucket.ids.iter().all(|id| id.load(Ordering::Relaxed) == 0));
        }
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
            ids: Ids([start; IDS_WORDS]),
            in_flight: [1, start as u32],
            ..SpanState::default()
        }
    }
}

//! A table of callsites, which is read without a lock.

use crate::record::append_only_table::AppendOnlyTable;
use std::ptr;
use std::sync::OnceLock;
use tracing_core::Metadata;

/// The index of a callsite in the table. It never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallsiteId(pub(crate) u32);

/// What was resolved for each callsite so far, by the address of its metadata.
#[derive(Debug)]
pub(crate) struct Callsites<T> {
    table: AppendOnlyTable<Callsite<T>>,
}

#[derive(Debug)]
struct Callsite<T> {
    metadata: &'static Metadata<'static>,
    value: OnceLock<T>,
}

impl<T> Callsites<T> {
    pub(crate) fn new() -> Self {
        Self { table: AppendOnlyTable::growing() }
    }

    /// Returns what was resolved for the callsite. The first thread that needs it resolves it; the others wait.
    #[inline]
    pub(crate) fn get_or_resolve(
        &self,
        metadata: &'static Metadata<'static>,
        resolve: impl FnOnce() -> T,
    ) -> Option<(CallsiteId, &T)> {
        let (index, callsite) = self.table.get_or_add(
            usize::MAX,
            hash(metadata),
            |known| ptr::eq(known.metadata, metadata),
            || Callsite { metadata, value: OnceLock::new() },
        )?;
        // The index fits: each callsite is a static, and no program has 2³² of them.
        Some((CallsiteId(index as u32), callsite.value.get_or_init(resolve)))
    }

    /// As [`get_or_resolve`](Self::get_or_resolve), but only if that takes one step: `None` does not mean that the callsite is
    /// new.
    #[inline]
    pub(crate) fn get_at_once(
        &self,
        metadata: &'static Metadata<'static>,
    ) -> Option<(CallsiteId, &T)> {
        let (index, callsite) = self.table.in_home_slot(hash(metadata))?;
        if !ptr::eq(callsite.metadata, metadata) {
            return None;
        }
        Some((CallsiteId(index as u32), callsite.value.get()?))
    }

    #[inline]
    pub(crate) fn get(&self, CallsiteId(index): CallsiteId) -> Option<&T> {
        self.table.get(index as usize)?.value.get()
    }
}

/// The addresses of statics differ by regular distances. The multiplication spreads them best in the upper half of the product.
#[inline]
fn hash(metadata: &'static Metadata<'static>) -> u64 {
    let address = ptr::from_ref(metadata).addr() as u64;
    address.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use tracing_core::callsite::DefaultCallsite;
    use tracing_core::field::FieldSet;
    use tracing_core::metadata::Kind;
    use tracing_core::{Level, identify_callsite};

    #[test]
    fn a_callsite_keeps_its_id_when_many_callsites_are_added() {
        let callsites = Callsites::new();
        let all: Vec<_> = (0..5_000).map(|_| metadata()).collect();
        let ids: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(number, metadata)| callsites.get_or_resolve(metadata, || number).unwrap().0)
            .collect();
        for (number, (metadata, id)) in all.iter().zip(ids).enumerate() {
            let (found, value) =
                callsites.get_or_resolve(metadata, || panic!("resolved again")).unwrap();
            assert_eq!(found, id);
            assert_eq!(*value, number);
            assert_eq!(callsites.get(id), Some(&number));
        }
        assert!(callsites.get(CallsiteId(1 << 30)).is_none());
    }

    #[test]
    fn threads_that_need_a_callsite_at_the_same_time_resolve_it_once() {
        let callsites = Callsites::new();
        let all: Vec<_> = (0..1_000).map(|_| metadata()).collect();
        let resolved = AtomicUsize::new(0);
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    for metadata in &all {
                        callsites
                            .get_or_resolve(metadata, || resolved.fetch_add(1, Ordering::Relaxed));
                    }
                });
            }
        });
        assert_eq!(resolved.into_inner(), all.len());
    }

    /// Metadata at a new address.
    fn metadata() -> &'static Metadata<'static> {
        static CALLSITE: DefaultCallsite = DefaultCallsite::new(&METADATA);
        static METADATA: Metadata<'static> = tracing_core::metadata! {
            name: "test",
            target: "test",
            level: Level::INFO,
            fields: &[],
            callsite: &CALLSITE,
            kind: Kind::SPAN
        };
        let fields = FieldSet::new(&[], identify_callsite!(&CALLSITE));
        Box::leak(Box::new(Metadata::new(
            "test",
            "test",
            Level::INFO,
            None,
            None,
            None,
            fields,
            Kind::SPAN,
        )))
    }
}

//! A table of callsites that is read without a lock.

use std::ptr;
use std::sync::OnceLock;
use tracing_core::Metadata;

/// A callsite's place in the table; it never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallsiteId(pub(crate) u32);

/// What was resolved for each callsite met so far, by the address of its metadata.
///
/// Only appended to: a look-up takes no lock, and the place of a callsite can be kept. A callsite belongs into one of
/// `WINDOW` slots of each block; when those are taken it goes to the next block, twice as large, so it is never full.
#[derive(Debug)]
pub(crate) struct Callsites<T> {
    first: Block<T>,
}

#[derive(Debug)]
struct Block<T> {
    slots: Box<[OnceLock<Callsite<T>>]>,
    next: OnceLock<Box<Block<T>>>,
}

#[derive(Debug)]
struct Callsite<T> {
    metadata: &'static Metadata<'static>,
    value: T,
}

impl<T> Callsites<T> {
    pub(crate) fn new() -> Self {
        Self { first: Block::new(FIRST_BLOCK) }
    }

    /// Of threads that meet a new callsite at once, one resolves it; the others wait for it here.
    #[inline]
    pub(crate) fn get_or_insert_with(
        &self,
        metadata: &'static Metadata<'static>,
        resolve: impl Fn() -> T,
    ) -> (CallsiteId, &T) {
        let hash = hash(metadata);
        let place = hash & (self.first.slots.len() - 1);
        match self.first.slots[place].get() {
            Some(known) if ptr::eq(known.metadata, metadata) => {
                (CallsiteId(place as u32), &known.value)
            }
            _ => self.search(hash, metadata, resolve),
        }
    }

    #[inline(never)]
    fn search(
        &self,
        hash: usize,
        metadata: &'static Metadata<'static>,
        resolve: impl Fn() -> T,
    ) -> (CallsiteId, &T) {
        let mut block = &self.first;
        let mut before = 0;
        loop {
            for step in 0..WINDOW {
                let place = (hash + step) & (block.slots.len() - 1);
                let callsite =
                    block.slots[place].get_or_init(|| Callsite { metadata, value: resolve() });
                if ptr::eq(callsite.metadata, metadata) {
                    // A program has fewer callsites: each is a static of its own.
                    return (CallsiteId((before + place) as u32), &callsite.value);
                }
            }
            before += block.slots.len();
            block = block.next();
        }
    }

    pub(crate) fn get(&self, CallsiteId(place): CallsiteId) -> Option<&T> {
        let mut place = place as usize;
        let mut block = &self.first;
        while place >= block.slots.len() {
            place -= block.slots.len();
            block = block.next.get()?;
        }
        Some(&block.slots[place].get()?.value)
    }
}

impl<T> Block<T> {
    /// `len` is a power of two.
    fn new(len: usize) -> Self {
        Self { slots: (0..len).map(|_| OnceLock::new()).collect(), next: OnceLock::new() }
    }

    fn next(&self) -> &Self {
        self.next.get_or_init(|| Box::new(Self::new(self.slots.len() * 2)))
    }
}

/// Statics of one kind lie at regular distances: the multiplication spreads them, the shift takes its best bits.
fn hash(metadata: &'static Metadata<'static>) -> usize {
    let address = ptr::from_ref(metadata).addr() as u64;
    (address.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}

const FIRST_BLOCK: usize = 256;
const WINDOW: usize = 8;

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
    fn a_callsite_keeps_its_place_however_many_callsites_come() {
        let callsites = Callsites::new();
        let all: Vec<_> = (0..5_000).map(|_| metadata()).collect();
        let places: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(number, metadata)| callsites.get_or_insert_with(metadata, || number).0)
            .collect();
        for (number, (metadata, place)) in all.iter().zip(places).enumerate() {
            let (found, value) =
                callsites.get_or_insert_with(metadata, || panic!("resolved again"));
            assert_eq!(found, place);
            assert_eq!(*value, number);
            assert_eq!(callsites.get(place), Some(&number));
        }
        assert!(callsites.get(CallsiteId(1 << 30)).is_none());
    }

    #[test]
    fn threads_that_meet_a_callsite_at_once_resolve_it_once() {
        let callsites = Callsites::new();
        let all: Vec<_> = (0..1_000).map(|_| metadata()).collect();
        let resolved = AtomicUsize::new(0);
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    for metadata in &all {
                        callsites.get_or_insert_with(metadata, || {
                            resolved.fetch_add(1, Ordering::Relaxed)
                        });
                    }
                });
            }
        });
        assert_eq!(resolved.into_inner(), all.len());
    }

    /// As many as wanted, each at an address of its own.
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

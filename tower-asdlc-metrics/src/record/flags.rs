//! Flags of a recorder, which each request checks. They are in one byte, so that a request reads all of them with one load.

use std::sync::atomic::{AtomicU8, Ordering};

#[derive(Debug)]
pub(crate) struct Flags(AtomicU8);

/// The flags at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlagSet(u8);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag(u8);

impl Flag {
    /// Some requests are not recorded.
    pub(crate) const HAS_EXCLUSIONS: Self = Self(1);
    /// Upgraded connections or the sizes of request bodies are recorded, so exchanges may need `OptionalParts`.
    pub(crate) const HAS_OPTIONAL_PARTS: Self = Self(2);
    /// The time to the response's head is recorded.
    pub(crate) const HAS_TIME_TO_HEADERS: Self = Self(16);
    /// No callback runs before collections. Nothing is buffered, and the in-flight gauge changes when a request starts and ends.
    pub(crate) const NO_FLUSH_CALLBACK: Self = Self(4);
    /// Set by the first collection; until then nothing is buffered.
    pub(crate) const IS_COLLECTED: Self = Self(8);
}

impl Flags {
    pub(crate) fn new(flags: impl IntoIterator<Item = (Flag, bool)>) -> Self {
        let set = flags.into_iter().filter(|(_, is_set)| *is_set);
        Self(AtomicU8::new(set.fold(0, |bits, (flag, _)| bits | flag.0)))
    }

    #[inline]
    pub(crate) fn get(&self) -> FlagSet {
        FlagSet(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn set(&self, flag: Flag) {
        self.0.fetch_or(flag.0, Ordering::Relaxed);
    }
}

impl FlagSet {
    #[inline]
    pub(crate) fn contains(self, flag: Flag) -> bool {
        self.0 & flag.0 != 0
    }
}

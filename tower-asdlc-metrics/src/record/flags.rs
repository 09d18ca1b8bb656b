//! What of a request's work depends on how the layer was built and is collected.

use std::sync::atomic::{AtomicU8, Ordering};

/// As one number, so that a request that needs none of it sees that at once.
#[derive(Debug)]
pub(crate) struct Modes(AtomicU8);

#[derive(Clone, Copy)]
pub(crate) struct Mode(u8);

impl Mode {
    /// Some requests are not recorded.
    pub(crate) const EXCLUDES: Self = Self(1);
    /// Something is recorded that is not by default, and that requests carry something for.
    pub(crate) const HAS_OPTIONAL_PARTS: Self = Self(2);
    /// Nothing may wait for a flush that never comes: the gauge of requests in flight is told of each.
    pub(crate) const IS_NEVER_FLUSHED: Self = Self(4);
    /// A collection has flushed, and so will the next.
    pub(crate) const IS_FLUSHED: Self = Self(8);

    /// Whether this one is among these.
    #[inline]
    pub(crate) fn is_in(self, modes: u8) -> bool {
        modes & self.0 != 0
    }
}

impl Modes {
    pub(crate) fn new(modes: impl IntoIterator<Item = (Mode, bool)>) -> Self {
        let on = modes.into_iter().filter(|(_, is_on)| *is_on);
        Self(AtomicU8::new(on.fold(0, |modes, (mode, _)| modes | mode.0)))
    }

    #[inline]
    pub(crate) fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn turn_on(&self, mode: Mode) {
        self.0.fetch_or(mode.0, Ordering::Relaxed);
    }
}

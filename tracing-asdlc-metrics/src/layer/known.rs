//! What is known of the OpenTelemetry span of an open span.

use std::sync::atomic::{AtomicU8, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Nothing,
    /// A thread is about to change it.
    Changing,
    /// The OpenTelemetry span that was current at the entry of the span is noted.
    Entered,
    /// The same, and the order was not known.
    EnteredFirst,
    /// It is sampled. Its ids are stored.
    Sampled,
    /// It is not sampled, or there is none.
    NotSampled,
}

/// A [`Known`] that threads share, in the state of the open span.
#[derive(Debug, Default)]
pub(crate) struct AtomicKnown(AtomicU8);

impl AtomicKnown {
    #[inline]
    pub(crate) fn get(&self) -> Known {
        const NOTHING: u8 = Known::Nothing as u8;
        const CHANGING: u8 = Known::Changing as u8;
        const ENTERED: u8 = Known::Entered as u8;
        const ENTERED_FIRST: u8 = Known::EnteredFirst as u8;
        const SAMPLED: u8 = Known::Sampled as u8;
        match self.0.load(Ordering::Acquire) {
            NOTHING => Known::Nothing,
            CHANGING => Known::Changing,
            ENTERED => Known::Entered,
            ENTERED_FIRST => Known::EnteredFirst,
            SAMPLED => Known::Sampled,
            _ => Known::NotSampled,
        }
    }

    #[inline]
    pub(crate) fn set(&self, known: Known) {
        self.0.store(known as u8, Ordering::Release);
    }

    /// Sets [`Known::Changing`], so that only this thread stores ids. Returns `false` if another thread has changed it.
    #[inline]
    pub(crate) fn claim(&self, known: Known) -> bool {
        let changing = Known::Changing as u8;
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        self.0.compare_exchange(known as u8, changing, success, failure).is_ok()
    }
}

//! The state of an open, measured span.

use crate::plan::callsites::CallsiteId;
use crate::record::label_values::{IDS_WORDS, Ids, ValueId};
use crate::rule::outcome::Ending;
use std::array;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

/// What is known of a span. Times are nanoseconds since the layer was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanState {
    /// Where its plan is.
    pub(crate) callsite: CallsiteId,
    pub(crate) start: u64,
    /// The values of its labels.
    pub(crate) ids: Ids,
    /// The series, if any, in which it is in flight: one more than their places, by the plan's order.
    pub(crate) in_flight: [u32; IN_FLIGHTS],
    /// 0 if it was never exited.
    pub(crate) last_exit: u64,
    pub(crate) busy: u64,
    pub(crate) signs: Signs,
}

/// What tells how a span ends: see the constants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signs(u16);

impl Signs {
    /// Created while its thread was already unwinding: to be dropped by that is no panic of its own.
    pub(crate) const OPENED_UNWINDING: Self = Self(1);
    /// Entered while its thread was already unwinding.
    const ENTERED_UNWINDING: Self = Self(2);
    const PANICKED: Self = Self(4);
    const ERROR: Self = Self(8);
    /// How its future ended.
    const SUCCESS: Self = Self(16);
    const FAILED: Self = Self(32);
    const CANCELLED: Self = Self(64);
    /// `#[instrument(ret)]` told what the function returned.
    const RETURNED: Self = Self(128);

    fn has(self, sign: Self) -> bool {
        self.0 & sign.0 != 0
    }

    /// Whether a panic drops it that has not begun before it was created.
    fn is_unwound(self, unwinding: bool) -> bool {
        unwinding && !self.has(Self::OPENED_UNWINDING)
    }

    /// `unwinding` is what its thread is doing as the span closes.
    pub(crate) fn ending(self, unwinding: bool) -> Ending {
        match self {
            _ if self.has(Self::PANICKED) => Ending::Panicked,
            _ if self.has(Self::FAILED) => Ending::Failed,
            _ if self.has(Self::SUCCESS) => Ending::Success,
            _ if self.has(Self::CANCELLED) => Ending::Cancelled,
            _ if self.has(Self::ERROR) => Ending::Failed,
            _ if self.has(Self::RETURNED) => Ending::Success,
            // Last: the last handle may be a clone or a child that outlives the work, and a later panic may drop that.
            _ if self.is_unwound(unwinding) => Ending::Panicked,
            _ => Ending::Unknown,
        }
    }
}

/// A [`SpanState`], in one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Slot {
    callsite: AtomicU32,
    signs: AtomicU16,
    /// How often it is entered now, on all threads.
    entered: AtomicU16,
    start: AtomicU64,
    last_exit: AtomicU64,
    busy: AtomicU64,
    ids: [AtomicU64; IDS_WORDS],
    in_flight: [AtomicU32; IN_FLIGHTS],
}

impl Slot {
    pub(crate) fn callsite(&self) -> CallsiteId {
        CallsiteId(self.callsite.load(Ordering::Relaxed))
    }

    pub(crate) fn ids(&self) -> Ids {
        Ids(array::from_fn(|word| self.ids[word].load(Ordering::Relaxed)))
    }

    pub(crate) fn in_flight(&self) -> [u32; IN_FLIGHTS] {
        array::from_fn(|place| self.in_flight[place].load(Ordering::Relaxed))
    }

    pub(crate) fn set_in_flight(&self, in_flight: [u32; IN_FLIGHTS]) {
        for (place, value) in self.in_flight.iter().zip(in_flight) {
            place.store(value, Ordering::Relaxed);
        }
    }

    /// Another thread may set another value of the same span.
    pub(crate) fn set(&self, place: usize, id: ValueId) {
        let word = &self.ids[place / 4];
        // The closure never refuses.
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            let mut ids = Ids([word; IDS_WORDS]);
            ids.set(place % 4, id);
            Some(ids.0[0])
        });
    }

    /// The clock is read after an entry and before an exit: so the times between the first entry and the last exit of all
    /// threads never overlap.
    pub(crate) fn enter(&self, now: impl FnOnce() -> u64) {
        if self.entered.fetch_add(1, Ordering::AcqRel) == 0 {
            // Each such time is added as its end less its start, in whatever order: the sum wraps.
            self.busy.fetch_sub(now(), Ordering::Relaxed);
        }
    }

    pub(crate) fn exit(&self, now: u64) {
        self.last_exit.fetch_max(now, Ordering::Relaxed);
        if self.entered.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.busy.fetch_add(now, Ordering::Relaxed);
        }
    }

    /// Entered by a thread that is already unwinding: when it is exited the panic is not its own.
    pub(crate) fn enter_unwinding(&self) {
        self.signs.fetch_or(Signs::ENTERED_UNWINDING.0, Ordering::Relaxed);
    }

    pub(crate) fn exit_unwinding(&self) {
        let entered = Signs::ENTERED_UNWINDING;
        let before = Signs(self.signs.fetch_and(!entered.0, Ordering::Relaxed));
        if !before.has(entered) {
            self.signs.fetch_or(Signs::PANICKED.0, Ordering::Relaxed);
        }
    }

    pub(crate) fn has_error(&self) {
        self.signs.fetch_or(Signs::ERROR.0, Ordering::Relaxed);
    }

    pub(crate) fn has_returned(&self) {
        self.signs.fetch_or(Signs::RETURNED.0, Ordering::Relaxed);
    }

    /// A panic is known by itself. A future always ends in some way. `unwinding` is what its thread is doing meanwhile.
    pub(crate) fn future_ended(&self, ending: Ending, unwinding: bool) {
        let signs = Signs(self.signs.load(Ordering::Relaxed));
        let sign = match ending {
            Ending::Cancelled if signs.is_unwound(unwinding) => Signs::PANICKED,
            Ending::Success => Signs::SUCCESS,
            Ending::Failed => Signs::FAILED,
            Ending::Cancelled => Signs::CANCELLED,
            Ending::Panicked | Ending::Unknown => return,
        };
        self.signs.fetch_or(sign.0, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn store(&self, span: &SpanState) {
        let SpanState { callsite, start, ids, in_flight, last_exit, busy, signs } = span;
        self.callsite.store(callsite.0, Ordering::Relaxed);
        self.signs.store(signs.0, Ordering::Relaxed);
        self.entered.store(0, Ordering::Relaxed);
        self.start.store(*start, Ordering::Relaxed);
        self.last_exit.store(*last_exit, Ordering::Relaxed);
        self.busy.store(*busy, Ordering::Relaxed);
        for (word, value) in self.ids.iter().zip(ids.0) {
            word.store(value, Ordering::Relaxed);
        }
        self.set_in_flight(*in_flight);
    }

    #[inline]
    pub(crate) fn load(&self, now: impl FnOnce() -> u64) -> SpanState {
        // One that closes while it is entered is busy to its close.
        let busy_since = if self.entered.load(Ordering::Relaxed) == 0 { 0 } else { now() };
        SpanState {
            callsite: self.callsite(),
            start: self.start.load(Ordering::Relaxed),
            ids: self.ids(),
            in_flight: self.in_flight(),
            last_exit: self.last_exit.load(Ordering::Relaxed),
            busy: self.busy.load(Ordering::Relaxed).wrapping_add(busy_since),
            signs: Signs(self.signs.load(Ordering::Relaxed)),
        }
    }
}

/// How many rules may have an in-flight gauge for one span.
pub(crate) const IN_FLIGHTS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::label_values::CAPTURES;
    use std::thread;

    // Trap 3
    #[test]
    fn time_is_busy_from_the_first_entry_to_the_last_exit_and_counted_once() {
        let slot = &Slot::default();
        slot.enter(|| 100);
        slot.enter(|| unreachable!("it is busy already"));
        slot.exit(150);
        slot.exit(200);
        slot.enter(|| 1_000);
        slot.exit(1_005);
        slot.enter(|| 2_000);
        let closed = slot.load(|| 2_030);
        assert_eq!((closed.busy, closed.last_exit), (100 + 5 + 30, 1_005));
    }

    #[test]
    fn values_set_by_many_threads_at_once_are_all_kept() {
        let slot = &Slot::default();
        thread::scope(|scope| {
            for place in 0..CAPTURES {
                scope.spawn(move || (0..=1_000).for_each(|value| slot.set(place, value)));
            }
        });
        assert!((0..CAPTURES).all(|place| slot.ids().get(place) == 1_000));
    }
}

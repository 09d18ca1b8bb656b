//! The state of an open span.

#[cfg(feature = "tracing-opentelemetry")]
use crate::layer::known::AtomicKnown;
#[cfg(not(feature = "tracing-opentelemetry"))]
use crate::layer::no_bridge::AtomicKnown;
use crate::plan::callsites::CallsiteId;
use crate::plan::plan::MAX_IN_FLIGHT_GAUGES;
use crate::record::label_values::{VALUE_ID_WORDS, ValueId, ValueIds};
use crate::rule::outcome::SpanOutcome;
use std::array;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// What is known about a span. Times are nanoseconds since the layer was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanState {
    /// The callsite, which has the plan.
    pub(crate) callsite: CallsiteId,
    pub(crate) start: u64,
    /// The values of its labels.
    pub(crate) ids: ValueIds,
    /// The series in which the span is in flight, in the order of the plan: the index of the series plus 1, or 0 for none.
    pub(crate) in_flight: [u32; MAX_IN_FLIGHT_GAUGES],
    /// 0 if the span was never exited.
    pub(crate) last_exit: u64,
    pub(crate) busy: u64,
    pub(crate) flags: SpanFlags,
}

/// What is known about the end of a span. Each constant is one bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanFlags(u8);

impl SpanFlags {
    /// The span was created while its thread unwound. If that panic drops the span, the panic did not start in the span.
    const CREATED_UNWINDING: Self = Self(1);
    /// The span was entered while its thread unwound.
    const ENTERED_UNWINDING: Self = Self(2);
    const PANICKED: Self = Self(4);
    /// `#[instrument(err)]` or `#[instrument(ret)]` reported an `Err`.
    const ERROR: Self = Self(8);
    /// The metered future of the span ended with success.
    const SUCCESS: Self = Self(16);
    /// The metered future of the span ended with failure.
    const FAILED: Self = Self(32);
    /// The metered future of the span was dropped before its end.
    const CANCELLED: Self = Self(64);
    /// `#[instrument(ret)]` reported a value that is not an `Err`.
    const RETURNED: Self = Self(128);

    fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    /// Whether the span is dropped by a panic that started after the span was created. `unwinding` says whether the thread unwinds.
    fn is_dropped_by_panic(self, unwinding: bool) -> bool {
        unwinding && !self.has(Self::CREATED_UNWINDING)
    }

    /// The outcome that the flags prove. `unwinding` says whether the thread unwinds while the span closes.
    pub(crate) fn outcome(self, unwinding: bool) -> SpanOutcome {
        match self {
            _ if self.has(Self::PANICKED) => SpanOutcome::Panicked,
            _ if self.has(Self::FAILED) => SpanOutcome::Failed,
            _ if self.has(Self::SUCCESS) => SpanOutcome::Success,
            _ if self.has(Self::CANCELLED) => SpanOutcome::Cancelled,
            _ if self.has(Self::ERROR) => SpanOutcome::Failed,
            _ if self.has(Self::RETURNED) => SpanOutcome::Success,
            // Last, because the last handle may be a clone or a child that outlives the function, and a later panic may drop it.
            _ if self.is_dropped_by_panic(unwinding) => SpanOutcome::Panicked,
            _ => SpanOutcome::Unknown,
        }
    }
}

/// A [`SpanState`] that threads share, in one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct AtomicSpanState {
    callsite: AtomicU32,
    flags: AtomicU8,
    /// What is known of the span's OpenTelemetry span. A free slot knows nothing.
    pub(crate) known: AtomicKnown,
    /// How many entries, on all threads, have no exit yet.
    entered: AtomicU16,
    start: AtomicU64,
    last_exit: AtomicU64,
    busy: AtomicU64,
    ids: [AtomicU64; VALUE_ID_WORDS],
    in_flight: [AtomicU32; MAX_IN_FLIGHT_GAUGES],
}

impl AtomicSpanState {
    pub(crate) fn callsite(&self) -> CallsiteId {
        CallsiteId(self.callsite.load(Ordering::Relaxed))
    }

    pub(crate) fn ids(&self) -> ValueIds {
        ValueIds(array::from_fn(|word| self.ids[word].load(Ordering::Relaxed)))
    }

    pub(crate) fn in_flight(&self) -> [u32; MAX_IN_FLIGHT_GAUGES] {
        array::from_fn(|gauge| self.in_flight[gauge].load(Ordering::Relaxed))
    }

    pub(crate) fn set_in_flight(&self, in_flight: [u32; MAX_IN_FLIGHT_GAUGES]) {
        for (known, series) in self.in_flight.iter().zip(in_flight) {
            known.store(series, Ordering::Relaxed);
        }
    }

    /// Sets one label value. Another thread may set another value of the same word at the same time.
    pub(crate) fn set_value(&self, slot: usize, id: ValueId) {
        let word = &self.ids[slot / 4];
        // The closure always returns `Some`, so this never fails.
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            let mut ids = ValueIds([word; VALUE_ID_WORDS]);
            ids.set(slot % 4, id);
            Some(ids.0[0])
        });
    }

    /// Starts the busy time if no thread has entered the span. The clock is read after an entry and before an exit, so that busy
    /// times of several threads never overlap.
    pub(crate) fn enter(&self, now: impl FnOnce() -> u64) {
        if self.entered.fetch_add(1, Ordering::AcqRel) == 0 {
            // Subtracts the start; `exit` adds the end. The order does not matter, because the sum wraps.
            self.busy.fetch_sub(now(), Ordering::Relaxed);
        }
    }

    /// Ends the busy time if no other thread has entered the span.
    pub(crate) fn exit(&self, now: u64) {
        self.last_exit.fetch_max(now, Ordering::Relaxed);
        if self.entered.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.busy.fetch_add(now, Ordering::Relaxed);
        }
    }

    /// The thread was already unwinding when it entered the span. If it still unwinds at the exit, the panic did not start in
    /// the span.
    pub(crate) fn enter_unwinding(&self) {
        self.flags.fetch_or(SpanFlags::ENTERED_UNWINDING.0, Ordering::Relaxed);
    }

    /// The thread unwinds while it exits the span.
    pub(crate) fn exit_unwinding(&self) {
        let entered = SpanFlags::ENTERED_UNWINDING;
        let before = SpanFlags(self.flags.fetch_and(!entered.0, Ordering::Relaxed));
        if !before.has(entered) {
            self.set_flag(SpanFlags::PANICKED);
        }
    }

    /// `#[instrument]` reported an `Err`.
    pub(crate) fn set_error(&self) {
        self.set_flag(SpanFlags::ERROR);
    }

    /// `#[instrument]` reported a value that is not an `Err`.
    pub(crate) fn set_returned(&self) {
        self.set_flag(SpanFlags::RETURNED);
    }

    /// The metered future of the span ended. `unwinding` says whether the thread unwinds: then a panic dropped the future.
    pub(crate) fn set_future_outcome(&self, outcome: SpanOutcome, unwinding: bool) {
        let flags = SpanFlags(self.flags.load(Ordering::Relaxed));
        self.set_flag(match outcome {
            SpanOutcome::Cancelled if flags.is_dropped_by_panic(unwinding) => SpanFlags::PANICKED,
            SpanOutcome::Success => SpanFlags::SUCCESS,
            SpanOutcome::Failed => SpanFlags::FAILED,
            SpanOutcome::Cancelled => SpanFlags::CANCELLED,
            SpanOutcome::Panicked | SpanOutcome::Unknown => return,
        });
    }

    fn set_flag(&self, flag: SpanFlags) {
        self.flags.fetch_or(flag.0, Ordering::Relaxed);
    }

    /// Stores what a span of a [simple](crate::plan::plan::Plan::is_simple) plan needs. Everything else may still be that of the
    /// last span in this slot, and is not read.
    #[inline]
    pub(crate) fn open(&self, callsite: CallsiteId, start: u64, ids: &ValueIds) {
        self.callsite.store(callsite.0, Ordering::Relaxed);
        self.start.store(start, Ordering::Relaxed);
        for (word, value) in self.ids.iter().zip(ids.0) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Stores everything else. `unwinding` says whether the thread unwinds.
    #[inline]
    pub(crate) fn open_further(&self, unwinding: bool) {
        let flags = if unwinding { SpanFlags::CREATED_UNWINDING } else { SpanFlags::default() };
        self.flags.store(flags.0, Ordering::Relaxed);
        self.entered.store(0, Ordering::Relaxed);
        self.last_exit.store(0, Ordering::Relaxed);
        self.busy.store(0, Ordering::Relaxed);
        self.set_in_flight([0; MAX_IN_FLIGHT_GAUGES]);
    }

    pub(crate) fn start(&self) -> u64 {
        self.start.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn load(&self, now: impl FnOnce() -> u64) -> SpanState {
        // A span that closes while it is entered is busy until its close.
        let busy_since = if self.entered.load(Ordering::Relaxed) == 0 { 0 } else { now() };
        SpanState {
            callsite: self.callsite(),
            start: self.start(),
            ids: self.ids(),
            in_flight: self.in_flight(),
            last_exit: self.last_exit.load(Ordering::Relaxed),
            busy: self.busy.load(Ordering::Relaxed).wrapping_add(busy_since),
            flags: SpanFlags(self.flags.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::label_values::MAX_CAPTURES;
    use std::thread;

    // Trap 3
    #[test]
    fn busy_time_is_from_the_first_entry_to_the_last_exit_and_counts_once() {
        let state = &AtomicSpanState::default();
        state.enter(|| 100);
        state.enter(|| unreachable!("it is busy already"));
        state.exit(150);
        state.exit(200);
        state.enter(|| 1_000);
        state.exit(1_005);
        state.enter(|| 2_000);
        let closed = state.load(|| 2_030);
        assert_eq!((closed.busy, closed.last_exit), (100 + 5 + 30, 1_005));
    }

    #[test]
    fn a_slot_that_is_used_again_has_nothing_of_the_span_before() {
        let state = &AtomicSpanState::default();
        let other = CallsiteId(7);
        state.open(other, 10, &ValueIds([1; VALUE_ID_WORDS]));
        state.open_further(true);
        state.enter(|| 20);
        state.exit(30);
        state.enter(|| 40);
        state.enter_unwinding();
        state.set_error();
        state.set_in_flight([3, 4]);
        let before = state.load(|| 50);
        assert_eq!((before.start, before.last_exit, before.busy), (10, 30, 20));
        assert_eq!(before.in_flight, [3, 4]);
        assert_eq!(before.flags.outcome(false), SpanOutcome::Failed);

        state.open(CallsiteId(8), 60, &ValueIds([2; VALUE_ID_WORDS]));
        state.open_further(false);
        let fresh = SpanState {
            callsite: CallsiteId(8),
            start: 60,
            ids: ValueIds([2; VALUE_ID_WORDS]),
            ..SpanState::default()
        };
        assert_eq!(state.load(|| unreachable!("nobody has entered it")), fresh);
    }

    #[test]
    fn values_that_many_threads_set_at_the_same_time_are_all_kept() {
        let state = &AtomicSpanState::default();
        thread::scope(|scope| {
            for slot in 0..MAX_CAPTURES {
                scope.spawn(move || (0..=1_000).for_each(|value| state.set_value(slot, value)));
            }
        });
        assert!((0..MAX_CAPTURES).all(|slot| state.ids().get(slot) == 1_000));
    }
}

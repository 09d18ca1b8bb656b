//! The plain type.

use crate::unix_time::UnixTime;

/// A measurement with the span that it was made in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exemplar<T = UnixTime> {
    pub(crate) value: f64,
    pub(crate) time: T,
    pub(crate) span: SpanIds,
}

impl<T> Exemplar<T> {
    /// The same exemplar with its time by another clock.
    pub(crate) fn with_time<U>(self, time: impl FnOnce(T) -> U) -> Exemplar<U> {
        let Self { value, time: own, span } = self;
        Exemplar { value, time: time(own), span }
    }
}

/// The ids of a sampled span, or zeros.
///
/// In words, which the compiler keeps in registers: it would copy bytes through memory. OpenTelemetry's type for trace ids would
/// make each exemplar larger, because of its alignment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanIds {
    /// The lower half is first.
    trace: [u64; 2],
    span: u64,
}

impl SpanIds {
    pub(crate) const NONE: Self = Self { trace: [0; 2], span: 0 };

    #[inline]
    pub(crate) fn new(trace: [u8; 16], span: [u8; 8]) -> Self {
        // OpenTelemetry stores numbers, and makes big-endian bytes of them. So the compiler swaps no bytes.
        let trace = u128::from_be_bytes(trace);
        Self { trace: [trace as u64, (trace >> 64) as u64], span: u64::from_be_bytes(span) }
    }

    /// What [`words`](Self::words) has returned.
    pub(super) fn of_words(trace: [u64; 2], span: u64) -> Self {
        Self { trace, span }
    }

    #[inline(always)]
    pub(super) fn words(self) -> ([u64; 2], u64) {
        (self.trace, self.span)
    }

    pub(crate) fn trace(self) -> [u8; 16] {
        let [low, high] = self.trace.map(u128::from);
        (high << 64 | low).to_be_bytes()
    }

    pub(crate) fn span(self) -> [u8; 8] {
        self.span.to_be_bytes()
    }

    /// Whether both ids are those of a span.
    #[inline]
    pub(crate) fn are_valid(self) -> bool {
        self.trace != Self::NONE.trace && self.span != Self::NONE.span
    }
}

/// Which duration of a span [`Rule::with_duration`](crate::Rule::with_duration) records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpanDuration {
    /// The wall-clock time from the span's creation to its close. It includes the time in which the span waits, and the time in
    /// which only a child span is still open.
    #[default]
    UntilClose,
    /// The wall-clock time from the span's creation to its last exit. It does not include the time in which only a child span is
    /// still open. For a span that was never entered, this is the time until its close.
    UntilLastExit,
    /// The time in which the span was entered. It does not include the time in which a future waits. When several threads have
    /// entered the span at the same time, that time counts once.
    Busy,
}

/// How many of these units are one second. `None` for a unit in which durations cannot be recorded.
pub(crate) fn units_per_second(unit: &str) -> Option<f64> {
    match unit {
        "s" => Some(1.0),
        "ms" => Some(1e3),
        "us" => Some(1e6),
        "ns" => Some(1e9),
        _ => None,
    }
}

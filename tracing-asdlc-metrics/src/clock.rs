/// What a span's duration is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clock {
    /// From the span's creation to its close: wall-clock time, also while it waits, and while a child of it is still open.
    #[default]
    Close,
    /// From the span's creation to the last time it was exited: a detached child that outlives it does not count. A span that
    /// was never entered is timed to its close.
    LastExit,
    /// The time in which it was entered, on one or more threads at once: without the waiting of a future.
    Busy,
}

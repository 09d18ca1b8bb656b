/// What a span's duration is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clock {
    /// From the span's creation to its close: wall-clock time, also while it waits, and while a child of it is still open.
    #[default]
    Close,
    /// From the span's creation to its last exit. The time of a child that is still open after that does not count. A span that
    /// was never entered is timed to its close.
    LastExit,
    /// The time during which the span was entered; when several threads enter it at once, the overlap counts once. The time that
    /// a future waits does not count.
    Busy,
}

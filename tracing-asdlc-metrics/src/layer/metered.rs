use crate::rule::outcome::SpanOutcome;
use pin_project_lite::pin_project;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tracing::instrument::{Instrument, Instrumented};
use tracing::{Span, span};

/// Runs a future in a span, and tells the layer how the future ended.
///
/// ```
/// use tracing::info_span;
/// use tracing_asdlc_metrics::Metered;
///
/// async fn handle(event: u32) -> Result<(), std::fmt::Error> {
///     async move {
///         // …
/// #       Ok(())
///     }
///     .metered(info_span!("event"))
///     .await
/// }
/// ```
///
/// Otherwise it does the same as [`Instrument::instrument`]: it enters the span for each poll, and while it drops the future.
pub trait Metered: Future + Sized {
    /// Runs this future in the span. The outcome of the span is then known: `Ok`, `Err`, cancelled (dropped before its end) or
    /// panicked. An output that is not a `Result` is a success; see [`MeteredOutput`].
    fn metered(self, span: Span) -> MeteredFuture<Self>
    where
        Self::Output: MeteredOutput,
    {
        MeteredFuture::new(self, span, MeteredOutput::is_success)
    }

    /// As [`metered`](Self::metered), for any output: the function decides whether it is a success.
    ///
    /// ```
    /// # use tracing_asdlc_metrics::Metered;
    /// # async fn status() -> u16 { 200 }
    /// # async fn run() {
    /// let status = status().metered_by(tracing::info_span!("call"), |status| *status < 500).await;
    /// # }
    /// ```
    fn metered_by(self, span: Span, is_success: fn(&Self::Output) -> bool) -> MeteredFuture<Self> {
        MeteredFuture::new(self, span, is_success)
    }
}

impl<F: Future> Metered for F {}

/// Decides whether the output of a future is a success. For a type without this trait, use [`Metered::metered_by`].
pub trait MeteredOutput {
    /// Whether this output is a success (default `true`).
    fn is_success(&self) -> bool {
        true
    }
}

impl<T, E> MeteredOutput for Result<T, E> {
    fn is_success(&self) -> bool {
        self.is_ok()
    }
}

macro_rules! always_a_success {
    ($($type:ty),*) => { $(impl MeteredOutput for $type {})* };
}

always_a_success!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
always_a_success!(f32, f64, String, &str);

impl<T> MeteredOutput for Option<T> {}
impl<T: ?Sized> MeteredOutput for Box<T> {}
impl<T: ?Sized> MeteredOutput for Arc<T> {}
impl<T> MeteredOutput for Vec<T> {}
impl<K, V> MeteredOutput for BTreeMap<K, V> {}
impl<K, V, S> MeteredOutput for HashMap<K, V, S> {}
impl<A, B> MeteredOutput for (A, B) {}
impl<A, B, C> MeteredOutput for (A, B, C) {}

pin_project! {
    /// The future that [`Metered`] returns.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct MeteredFuture<F: Future> {
        #[pin]
        future: Instrumented<ReportOutcome<F>>,
        // Dropped after the future, whose drop may still report an outcome.
        clear: ClearOutcome,
    }
}

impl<F: Future> MeteredFuture<F> {
    fn new(future: F, span: Span, is_success: fn(&F::Output) -> bool) -> Self {
        let reporter = Reporter { span: span.id(), has_reported: false };
        let future = ReportOutcome { future, reporter, is_success }.instrument(span);
        Self { future, clear: ClearOutcome }
    }

    /// The span in which the future runs.
    #[must_use]
    pub fn span(&self) -> &Span {
        self.future.span()
    }
}

impl<F: Future> Future for MeteredFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // A guard, because the future may panic.
        let _clear = ClearOutcome;
        this.future.poll(cx)
    }
}

pin_project! {
    /// Reports the outcome of a future just before the thread exits its span.
    struct ReportOutcome<F: Future> {
        #[pin]
        future: F,
        // Dropped after the future, so that cancellation is reported after everything that the future does in its drop.
        reporter: Reporter,
        is_success: fn(&F::Output) -> bool,
    }
}

impl<F: Future> Future for ReportOutcome<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let result = this.future.poll(cx);
        if let Poll::Ready(output) = &result {
            let is_success = (this.is_success)(output);
            this.reporter.report(if is_success {
                SpanOutcome::Success
            } else {
                SpanOutcome::Failed
            });
        }
        result
    }
}

impl<F: Future + fmt::Debug> fmt::Debug for ReportOutcome<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.future.fmt(f)
    }
}

/// If it is dropped before it has reported, the future was cancelled.
#[derive(Debug)]
struct Reporter {
    span: Option<span::Id>,
    has_reported: bool,
}

impl Reporter {
    fn report(&mut self, outcome: SpanOutcome) {
        self.has_reported = true;
        FUTURE_OUTCOME.set(self.span.as_ref().map(|id| (id.into_u64(), outcome)));
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if !self.has_reported {
            self.report(SpanOutcome::Cancelled);
        }
    }
}

/// Clears the reported outcome when it is dropped. By then each layer has read it.
#[derive(Debug)]
struct ClearOutcome;

impl Drop for ClearOutcome {
    fn drop(&mut self) {
        FUTURE_OUTCOME.set(None);
    }
}

/// How the future in this span ended, if it has just ended on this thread.
///
/// The layer calls this when the span is exited. A thread-local variable is used so that each such layer of the subscriber can read
/// the outcome, even if it is inside another layer.
#[inline]
pub(crate) fn future_outcome(span: &span::Id) -> Option<SpanOutcome> {
    let (id, outcome) = FUTURE_OUTCOME.get()?;
    (id == span.into_u64()).then_some(outcome)
}

/// Whether [`future_outcome`] can return anything.
#[inline]
pub(crate) fn has_future_outcome() -> bool {
    FUTURE_OUTCOME.get().is_some()
}

thread_local! {
    static FUTURE_OUTCOME: Cell<Option<(u64, SpanOutcome)>> = const { Cell::new(None) };
}

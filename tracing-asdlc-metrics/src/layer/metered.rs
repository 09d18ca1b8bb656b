use crate::rule::outcome::Ending as Ended;
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

/// Tells this crate's layer how a future ended.
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
/// In all else it is [`Instrument::instrument`]: the span is entered for each poll, and while the future is dropped.
pub trait Metered: Future + Sized {
    /// Runs this future in the span, which then knows how it ended: `Ok`, `Err`, cancelled (dropped before its end) or panicked.
    /// An output that is no `Result` is a success; see [`Output`].
    fn metered(self, span: Span) -> MeteredFuture<Self>
    where
        Self::Output: Output,
    {
        MeteredFuture::new(self, span, Output::is_success)
    }

    /// The same for any output: the function tells whether it is a success.
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

/// Whether what a future gave is a success. For a type that is not here, [`Metered::metered_by`] asks a function.
pub trait Output {
    /// By default: yes.
    fn is_success(&self) -> bool {
        true
    }
}

impl<T, E> Output for Result<T, E> {
    fn is_success(&self) -> bool {
        self.is_ok()
    }
}

macro_rules! always_a_success {
    ($($type:ty),*) => { $(impl Output for $type {})* };
}

always_a_success!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
always_a_success!(f32, f64, String, &str);

impl<T> Output for Option<T> {}
impl<T: ?Sized> Output for Box<T> {}
impl<T: ?Sized> Output for Arc<T> {}
impl<T> Output for Vec<T> {}
impl<K, V> Output for BTreeMap<K, V> {}
impl<K, V, S> Output for HashMap<K, V, S> {}
impl<A, B> Output for (A, B) {}
impl<A, B, C> Output for (A, B, C) {}

pin_project! {
    /// The future of [`Metered`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct MeteredFuture<F: Future> {
        #[pin]
        future: Instrumented<Ending<F>>,
        // After the future, whose drop still announces its end.
        announced: Announced,
    }
}

impl<F: Future> MeteredFuture<F> {
    fn new(future: F, span: Span, is_success: fn(&F::Output) -> bool) -> Self {
        let guard = Guard { span: span.id(), ended: false };
        let future = Ending { future, guard, is_success }.instrument(span);
        Self { future, announced: Announced }
    }

    /// The span that it runs in.
    #[must_use]
    pub fn span(&self) -> &Span {
        self.future.span()
    }
}

impl<F: Future> Future for MeteredFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // Also when it panics.
        let _announced = Announced;
        this.future.poll(cx)
    }
}

pin_project! {
    /// Announces the end of a future right before its span is exited for it.
    struct Ending<F: Future> {
        #[pin]
        future: F,
        // After the future: what that does in its drop is done before its end.
        guard: Guard,
        is_success: fn(&F::Output) -> bool,
    }
}

impl<F: Future> Future for Ending<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let result = this.future.poll(cx);
        if let Poll::Ready(output) = &result {
            let success = (this.is_success)(output);
            this.guard.announce(if success { Ended::Success } else { Ended::Failed });
        }
        result
    }
}

impl<F: Future + fmt::Debug> fmt::Debug for Ending<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.future.fmt(f)
    }
}

#[derive(Debug)]
struct Guard {
    span: Option<span::Id>,
    ended: bool,
}

impl Guard {
    fn announce(&mut self, ending: Ended) {
        self.ended = true;
        ANNOUNCED.set(self.span.as_ref().map(|id| (id.into_u64(), ending)));
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.ended {
            self.announce(Ended::Cancelled);
        }
    }
}

/// When dropped, the end that was announced has been heard.
#[derive(Debug)]
struct Announced;

impl Drop for Announced {
    fn drop(&mut self) {
        ANNOUNCED.set(None);
    }
}

/// How the future ended that runs in this span, if it has just ended on this thread.
///
/// The layer asks when the span is exited. So every layer of the subscriber hears it, whatever it is wrapped in.
#[inline]
pub(crate) fn announced(span: &span::Id) -> Option<Ended> {
    let (id, ending) = ANNOUNCED.get()?;
    (id == span.into_u64()).then_some(ending)
}

/// Whether [`announced`] is worth asking.
#[inline]
pub(crate) fn any_announced() -> bool {
    ANNOUNCED.get().is_some()
}

thread_local! {
    static ANNOUNCED: Cell<Option<(u64, Ended)>> = const { Cell::new(None) };
}

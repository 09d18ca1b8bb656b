//! The span that a request belongs to, read when the request arrives.

use crate::labels::catch_panic::catch_panic;
use crate::record::exemplars::SpanIds;
use crate::record::recorder::Recorder;
use crate::service::traceparent;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};

/// A span whose ids are valid.
#[derive(Clone, Copy, Debug)]
enum RequestSpan {
    Sampled(SpanIds),
    /// There is no trace to show, so its ids are not kept.
    NotSampled,
}

/// Returns the span of a request if it is sampled. The first of these spans that is valid decides, whether it is sampled or not:
///
/// 1. the current span of OpenTelemetry,
/// 2. the current span of `tracing`, if the builder says so,
/// 3. the span in the extensions of the request,
/// 4. the span that the header `traceparent` names.
///
/// OpenTelemetry panics if there is no current context any more, because the thread ends. Then the request has no span.
#[inline(never)]
pub(crate) fn sampled_span(
    extensions: &Extensions,
    headers: &HeaderMap,
    recorder: &Recorder,
) -> Option<SpanIds> {
    let find = || {
        RequestSpan::current()
            .or_else(|| RequestSpan::of_tracing(recorder))
            .or_else(|| RequestSpan::in_extensions(extensions))
            .or_else(|| RequestSpan::in_headers(headers))
    };
    match catch_panic(find)?? {
        RequestSpan::Sampled(ids) => Some(ids),
        RequestSpan::NotSampled => None,
    }
}

impl RequestSpan {
    fn current() -> Option<Self> {
        Context::map_current(Self::in_context)
    }

    #[cfg(feature = "tracing-opentelemetry")]
    fn of_tracing(recorder: &Recorder) -> Option<Self> {
        let context = recorder.reads_tracing_spans().then(tracing_context)??;
        Self::in_context(&context)
    }

    #[cfg(not(feature = "tracing-opentelemetry"))]
    fn of_tracing(_: &Recorder) -> Option<Self> {
        None
    }

    fn in_extensions(extensions: &Extensions) -> Option<Self> {
        let span = extensions.get().and_then(Self::of_context);
        span.or_else(|| extensions.get().and_then(Self::in_context))
    }

    fn in_headers(headers: &HeaderMap) -> Option<Self> {
        let (ids, is_sampled) = traceparent::parse(traceparent(headers)?.as_bytes())?;
        Some(if is_sampled { Self::Sampled(ids) } else { Self::NotSampled })
    }

    #[inline]
    fn in_context(context: &Context) -> Option<Self> {
        // Asked first, because it costs less.
        if !context.has_active_span() {
            return None;
        }
        Self::of_context(context.span().span_context())
    }

    fn of_context(span: &SpanContext) -> Option<Self> {
        if !span.is_valid() {
            None
        } else if span.is_sampled() {
            Some(Self::Sampled(SpanIds::of(span)))
        } else {
            Some(Self::NotSampled)
        }
    }
}

/// The context of the current span of `tracing`, for a `tracing-opentelemetry` that does not make it OpenTelemetry's current one.
#[cfg(feature = "tracing-opentelemetry")]
fn tracing_context() -> Option<Context> {
    tracing::dispatcher::get_default(|dispatch| {
        let span = dispatch.current_span();
        tracing_opentelemetry::get_otel_context(span.id()?, dispatch)
    })
}

/// `None` if there are several such headers.
fn traceparent(headers: &HeaderMap) -> Option<&HeaderValue> {
    // The names are compared: most requests have few headers, so it takes longer to hash this one.
    let is_own = |name: &HeaderName| *name == TRACEPARENT;
    if !headers.keys().any(is_own) {
        return None;
    }
    let mut own = headers.iter().filter(|(name, _)| is_own(name)).map(|(_, value)| value);
    let first = own.next();
    if own.next().is_some() { None } else { first }
}

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

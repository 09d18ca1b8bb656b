//! The span that a request belongs to, read when the request arrives.

use crate::labels::catch_panic::catch_panic;
use crate::record::exemplars::SpanIds;
use crate::record::recorder::Recorder;
use crate::service::optional_parts::OptionalParts;
use crate::service::traceparent;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};

/// A span whose ids are valid.
enum RequestSpan {
    Sampled(SpanIds),
    /// The trace of this span is not recorded, so its ids are not kept.
    NotSampled,
}

/// Adds the span of a request to its parts if it is sampled. The span of a request is the first valid one of these, even if it
/// is not sampled:
///
/// 1. the current span of OpenTelemetry,
/// 2. the current span of `tracing`, if the builder says so,
/// 3. the span in the extensions of the request,
/// 4. the span that the header `traceparent` names.
///
/// OpenTelemetry panics if there is no current context any more, because the thread ends. Then the request has no span.
///
/// Not generic, so that it is compiled in this module. Here, the name of the header is a constant.
#[inline(never)]
pub(crate) fn add_sampled(
    parts: &mut Option<Box<OptionalParts>>,
    extensions: &Extensions,
    headers: &HeaderMap,
    recorder: &Recorder,
) {
    let find = || {
        RequestSpan::current()
            .or_else(|| RequestSpan::of_tracing(recorder))
            .or_else(|| RequestSpan::in_extensions(extensions))
    };
    match catch_panic(find) {
        Some(None) => add_in_headers(parts, headers),
        Some(Some(RequestSpan::Sampled(ids))) => OptionalParts::add_span(parts, ids),
        Some(Some(RequestSpan::NotSampled)) | None => (),
    }
}

#[inline(always)]
fn add_in_headers(parts: &mut Option<Box<OptionalParts>>, headers: &HeaderMap) {
    // The name is compared with all names: most requests have few headers, so hashing it would take
    // longer.
    if let Some(index) = headers.keys().position(is_traceparent) {
        add_traceparent(parts, headers, index);
    }
}

/// `index` is the index of the name among the names of the headers.
#[inline(never)]
fn add_traceparent(parts: &mut Option<Box<OptionalParts>>, headers: &HeaderMap, index: usize) {
    let has_one_value_each = headers.len() == headers.keys_len();
    let value = if has_one_value_each { headers.values().nth(index) } else { only_value(headers) };
    if let Some((ids, true)) = value.and_then(|value| traceparent::parse(value.as_bytes())) {
        OptionalParts::add_span(parts, ids);
    }
}

/// The value of `traceparent`. `None` if there are several.
#[cold]
fn only_value(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut own = headers.iter().filter(|(name, _)| is_traceparent(name));
    let (_, value) = own.next()?;
    own.next().is_none().then_some(value)
}

impl RequestSpan {
    #[inline(always)]
    fn current() -> Option<Self> {
        Context::map_current(Self::in_context)
    }

    #[cfg(feature = "tracing-opentelemetry")]
    #[inline(always)]
    fn of_tracing(recorder: &Recorder) -> Option<Self> {
        let context = recorder.reads_tracing_spans().then(tracing_context)??;
        Self::in_context(&context)
    }

    #[cfg(not(feature = "tracing-opentelemetry"))]
    fn of_tracing(_: &Recorder) -> Option<Self> {
        None
    }

    #[inline(always)]
    fn in_extensions(extensions: &Extensions) -> Option<Self> {
        if extensions.is_empty() { None } else { Self::in_some_extensions(extensions) }
    }

    #[inline(never)]
    fn in_some_extensions(extensions: &Extensions) -> Option<Self> {
        let span = extensions.get().and_then(Self::of_context);
        span.or_else(|| extensions.get().and_then(Self::in_context))
    }

    #[inline(always)]
    fn in_context(context: &Context) -> Option<Self> {
        // Checked first, because this costs less.
        if !context.has_active_span() {
            return None;
        }
        Self::of_context(context.span().span_context())
    }

    #[inline(always)]
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
#[inline(never)]
fn tracing_context() -> Option<Context> {
    tracing::dispatcher::get_default(|dispatch| {
        let span = dispatch.current_span();
        tracing_opentelemetry::get_otel_context(span.id()?, dispatch)
    })
}

#[inline]
fn is_traceparent(name: &HeaderName) -> bool {
    *name == TRACEPARENT
}

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

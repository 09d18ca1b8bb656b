//! The span that a request belongs to, read when the request arrives.

use crate::labels::catch_panic::catch_panic;
use crate::record::exemplars::SpanIds;
use crate::record::recorder::Recorder;
use crate::service::traceparent;
use http::{Extensions, HeaderMap, HeaderName};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};

/// A span whose ids are valid.
#[derive(Clone, Copy, Debug)]
enum RequestSpan {
    Sampled(SpanIds),
    /// There is no trace to show, so its ids are not kept.
    NotSampled,
}

/// Calls `keep` with the span of a request if it is sampled, and returns whether it is. The first of these spans that is valid
/// decides, whether it is sampled or not:
///
/// 1. the current span of OpenTelemetry,
/// 2. the current span of `tracing`, if the builder says so,
/// 3. the span in the extensions of the request,
/// 4. the span that the header `traceparent` names.
///
/// OpenTelemetry panics if there is no current context any more, because the thread ends. Then the request has no span.
///
/// With a closure and not with a result, which would be copied several times: this is done for each request.
#[inline(always)]
pub(crate) fn keep_sampled(
    extensions: &Extensions,
    headers: &HeaderMap,
    recorder: &Recorder,
    mut keep: impl FnMut(SpanIds),
) -> bool {
    let find = || match RequestSpan::current() {
        Some(span) => span.keep_if_sampled(&mut keep),
        None => match RequestSpan::elsewhere(extensions, headers, recorder) {
            Some(span) => span.keep_if_sampled(&mut keep),
            None => false,
        },
    };
    catch_panic(find) == Some(true)
}

impl RequestSpan {
    #[inline(always)]
    fn current() -> Option<Self> {
        Context::map_current(Self::in_context)
    }

    /// Not inlined, so that it is compiled in this crate, which knows the header's name.
    #[inline(never)]
    fn elsewhere(
        extensions: &Extensions,
        headers: &HeaderMap,
        recorder: &Recorder,
    ) -> Option<Self> {
        Self::of_tracing(recorder)
            .or_else(|| Self::in_extensions(extensions))
            .or_else(|| Self::in_headers(headers))
    }

    #[inline(always)]
    fn keep_if_sampled(self, keep: &mut impl FnMut(SpanIds)) -> bool {
        match self {
            Self::Sampled(ids) => {
                keep(ids);
                true
            }
            Self::NotSampled => false,
        }
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
    fn in_headers(headers: &HeaderMap) -> Option<Self> {
        // The names are compared: most requests have few headers, so it takes longer to hash this one.
        if headers.keys().any(is_traceparent) { Self::in_traceparent(headers) } else { None }
    }

    #[inline(never)]
    fn in_traceparent(headers: &HeaderMap) -> Option<Self> {
        let mut own = headers.iter().filter(|(name, _)| is_traceparent(name));
        let (_, value) = own.next()?;
        if own.next().is_some() {
            return None;
        }
        let (ids, is_sampled) = traceparent::parse(value.as_bytes())?;
        Some(if is_sampled { Self::Sampled(ids) } else { Self::NotSampled })
    }

    #[inline(always)]
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

#[inline]
fn is_traceparent(name: &HeaderName) -> bool {
    *name == TRACEPARENT
}

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

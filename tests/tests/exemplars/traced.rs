//! A span for each request, as any tracing middleware of OpenTelemetry makes it.

use std::collections::BTreeSet;
use std::task::{self, Poll};

use http::{HeaderMap, Request};
use opentelemetry::context::{FutureExt as _, WithContext};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanKind, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, TraceId};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracer, SdkTracerProvider};
use tower::{Layer, Service};

/// Makes spans. A trace that begins here is sampled with this probability; a request may bring a trace that is sampled.
#[derive(Clone, Debug)]
pub(crate) struct Tracing {
    tracer: SdkTracer,
    exported: InMemorySpanExporter,
}

/// The service around which each request has a span.
#[derive(Clone, Debug)]
pub(crate) struct Traced<S> {
    inner: S,
    tracer: SdkTracer,
}

impl Tracing {
    pub(crate) fn new(ratio: f64) -> Self {
        let exported = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exported.clone())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
            .build();
        Self { tracer: provider.tracer("test"), exported }
    }

    /// The traces that were sampled.
    pub(crate) fn sampled(&self) -> BTreeSet<String> {
        let spans = self.exported.get_finished_spans().expect("the exporter works");
        spans.iter().map(|span| span.span_context.trace_id().to_string()).collect()
    }
}

impl<S> Layer<S> for Tracing {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced { inner, tracer: self.tracer.clone() }
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Traced<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = WithContext<S::Future>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
        let span = self.tracer.span_builder("request").with_kind(SpanKind::Server);
        let context = parent.with_span(span.start_with_context(&self.tracer, &parent));
        let response = {
            let _guard = context.clone().attach();
            self.inner.call(request)
        };
        response.with_context(context)
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// The header of a request within a sampled trace.
pub(crate) fn traceparent(trace: TraceId) -> String {
    format!("00-{trace}-00000000000000aa-01")
}

/// The context is kept alive only by the future: so a span ends with its request.
#[test]
fn a_span_ends_with_its_request() {
    let tracing = Tracing::new(1.0);
    let context = Context::new().with_span(tracing.tracer.start("request"));
    drop(context);
    assert_eq!(tracing.sampled().len(), 1);
}

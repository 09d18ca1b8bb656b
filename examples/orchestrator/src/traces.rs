//! Traces: a span for each request and for each task. They are exported with OTLP over gRPC to the URL in
//! `OTEL_EXPORTER_OTLP_ENDPOINT`.

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::env;
use std::error::Error;
use tower_http::trace::TraceLayer;
use tracing::level_filters::LevelFilter;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

/// The tracer provider. `None` if `OTEL_EXPORTER_OTLP_ENDPOINT` is not set or empty.
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// `OTEL_TRACES_SAMPLER` decides which traces are sampled. By default all are, except
    /// those of requests whose `traceparent` is not sampled.
    pub(crate) fn from_env(service: &str) -> Result<Self, Box<dyn Error>> {
        if env::var_os(ENDPOINT).is_none_or(|endpoint| endpoint.is_empty()) {
            return Ok(Self(None));
        }
        let exporter = SpanExporter::builder().with_tonic().build()?;
        let resource = Resource::builder().with_service_name(service.to_owned()).build();
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource);
        Ok(Self(Some(provider.build())))
    }

    /// The layer that makes OpenTelemetry spans of the spans of level INFO and above. `None` without a tracer provider.
    pub(crate) fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let Self(provider) = self;
        let tracer = provider.as_ref()?.tracer(env!("CARGO_PKG_NAME"));
        Some(tracing_opentelemetry::layer().with_tracer(tracer).with_filter(LevelFilter::INFO))
    }

    /// The routes, with a span for each request.
    pub(crate) fn around(&self, app: Router) -> Router {
        app.layer(TraceLayer::new_for_http().make_span_with(span_of))
    }

    /// Exports the last spans.
    pub(crate) async fn shutdown(self) -> Result<(), Box<dyn Error>> {
        if let Self(Some(provider)) = self {
            tokio::task::spawn_blocking(move || provider.shutdown()).await??;
        }
        Ok(())
    }
}

fn span_of(request: &Request) -> Span {
    let method = request.method().as_str();
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    let span = info_span!(
        "request",
        otel.name = name,
        otel.kind = "server",
        http.request.method = method,
        http.route = route
    );
    let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
    // Fails if there is no tracing-opentelemetry layer, or if a filter hides the span from it. Then there is no parent to set.
    let _ = span.set_parent(parent);
    span
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

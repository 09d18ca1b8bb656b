//! Spans of `tracing`, with `tracing-opentelemetry` and the SDK's tracer.

use crate::meter::{Exemplars, Of};
use crate::requests::{self, End, request, span};
use opentelemetry::trace::{SpanContext, TraceContextExt, TracerProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tower::{Layer, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer, HttpMetricsLayerBuilder};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

fn subscriber(activates_context: bool, sampler: Sampler) -> impl Subscriber + Send + Sync {
    let provider = SdkTracerProvider::builder().with_sampler(sampler).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing_subscriber::registry().with(layer.with_context_activation(activates_context))
}

/// What a request belongs to that arrives in a span of `tracing`, and the context of that span.
fn measured(
    builder: HttpMetricsLayerBuilder,
    activates_context: bool,
    sampler: Sampler,
    extension: Option<SpanContext>,
) -> (Of, SpanContext) {
    let exemplars = Exemplars::of_sampled();
    let layer = builder.build(&exemplars).unwrap();
    let mut service = layer.layer(service_fn(|request| End::Complete.respond(request)));
    let span = tracing::subscriber::with_default(subscriber(activates_context, sampler), || {
        let span = tracing::info_span!("request");
        let mut request = request();
        request.extensions_mut().extend(extension.map(extensions).unwrap_or_default());
        span.in_scope(|| End::Complete.send(&mut service, request));
        span.context().span().span_context().clone()
    });
    let mut spans: Vec<_> = exemplars.take_spans().into_iter().map(|(_, of)| of).collect();
    spans.dedup();
    let [of] = spans[..] else { panic!("{spans:?}") };
    (of, span)
}

fn extensions(span: SpanContext) -> http::Extensions {
    let mut extensions = http::Extensions::new();
    extensions.insert(span);
    extensions
}

fn ids(span: &SpanContext) -> Of {
    let (trace, span) = (span.trace_id().to_bytes(), span.span_id().to_bytes());
    Of::Span(u128::from_be_bytes(trace), u64::from_be_bytes(span))
}

fn builder() -> HttpMetricsLayerBuilder {
    HttpMetricsLayer::builder(FixedEndpoint("/x"))
}

//
#[test]
fn a_span_that_tracing_opentelemetry_makes_current_is_the_span_of_the_request() {
    let (of, span) = measured(builder(), true, Sampler::AlwaysOn, None);
    assert!(span.is_valid());
    assert_eq!(of, ids(&span));
    let other = Some(requests::span(1, true));
    let (of, span) = measured(builder(), true, Sampler::AlwaysOff, other);
    assert!(span.is_valid());
    assert_eq!(of, Of::None);
}

//
#[test]
fn without_the_setting_a_span_that_is_not_current_for_opentelemetry_is_not_read() {
    let (of, _) = measured(builder(), false, Sampler::AlwaysOn, None);
    assert_eq!(of, Of::None);
    let (of, _) = measured(builder(), false, Sampler::AlwaysOn, Some(span(1, true)));
    assert_eq!(of, requests::of(1));
}

#[cfg(feature = "tracing-opentelemetry")]
mod with_the_setting {
    use super::*;
    use crate::requests::{in_span, of};

    //
    #[test]
    fn the_current_span_of_tracing_is_the_span_of_the_request_before_its_extensions() {
        for extension in [None, Some(span(1, true))] {
            let builder = || builder().with_tracing_spans();
            let (of, span) = measured(builder(), false, Sampler::AlwaysOn, extension.clone());
            assert!(span.is_valid());
            assert_eq!(of, ids(&span));
            let (of, span) = measured(builder(), false, Sampler::AlwaysOff, extension);
            assert!(span.is_valid());
            assert_eq!(of, Of::None);
        }
    }

    //
    #[test]
    fn the_current_span_of_opentelemetry_comes_first() {
        let measured =
            || measured(builder().with_tracing_spans(), false, Sampler::AlwaysOn, None).0;
        assert_eq!(in_span(span(1, true), measured), of(1));
        assert_eq!(in_span(span(1, false), measured), Of::None);
    }

    //
    #[test]
    fn without_a_span_or_without_tracing_opentelemetry_the_next_source_is_read() {
        let exemplars = Exemplars::of_sampled();
        let layer = builder().with_tracing_spans().build(&exemplars).unwrap();
        let mut service = layer.layer(service_fn(|request| End::Complete.respond(request)));
        let mut send = || {
            let mut request = request();
            request.extensions_mut().insert(span(1, true));
            End::Complete.send(&mut service, request);
        };
        // No subscriber, no current span, and a subscriber without the layer.
        send();
        let subscriber = subscriber(false, Sampler::AlwaysOn);
        tracing::subscriber::with_default(subscriber, &mut send);
        tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            tracing::info_span!("request").in_scope(&mut send);
        });
        let spans = exemplars.take_spans();
        assert_eq!(spans.len(), 6);
        assert!(spans.iter().all(|(_, measured)| *measured == of(1)), "{spans:?}");
    }
}

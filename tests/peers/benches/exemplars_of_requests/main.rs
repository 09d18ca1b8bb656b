//! What exemplars cost a request, with the exporter: `cargo bench --no-default-features --features exemplars --bench
//! exemplars_of_requests`. With `run NAME COUNT` or `time NAME THREADS` it measures one subject, as the ladders do.

#[path = "../../../../tower-asdlc-metrics/benches/ladder/harness.rs"]
mod harness;
#[expect(dead_code, reason = "the ladder uses the rest")]
#[path = "../../../../tower-asdlc-metrics/benches/ladder/subjects.rs"]
mod subjects;

use asdlc_exporter::{Exporter, ExporterBuilder, Format};
use harness::Subject;
use http::Request;
use http_body_util::Full;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, ContextGuard};
use subjects::{requests, sending, service};
use tower::Layer;
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};

fn main() {
    let off = layer(Exporter::builder("bench"));
    let on = layer(Exporter::builder("bench").with_exemplars());
    // Each in the same context: `off` does not look at it.
    let within = |name, layer: &HttpMetricsLayer, flags: Option<TraceFlags>| {
        let layer = layer.clone();
        Subject::new(name, move || {
            let mut request = requests(layer.layer(service()));
            let attached = flags.map(attach);
            move || {
                let _attached = &attached;
                request();
            }
        })
    };
    let with_traceparent = |name, layer: &HttpMetricsLayer| {
        let layer = layer.clone();
        Subject::new(name, move || sending(layer.layer(service()), traced))
    };
    harness::main(&[
        Subject::new("bare", || requests(service())),
        within("off, no span", &off, None),
        within("on, no span", &on, None),
        within("off, span not sampled", &off, Some(TraceFlags::NOT_SAMPLED)),
        within("on, span not sampled", &on, Some(TraceFlags::NOT_SAMPLED)),
        within("off, sampled span", &off, Some(TraceFlags::SAMPLED)),
        within("on, sampled span", &on, Some(TraceFlags::SAMPLED)),
        with_traceparent("off, sampled by traceparent", &off),
        with_traceparent("on, sampled by traceparent", &on),
    ]);
}

/// A layer of a server that is scraped: its requests are recorded in batches.
fn layer(exporter: ExporterBuilder) -> HttpMetricsLayer {
    let exporter = exporter.build().expect("valid settings");
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/items/{id}")).build(&exporter);
    let layer = layer.expect("these settings are allowed");
    // The buckets of exemplars are known after the first scrape with a request.
    for _ in 0..2 {
        let _attached = attach(TraceFlags::SAMPLED);
        requests(layer.layer(service()))();
        exporter.render_as(Format::OpenMetrics).expect("it renders");
    }
    // Leaked, because the provider shuts down when it is dropped.
    std::mem::forget(exporter);
    layer
}

fn attach(flags: TraceFlags) -> ContextGuard {
    let (trace, span) = (TraceId::from(0x4bf9_2f35), SpanId::from(0xf0_67aa));
    let span = SpanContext::new(trace, span, flags, false, TraceState::NONE);
    Context::new().with_remote_span_context(span).attach()
}

fn traced() -> Request<Full<bytes::Bytes>> {
    let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = Request::get("/items/1").header("traceparent", header);
    request.body(Full::default()).expect("a request")
}

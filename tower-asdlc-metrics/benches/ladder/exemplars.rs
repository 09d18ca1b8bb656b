//! The layer with a meter that records exemplars: what the layer itself adds. The meter's instruments are those of the SDK, so they
//! store no exemplar.

use crate::harness::Subject;
use crate::subjects::{provider, requests, sending, service};
use bytes::Bytes;
use http::request::Builder;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use opentelemetry::Context;
use opentelemetry::metrics::{
    AsyncInstrumentBuilder, Counter, Histogram, HistogramBuilder, InstrumentBuilder,
    InstrumentProvider, Meter, MeterProvider, ObservableUpDownCounter, UpDownCounter,
};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tower::{Layer, Service};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};

pub fn own() -> [Subject; 8] {
    let provider = provider();
    let meter = provider.meter("exemplars");
    let exemplars = Meter::new(Arc::new(Exemplars(meter.clone())));
    let layer = |meter| {
        let builder = HttpMetricsLayer::builder(FixedEndpoint("/items/{id}"));
        builder.build(meter).expect("defaults are allowed")
    };
    let (on, off) = (layer(&exemplars), layer(&provider.meter("off")));
    provider.force_flush().expect("an exporter that does not fail");
    let layer = move || on.clone();
    let on = layer();
    let [unsampled, sampled, traced, many] = [(); 4].map(|()| layer());
    [
        Subject::new("exemplars, no span", move || requests(on.layer(service()))),
        Subject::new("exemplars, span not sampled", move || {
            let mut request = requests(unsampled.layer(service()));
            let guard = context(TraceFlags::NOT_SAMPLED).attach();
            move || {
                let _guard = &guard;
                request();
            }
        }),
        Subject::new("exemplars, sampled span", move || {
            let mut request = requests(sampled.layer(service()));
            let guard = context(TraceFlags::SAMPLED).attach();
            move || {
                let _guard = &guard;
                request();
            }
        }),
        Subject::new("bare, with traceparent", || requests_with(service(), with_traceparent)),
        Subject::new("exemplars, sampled by traceparent", move || {
            requests_with(traced.layer(service()), with_traceparent)
        }),
        Subject::new("bare, with 10 headers", || requests_with(service(), with_headers)),
        Subject::new("ours, with 10 headers", move || {
            requests_with(off.layer(service()), with_headers)
        }),
        Subject::new("exemplars, with 10 headers, no span", move || {
            requests_with(many.layer(service()), with_headers)
        }),
    ]
}

fn context(flags: TraceFlags) -> Context {
    let (trace, span) = (TraceId::from(0x4bf9_2f35), SpanId::from(0xf0_67aa));
    let span = SpanContext::new(trace, span, flags, false, TraceState::NONE);
    Context::new().with_remote_span_context(span)
}

/// Sends a request with these headers.
fn requests_with<S, B>(service: S, headers: impl Fn(Builder) -> Builder) -> impl FnMut()
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    B: Body,
{
    sending(service, move || {
        headers(Request::get("/items/1")).body(Full::default()).expect("a request")
    })
}

fn with_traceparent(request: Builder) -> Builder {
    request.header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
}

/// As a browser sends them.
fn with_headers(request: Builder) -> Builder {
    [
        ("host", "localhost:8080"),
        ("user-agent", "Mozilla/5.0"),
        ("accept", "text/html"),
        ("accept-language", "en"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "http://localhost:8080/"),
        ("cookie", "a=b"),
        ("upgrade-insecure-requests", "1"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-mode", "navigate"),
    ]
    .into_iter()
    .fold(request, |request, (name, value)| request.header(name, value))
}

/// Answers the question of the layer, and passes everything on to the SDK.
struct Exemplars(Meter);

type MeasureIn = fn(Option<(TraceId, SpanId, Instant)>, &mut dyn FnMut());

impl Exemplars {
    fn answer() {
        Context::map_current(|context| {
            if let Some((_, answer)) = context.get::<(&'static str, OnceLock<(MeasureIn, bool)>)>()
            {
                answer.get_or_init(|| (measure_in, false));
            }
        });
    }
}

impl InstrumentProvider for Exemplars {
    fn u64_counter(&self, builder: InstrumentBuilder<'_, Counter<u64>>) -> Counter<u64> {
        Self::answer();
        self.0.u64_counter(builder.name).build()
    }

    fn i64_up_down_counter(
        &self,
        builder: InstrumentBuilder<'_, UpDownCounter<i64>>,
    ) -> UpDownCounter<i64> {
        self.0.i64_up_down_counter(builder.name).build()
    }

    fn f64_histogram(&self, builder: HistogramBuilder<'_, Histogram<f64>>) -> Histogram<f64> {
        Self::answer();
        let mut inner = self.0.f64_histogram(builder.name);
        inner.boundaries = builder.boundaries;
        inner.build()
    }

    fn i64_observable_up_down_counter(
        &self,
        builder: AsyncInstrumentBuilder<'_, ObservableUpDownCounter<i64>, i64>,
    ) -> ObservableUpDownCounter<i64> {
        let mut inner = self.0.i64_observable_up_down_counter(builder.name);
        inner.callbacks = builder.callbacks;
        inner.build()
    }
}

thread_local! {
    static CURRENT: Cell<Option<Option<(TraceId, SpanId)>>> = const { Cell::new(None) };
}

fn measure_in(span: Option<(TraceId, SpanId, Instant)>, measure: &mut dyn FnMut()) {
    let ids = span.map(|(trace, span, _)| (trace, span));
    let outer = CURRENT.replace(Some(ids));
    measure();
    CURRENT.set(outer);
}

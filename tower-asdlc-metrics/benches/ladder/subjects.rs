//! The subjects: the bare service, a layer that does nothing, the minimal hand-written layer, and ours.

use crate::harness::Subject;
use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use opentelemetry::KeyValue;
use opentelemetry::metrics::noop::NoopMeterProvider;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use std::convert::Infallible;
use std::future::{self, Future, Ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};
use tower::util::ServiceFn;
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};

pub fn own() -> Vec<Subject> {
    let hand_written = hand_written();
    let provider = provider();
    let layer = |meter: &Meter| {
        let builder = HttpMetricsLayer::builder(FixedEndpoint("/items/{id}"));
        builder.build(meter).expect("defaults are allowed")
    };
    let ours = layer(&provider.meter("bench"));
    let ours_to_nowhere = layer(&NoopMeterProvider::new().meter("bench"));
    // Like a server that is scraped: buffering starts with the first collection.
    provider.force_flush().expect("an exporter that does not fail");
    vec![
        Subject::new("bare", || requests(service())),
        Subject::new("no-op layer", || requests(NoOp(service()))),
        Subject::new(HAND_WRITTEN, move || requests(hand_written())),
        Subject::new(OURS, move || requests(ours.layer(service()))),
        Subject::new("the same with a no-op meter", move || {
            requests(ours_to_nowhere.layer(service()))
        }),
    ]
}

/// A provider with a reader. Without one, the SDK would drop all measurements.
pub fn provider() -> SdkMeterProvider {
    let reader = PeriodicReader::builder(Nowhere).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    // Leaked, because the provider shuts down when it is dropped.
    std::mem::forget(provider.clone());
    provider
}

struct Nowhere;

impl PushMetricExporter for Nowhere {
    async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

/// Sends a request to the service, and reads the body of the response to its end. The request is one that a server receives.
pub fn requests<S, B>(service: S) -> impl FnMut()
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    B: Body,
{
    sending(service, || {
        let request =
            Request::get("/items/1").header(HOST, HeaderValue::from_static("localhost:8080"));
        request.body(Full::default()).expect("a request")
    })
}

/// The same with a request as a client sends it: it has an absolute URI, and the client adds the header `Host` later.
pub fn client_requests<S, B>(service: S) -> impl FnMut()
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    B: Body,
{
    sending(service, || {
        Request::get("http://localhost:8080/items/1").body(Full::default()).expect("a request")
    })
}

/// The same with this request.
pub fn sending<S, B>(mut service: S, request: impl Fn() -> Request<Full<Bytes>>) -> impl FnMut()
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    B: Body,
{
    move || {
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(response)) = pin!(service.call(request())).poll(&mut context) else {
            unreachable!("the service responds at once")
        };
        let mut body = pin!(response.into_body());
        // Like hyper: a body that reports its end is not polled again.
        while !body.is_end_stream() {
            let Poll::Ready(Some(Ok(_))) = body.as_mut().poll_frame(&mut context) else { return };
        }
    }
}

pub fn service() -> BareService {
    service_fn(|_| future::ready(Ok(Response::new(Full::from("an item")))))
}

pub type BareService =
    ServiceFn<fn(Request<Full<Bytes>>) -> Ready<Result<Response<Full<Bytes>>, Infallible>>>;

#[derive(Clone)]
pub struct NoOp<S>(pub S);

impl<R, S: Service<R>> Service<R> for NoOp<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.0.call(request)
    }
}

/// The minimal hand-written layer: a counter and a histogram with attributes that are known in advance, and two readings of the
/// clock. It has no look-up and no in-flight gauge, and it records only requests that succeed.
#[derive(Clone)]
struct HandWritten<S> {
    inner: S,
    series: Arc<HandWrittenSeries>,
}

impl<S, R> Service<R> for HandWritten<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = HandWrittenFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let start = Instant::now();
        let inner = self.inner.call(request);
        HandWrittenFuture { inner, start, series: Arc::clone(&self.series) }
    }
}

pin_project_lite::pin_project! {
    struct HandWrittenFuture<F> {
        #[pin]
        inner: F,
        start: Instant,
        series: Arc<HandWrittenSeries>,
    }
}

impl<F: Future> Future for HandWrittenFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let output = ready!(this.inner.poll(cx));
        this.series.record(this.start.elapsed().as_secs_f64());
        Poll::Ready(output)
    }
}

#[cfg(feature = "bound")]
struct HandWrittenSeries {
    counter: opentelemetry::metrics::BoundCounter<u64>,
    histogram: opentelemetry::metrics::BoundHistogram<f64>,
}

#[cfg(feature = "bound")]
impl HandWrittenSeries {
    fn new(counter: &Counter<u64>, histogram: &Histogram<f64>) -> Self {
        let outcome = attributes();
        Self { counter: counter.bind(&outcome), histogram: histogram.bind(&outcome[..2]) }
    }

    fn record(&self, elapsed: f64) {
        self.counter.add(1);
        self.histogram.record(elapsed);
    }
}

#[cfg(not(feature = "bound"))]
struct HandWrittenSeries {
    counter: Counter<u64>,
    histogram: Histogram<f64>,
}

#[cfg(not(feature = "bound"))]
impl HandWrittenSeries {
    fn new(counter: &Counter<u64>, histogram: &Histogram<f64>) -> Self {
        Self { counter: counter.clone(), histogram: histogram.clone() }
    }

    fn record(&self, elapsed: f64) {
        let outcome = attributes();
        self.counter.add(1, &outcome);
        self.histogram.record(elapsed, &outcome[..2]);
    }
}

fn attributes() -> [KeyValue; 3] {
    [
        KeyValue::new("endpoint", "/items/{id}"),
        KeyValue::new("method", "GET"),
        KeyValue::new("status", "200"),
    ]
}

fn hand_written() -> impl Fn() -> HandWritten<BareService> + Sync {
    let meter = provider().meter("bench");
    let boundaries = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let series = Arc::new(HandWrittenSeries::new(
        &meter.u64_counter("http_requests").build(),
        &meter
            .f64_histogram("http_request_duration")
            .with_unit("s")
            .with_boundaries(boundaries)
            .build(),
    ));
    move || HandWritten { inner: service(), series: Arc::clone(&series) }
}

#[cfg(feature = "bound")]
const HAND_WRITTEN: &str = "hand-written, bound";
#[cfg(not(feature = "bound"))]
const HAND_WRITTEN: &str = "hand-written, unbound";

#[cfg(feature = "bound")]
const OURS: &str = "tower-asdlc-metrics";
#[cfg(not(feature = "bound"))]
const OURS: &str = "tower-asdlc-metrics without `bound`";

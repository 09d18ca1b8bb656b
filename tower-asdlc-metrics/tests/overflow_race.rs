//! A route that is created while another thread looks for it.

#![cfg(all(feature = "axum", feature = "bound"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use axum::body::Body;
use axum::{Router, routing::any};
use common::Metrics;
use http::Request;
use opentelemetry::KeyValue;
use opentelemetry::metrics::*;
use std::future::{Future, ready};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tower::Service;
use tower_asdlc_metrics::{HttpMetricsLayer, MatchedRoute};

fn router(layer: HttpMetricsLayer) -> Router {
    let router = Router::new().route("/a", any(|| ready("a"))).route("/b", any(|| ready("b")));
    router.layer(layer)
}

fn send(router: &mut Router, path: &str) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = pin!(router.call(request)).poll(&mut cx) else {
        panic!("no response")
    };
    let mut body = pin!(response.into_body());
    while let Poll::Ready(Some(frame)) = http_body::Body::poll_frame(body.as_mut(), &mut cx) {
        drop(frame.unwrap());
    }
}

//
#[test]
fn a_route_that_another_thread_creates_meanwhile_does_not_overflow() {
    let metrics = Metrics::new();
    let meanwhile = Meanwhile::default();
    let meter = CallsMeanwhile { inner: metrics.meter(), meanwhile: Arc::clone(&meanwhile) };
    let builder = HttpMetricsLayer::builder(MatchedRoute).with_max_series(1);
    let layer = builder.build(&Meter::new(Arc::new(meter))).unwrap();
    assert!(metrics.sums("http_requests").is_empty());
    let mut router = router(layer);
    // The requests of another thread, after the first request has not found its route, and before it sees that the limit is
    // reached.
    let mut other = router.clone();
    let requests = move || ["/a", "/b"].iter().for_each(|path| send(&mut other, path));
    *meanwhile.lock().unwrap() = Some(Box::new(requests));
    (0..100).for_each(|_| send(&mut router, "/a"));
    assert!(meanwhile.lock().unwrap().is_none());
    let expected = [
        ("endpoint=/a,method=GET,status=200", 101),
        ("endpoint=_OVERFLOW,method=GET,otel.metric.overflow=true,status=200", 1),
    ];
    assert_eq!(
        metrics.sums("http_requests"),
        expected.map(|(labels, count)| (labels.to_owned(), count)).into()
    );
}

/// What is called when a series of an up-down counter is first used.
type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// The layer creates a series of its gauge between the search for a route and the check of the limit.
struct CallsMeanwhile {
    inner: Meter,
    meanwhile: Meanwhile,
}

struct Gauge {
    inner: UpDownCounter<i64>,
    meanwhile: Meanwhile,
}

struct BoundGauge(BoundUpDownCounter<i64>);

impl InstrumentProvider for CallsMeanwhile {
    fn u64_counter(&self, builder: InstrumentBuilder<'_, Counter<u64>>) -> Counter<u64> {
        self.inner.u64_counter(builder.name).build()
    }

    fn f64_histogram(&self, builder: HistogramBuilder<'_, Histogram<f64>>) -> Histogram<f64> {
        self.inner.f64_histogram(builder.name).build()
    }

    fn i64_up_down_counter(
        &self,
        builder: InstrumentBuilder<'_, UpDownCounter<i64>>,
    ) -> UpDownCounter<i64> {
        let inner = self.inner.i64_up_down_counter(builder.name).build();
        UpDownCounter::new(Arc::new(Gauge { inner, meanwhile: Arc::clone(&self.meanwhile) }))
    }

    fn i64_observable_up_down_counter(
        &self,
        builder: AsyncInstrumentBuilder<'_, ObservableUpDownCounter<i64>, i64>,
    ) -> ObservableUpDownCounter<i64> {
        let new = self.inner.i64_observable_up_down_counter(builder.name);
        builder.callbacks.into_iter().fold(new, AsyncInstrumentBuilder::with_callback).build()
    }
}

impl SyncInstrument<i64> for Gauge {
    fn measure(&self, value: i64, attributes: &[KeyValue]) {
        self.inner.add(value, attributes);
    }

    fn bind(&self, attributes: &[KeyValue]) -> Box<dyn BoundSyncInstrument<i64> + Send + Sync> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        meanwhile.into_iter().for_each(|call| call());
        Box::new(BoundGauge(self.inner.bind(attributes)))
    }
}

impl BoundSyncInstrument<i64> for BoundGauge {
    fn measure(&self, value: i64) {
        self.0.add(value);
    }
}

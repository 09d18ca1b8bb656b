//! Functions of the application that panic.

mod common;

use common::{Metrics, Script};
use http::{Request, Response};
use http_body_util::BodyExt;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer, endpoint_fn};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, subscriber};

fn panics<T>() -> T {
    // Without the message of the panic hook.
    resume_unwind(Box::new("on purpose"))
}

//
#[tokio::test]
async fn an_endpoint_label_or_exclusion_function_that_panics_does_not_fail_the_request() {
    for (layer, labels) in [
        (
            HttpMetricsLayer::builder(endpoint_fn(|_| panics())),
            "endpoint=_UNMATCHED,method=GET,status=200",
        ),
        (
            HttpMetricsLayer::builder(FixedEndpoint("/x"))
                .with_label("plan", ["free"], |_| panics()),
            "endpoint=/x,method=GET,plan=_OTHER,status=200",
        ),
        (
            HttpMetricsLayer::builder(FixedEndpoint("/x")).without_requests(|_| panics()),
            "endpoint=/x,method=GET,status=200",
        ),
    ] {
        let metrics = Metrics::new();
        let inner = service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Script::default()))
        });
        let service = layer.build(&metrics.meter()).unwrap().layer(inner);
        let response = service.oneshot(Request::new(())).await.unwrap();
        response.into_body().collect().await.unwrap();
        let counted: Vec<_> = metrics.sums("http_requests").into_iter().collect();
        assert_eq!(counted, [(labels.to_owned(), 1)]);
    }
}

/// Calls the function for each event, and then panics.
struct PanickingSubscriber(Box<dyn Fn() + Send + Sync>);

impl Subscriber for PanickingSubscriber {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        (self.0)();
        panics::<()>();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

//
#[test]
fn if_recording_a_request_panics_the_request_is_in_flight_until_then_and_recorded_once() {
    let metrics = Arc::new(Metrics::new());
    let inner = service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(Response::new(Script::default().with_exact_size(0))))
    });
    let layer = HttpMetricsLayer::builder(endpoint_fn(|_| None)).build(&metrics.meter()).unwrap();
    let mut service = layer.layer(inner);
    let in_flight = Arc::new(Mutex::new(Vec::new()));
    let on_event = {
        let (metrics, in_flight) = (Arc::clone(&metrics), Arc::clone(&in_flight));
        move || in_flight.lock().unwrap().extend(metrics.sums("http_requests_in_flight"))
    };
    // The layer logs a warning while it records the last of 100 successful requests without a route.
    let requests = || {
        subscriber::with_default(PanickingSubscriber(Box::new(on_event)), || {
            for _ in 0..100 {
                let future = pin!(service.call(Request::new(())));
                drop(future.poll(&mut Context::from_waker(Waker::noop())));
            }
        });
    };
    assert!(catch_unwind(AssertUnwindSafe(requests)).is_err());
    assert_eq!(*in_flight.lock().unwrap(), [("method=GET".to_owned(), 1)]);
    let counted: Vec<_> = metrics.sums("http_requests").into_iter().collect();
    assert_eq!(counted, [("endpoint=_UNMATCHED,method=GET,status=200".to_owned(), 100)]);
    assert!(metrics.sums("http_requests_in_flight").is_empty());
}

//! Requests that wait until the inner service is ready: which task is woken, and how the request ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Metrics, Script};
use http::{Request, Response};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Future, Ready, pending, ready};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};

fn layer(metrics: &Metrics) -> HttpMetricsLayer {
    HttpMetricsLayer::builder(FixedEndpoint("/x")).build(&metrics.meter()).unwrap()
}

fn poll_with<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

fn in_flight(metrics: &Metrics) -> i64 {
    metrics.sums("http_requests_in_flight").into_values().sum()
}

fn counted(metrics: &Metrics) -> BTreeMap<String, i64> {
    metrics.sums("http_requests")
}

/// A service that is pending until the test sets its readiness. Its clones share the readiness.
#[derive(Clone, Default)]
struct Controlled {
    readiness: Arc<Mutex<Option<Result<(), &'static str>>>>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Controlled {
    fn set_readiness(&self, readiness: Result<(), &'static str>) {
        *self.readiness.lock().unwrap() = Some(readiness);
        let waker = self.waker.lock().unwrap().take();
        waker.unwrap().wake();
    }
}

impl Service<Request<()>> for Controlled {
    type Response = Response<Script>;
    type Error = &'static str;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        *self.waker.lock().unwrap() = Some(cx.waker().clone());
        self.readiness.lock().unwrap().map_or(Poll::Pending, Poll::Ready)
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Script::new([]))))
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

// F-02
#[test]
fn the_task_that_polls_last_is_woken_when_the_service_is_ready() {
    let (metrics, inner) = (Metrics::new(), Controlled::default());
    let mut service = layer(&metrics).layer(inner.clone());
    assert!(matches!(service.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(_)));
    let mut future = pin!(service.call(Request::new(())));
    assert_eq!(in_flight(&metrics), 1);
    let tasks = [Arc::new(Woken::default()), Arc::new(Woken::default())];
    for task in &tasks {
        assert!(poll_with(future.as_mut(), &Waker::from(Arc::clone(task))).is_pending());
    }
    inner.set_readiness(Ok(()));
    assert_eq!(tasks.map(|task| task.0.load(Ordering::Relaxed)), [0, 1]);
    assert!(poll(future.as_mut()).is_ready());
}

// F-02, a neighbour: the inner service will never be ready.
#[test]
fn a_service_whose_readiness_fails_fails_the_request_which_is_counted() {
    let (metrics, inner) = (Metrics::new(), Controlled::default());
    let mut service = layer(&metrics).layer(inner.clone());
    let mut waits = pin!(service.clone().oneshot(Request::new(())));
    assert!(poll(waits.as_mut()).is_pending());
    inner.set_readiness(Err("gone"));
    assert!(matches!(poll(waits.as_mut()), Poll::Ready(Err("gone"))));
    // A later request fails in the same way.
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(service.poll_ready(&mut context), Poll::Ready(Ok(()))));
    assert!(matches!(poll(pin!(service.call(Request::new(())))), Poll::Ready(Err("gone"))));
    let expected = ("endpoint=/x,method=GET,status=500".to_owned(), 2);
    assert_eq!(counted(&metrics), BTreeMap::from([expected]));
    let failed = metrics.sums("http_requests_failed").into_keys();
    assert_eq!(
        failed.collect::<Vec<_>>(),
        ["endpoint=/x,error_type=service_error,method=GET,status=500"]
    );
    assert_eq!(in_flight(&metrics), 0);
}

// F-02, a neighbour: an excluded request waits too.
#[test]
fn a_request_that_is_not_recorded_waits_for_the_service_too() {
    let (metrics, inner) = (Metrics::new(), Controlled::default());
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/x")).without_paths(["/"]);
    let mut service = layer.build(&metrics.meter()).unwrap().layer(inner.clone());
    let mut future = pin!(service.call(Request::new(())));
    assert!(poll(future.as_mut()).is_pending());
    inner.set_readiness(Ok(()));
    assert!(poll(future.as_mut()).is_ready());
    assert!(counted(&metrics).is_empty());
}

// F-02, trap 15
#[tokio::test]
async fn requests_are_served_in_the_order_in_which_they_arrived() {
    let (metrics, served) = (Metrics::new(), Arc::new(Mutex::new(Vec::new())));
    let handler = {
        let served = Arc::clone(&served);
        move |request: Request<u8>| {
            served.lock().unwrap().push(*request.body());
            pending::<Result<Response<Script>, Infallible>>()
        }
    };
    let limited = ConcurrencyLimitLayer::new(1).layer(service_fn(handler));
    let mut service = layer(&metrics).layer(limited);
    let mut futures: Vec<_> =
        (0..4).map(|number| Box::pin(service.call(Request::new(number)))).collect();
    assert_eq!(in_flight(&metrics), 4);
    // The last one is polled first, but is served last. The third one is dropped while it waits.
    for expected in [&[0][..], &[0, 1], &[0, 1, 3]] {
        for future in futures.iter_mut().rev() {
            assert!(poll(future.as_mut()).is_pending());
        }
        assert_eq!(*served.lock().unwrap(), expected);
        let _ends = futures.remove(0);
        if futures.len() == 3 {
            drop(futures.remove(1));
        }
    }
}

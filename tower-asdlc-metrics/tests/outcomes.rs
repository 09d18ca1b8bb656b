//! Each request is recorded exactly once, at the moment when it ends, with the outcome that it had.
//!
//! The numbers in the names are those of known mistakes of other layers, the traps of `docs/requirements.md`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::{Metrics, Script, Step};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetrics, HttpMetricsLayer, ResponseBody};
use tower_http::timeout::TimeoutLayer;
use tower_http::validate_request::ValidateRequestHeaderLayer;

fn layer(metrics: &Metrics) -> HttpMetricsLayer {
    HttpMetricsLayer::builder(FixedEndpoint("/x")).build(&metrics.meter()).unwrap()
}

fn request(method: Method) -> Request<()> {
    Request::builder().method(method).uri("/x?q=1").body(()).unwrap()
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Sends a request through the layer to a service that returns `response`.
fn respond(
    metrics: &Metrics,
    method: Method,
    response: Response<Script>,
) -> Response<ResponseBody<Script>> {
    let response = Arc::new(Mutex::new(Some(response)));
    let inner = service_fn(move |_: Request<()>| {
        ready(Ok::<_, Infallible>(response.lock().unwrap().take().unwrap()))
    });
    let future = layer(metrics).layer(inner).call(request(method));
    match poll(pin!(future)) {
        Poll::Ready(Ok(response)) => response,
        Poll::Pending => panic!("the service was ready"),
    }
}

fn get(metrics: &Metrics, body: Script) -> ResponseBody<Script> {
    respond(metrics, Method::GET, Response::new(body)).into_body()
}

type PolledFrame<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

fn poll_frame<B: Body + Unpin>(body: &mut B) -> PolledFrame<B> {
    poll(pin!(body.frame()))
}

/// One request is in flight, and nothing else is recorded yet.
#[track_caller]
fn assert_open(metrics: &Metrics) {
    assert!(metrics.sums("http_requests").is_empty());
    assert!(metrics.sums("http_requests_failed").is_empty());
    assert!(metrics.latencies("http_request_duration").is_empty());
    assert_eq!(metrics.sums("http_requests_in_flight").into_values().sum::<i64>(), 1);
}

/// One request is recorded once in each family, and none is in flight.
#[track_caller]
fn assert_recorded(metrics: &Metrics, method: &str, status: u16, error: Option<&str>) {
    let one = |labels: String| vec![(labels, 1)];
    let sums = |name| metrics.sums(name).into_iter().collect::<Vec<_>>();
    let labels = format!("endpoint=/x,method={method},status={status}");
    assert_eq!(sums("http_requests"), one(labels));
    let failed = error.map_or(vec![], |error| {
        one(format!("endpoint=/x,error_type={error},method={method},status={status}"))
    });
    assert_eq!(sums("http_requests_failed"), failed);
    let latencies = metrics.latencies("http_request_duration");
    let counts: Vec<_> =
        latencies.into_iter().map(|(labels, latency)| (labels, latency.count)).collect();
    assert_eq!(counts, [(format!("endpoint=/x,method={method}"), 1)]);
    assert_eq!(sums("http_requests_in_flight"), []);
}

// X-01, O-03
#[test]
fn a_streamed_body_is_recorded_at_its_end_and_not_before() {
    let metrics = Metrics::new();
    let mut body = get(&metrics, Script::new([Step::Data("a"), Step::Pending, Step::Data("b")]));
    assert!(poll_frame(&mut body).is_ready());
    assert!(poll_frame(&mut body).is_pending());
    assert!(poll_frame(&mut body).is_ready());
    assert_open(&metrics);
    assert!(matches!(poll_frame(&mut body), Poll::Ready(None)));
    assert_recorded(&metrics, "GET", 200, None);
    drop(body);
    assert_recorded(&metrics, "GET", 200, None);
}

//
#[test]
fn trap_01_a_future_dropped_while_pending_is_a_cancelled_request() {
    let metrics = Metrics::new();
    let inner = service_fn(|_: Request<()>| pending::<Result<Response<Script>, Infallible>>());
    let mut future = Box::pin(layer(&metrics).layer(inner).call(request(Method::GET)));
    assert!(poll(future.as_mut()).is_pending());
    assert_open(&metrics);
    drop(future);
    assert_recorded(&metrics, "GET", 499, Some("cancelled"));
}

//
#[test]
fn a_dropped_request_is_recorded_before_the_inner_future_or_body_is_dropped() {
    struct OnDrop<F: Fn()>(F);
    impl<F: Fn()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    for (responds, status, error) in [(false, 499, "cancelled"), (true, 200, "aborted")] {
        let metrics = Rc::new(Metrics::new());
        let inner = service_fn(|_: Request<()>| {
            let metrics = Rc::clone(&metrics);
            let recorded = OnDrop(move || assert_recorded(&metrics, "GET", status, Some(error)));
            async move {
                let body = Full::<Bytes>::from("a").map_frame(move |frame| {
                    _ = &recorded;
                    frame
                });
                if !responds {
                    pending::<()>().await;
                }
                Ok::<_, Infallible>(Response::new(body))
            }
        });
        let mut future = Box::pin(layer(&metrics).layer(inner).call(request(Method::GET)));
        assert_eq!(poll(future.as_mut()).is_ready(), responds);
    }
}

//
#[test]
fn trap_01_a_future_that_was_never_polled_is_a_cancelled_request() {
    let metrics = Metrics::new();
    let inner = service_fn(|_: Request<()>| pending::<Result<Response<Script>, Infallible>>());
    drop(layer(&metrics).layer(inner).call(request(Method::GET)));
    assert_recorded(&metrics, "GET", 499, Some("cancelled"));
}

//
#[test]
fn trap_02_a_body_dropped_half_way_keeps_the_status_that_was_sent() {
    let metrics = Metrics::new();
    let mut body = get(&metrics, Script::new([Step::Data("a"), Step::Data("b")]));
    assert!(poll_frame(&mut body).is_ready());
    drop(body);
    assert_recorded(&metrics, "GET", 200, Some("aborted"));
}

//
#[test]
fn trap_03_a_body_dropped_before_its_first_poll_keeps_the_status_that_was_sent() {
    let metrics = Metrics::new();
    let body = get(&metrics, Script::new([Step::Data("a")]));
    assert_open(&metrics);
    drop(body);
    assert_recorded(&metrics, "GET", 200, Some("aborted"));
}

//
#[test]
fn trap_04_a_body_that_reports_its_end_from_the_start_is_complete_without_a_poll() {
    let metrics = Metrics::new();
    let body = get(&metrics, Script::new([]).that_reports_its_end());
    assert_recorded(&metrics, "GET", 200, None);
    drop(body);
    assert_recorded(&metrics, "GET", 200, None);
}

//
#[test]
fn trap_05_a_body_dropped_after_the_last_byte_it_declared_is_complete() {
    for declared in ["header", "size hint", "end"] {
        let metrics = Metrics::new();
        let script = Script::new([Step::Data("ab"), Step::Data("c")]);
        let mut response = match declared {
            "size hint" => Response::new(script.with_exact_size(3)),
            "end" => Response::new(script.that_reports_its_end()),
            _ => Response::new(script),
        };
        if declared == "header" {
            response.headers_mut().insert("content-length", "3".parse().unwrap());
        }
        let mut body = respond(&metrics, Method::GET, response).into_body();
        assert!(poll_frame(&mut body).is_ready());
        assert_open(&metrics);
        assert!(poll_frame(&mut body).is_ready());
        assert_recorded(&metrics, "GET", 200, None);
        drop(body);
        assert_recorded(&metrics, "GET", 200, None);
    }
}

// F-03, a neighbour: HTTP/2 servers poll the body after the declared length, and clients may leave meanwhile.
#[test]
fn over_http_2_a_body_dropped_at_its_declared_length_is_complete_but_not_before_the_drop() {
    for (dropped_after, error) in [(1, Some("aborted")), (2, None)] {
        let metrics = Metrics::new();
        let inner = service_fn(|_: Request<()>| {
            let mut response = Response::new(Script::new([Step::Data("ab"), Step::Data("c")]));
            response.headers_mut().insert("content-length", "3".parse().unwrap());
            ready(Ok::<_, Infallible>(response))
        });
        let mut request = request(Method::GET);
        *request.version_mut() = Version::HTTP_2;
        let future = layer(&metrics).layer(inner).call(request);
        let Poll::Ready(Ok(response)) = poll(pin!(future)) else { panic!("ready") };
        let mut body = response.into_body();
        for _ in 0..dropped_after {
            assert!(poll_frame(&mut body).is_ready());
        }
        assert_open(&metrics);
        drop(body);
        assert_recorded(&metrics, "GET", 200, error);
    }
}

//
#[test]
fn trap_06_a_response_that_cannot_have_a_body_is_complete_whatever_object_it_carries() {
    for (method, status) in
        [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304), (Method::HEAD, 404)]
    {
        let metrics = Metrics::new();
        let mut response = Response::new(Script::new([Step::Data("never sent")]));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response.headers_mut().insert("content-length", "10".parse().unwrap());
        drop(respond(&metrics, method.clone(), response));
        assert_recorded(
            &metrics,
            method.as_str(),
            status,
            (status == 404).then_some("client_error"),
        );
    }
}

//
#[test]
fn trap_07_a_body_that_fails_is_recorded_once_and_not_again_when_dropped() {
    let metrics = Metrics::new();
    let mut body = get(&metrics, Script::new([Step::Data("a"), Step::Fail]));
    assert!(poll_frame(&mut body).is_ready());
    assert!(matches!(poll_frame(&mut body), Poll::Ready(Some(Err("broken")))));
    assert_recorded(&metrics, "GET", 200, Some("body_error"));
    assert!(matches!(poll_frame(&mut body), Poll::Ready(None)));
    drop(body);
    assert_recorded(&metrics, "GET", 200, Some("body_error"));
}

//
#[test]
fn trap_07_a_body_ends_with_its_trailers() {
    let metrics = Metrics::new();
    let trailers = HeaderMap::from_iter([("x".parse().unwrap(), "y".parse().unwrap())]);
    let mut body = get(&metrics, Script::new([Step::Data("a"), Step::Trailers(trailers.clone())]));
    assert!(poll_frame(&mut body).is_ready());
    assert_open(&metrics);
    let Poll::Ready(Some(Ok(frame))) = poll_frame(&mut body) else { panic!("trailers") };
    assert_eq!(frame.into_trailers().unwrap(), trailers);
    assert_recorded(&metrics, "GET", 200, None);
    assert!(matches!(poll_frame(&mut body), Poll::Ready(None)));
    drop(body);
    assert_recorded(&metrics, "GET", 200, None);
}

//
#[test]
fn trap_08_an_error_of_the_service_is_recorded_whatever_its_type() {
    struct Opaque;
    let metrics = Metrics::new();
    let inner = service_fn(|_: Request<()>| ready(Err::<Response<Script>, _>(Opaque)));
    let future = layer(&metrics).layer(inner).call(request(Method::GET));
    assert!(matches!(poll(pin!(future)), Poll::Ready(Err(Opaque))));
    assert_recorded(&metrics, "GET", 500, Some("service_error"));
}

/// Sends a request to a service that panics in `place`.
fn panicking(metrics: &Metrics, place: &str) {
    let place = place.to_owned();
    let inner = service_fn(move |_: Request<()>| {
        assert!(place != "call", "on purpose");
        let place = place.clone();
        async move {
            tokio::task::yield_now().await;
            assert!(place != "poll", "on purpose");
            Ok::<_, Infallible>(Response::new(Script::new([Step::Data("a"), Step::Panic])))
        }
    });
    let mut service: HttpMetrics<_> = layer(metrics).layer(inner);
    // Like servers do: the panic is caught around one poll, and the future or body is dropped afterwards.
    let caught = |step: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(step)).is_err();
    let mut future = None;
    if caught(&mut || future = Some(Box::pin(service.call(request(Method::GET))))) {
        return;
    }
    let mut future = future.unwrap();
    let mut body = None;
    while body.is_none() {
        let panicked = caught(&mut || {
            if let Poll::Ready(Ok(response)) = poll(future.as_mut()) {
                body = Some(response.into_body());
            }
        });
        if panicked {
            assert_recorded(metrics, "GET", 500, Some("panic"));
            return;
        }
    }
    let mut body = body.unwrap();
    assert!(poll_frame(&mut body).is_ready());
    assert!(caught(&mut || drop(poll_frame(&mut body))));
    assert_recorded(metrics, "GET", 200, Some("panic"));
}

//
#[test]
fn trap_09_a_panic_is_recorded_once_wherever_it_happens() {
    for (place, status) in [("call", 500), ("poll", 500), ("body", 200)] {
        let metrics = Metrics::new();
        panicking(&metrics, place);
        assert_recorded(&metrics, "GET", status, Some("panic"));
    }
}

//
#[test]
fn trap_13_an_upgrade_is_recorded_with_its_handshake() {
    for (method, status) in [(Method::GET, 101), (Method::CONNECT, 200)] {
        let metrics = Metrics::new();
        let mut response = Response::new(Script::new([Step::Pending]));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response.extensions_mut().insert("OnUpgrade");
        let response = respond(&metrics, method.clone(), response);
        assert_recorded(&metrics, method.as_str(), status, None);
        assert_eq!(response.extensions().get::<&str>(), Some(&"OnUpgrade"));
        drop(response);
        assert_recorded(&metrics, method.as_str(), status, None);
    }
}

// O-07
#[test]
fn trap_14_the_body_forwards_size_hint_and_is_end_stream() {
    let metrics = Metrics::new();
    let body = get(&metrics, Script::new([Step::Data("abc")]).with_exact_size(3));
    assert_eq!(body.size_hint().exact(), Some(3));
    assert!(!body.is_end_stream());
    let body = get(&metrics, Script::new([]).that_reports_its_end());
    assert_eq!(body.size_hint().exact(), None);
    assert!(body.is_end_stream());
}

// O-07: the layer requires no `Send`, `Sync`, `Unpin` or `'static` beyond what the inner service has.
#[test]
fn trap_14_futures_and_bodies_require_no_more_than_the_inner_ones() {
    fn is_send<T: Send>(_: &T) {}
    let metrics = Metrics::new();
    let inner =
        service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(Script::new([])))));
    let future = layer(&metrics).layer(inner).call(request(Method::GET));
    is_send(&future);
    let Poll::Ready(Ok(response)) = poll(pin!(future)) else { panic!("ready") };
    is_send(&response);

    let borrowed = String::from("not 'static");
    let not_send = std::rc::Rc::new(());
    let inner = service_fn(|_: Request<()>| {
        let not_send = std::rc::Rc::clone(&not_send);
        let borrowed = borrowed.as_str();
        async move {
            drop(not_send);
            let _not_unpin = std::marker::PhantomPinned;
            Ok::<_, Infallible>(Response::new(http_body_util::Full::new(borrowed.as_bytes())))
        }
    });
    let future = layer(&metrics).layer(inner).call(request(Method::GET));
    assert!(poll(pin!(future)).is_ready());
}

// the thread unwinds because of another panic, not one of this request.
#[test]
fn a_request_made_and_dropped_while_unwinding_is_cancelled_not_panicked() {
    struct CallsOnDrop<'a>(&'a Metrics);
    impl Drop for CallsOnDrop<'_> {
        fn drop(&mut self) {
            let inner =
                service_fn(|_: Request<()>| pending::<Result<Response<Script>, Infallible>>());
            drop(layer(self.0).layer(inner).call(request(Method::GET)));
        }
    }
    let metrics = Metrics::new();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _calls = CallsOnDrop(&metrics);
        panic!("on purpose");
    }));
    assert!(unwound.is_err());
    assert_recorded(&metrics, "GET", 499, Some("cancelled"));
}

//
#[tokio::test]
async fn trap_18_outside_of_a_timeout_or_a_validation_it_counts_their_responses() {
    let metrics = Metrics::new();
    let never =
        || service_fn(|_: Request<()>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let (at_once, status) = (Duration::ZERO, StatusCode::REQUEST_TIMEOUT);
    let timeout = TimeoutLayer::with_status_code(status, at_once).layer(never());
    layer(&metrics).layer(timeout).call(request(Method::GET)).await.unwrap();
    let validation = ValidateRequestHeaderLayer::accept("application/json").layer(never());
    let mut html = request(Method::GET);
    html.headers_mut().insert("accept", "text/html".parse().unwrap());
    layer(&metrics).layer(validation).call(html).await.unwrap();
    // Inside, it sees that a request is dropped by the timeout, and does not see requests that the validation refuses.
    let inside =
        TimeoutLayer::with_status_code(status, at_once).layer(layer(&metrics).layer(never()));
    inside.oneshot(request(Method::GET)).await.unwrap();
    let failed: Vec<_> = metrics.sums("http_requests_failed").into_keys().collect();
    assert_eq!(
        failed,
        [
            "endpoint=/x,error_type=cancelled,method=GET,status=499",
            "endpoint=/x,error_type=client_error,method=GET,status=406",
            "endpoint=/x,error_type=timeout,method=GET,status=408",
        ]
    );
}

// Trap 15: the layer must call the same service that it polled for readiness.
#[tokio::test]
async fn trap_15_the_service_that_was_polled_for_readiness_is_called() {
    #[derive(Default)]
    struct ReadyOnce {
        ready: bool,
    }
    impl Clone for ReadyOnce {
        fn clone(&self) -> Self {
            Self::default()
        }
    }
    impl Service<Request<()>> for ReadyOnce {
        type Response = Response<Script>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            if std::mem::replace(&mut self.ready, true) {
                return Poll::Ready(Ok(()));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(std::mem::take(&mut self.ready), "called without being ready");
            ready(Ok(Response::new(Script::new([]))))
        }
    }
    let metrics = Metrics::new();
    let mut service = layer(&metrics).layer(ReadyOnce::default());
    for _ in 0..2 {
        service.ready().await.unwrap().call(request(Method::GET)).await.unwrap();
    }
}

// Trap 17
#[tokio::test]
async fn trap_17_layers_of_different_meters_are_separate_and_layers_of_one_meter_add_up() {
    let (one, other) = (Metrics::new(), Metrics::new());
    let inner =
        || service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(Script::new([])))));
    for metrics in [&one, &other, &one] {
        layer(metrics).layer(inner()).call(request(Method::GET)).await.unwrap();
    }
    let count = |metrics: &Metrics| metrics.sums("http_requests").into_values().collect::<Vec<_>>();
    assert_eq!((count(&one), count(&other)), (vec![2], vec![1]));
    // Applied twice to one service, it counts twice.
    layer(&other).layer(layer(&other).layer(inner())).call(request(Method::GET)).await.unwrap();
    assert_eq!(count(&other), vec![3]);
    assert!(other.sums("http_requests_in_flight").is_empty());
}

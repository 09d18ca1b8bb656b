//! Between collections the layer buffers measurements. None of them is lost, counted twice, or late.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Metrics, Reader};
use http::{Request, Response, StatusCode};
use opentelemetry_sdk::metrics::{Aggregation, Instrument, ManualReader, Stream, Temporality};
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer, HttpMetricsLayerBuilder, endpoint_fn};

fn builder() -> HttpMetricsLayerBuilder {
    HttpMetricsLayer::builder(FixedEndpoint("/x"))
}

fn layer(metrics: &Metrics) -> HttpMetricsLayer {
    builder().build(&metrics.meter()).unwrap()
}

/// Sends a request whose response has no body.
fn send(layer: &HttpMetricsLayer, status: StatusCode) {
    let respond = move |_: Request<()>| {
        let response = Response::builder().status(status).body(String::new());
        ready(Ok::<_, Infallible>(response.unwrap()))
    };
    serve(&mut layer.layer(service_fn(respond)));
}

fn serve<S: Service<Request<()>>>(service: &mut S) {
    serve_this(service, Request::new(()));
}

fn serve_this<S: Service<Request<()>>>(service: &mut S, request: Request<()>) {
    let future = service.call(request);
    assert!(pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

fn send_times(times: usize, layer: &HttpMetricsLayer, status: StatusCode) {
    (0..times).for_each(|_| send(layer, status));
}

fn counted(metrics: &Metrics) -> u64 {
    metrics.sums("http_requests").into_values().sum::<i64>().try_into().unwrap()
}

fn timed(metrics: &Metrics) -> u64 {
    metrics.latencies(DURATION).into_values().map(|latency| latency.count).sum()
}

const DURATION: &str = "http_request_duration";

// O-02, X-01
#[test]
fn a_finished_request_is_in_the_next_collection_even_with_concurrent_collections() {
    const REQUESTS: u64 = 20_000;
    let metrics = Metrics::new();
    let (layer, finished) = (layer(&metrics), AtomicU64::new(0));
    let send_and_check = || {
        for request in 1..=REQUESTS {
            send(&layer, StatusCode::OK);
            let at_least = finished.fetch_add(1, Ordering::SeqCst) + 1;
            if request % 20 == 0 {
                let counted = counted(&metrics);
                assert!(counted >= at_least, "{counted} counted, {at_least} finished");
                let at_least = finished.load(Ordering::SeqCst);
                let timed = timed(&metrics);
                assert!(timed >= at_least, "{timed} timed, {at_least} finished");
            }
        }
    };
    // More than there are shards on small machines, so that some threads share one.
    const THREADS: u64 = 6;
    thread::scope(|scope| (0..THREADS).for_each(|_| _ = scope.spawn(send_and_check)));
    assert_eq!(counted(&metrics), THREADS * REQUESTS);
    assert_eq!(timed(&metrics), THREADS * REQUESTS);
    assert!(metrics.sums("http_requests_in_flight").is_empty());
}

#[test]
fn requests_are_counted_by_outcome_also_after_a_collection() {
    let metrics = Metrics::new();
    let layer = layer(&metrics);
    for round in 1..=3 {
        // More than a batch buffers, and not a multiple of its size.
        send_times(50, &layer, StatusCode::OK);
        send_times(37, &layer, StatusCode::NOT_FOUND);
        let requests = metrics.sums("http_requests");
        let expected = [(200, 50), (404, 37)].map(|(status, requests)| {
            (format!("endpoint=/x,method=GET,status={status}"), requests * round)
        });
        assert_eq!(requests.into_iter().collect::<Vec<_>>(), expected);
        let failed = metrics.sums("http_requests_failed").into_values();
        assert_eq!(failed.collect::<Vec<_>>(), [37 * round]);
    }
}

// O-03
#[test]
fn a_buffered_latency_is_flushed_unchanged() {
    const LONG: Duration = Duration::from_millis(5);
    let metrics = Metrics::new();
    let layer = layer(&metrics);
    let sum = || metrics.latencies(DURATION).into_values().map(|latency| latency.sum).sum::<f64>();
    assert_eq!(sum(), 0.0);
    let start = Instant::now();
    // A long request, followed by more requests than a batch buffers.
    let respond = |_: Request<()>| {
        let start = Instant::now();
        while start.elapsed() < LONG {
            std::hint::spin_loop();
        }
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    };
    serve(&mut layer.layer(service_fn(respond)));
    send_times(100, &layer, StatusCode::OK);
    let all = start.elapsed().as_secs_f64();
    let recorded = sum();
    assert!((LONG.as_secs_f64()..=all).contains(&recorded), "{recorded} s in {all} s");
}

#[test]
fn requests_are_counted_by_endpoint() {
    let metrics = Metrics::new();
    let endpoint = endpoint_fn(|head| Some(head.uri().path()));
    let layer = HttpMetricsLayer::builder(endpoint).build(&metrics.meter()).unwrap();
    let _collected = counted(&metrics);
    for times in 1..=20 {
        let respond = |_| ready(Ok::<_, Infallible>(Response::new(String::new())));
        let mut service = layer.layer(service_fn(respond));
        for _ in 0..times {
            let request = Request::builder().uri(format!("/{times}")).body(()).unwrap();
            serve_this(&mut service, request);
        }
    }
    let requests = metrics.sums("http_requests");
    let latencies = metrics.latencies(DURATION);
    assert_eq!((requests.len(), latencies.len()), (20, 20));
    for times in 1..=20 {
        let endpoint = format!("endpoint=/{times},method=GET");
        assert_eq!(requests[&format!("{endpoint},status=200")], times);
        assert_eq!(latencies[&endpoint].count, times as u64);
    }
}

#[test]
fn a_status_beyond_the_series_limit_is_counted_as_overflow_and_timed_with_its_endpoint() {
    let metrics = Metrics::new();
    let layer = builder().with_max_series(1).build(&metrics.meter()).unwrap();
    for _ in 0..3 {
        send_times(20, &layer, StatusCode::OK);
        send_times(20, &layer, StatusCode::CREATED);
        let _collected = counted(&metrics);
    }
    let requests = metrics.sums("http_requests").into_iter().collect::<Vec<_>>();
    let expected = [
        "endpoint=_OVERFLOW,method=GET,otel.metric.overflow=true,status=201",
        "endpoint=/x,method=GET,status=200",
    ];
    let expected = expected.map(|labels| (labels.to_owned(), 60));
    assert!(expected.iter().all(|series| requests.contains(series)), "{requests:?}");
    let latencies = metrics.latencies(DURATION).into_iter();
    let counts: Vec<_> = latencies.map(|(labels, latency)| (labels, latency.count)).collect();
    assert_eq!(counts, [("endpoint=/x,method=GET".to_owned(), 120)]);
}

#[test]
fn with_delta_temporality_the_differences_add_up() {
    let reader = ManualReader::builder().with_temporality(Temporality::Delta).build();
    let metrics = Metrics::with(reader, |provider| provider);
    let layer = layer(&metrics);
    for requests in [1, 40, 16, 0, 17] {
        send_times(requests, &layer, StatusCode::OK);
        assert_eq!(counted(&metrics), requests as u64);
    }
}

#[test]
fn two_readers_read_the_same() {
    let second = Reader(Arc::new(ManualReader::default()));
    let metrics =
        Metrics::with(ManualReader::default(), |provider| provider.with_reader(second.clone()));
    let layer = layer(&metrics);
    let other = metrics.read_by(second);
    for round in 1..=3 {
        send_times(20, &layer, StatusCode::OK);
        assert_eq!(counted(&other), 20 * round);
        assert_eq!(counted(&metrics), 20 * round);
    }
}

#[test]
fn no_request_is_lost_if_a_view_drops_unknown_instruments() {
    let view = |instrument: &Instrument| {
        let is_known = ["http_requests", DURATION].contains(&instrument.name());
        let drop = Stream::builder().with_aggregation(Aggregation::Drop);
        (!is_known).then(|| drop.build().unwrap())
    };
    let metrics = Metrics::with(ManualReader::default(), |provider| provider.with_view(view));
    let layer = layer(&metrics);
    for round in 1..=3 {
        send_times(5, &layer, StatusCode::OK);
        assert_eq!(counted(&metrics), 5 * round);
        assert_eq!(timed(&metrics), 5 * round);
    }
}

#[test]
fn a_service_that_outlives_its_layer_and_provider_still_serves() {
    let metrics = Metrics::new();
    let service =
        service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(String::new()))));
    let service = layer(&metrics).layer(service);
    drop(metrics);
    let mut clones = vec![service.clone(), service];
    for service in &mut clones {
        serve(&mut service.clone());
    }
}

#[test]
fn a_layer_is_freed_once_its_services_and_provider_are_dropped() {
    let (metrics, token) = (Metrics::new(), Arc::new(()));
    let held = Arc::clone(&token);
    let endpoint = endpoint_fn(move |_| (Arc::strong_count(&held) > 0).then_some("/x"));
    let layer = HttpMetricsLayer::builder(endpoint).build(&metrics.meter()).unwrap();
    // From two threads, because each has a shard.
    send(&layer, StatusCode::OK);
    thread::scope(|scope| _ = scope.spawn(|| send_times(20, &layer, StatusCode::OK)));
    assert_eq!(counted(&metrics), 21);
    assert_eq!(Arc::strong_count(&token), 2);
    drop((layer, metrics));
    assert_eq!(Arc::strong_count(&token), 1);
}

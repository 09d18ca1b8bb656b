//! Views that drop some of the metrics: the others stay correct.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Metrics, Reader, Script};
use http::{Request, Response};
use opentelemetry::Key;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, ManualReader, Stream};
use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Waker};
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};

const REQUESTS: &str = "http_requests";
const FAILED: &str = "http_requests_failed";
const DURATION: &str = "http_request_duration";
const IN_FLIGHT: &str = "http_requests_in_flight";
const ALL: [&str; 4] = [REQUESTS, FAILED, DURATION, IN_FLIGHT];

fn drop_unless(
    is_kept: impl Fn(&Instrument) -> bool + Send + Sync + 'static,
) -> impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static {
    move |instrument| {
        let drop = Stream::builder().with_aggregation(Aggregation::Drop);
        (!is_kept(instrument)).then(|| drop.build().unwrap())
    }
}

fn with_view(view: impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static) -> Metrics {
    Metrics::with(ManualReader::default(), |provider| provider.with_view(view))
}

fn layer(metrics: &Metrics) -> HttpMetricsLayer {
    HttpMetricsLayer::builder(FixedEndpoint("/x")).build(&metrics.meter()).unwrap()
}

/// Sends a request whose response is a 404 without a body.
fn send(layer: &HttpMetricsLayer) {
    let respond = |_: Request<()>| {
        let response = Response::builder().status(404);
        ready(Ok::<_, Infallible>(response.body(Script::new([]).that_reports_its_end()).unwrap()))
    };
    let future = layer.layer(service_fn(respond)).call(Request::new(()));
    let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_ready());
}

/// Starts a request without a response. It is in flight until the future is dropped.
fn hold(layer: &HttpMetricsLayer, method: &str) -> Pin<Box<dyn Future<Output = ()>>> {
    let never = service_fn(|_: Request<()>| pending::<Result<Response<Script>, Infallible>>());
    let request = Request::builder().method(method).body(()).unwrap();
    let mut future = Box::pin(layer.layer(never).call(request));
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    Box::pin(async move { _ = future.await })
}

fn in_flight(metrics: &Metrics) -> i64 {
    metrics.sums(IN_FLIGHT).into_values().sum()
}

/// Sends requests and holds others, over several collections. Checks the metrics that are not dropped after each.
#[track_caller]
fn assert_correct(what: &str, metrics: &Metrics, is_kept: impl Fn(&str) -> bool) {
    let layer = layer(metrics);
    let mut held = Vec::new();
    let sum = |name: &str| metrics.sums(name).into_values().sum::<i64>();
    for round in 1..=4 {
        // More than a batch buffers.
        (0..20).for_each(|_| send(&layer));
        held.push(hold(&layer, "GET"));
        held.push(hold(&layer, "POST"));
        if round > 2 {
            held.drain(..3).for_each(drop);
        }
        let left = (round - 2).max(0) * 3;
        let ended = round * 20 + left;
        for (name, expected) in [(REQUESTS, ended), (FAILED, ended)] {
            assert_eq!(sum(name), if is_kept(name) { expected } else { 0 }, "{what}: {name}");
        }
        let timed = metrics.latencies(DURATION).into_values().map(|latency| latency.count);
        let expected = if is_kept(DURATION) { ended as u64 } else { 0 };
        assert_eq!(timed.sum::<u64>(), expected, "{what}: {DURATION}");
        let expected = if is_kept(IN_FLIGHT) { 2 * round - left } else { 0 };
        assert_eq!(in_flight(metrics), expected, "{what}: {IN_FLIGHT} in round {round}");
    }
    held.clear();
    assert_eq!(in_flight(metrics), 0, "{what}");
}

// F-04: all lists of names that a view may keep.
#[test]
fn metrics_are_correct_if_a_view_keeps_a_list_of_names() {
    for chosen in 0..1 << ALL.len() {
        let is_chosen = move |name: &str| {
            ALL.iter().enumerate().any(|(at, one)| chosen & (1 << at) != 0 && *one == name)
        };
        let metrics = with_view(drop_unless(move |instrument| is_chosen(instrument.name())));
        assert_correct(&format!("{chosen:04b}"), &metrics, is_chosen);
    }
}

// F-04: all lists of names that a view may drop.
#[test]
fn metrics_are_correct_if_a_view_drops_a_list_of_names() {
    for chosen in 0..1 << ALL.len() {
        let is_dropped = move |name: &str| {
            ALL.iter().enumerate().any(|(at, one)| chosen & (1 << at) != 0 && *one == name)
        };
        let metrics = with_view(drop_unless(move |instrument| !is_dropped(instrument.name())));
        assert_correct(&format!("not {chosen:04b}"), &metrics, |name| !is_dropped(name));
    }
}

// F-04, a neighbour: a view that drops by instrument kind, so that no callback is left.
#[test]
fn metrics_are_correct_if_a_view_drops_all_observable_instruments() {
    let is_observed = |instrument: &Instrument| {
        matches!(
            instrument.kind(),
            InstrumentKind::ObservableCounter
                | InstrumentKind::ObservableGauge
                | InstrumentKind::ObservableUpDownCounter
        )
    };
    let metrics = with_view(drop_unless(move |instrument| !is_observed(instrument)));
    assert_correct("no observable instruments", &metrics, |_| true);
}

// F-04, a neighbour: a view that drops an attribute, so that all methods share a series.
#[test]
fn requests_in_flight_add_up_if_a_view_drops_the_method() {
    let view = |instrument: &Instrument| {
        let stream = Stream::builder().with_allowed_attribute_keys([] as [Key; 0]);
        (instrument.name() == IN_FLIGHT).then(|| stream.build().unwrap())
    };
    assert_correct("no methods", &with_view(view), |_| true);
}

// F-04, a neighbour: two readers of one provider, and two layers of one meter.
#[test]
fn two_readers_read_the_sum_of_two_layers_whatever_is_dropped() {
    for is_list in [false, true] {
        let second = Reader(Arc::new(ManualReader::default()));
        let view = drop_unless(move |instrument| {
            !is_list || [REQUESTS, IN_FLIGHT].contains(&instrument.name())
        });
        let metrics = Metrics::with(ManualReader::default(), |provider| {
            provider.with_reader(second.clone()).with_view(view)
        });
        let other = metrics.read_by(second);
        let layers = [layer(&metrics), layer(&metrics)];
        let held: Vec<_> = layers.iter().map(|layer| hold(layer, "GET")).collect();
        layers.iter().for_each(send);
        for reader in [&metrics, &other, &metrics] {
            assert_eq!(in_flight(reader), 2);
            assert_eq!(reader.sums(REQUESTS).into_values().sum::<i64>(), 2);
        }
        drop(held);
        for reader in [&other, &metrics] {
            assert_eq!(in_flight(reader), 0);
            assert_eq!(reader.sums(REQUESTS).into_values().sum::<i64>(), 4);
        }
    }
}

//! To which span measurements belong, without `tracing-opentelemetry`. The spans that it makes are in `exemplars_of_spans.rs`.

mod exemplar_support;

use exemplar_support::{ExemplarMeters, Ids, Kind, Place};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, ContextGuard};
use std::thread;
use std::time::{Duration, Instant};
use tracing::subscriber::with_default;
use tracing::{info, info_span};
use tracing_asdlc_metrics::{Label, Rule, SpanMetricsLayer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

//
#[test]
fn a_meter_without_exemplars_is_told_nothing() {
    let meters = ExemplarMeters::new(None);
    with(meters.layer([job(), event()]), || {
        let _current = attach(true);
        info_span!("job").in_scope(|| info!("now"));
    });
    let measured = meters.measured();
    assert_eq!(measured.len(), 6, "opened, in flight twice, the event, closed, seconds");
    assert!(measured.iter().all(|it| it.place == Place::Current(Some(IDS))), "{measured:?}");
}

//
#[test]
fn a_span_without_an_opentelemetry_span_does_not_belong_to_the_current_one() {
    for (outside, expected) in [(false, None), (true, Some(NO_SPAN))] {
        let meters = ExemplarMeters::new(Some(outside));
        with(meters.layer([job()]), || {
            let _current = attach(true);
            info_span!("job").in_scope(|| ());
        });
        let measured = meters.measured();
        for instrument in ["opened", "closed", "seconds"] {
            let places = measured.iter().filter(|it| it.instrument == instrument);
            let places: Vec<_> = places.map(|it| it.place).collect();
            assert_eq!(places, [Place::Said(expected)], "{instrument}, outside: {outside}");
        }
    }
}

//
#[test]
fn an_event_belongs_to_the_current_sampled_span() {
    for (outside, unsampled) in [(false, None), (true, Some(NO_SPAN))] {
        let meters = ExemplarMeters::new(Some(outside));
        with(meters.layer([event()]), || {
            info!("in no span");
            assert_eq!(meters.places("events"), [Place::Said(unsampled)]);
            let current = attach(false);
            info!("in a span that is not sampled");
            assert_eq!(meters.places("events"), [Place::Said(unsampled)]);
            drop(current);
            let _current = attach(true);
            info!("in a sampled span");
            info_span!("other").in_scope(|| info!("in a span of tracing, too"));
            assert_eq!(meters.places("events"), [Place::Said(Some(IDS)); 2]);
        });
    }
}

//
#[test]
fn an_event_with_an_explicit_parent_does_not_belong_to_the_current_span() {
    let meters = ExemplarMeters::trace_based();
    with(meters.layer([job(), event()]), || {
        let _current = attach(true);
        let parent = info_span!("job");
        let unmeasured = info_span!("other");
        info!(parent: &parent, "in the parent");
        info!(parent: &unmeasured, "in a span that no rule measures");
        info!(parent: None, "in no span");
    });
    assert_eq!(meters.places("events"), [Place::Said(None); 3]);
}

/// Each kind of metric of events; several rules; more fields than one batch has.
//
#[test]
fn every_measurement_of_an_event_belongs_to_its_span() {
    let meters = ExemplarMeters::trace_based();
    let numbers = Rule::event("event")
        .with_sum("sum", "n")
        .with_histogram("histogram", "n")
        .with_gauge("gauge", "n")
        .with_boundaries([1.0])
        .with_label("a");
    with(meters.layer([event(), numbers]), || {
        let _current = attach(true);
        tracing::event!(name: "event", tracing::Level::INFO, n = 3, a = 1);
    });
    let measured = meters.measured();
    let measured = measured.iter().filter(|it| it.kind != Kind::Other);
    let mut places: Vec<_> = measured.map(|it| (&*it.instrument, it.place)).collect();
    places.sort_by_key(|(instrument, _)| *instrument);
    let said = Place::Said(Some(IDS));
    assert_eq!(places, [("events", said), ("histogram", said), ("sum", said)]);
}

//
#[test]
fn a_log_record_belongs_to_the_current_sampled_span() {
    let meters = ExemplarMeters::trace_based();
    let rule = Rule::events().with_target("shop").with_counter("records");
    with(meters.layer([rule]), || {
        let _current = attach(true);
        for target in ["shop", "other"] {
            let mut record = log::Record::builder();
            let record = record.target(target).level(log::Level::Info);
            tracing_log::format_trace(&record.args(format_args!("now")).build()).expect("an event");
        }
    });
    assert_eq!(meters.places("records"), [Place::Said(Some(IDS))]);
}

/// The instruments are created by another thread, which asks for itself. The values that are kept until then are aggregated.
//
#[test]
fn prefixed_fields_belong_to_their_event_once_their_instruments_exist() {
    let meters = ExemplarMeters::trace_based();
    let layer = meters.layer([Rule::prefixed_fields()]);
    let coverage = layer.coverage();
    let emit = || info!(monotonic_counter.orders = 1, histogram.weight = 2, gauge.load = 3);
    with(layer, || {
        let _current = attach(true);
        emit();
        let start = Instant::now();
        while !coverage.pending().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(20), "an instrument is not created");
            thread::sleep(Duration::from_millis(1));
        }
        let kept = meters.take();
        assert_eq!(kept.len(), 3);
        assert!(
            kept.iter().all(|it| it.kind == Kind::Other || it.place == Place::Said(None)),
            "{kept:?}"
        );
        emit();
        emit();
    });
    let measured = meters.take();
    assert_eq!(measured.len(), 6);
    assert!(measured.iter().all(|it| it.place == Place::Said(Some(IDS))), "{measured:?}");
}

/// Without exemplars, nothing is said about prefixed fields either, and the layer stops asking.
//
#[test]
fn prefixed_fields_of_a_meter_without_exemplars_are_measured_directly() {
    let meters = ExemplarMeters::new(None);
    let layer = meters.layer([Rule::prefixed_fields()]);
    let coverage = layer.coverage();
    with(layer, || {
        let _current = attach(true);
        for _ in 0..3 {
            info!(monotonic_counter.orders = 1);
            while !coverage.pending().is_empty() {
                thread::yield_now();
            }
        }
    });
    let places = meters.places("orders");
    assert_eq!(
        places,
        [Place::Current(None), Place::Current(Some(IDS)), Place::Current(Some(IDS))]
    );
}

/// The zeros that make series known from the start.
//
#[test]
fn a_zero_belongs_to_no_span() {
    for outside in [false, true] {
        let meters = ExemplarMeters::new(Some(outside));
        let _current = attach(true);
        let label = || Label::field("kind").with_values(["a", "b"]);
        let _layer = meters.layer([job().with_label(label()), event().with_label(label())]);
        let zeros: Vec<_> = meters.take().into_iter().filter(|it| it.kind != Kind::Other).collect();
        assert_eq!(zeros.len(), 6);
        assert!(zeros.iter().all(|it| it.value == 0.0 && it.place == Place::Said(None)));
    }
}

/// What a field's `Debug` measures is none of ours.
//
#[test]
fn what_is_measured_while_an_event_is_read_is_measured_directly() {
    struct Measures(ExemplarMeters);
    impl std::fmt::Debug for Measures {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            use opentelemetry::metrics::MeterProvider;
            self.0.meter("other").u64_counter("other").build().add(1, &[]);
            f.write_str("a")
        }
    }
    let meters = ExemplarMeters::trace_based();
    with(meters.layer([event().with_label("a")]), || {
        info!(parent: None, a = ?Measures(meters.clone()));
    });
    let measured = meters.measured();
    let places: Vec<_> = measured.iter().map(|it| (&*it.instrument, it.place)).collect();
    assert_eq!(places, [("other", Place::Current(None)), ("events", Place::Said(None))]);
}

/// The context of a thread cannot be read when its thread-local value is gone. Reading it would panic in a destructor, which ends
/// the process.
//
#[test]
fn an_event_that_is_emitted_while_the_thread_ends_belongs_to_no_span() {
    struct EmitsAtTheEnd(Option<tracing::Dispatch>);
    impl Drop for EmitsAtTheEnd {
        fn drop(&mut self) {
            if let Some(subscriber) = &self.0 {
                tracing::dispatcher::with_default(subscriber, || info!("at the end"));
            }
        }
    }
    thread_local!(static END: std::cell::RefCell<EmitsAtTheEnd> =
        const { std::cell::RefCell::new(EmitsAtTheEnd(None)) });
    for emits_before in [true, false] {
        let meters = ExemplarMeters::trace_based();
        let subscriber = tracing::Dispatch::new(registry().with(meters.layer([event()])));
        thread::spawn(move || {
            // What is created first is destroyed last: the thread's subscriber, then `END`, then the context.
            tracing::dispatcher::with_default(&subscriber, || ());
            END.with(|end| end.borrow_mut().0 = Some(subscriber.clone()));
            let _current = attach(true);
            if emits_before {
                tracing::dispatcher::with_default(&subscriber, || info!("before"));
            }
        })
        .join()
        .expect("no panic");
        let before = emits_before.then_some(Place::Said(Some(IDS)));
        let expected: Vec<_> = before.into_iter().chain([Place::Said(None)]).collect();
        assert_eq!(meters.places("events"), expected);
    }
}

fn job() -> Rule {
    Rule::span("job")
        .with_opened_counter("opened")
        .with_in_flight("open")
        .with_counter("closed")
        .with_duration("seconds")
}

/// Every event.
fn event() -> Rule {
    Rule::events().with_counter("events")
}

fn with(layer: SpanMetricsLayer, run: impl FnOnce()) {
    with_default(registry().with(layer), run);
}

/// Makes a span current.
fn attach(is_sampled: bool) -> ContextGuard {
    let flags = TraceFlags::default().with_sampled(is_sampled);
    let span = SpanContext::new(IDS.0, IDS.1, flags, false, TraceState::default());
    Context::new().with_remote_span_context(span).attach()
}

const IDS: Ids = (TraceId::from_bytes([1; 16]), SpanId::from_bytes([2; 8]));
const NO_SPAN: Ids = (TraceId::INVALID, SpanId::INVALID);

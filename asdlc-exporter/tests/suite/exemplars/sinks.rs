//! Sinks: functions that record the exemplars of a series, and measure nothing.

use super::{Result, builder, exemplars, served};
use asdlc_exporter::{ExemplarFilter, Format, PrometheusReader};
use opentelemetry::{
    Context,
    metrics::MeterProvider as _,
    trace::{SpanId, TraceId},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

/// What the layers and the exporter must agree on.
type Sink = Arc<dyn Fn(f64, TraceId, SpanId, Instant) + Send + Sync>;
const SINK_QUESTION: &str = "asdlc-metrics: what records only the exemplar?";

/// Asks what is bound a question, as a layer does.
fn asked<T>(question: &'static str, bind: impl FnOnce() -> T) -> (T, Option<Sink>) {
    let context = Context::new().with_value((question, Mutex::new(None::<Sink>)));
    let bound = {
        let _guard = context.clone().attach();
        bind()
    };
    let answer = context.get::<(&'static str, Mutex<Option<Sink>>)>();
    (bound, answer.and_then(|(_, answer)| answer.lock().ok()?.clone()))
}

// each has its own filter. Ids of 0 are no span.
#[test]
fn a_sink_records_in_each_reader_that_guards_the_provider() -> Result {
    let reader =
        |filter| PrometheusReader::builder().with_exemplars().with_exemplar_filter(filter).build();
    let (sampled, all) = (reader(ExemplarFilter::TraceBased)?, reader(ExemplarFilter::AlwaysOn)?);
    let provider =
        SdkMeterProvider::builder().with_reader(sampled.clone()).with_reader(all.clone()).build();
    let guarded = sampled.guard(all.guard(provider.clone()));
    let orders = guarded.meter("shop").u64_counter("orders").build();
    let (bound, sink) = asked(SINK_QUESTION, || orders.bind(&[]));
    let sink = sink.ok_or("no answer")?;
    let traces = |reader: &PrometheusReader| -> Result<Vec<u128>> {
        let text = reader.render_as(Format::OpenMetrics)?;
        Ok(exemplars(&text).into_iter().map(|(_, trace, ..)| trace).collect())
    };
    bound.add(0);
    sink(1.0, TraceId::from(7), SpanId::from(1), Instant::now());
    assert_eq!((traces(&sampled)?, traces(&all)?), (vec![], vec![]), "nothing is counted yet");
    // It is in no span.
    bound.add(1);
    assert_eq!((traces(&sampled)?, traces(&all)?), (vec![7], vec![0]));
    sink(1.0, TraceId::from(8), SpanId::from(1), Instant::now());
    assert_eq!((traces(&sampled)?, traces(&all)?), (vec![8], vec![8]));
    sink(1.0, TraceId::INVALID, SpanId::INVALID, Instant::now());
    assert_eq!((traces(&sampled)?, traces(&all)?), (vec![8], vec![0]));
    Ok(())
}

// a layer measures in batches, and records the exemplar of each measurement at once.
#[test]
fn a_sink_of_a_bound_instrument_records_exemplars_and_measures_nothing() -> Result {
    let exporter = builder().with_exemplars().build()?;
    let wait = exporter.meter().f64_histogram("wait").with_boundaries(vec![1.0]).build();
    assert!(asked("another question", || wait.bind(&[])).1.is_none());
    let (bound, sink) = asked(SINK_QUESTION, || wait.bind(&[]));
    let sink = sink.ok_or("no answer")?;
    // A bucket without a count has no exemplar.
    [0.5, 2.0].into_iter().for_each(|value| bound.record(value));
    let record = |trace: u128, value| {
        sink(value, TraceId::from(trace), SpanId::from(1), Instant::now());
    };
    for (trace, value) in [(7, 0.25), (8, 0.75), (9, f64::NAN), (9, f64::INFINITY)] {
        record(trace, value);
    }
    assert_eq!(served(&exporter)?, [("wait_bucket{le=\"1.0\"}".to_owned(), 8, 0.75)]);
    let text = exporter.render()?;
    assert!(text.contains("wait_sum 2.5\n") && text.contains("wait_count 2\n"), "{text}");
    Ok(())
}

//! The tracing layer with the real exporter: each sampled span is found by its own trace. The two crates share no code; they meet
//! only through a value in the OpenTelemetry context.

use std::collections::BTreeMap;
use std::thread;

use asdlc_exporter::{ExemplarFilter, Exporter, Format};
use opentelemetry::trace::{Link, SpanKind, TraceState, TracerProvider as _};
use opentelemetry::{Context, KeyValue, TraceId, Value};
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample,
};
use tokio::runtime::Builder;
use tracing::dispatcher::with_default;
use tracing::{Dispatch, Instrument as _, Span, info, info_span};
use tracing_asdlc_metrics::{Label, Rule, SpanMetricsLayer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

//
#[test]
fn a_sampled_span_has_its_own_ids_in_the_exposition_and_another_one_none() {
    for test in Test::both(ExemplarFilter::TraceBased) {
        with_default(&test.subscriber, || {
            for n in 0..20 {
                job(n).in_scope(|| info!("in the span"));
            }
        });
        test.check(20);
    }
}

//
#[test]
fn a_span_inside_of_another_one_has_its_own_ids() {
    for test in Test::both(ExemplarFilter::TraceBased) {
        with_default(&test.subscriber, || {
            // Both may be sampled, one of them, or none.
            for n in (0..20).step_by(5) {
                let _outer = job(n).entered();
                let _unmeasured = info_span!("other", n = 1_000).entered();
                let inner = job(n + 1).entered();
                job(n + 2).in_scope(|| job(n + 3).in_scope(|| ()));
                // It is exited here, and closes inside of another one.
                let closed_later = inner.exit();
                job(n + 4).in_scope(|| drop(closed_later));
            }
        });
        test.check(20);
    }
}

//
#[test]
fn a_span_that_closes_on_another_thread_has_its_own_ids() {
    for test in Test::both(ExemplarFilter::TraceBased) {
        for n in 0..20 {
            let span = with_default(&test.subscriber, || {
                let span = job(n);
                span.in_scope(|| ());
                span
            });
            let close = || job(n + 20).in_scope(|| drop(span));
            thread::scope(|scope| {
                scope.spawn(|| with_default(&test.subscriber, close));
            });
        }
        test.check(40);
    }
}

//
#[test]
fn the_spans_of_tasks_that_run_on_several_threads_have_their_own_ids() {
    for test in Test::both(ExemplarFilter::TraceBased) {
        let subscriber = test.subscriber.clone();
        // The threads of this runtime run nothing else.
        let enter = move || {
            let guard = tracing::dispatcher::set_default(&subscriber);
            std::mem::forget(guard);
        };
        let runtime = Builder::new_multi_thread().worker_threads(3).on_thread_start(enter).build();
        runtime.expect("a runtime can be built").block_on(async {
            let tasks: Vec<_> = (0..100)
                .map(|n| {
                    tokio::spawn(async move {
                        let work = async {
                            for _ in 0..10 {
                                tokio::task::yield_now().await;
                            }
                        };
                        // Its spans are made by the threads of the runtime.
                        let outer = async { work.instrument(job(n + 100)).await };
                        outer.instrument(job(n)).await;
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
        });
        test.check(200);
    }
}

//
#[test]
fn with_always_on_a_span_that_is_not_sampled_has_an_exemplar_without_ids() {
    for test in Test::both(ExemplarFilter::AlwaysOn) {
        with_default(&test.subscriber, || {
            for n in 0..4 {
                job(n).in_scope(|| ());
            }
        });
        let found = test.exemplars();
        let without_ids = found.values().flatten().filter(|ids| ids.is_empty());
        assert_eq!(without_ids.count(), 2 * (0..4).filter(|n| !is_sampled(*n)).count());
        assert_eq!(found.len(), 4);
    }
}

/// Which layer is called first.
#[derive(Clone, Copy, Debug)]
enum Order {
    TracesFirst,
    MetricsFirst,
}

/// A subscriber with both layers, an exporter that serves the metrics of one, and the traces of the other.
struct Test {
    exporter: Exporter,
    traces: InMemorySpanExporter,
    subscriber: Dispatch,
    order: Order,
    /// Not dropped before, because a dropped provider shuts down.
    _provider: SdkTracerProvider,
}

impl Test {
    fn both(filter: ExemplarFilter) -> [Self; 2] {
        [Order::TracesFirst, Order::MetricsFirst].map(|order| Self::new(filter, order))
    }

    fn new(filter: ExemplarFilter, order: Order) -> Self {
        let exporter = Exporter::builder("shop").with_exemplar_filter(filter).build();
        let exporter = exporter.expect("the settings are valid");
        let rule = Rule::span("job")
            .with_counter("jobs")
            .with_duration("job_duration")
            .with_label(Label::field("n").with_max_values(1_000));
        let metrics = SpanMetricsLayer::new(&exporter, [rule]).expect("the rule is valid");
        let traces = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(traces.clone())
            .with_sampler(ByNumber)
            .build();
        let tracer = provider.tracer("test");
        let subscriber = match order {
            Order::TracesFirst => {
                let layer = tracing_opentelemetry::layer().with_tracer(tracer);
                Dispatch::new(registry().with(layer).with(metrics))
            }
            Order::MetricsFirst => {
                let layer = tracing_opentelemetry::layer().with_tracer(tracer);
                Dispatch::new(registry().with(metrics).with(layer))
            }
        };
        Self { exporter, traces, subscriber, order, _provider: provider }
    }

    /// Checks that the counter and one bucket of each sampled span name this span, and that nothing else has an exemplar. There
    /// were spans with the numbers below `count`.
    #[track_caller]
    fn check(&self, count: i64) {
        let order = self.order;
        let spans = self.traces.get_finished_spans().expect("the exporter works");
        let expected: BTreeMap<_, _> = spans
            .iter()
            .filter(|span| span.name == "job")
            .map(|span| {
                let number = span.attributes.iter().find(|it| it.key.as_str() == "n");
                let ids = &span.span_context;
                let ids = format!("trace_id=\"{}\",span_id=\"{}\"", ids.trace_id(), ids.span_id());
                let number = number.expect("a number").value.as_str().into_owned();
                (number, vec![ids.clone(), ids])
            })
            .collect();
        assert_eq!(expected.len(), (0..count).filter(|n| is_sampled(*n)).count(), "{order:?}");
        assert!(!expected.is_empty() && expected.len() < count as usize, "{order:?}");
        assert_eq!(self.exemplars(), expected, "{order:?}");
    }

    /// The labels of the exemplars of a scrape, by the number of the span.
    fn exemplars(&self) -> BTreeMap<String, Vec<String>> {
        let text = self.exporter.render_as(Format::OpenMetrics).expect("it is valid");
        let mut found = BTreeMap::<_, Vec<_>>::new();
        for (sample, exemplar) in text.lines().filter_map(|line| line.split_once(" # {")) {
            let (_, rest) = sample.split_once("n=\"").expect("the number of the span");
            let (number, _) = rest.split_once('"').expect("its end");
            let (labels, _) = exemplar.split_once('}').expect("the end of the labels");
            found.entry(number.to_owned()).or_default().push(labels.to_owned());
        }
        found
    }
}

fn job(n: i64) -> Span {
    info_span!("job", n)
}

/// Whether the span with this number is sampled: about half of them are.
fn is_sampled(n: i64) -> bool {
    n.wrapping_mul(0x1E37_79B9_7F4A_7C15) >> 32 & 1 == 1
}

/// Samples spans by their number, whether their parent is sampled or not.
#[derive(Clone, Debug)]
struct ByNumber;

impl ShouldSample for ByNumber {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        attributes: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let is_sampled = |attribute: &KeyValue| match attribute.value {
            Value::I64(n) if attribute.key.as_str() == "n" => is_sampled(n),
            _ => false,
        };
        let decision = if attributes.iter().any(is_sampled) {
            SamplingDecision::RecordAndSample
        } else {
            SamplingDecision::Drop
        };
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::default() }
    }
}

//! A real meter provider, whose metrics the tests read back.

#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, HistogramDataPoint, Metric, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tracing::Subscriber;
use tracing::subscriber::with_default;
use tracing_asdlc_metrics::{Coverage, Rule, SpanMetricsLayer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

#[derive(Clone)]
pub(crate) struct Metrics {
    provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
    /// The coverage of each layer that [`Metrics::layer`] built.
    coverages: Arc<Mutex<Vec<Coverage>>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder()
            .with_reader(PeriodicReader::builder(exporter.clone()).build())
            .build();
        Self::of(provider, exporter)
    }

    pub(crate) fn of(provider: SdkMeterProvider, exporter: InMemoryMetricExporter) -> Self {
        Self { provider, exporter, coverages: Arc::default() }
    }

    pub(crate) fn meter(&self) -> Meter {
        self.provider.meter("test")
    }

    pub(crate) fn layer(&self, rules: impl IntoIterator<Item = Rule>) -> SpanMetricsLayer {
        let layer = SpanMetricsLayer::new(&self.meter(), rules).expect("valid rules");
        self.coverages.lock().expect("no panic").push(layer.coverage());
        layer
    }

    /// Runs the code in a subscriber that has only a layer with these rules.
    pub(crate) fn with<T>(
        &self,
        rules: impl IntoIterator<Item = Rule>,
        run: impl FnOnce() -> T,
    ) -> T {
        with_default(self.subscriber(rules), run)
    }

    pub(crate) fn subscriber(
        &self,
        rules: impl IntoIterator<Item = Rule>,
    ) -> impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync {
        tracing_subscriber::registry().with(self.layer(rules))
    }

    /// The value of a counter, or the count of a histogram, over all its series.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.values(name).values().sum::<f64>() as u64
    }

    /// The value of each series (of a histogram: the count), by its labels in alphabetical order (`a=1,b=2`).
    pub(crate) fn values(&self, name: &str) -> BTreeMap<String, f64> {
        self.points(name, HistogramDataPoint::count)
    }

    /// The sum of each series of a histogram.
    pub(crate) fn sums(&self, name: &str) -> BTreeMap<String, f64> {
        self.points(name, HistogramDataPoint::sum)
    }

    fn points<V: Into<Value>>(
        &self,
        name: &str,
        of_histogram: impl Fn(&HistogramDataPoint<f64>) -> V,
    ) -> BTreeMap<String, f64> {
        use AggregatedMetrics::{F64, I64, U64};
        let mut all = Vec::new();
        self.read(name, |metric| {
            all = match metric.data() {
                U64(MetricData::Sum(sum)) => {
                    sum.data_points().map(|p| (labels(p.attributes()), p.value() as f64)).collect()
                }
                I64(MetricData::Sum(sum)) => {
                    sum.data_points().map(|p| (labels(p.attributes()), p.value() as f64)).collect()
                }
                F64(MetricData::Sum(sum)) => {
                    sum.data_points().map(|p| (labels(p.attributes()), p.value())).collect()
                }
                F64(MetricData::Gauge(gauge)) => {
                    gauge.data_points().map(|p| (labels(p.attributes()), p.value())).collect()
                }
                F64(MetricData::Histogram(histogram)) => histogram
                    .data_points()
                    .map(|p| (labels(p.attributes()), of_histogram(p).into().0))
                    .collect(),
                data => panic!("{name}: unexpected {data:?}"),
            };
        });
        let count = all.len();
        let by_labels: BTreeMap<_, _> = all.into_iter().collect();
        assert_eq!(by_labels.len(), count, "{name} has a series twice");
        by_labels
    }

    /// Collects now. Returns whether the metric exists, with a series.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.collect(|metric| metric.name() == name) > 0
    }

    /// Collects now, and reads each metric.
    pub(crate) fn each(&self, mut read: impl FnMut(&Metric)) {
        self.collect(|metric| {
            read(metric);
            true
        });
    }

    /// Collects now, and reads one metric, which must exist once.
    pub(crate) fn read<T>(&self, name: &str, mut read: impl FnMut(&Metric) -> T) -> T {
        let mut value = None;
        self.collect(|metric| {
            if metric.name() == name {
                assert!(value.is_none(), "{name} is there twice");
                value = Some(read(metric));
            }
            true
        });
        value.unwrap_or_else(|| panic!("no metric {name}"))
    }

    fn collect(&self, mut wanted: impl FnMut(&Metric) -> bool) -> usize {
        // The metric of a prefixed field is created a moment after its first event.
        for coverage in self.coverages.lock().expect("no panic").iter() {
            wait_until("no metric is pending", || coverage.pending().is_empty());
        }
        self.exporter.reset();
        self.provider.force_flush().expect("a collection");
        let exported = self.exporter.get_finished_metrics().expect("what was collected");
        exported
            .iter()
            .flat_map(ResourceMetrics::scope_metrics)
            .flat_map(ScopeMetrics::metrics)
            .filter(|metric| wanted(metric))
            .count()
    }
}

/// The counts of the buckets of a histogram with one series.
pub(crate) fn bucket_counts(metric: &Metric) -> Vec<u64> {
    match metric.data() {
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            histogram.data_points().flat_map(HistogramDataPoint::bucket_counts).collect()
        }
        data => panic!("unexpected {data:?}"),
    }
}

/// The count or the sum of a histogram.
struct Value(f64);

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self(count as f64)
    }
}

impl From<f64> for Value {
    fn from(sum: f64) -> Self {
        Self(sum)
    }
}

fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let mut pairs: Vec<_> = attributes.map(|pair| format!("{}={}", pair.key, pair.value)).collect();
    pairs.sort();
    pairs.join(",")
}

/// The expected result of [`Metrics::values`].
pub(crate) fn series<const N: usize>(series: [(&str, i32); N]) -> BTreeMap<String, f64> {
    series.into_iter().map(|(labels, value)| (labels.to_owned(), f64::from(value))).collect()
}

/// A counter `closed_total` and a histogram `open_seconds` of the spans with this name.
pub(crate) fn both(span: &'static str) -> Rule {
    Rule::span(span).with_counter("closed_total").with_duration("open_seconds")
}

/// Checks how many spans of `jobs_total` succeeded, failed, were cancelled, panicked, and are unknown.
pub(crate) fn check_outcomes(metrics: &Metrics, counts: [i32; 5]) {
    let [success, failed, cancelled, panicked, unknown] = counts;
    assert_eq!(
        metrics.values("jobs"),
        series([
            ("outcome=cancelled", cancelled),
            ("outcome=failed", failed),
            ("outcome=panicked", panicked),
            ("outcome=success", success),
            ("outcome=unknown", unknown),
        ])
    );
}

/// Runs code that must panic.
pub(crate) fn panics(run: impl FnOnce()) {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    result.expect_err("a panic");
}

/// Panics without a message on the terminal.
pub(crate) fn panic_now() -> ! {
    std::panic::resume_unwind(Box::new("on purpose"))
}

/// Waits until the condition holds.
pub(crate) fn wait_until(condition: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "not within {LONG:?}: {condition}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Longer than any event takes that a test waits for.
pub(crate) const LONG: Duration = Duration::from_secs(20);

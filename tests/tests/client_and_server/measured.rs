//! The measurements of a layer.

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    Instrument, InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Stream, Temporality,
};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A provider with two readers: one of totals, one of changes.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) provider: SdkMeterProvider,
    totals: Reader,
    changes: Reader,
    /// The sum of all changes that were read.
    summed: Points,
    pub(crate) collections: u32,
}

/// The counts of all series: of counters, of the measurements of histograms, and of gauges. By name and labels.
pub(crate) type Points = BTreeMap<(String, Labels), i64>;
pub(crate) type Labels = BTreeMap<String, String>;

impl Measured {
    pub(crate) fn new() -> Self {
        let totals = Reader::new(Temporality::Cumulative);
        let changes = Reader::new(Temporality::Delta);
        // A series for each request is more than the SDK allows by default.
        let unlimited =
            |_: &Instrument| Stream::builder().with_cardinality_limit(100_000).build().ok();
        let provider = SdkMeterProvider::builder()
            .with_reader(totals.clone())
            .with_reader(changes.clone())
            .with_view(unlimited)
            .build();
        Self { provider, totals, changes, summed: Points::new(), collections: 0 }
    }

    /// Collects the changes since the last call.
    pub(crate) fn collect_changes(&mut self) {
        self.collections += 1;
        for (key, change) in self.changes.read() {
            // Gauges are totals in each collection.
            if is_gauge(&key.0) {
                self.summed.insert(key, change);
            } else {
                *self.summed.entry(key).or_default() += change;
            }
        }
    }

    /// All measurements. Both readers agree.
    #[track_caller]
    pub(crate) fn points(&mut self) -> Points {
        self.collect_changes();
        let totals = self.totals.read();
        assert_same(&totals, &self.summed);
        totals
    }

    /// The requests in flight of each series.
    pub(crate) fn in_flight(&self) -> Points {
        let mut points = self.totals.read();
        points.retain(|(name, _), _| is_gauge(name));
        points
    }

    /// The sum of all series of this name.
    pub(crate) fn sum(&self, name: &str) -> i64 {
        sum(&self.totals.read(), name)
    }
}

pub(crate) fn sum(points: &Points, name: &str) -> i64 {
    points.iter().filter(|((of, _), _)| of == name).map(|(_, count)| count).sum()
}

/// Prints only what differs: there are thousands of series.
#[track_caller]
pub(crate) fn assert_same<K: Ord + Debug>(left: &BTreeMap<K, i64>, right: &BTreeMap<K, i64>) {
    let only_in = |one: &BTreeMap<K, i64>, other: &BTreeMap<K, i64>| {
        let differ = one.iter().filter(|(key, count)| other.get(key) != Some(count));
        differ.map(|entry| format!("{entry:?}")).collect::<Vec<_>>()
    };
    assert_eq!(only_in(left, right), only_in(right, left));
}

fn is_gauge(name: &str) -> bool {
    name.ends_with("_in_flight") || name.ends_with(".active_requests")
}

/// A reader that the test keeps while the provider owns it.
#[derive(Clone, Debug)]
struct Reader(Arc<ManualReader>);

impl Reader {
    fn new(temporality: Temporality) -> Self {
        Self(Arc::new(ManualReader::builder().with_temporality(temporality).build()))
    }

    fn read(&self) -> Points {
        let mut collected = ResourceMetrics::default();
        self.collect(&mut collected).expect("the provider is not shut down");
        let mut points = Points::new();
        for metric in collected.scope_metrics().flat_map(ScopeMetrics::metrics) {
            let mut add = |labels: Labels, count: i64| {
                let is_new = points.insert((metric.name().to_owned(), labels), count).is_none();
                assert!(is_new, "{}: two series have the same labels", metric.name());
            };
            match metric.data() {
                AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
                    .data_points()
                    .for_each(|point| add(labels(point.attributes()), point.value() as i64)),
                AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                    sum.data_points()
                        .for_each(|point| add(labels(point.attributes()), point.value()));
                }
                AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
                    .data_points()
                    .for_each(|point| add(labels(point.attributes()), point.count() as i64)),
                other => panic!("{} is {other:?}", metric.name()),
            }
        }
        points.retain(|(name, _), count| *count != 0 || is_gauge(name));
        points
    }
}

fn labels<'a>(attributes: impl Iterator<Item = &'a opentelemetry::KeyValue>) -> Labels {
    attributes.map(|label| (label.key.to_string(), label.value.to_string())).collect()
}

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

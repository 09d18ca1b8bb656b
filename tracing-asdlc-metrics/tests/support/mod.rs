//! A real meter provider whose metrics can be read back.

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, HistogramDataPoint, Metric, MetricData, ResourceMetrics, ScopeMetrics,
    SumDataPoint,
};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};

pub(crate) struct Metrics {
    provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder()
            .with_reader(PeriodicReader::builder(exporter.clone()).build())
            .build();
        Self { provider, exporter }
    }

    pub(crate) fn layer(&self, rules: impl IntoIterator<Item = Rule>) -> SpanMetricsLayer {
        SpanMetricsLayer::new(&self.provider.meter("test"), rules).expect("valid rules")
    }

    /// The value of a counter, or the count of a histogram.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.read(name, |metric| match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                sum.data_points().map(SumDataPoint::value).sum()
            }
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                histogram.data_points().map(HistogramDataPoint::count).sum()
            }
            data => panic!("{name}: unexpected {data:?}"),
        })
    }

    /// Collects now, and reads one metric; it must be there, once.
    pub(crate) fn read<T>(&self, name: &str, read: impl Fn(&Metric) -> T) -> T {
        self.exporter.reset();
        self.provider.force_flush().expect("a collection");
        let exported = self.exporter.get_finished_metrics().expect("what was collected");
        let mut found = exported
            .iter()
            .flat_map(ResourceMetrics::scope_metrics)
            .flat_map(ScopeMetrics::metrics)
            .filter(|metric| metric.name() == name);
        let value = read(found.next().unwrap_or_else(|| panic!("no metric {name}")));
        assert!(found.next().is_none(), "{name} is there twice");
        value
    }
}

/// A counter `closed_total` and a histogram `open_seconds` of the spans with this name.
pub(crate) fn both(span: &'static str) -> Rule {
    Rule::span(span).with_counter("closed_total").with_duration("open_seconds")
}

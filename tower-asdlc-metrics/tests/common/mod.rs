//! A real SDK pipeline to record into, access to its metrics, and a body that follows a script.

#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test compiles this file and uses a part of it"
)]

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    InstrumentKind, ManualReader, MeterProviderBuilder, Pipeline, SdkMeterProvider, Temporality,
};
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

/// A provider, and a reader of what was recorded.
pub struct Metrics {
    provider: SdkMeterProvider,
    reader: Reader,
}

/// Labels as `key=value`, joined with commas in key order.
pub type Labels = String;

#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    pub count: u64,
    pub sum: f64,
    pub bounds: Vec<f64>,
}

impl Metrics {
    pub fn new() -> Self {
        Self::with(ManualReader::default(), |provider| provider)
    }

    pub fn with(
        reader: ManualReader,
        configure: impl FnOnce(MeterProviderBuilder) -> MeterProviderBuilder,
    ) -> Self {
        let reader = Reader(Arc::new(reader));
        let provider = SdkMeterProvider::builder().with_reader(reader.clone());
        Self { provider: configure(provider).build(), reader }
    }

    /// The same provider, read by another of its readers.
    pub fn read_by(&self, reader: Reader) -> Self {
        Self { provider: self.provider.clone(), reader }
    }

    pub fn meter(&self) -> Meter {
        self.provider.meter("test")
    }

    /// Sums by labels, without series that are 0.
    pub fn sums(&self, name: &str) -> BTreeMap<Labels, i64> {
        let mut sums = self.sums_with_zeros(name);
        sums.retain(|_, value| *value != 0);
        sums
    }

    pub fn sums_with_zeros(&self, name: &str) -> BTreeMap<Labels, i64> {
        let mut sums = BTreeMap::new();
        self.each(name, |data| match data {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => sums.extend(
                sum.data_points().map(|point| (labels(point.attributes()), point.value() as i64)),
            ),
            AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                sums.extend(
                    sum.data_points().map(|point| (labels(point.attributes()), point.value())),
                );
            }
            other => panic!("{name} is {other:?}"),
        });
        sums
    }

    /// Histograms by labels, without series that have no measurement.
    pub fn latencies(&self, name: &str) -> BTreeMap<Labels, Latency> {
        let mut histograms = self.latencies_with_zeros(name);
        histograms.retain(|_, latency| latency.count != 0);
        histograms
    }

    pub fn latencies_with_zeros(&self, name: &str) -> BTreeMap<Labels, Latency> {
        let mut histograms = BTreeMap::new();
        self.each(name, |data| match data {
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                histograms.extend(histogram.data_points().map(|point| {
                    let bounds = point.bounds().collect();
                    let latency = Latency { count: point.count(), sum: point.sum(), bounds };
                    (labels(point.attributes()), latency)
                }));
            }
            other => panic!("{name} is {other:?}"),
        });
        histograms
    }

    fn each(&self, name: &str, mut read: impl FnMut(&AggregatedMetrics)) {
        let mut collected = ResourceMetrics::default();
        self.reader.collect(&mut collected).unwrap();
        for metric in collected.scope_metrics().flat_map(ScopeMetrics::metrics) {
            if metric.name() == name {
                read(metric.data());
            }
        }
    }
}

fn labels<'a>(attributes: impl Iterator<Item = &'a opentelemetry::KeyValue>) -> Labels {
    let mut labels: Vec<_> =
        attributes.map(|label| format!("{}={}", label.key, label.value)).collect();
    labels.sort();
    labels.join(",")
}

/// A reader that the test keeps while the provider owns it.
#[derive(Clone, Debug)]
pub struct Reader(pub Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, rm: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(rm)
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

/// A body that executes one step of a script per poll.
#[derive(Debug, Default)]
pub struct Script {
    steps: VecDeque<Step>,
    exact: Option<u64>,
    /// Whether `is_end_stream` returns `true` after the last step.
    reports_end: bool,
}

#[derive(Debug)]
pub enum Step {
    Data(&'static str),
    Bytes(Vec<u8>),
    Trailers(HeaderMap),
    Pending,
    Fail,
    Panic,
}

impl Script {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), exact: None, reports_end: false }
    }

    pub fn with_exact_size(mut self, size: u64) -> Self {
        self.exact = Some(size);
        self
    }

    pub fn that_reports_its_end(mut self) -> Self {
        self.reports_end = true;
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(match self.steps.pop_front() {
            None => None,
            Some(Step::Data(data)) => Some(Ok(Frame::data(Bytes::from_static(data.as_bytes())))),
            Some(Step::Bytes(data)) => Some(Ok(Frame::data(data.into()))),
            Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Step::Fail) => Some(Err("broken")),
            Some(Step::Panic) => panic!("on purpose"),
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.reports_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

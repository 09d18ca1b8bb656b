//! The same series, collected by the SDK's reader alone and served by the exporter.

use crate::Written;
use asdlc_exporter::{Exporter, ExporterBuilder, Format, ScopeLabels};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use opentelemetry::{
    InstrumentationScope, KeyValue,
    metrics::{BoundCounter, Counter, Meter, MeterProvider as _},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        Aggregation, Instrument, InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Stream,
        Temporality, data::ResourceMetrics, reader::MetricReader,
    },
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::runtime::Builder;
use tower::ServiceExt as _;

/// The SDK's reader alone.
pub(crate) struct Collected {
    _provider: SdkMeterProvider,
    reader: Reader,
    metrics: ResourceMetrics,
}

pub(crate) fn collected(series: usize) -> Collected {
    with_view(series, move |_| Stream::builder().with_cardinality_limit(series + 1).build().ok())
}

/// With the histogram in exponential buckets.
pub(crate) fn collected_native(series: usize) -> Collected {
    with_view(series, move |instrument| {
        let stream = Stream::builder().with_cardinality_limit(series + 1);
        let (max_size, max_scale, record_min_max) = (160, 8, false);
        let exponential =
            Aggregation::Base2ExponentialHistogram { max_size, max_scale, record_min_max };
        match instrument.kind() {
            InstrumentKind::Histogram => stream.with_aggregation(exponential).build().ok(),
            _ => stream.build().ok(),
        }
    })
}

fn with_view(
    series: usize,
    view: impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static,
) -> Collected {
    let reader = Reader(Arc::new(ManualReader::builder().build()));
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).with_view(view).build();
    record(&provider.meter("bench"), series);
    Collected { _provider: provider, reader, metrics: ResourceMetrics::default() }
}

impl Collected {
    pub(crate) fn collect(&mut self) -> Written {
        self.reader.collect(&mut self.metrics).expect("metrics");
        Written::default()
    }
}

/// The exporter.
pub(crate) struct Exposed {
    exporter: Exporter,
    bound: BoundCounter<u64>,
    unbound: Counter<u64>,
}

impl Exposed {
    pub(crate) fn new(series: usize) -> Self {
        Self::built(Exporter::builder("bench"), series)
    }

    /// With the labels of the scope on each series, and `target_info`.
    pub(crate) fn with_scopes(series: usize) -> Self {
        let builder = Exporter::builder("bench").with_scope_labels(ScopeLabels::ALL);
        Self::built(builder.with_target_info(), series)
    }

    /// With the histogram as a native histogram.
    pub(crate) fn native(series: usize) -> Self {
        let builder = Exporter::builder("bench");
        Self::built(builder.with_native_histograms(["*_duration_seconds"]), series)
    }

    fn built(builder: ExporterBuilder, series: usize) -> Self {
        let exporter = builder.with_max_series(series + 1).build().expect("an exporter");
        let scope = InstrumentationScope::builder("tower-asdlc-metrics")
            .with_version("0.1.0")
            .with_schema_url("https://opentelemetry.io/schemas/1.40.0")
            .build();
        let unbound = record(&exporter.meter_provider().meter_with_scope(scope), series);
        let bound = unbound.bind(&labels(7));
        Self { exporter, bound, unbound }
    }

    pub(crate) fn text(&self) -> Written {
        let bytes = self.exporter.render().expect("text").len();
        Written { bytes, new: bytes }
    }

    /// In new memory.
    pub(crate) fn protobuf(&self) -> Written {
        let bytes = self.exporter.render_protobuf().expect("protobuf").len();
        Written { bytes, new: bytes }
    }

    /// Scrapes that share the memory of one text.
    pub(crate) fn same_text(&self, format: Format) -> impl FnMut() -> Written {
        let mut text = Vec::new();
        move || {
            let had = text.capacity();
            self.exporter.render_into(format, &mut text).expect("text");
            Written { bytes: text.len(), new: text.len().saturating_sub(had) }
        }
    }

    /// Scrapes through the service, without the network.
    pub(crate) fn service(&self, encoding: &'static str) -> impl FnMut() -> Written {
        let service = self.exporter.scrape_service();
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        move || {
            let request = Request::builder().header("accept-encoding", encoding).body(());
            let request = request.expect("a header");
            let response = runtime.block_on(service.clone().oneshot(request)).expect("a response");
            assert_eq!(response.status(), StatusCode::OK);
            let body = runtime.block_on(response.into_body().collect()).expect("a body");
            Written { bytes: body.to_bytes().len(), new: 0 }
        }
    }

    /// Recording on warm series.
    pub(crate) fn recorders(&self) -> [Box<dyn Fn() + '_>; 2] {
        let labels = labels(9);
        [Box::new(|| self.bound.add(1)), Box::new(move || self.unbound.add(1, &labels))]
    }
}

/// Records `series` histogram series of 10 buckets and `series` counter series.
fn record(meter: &Meter, series: usize) -> Counter<u64> {
    let boundaries = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
    let histogram = meter
        .f64_histogram("http_request_duration_seconds")
        .with_description("Duration of requests.")
        .with_boundaries(boundaries)
        .build();
    let counter = meter
        .u64_counter("http_requests")
        .with_description("Requests that got a response.")
        .build();
    for at in 0..series {
        let labels = labels(at);
        for value in [0.003, 0.07, 0.3, 7.0] {
            histogram.record(value * (at % 7 + 1) as f64, &labels);
        }
        counter.add(at as u64 * 37 + 1, &labels);
    }
    counter
}

fn labels(at: usize) -> [KeyValue; 4] {
    let method = ["GET", "POST", "PUT", "DELETE"][at % 4];
    let status = [200, 201, 404, 500][at / 4 % 4];
    [
        KeyValue::new("method", method),
        KeyValue::new("endpoint", format!("/api/v1/resource{}/{{id}}", at / 16)),
        KeyValue::new("status", i64::from(status)),
        KeyValue::new("zone", "eu-1"),
    ]
}

/// A reader that the provider and the benchmark share.
#[derive(Clone, Debug)]
struct Reader(Arc<ManualReader>);

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

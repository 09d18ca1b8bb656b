//! The series of `sdk_alone`, served by the exporter.

use crate::{
    Written,
    sdk_alone::{labels, record},
};
use asdlc_exporter::{Exporter, ExporterBuilder, Format, ScopeLabels};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use opentelemetry::{
    InstrumentationScope,
    metrics::{BoundCounter, Counter, MeterProvider as _},
};
use tokio::runtime::Builder;
use tower::ServiceExt as _;

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

    /// With the start time of each series in `OpenMetrics`.
    pub(crate) fn with_created_lines(series: usize) -> Self {
        Self::built(Exporter::builder("bench").with_created_lines(), series)
    }

    /// With room for as many series again.
    pub(crate) fn growing(series: usize) -> Self {
        Self::limited(Exporter::builder("bench"), series, 2 * series)
    }

    fn built(builder: ExporterBuilder, series: usize) -> Self {
        Self::limited(builder, series, series + 1)
    }

    fn limited(builder: ExporterBuilder, series: usize, limit: usize) -> Self {
        let exporter = builder.with_max_series(limit).build().expect("an exporter");
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

    /// The same, with a new counter series before each scrape, until the limit of [`growing`](Self::growing) is reached.
    pub(crate) fn growing_text(&self, series: usize) -> impl FnMut() -> Written {
        let (mut scrape, mut next) = (self.same_text(Format::Text), series);
        move || {
            if next + 1 < 2 * series {
                self.unbound.add(1, &labels(next));
                next += 1;
            }
            scrape()
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
            let mut body = response.into_body();
            let mut bytes = 0;
            while let Some(frame) = runtime.block_on(body.frame()) {
                bytes += frame.expect("a body").into_data().map_or(0, |data| data.len());
            }
            Written { bytes, new: 0 }
        }
    }

    /// Recording on warm series.
    pub(crate) fn recorders(&self) -> [Box<dyn Fn() + '_>; 2] {
        let labels = labels(9);
        [Box::new(|| self.bound.add(1)), Box::new(move || self.unbound.add(1, &labels))]
    }
}

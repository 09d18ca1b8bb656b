//! A program that counts errors in a counter, a classic and a native histogram, and what a Prometheus has stored of them.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use asdlc_exporter::{Exporter, IdleTimeout};
use asdlc_tests::servers::{Prometheus, QueryApi, StoredSeries};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, MeterProvider};

use super::served::Served;

/// The program. It serves `_created` lines in `OpenMetrics`.
pub(crate) struct Counted {
    pub(crate) served: Served,
    pub(crate) exporter: Exporter,
    errors: Counter<u64>,
    classic: Histogram<f64>,
    native: Histogram<f64>,
}

impl Counted {
    /// Starts the program on this address, where an earlier one may have ended. No scrape fails from its start on.
    pub(crate) fn start(address: SocketAddr, idle_timeout: Duration) -> Self {
        let listener = TcpListener::bind(address).expect("nobody listens there");
        let exporter = Exporter::builder("shop")
            .with_created_lines()
            .with_native_histograms(["native_*"])
            .with_idle_timeout(IdleTimeout::new(idle_timeout))
            .build()
            .expect("valid settings");
        let meter = exporter.meter_provider().meter("shop");
        let errors = meter.u64_counter("errors").build();
        let classic = meter.f64_histogram("classic_wait").with_unit("s").build();
        let native = meter.f64_histogram("native_wait").with_unit("s").build();
        let served = Served::on(listener, &exporter);
        Self { served, exporter, errors, classic, native }
    }

    /// Counts this many errors of this kind in each of the three.
    pub(crate) fn record(&self, kind: impl Into<opentelemetry::Value>, count: u64) {
        let labels = [KeyValue::new("kind", kind.into())];
        self.errors.add(count, &labels);
        for _ in 0..count {
            self.classic.record(0.3, &labels);
            self.native.record(0.3, &labels);
        }
    }
}

/// The names under which the errors are stored, and whether as a native histogram.
pub(crate) fn names(is_protobuf: bool) -> [&'static str; 4] {
    let native = if is_protobuf { "native_wait_seconds" } else { "native_wait_seconds_count" };
    ["errors_total", "classic_wait_seconds_count", "classic_wait_seconds_bucket", native]
}

/// The stored samples of each kind of errors that `selector` selects. Of the buckets of a histogram, those of the greatest one.
pub(crate) fn stored(prometheus: &Prometheus, selector: &str) -> BTreeMap<String, Vec<(f64, f64)>> {
    let series = prometheus.stored_samples(&format!("{selector}[1d]")).into_iter();
    series
        .filter(|it| it.labels.get("le").is_none_or(|le| le == "+Inf"))
        .map(|StoredSeries { mut labels, samples, .. }| {
            (labels.remove("kind").expect("a kind"), samples)
        })
        .collect()
}

/// How many errors these samples show. This is what `increase` returns before it extrapolates to the ends of its window.
pub(crate) fn increase(samples: &[(f64, f64)]) -> f64 {
    let steps = samples.windows(2).map(|pair| (pair[0].1, pair[1].1));
    steps.map(|(last, value)| if value < last { value } else { value - last }).sum()
}

//! From collected metrics to the text of a scrape.

use crate::{
    families::{Catalogue, Conflict},
    labels::ConstantLabels,
    model::Kind,
    series::SeriesTable,
    text::TextWriter,
};
use opentelemetry_sdk::metrics::data::ResourceMetrics;

/// What the scrapes of one exporter have in common.
#[derive(Debug)]
pub(crate) struct Renderer {
    catalogue: Catalogue,
    constant: ConstantLabels,
    /// How much text the last scrape had: the next one will have about as much.
    size: usize,
}

impl Renderer {
    pub(crate) fn new(prefix: String, constant: ConstantLabels) -> Self {
        Self { catalogue: Catalogue::new(prefix), constant, size: 0 }
    }

    /// The metrics in text format 0.0.4; `None` when there is not a single family.
    pub(crate) fn render(&mut self, metrics: &ResourceMetrics) -> Option<String> {
        let families = self.catalogue.sort(metrics);
        if families.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(self.size + self.size / 8);
        let mut writer = TextWriter::new(&mut out, self.constant.text());
        let mut table = SeriesTable::default();
        let mut buckets = Vec::new();
        for family in families.iter() {
            writer.family(family.name, family.help, family.kind);
            table.load(&family, &self.constant);
            for series in table.iter() {
                match family.kind {
                    Kind::Counter | Kind::Gauge => writer.sample(series.labels, series.value()),
                    Kind::Histogram => {
                        let (count, sum) = series.histogram(&mut buckets);
                        writer.histogram(series.labels, &buckets, count, sum);
                    }
                }
            }
        }
        self.size = out.len();
        Some(out)
    }

    pub(crate) fn take_conflicts(&mut self) -> Vec<Conflict> {
        self.catalogue.take_conflicts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Reader;
    use opentelemetry::{
        KeyValue,
        metrics::{Meter, MeterProvider as _},
    };
    use opentelemetry_sdk::metrics::{
        Aggregation, Instrument, SdkMeterProvider, Stream, reader::MetricReader as _,
    };
    use prometheus::{Registry, TextEncoder};

    fn renderer() -> Renderer {
        Renderer::new(String::new(), ConstantLabels::default())
    }

    /// What the reader collects of what `record` does, and the text that opentelemetry-prometheus
    /// makes of it.
    fn collect(
        view: impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static,
        record: impl FnOnce(&Meter),
    ) -> (ResourceMetrics, String) {
        let registry = Registry::new();
        let reader = Reader::new(registry.clone()).unwrap();
        let provider =
            SdkMeterProvider::builder().with_reader(reader.clone()).with_view(view).build();
        record(&provider.meter("test"));
        let mut metrics = ResourceMetrics::default();
        reader.collect(&mut metrics).unwrap();
        (metrics, TextEncoder::new().encode_to_string(&registry.gather()).unwrap())
    }

    #[test]
    fn well_behaved_metrics_come_out_as_opentelemetry_prometheus_writes_them() {
        let (metrics, expected) = collect(
            |_| None,
            |meter| {
                let orders =
                    meter.u64_counter("orders.taken").with_description("Back\\slash").build();
                for (paid, shop) in [(true, "a"), (false, "a"), (true, "b \"quoted\"\n")] {
                    orders.add(1, &[KeyValue::new("shop", shop), KeyValue::new("paid", paid)]);
                }
                let wait = meter
                    .f64_histogram("wait")
                    .with_unit("s")
                    .with_description("Waiting.")
                    .with_boundaries(vec![0.005, 0.5, 1.0, 10.0])
                    .build();
                for seconds in [0.001, 0.25, 0.75, 20.0] {
                    wait.record(seconds, &[KeyValue::new("shop", "a")]);
                }
                wait.record(1.0, &[]);
                let size = meter.u64_histogram("size").with_unit("By").with_description("Size.");
                size.with_boundaries(vec![]).build().record(12, &[]);
                let level = meter.i64_up_down_counter("level").with_description("Level.").build();
                level.add(-7, &[KeyValue::new("zone", 1)]);
                meter.f64_gauge("load").with_description("Load.").build().record(0.75, &[]);
            },
        );
        assert_eq!(renderer().render(&metrics).unwrap(), expected);
    }

    #[test]
    fn an_exponential_histogram_has_count_and_sum() {
        let (metrics, _) = collect(
            |_| {
                let aggregation = Aggregation::Base2ExponentialHistogram {
                    max_size: 160,
                    max_scale: 20,
                    record_min_max: true,
                };
                Stream::builder().with_aggregation(aggregation).build().ok()
            },
            |meter| {
                let wait = meter.f64_histogram("wait").build();
                [0.5, 1.5, 100.0].into_iter().for_each(|seconds| wait.record(seconds, &[]));
            },
        );
        assert_eq!(
            renderer().render(&metrics).unwrap(),
            "# HELP wait \n# TYPE wait histogram\nwait_bucket{le=\"+Inf\"} 3\nwait_sum 102\nwait_count 3\n"
        );
    }

    //
    #[test]
    fn a_conflict_is_reported_once() {
        let (metrics, _) = collect(
            |_| None,
            |meter| {
                meter.u64_gauge("jobs").build().record(1, &[]);
                meter.f64_histogram("jobs").build().record(1.0, &[]);
                meter.u64_gauge("wait_sum").build().record(1, &[]);
                meter.f64_histogram("wait").build().record(1.0, &[]);
            },
        );
        let mut renderer = renderer();
        let first = renderer.render(&metrics).unwrap();
        let conflicts: Vec<_> = renderer.take_conflicts().iter().map(ToString::to_string).collect();
        assert_eq!(
            conflicts,
            [
                "histogram `jobs` is not served: gauge `jobs` was there first",
                "histogram `wait` is not served: gauge `wait_sum` was there first",
            ]
        );
        assert_eq!(renderer.render(&metrics).unwrap(), first);
        assert!(renderer.take_conflicts().is_empty());
    }

    //
    #[test]
    fn no_metrics_are_no_text() {
        assert_eq!(renderer().render(&ResourceMetrics::default()), None);
    }
}

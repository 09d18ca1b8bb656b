//! Meter providers of each OpenTelemetry SDK, with a reader that is really read: what a peer costs when nothing is
//! recorded is no cost to compare with.

/// How many requests the subject has recorded with a label of this value (the route, the server): asked of what an exporter
/// would get. 0 if its metrics do not agree.
pub type Recorded = Box<dyn Fn(&str) -> u64>;

/// The number that all of these series with the label have together: in text that a scraper would get.
#[cfg(feature = "requests")]
pub(crate) fn count_in_text(text: &str, metrics: &[&str], label: &str, value: &str) -> u64 {
    let label = format!("{label}=\"{value}\"");
    all_equal(metrics.iter().map(|name| {
        let of_the_metric = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'))
                && line.contains(&label)
        };
        let values = text.lines().filter(of_the_metric).filter_map(|line| line.rsplit(' ').next());
        values.map(|value| value.parse::<u64>().expect("a count")).sum()
    }))
}

fn all_equal(mut counts: impl Iterator<Item = u64>) -> u64 {
    let first = counts.next().unwrap_or_default();
    if counts.all(|count| count == first) { first } else { 0 }
}

/// A module with a provider for one version of the SDK.
macro_rules! provider {
    ($module:ident, $sdk:ident) => {
        pub mod $module {
            use super::{Recorded, all_equal};
            use std::sync::{Arc, Weak};
            use std::time::Duration;
            use $sdk::error::OTelSdkResult;
            use $sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
            use $sdk::metrics::reader::MetricReader;
            use $sdk::metrics::{
                InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality,
            };

            /// A provider, and the number of measurements that each of these histograms has from it.
            ///
            /// A measurement counts if one of its attributes has the value.
            pub fn provider(durations: &'static [&'static str]) -> (SdkMeterProvider, Recorded) {
                let reader = Reader(Arc::default());
                let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
                // It must outlive the benchmark: dropped, it shuts down.
                std::mem::forget(provider.clone());
                (provider, Box::new(move |value| reader.measurements(durations, value)))
            }

            #[derive(Clone, Debug)]
            struct Reader(Arc<ManualReader>);

            impl Reader {
                fn measurements(&self, names: &[&str], value: &str) -> u64 {
                    let mut collected = ResourceMetrics::default();
                    self.0.collect(&mut collected).expect("a provider that is not shut down");
                    let metrics = collected.scope_metrics().flat_map(|scope| scope.metrics());
                    let metrics: Vec<_> = metrics.collect();
                    all_equal(names.iter().map(|name| {
                        let metrics = metrics.iter().filter(|metric| metric.name() == *name);
                        metrics.map(|metric| of_value(metric.data(), value)).sum()
                    }))
                }
            }

            fn of_value(data: &AggregatedMetrics, value: &str) -> u64 {
                let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = data else {
                    return 0;
                };
                let points = histogram.data_points();
                points
                    .filter(|point| point.attributes().any(|label| *label.value.as_str() == *value))
                    .map(|point| point.count())
                    .sum()
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
        }
    };
}

/// The name that OpenTelemetry's semantic conventions give the latency of a server.
pub const SERVER_DURATION: &str = "http.server.request.duration";
/// And of a client.
pub const CLIENT_DURATION: &str = "http.client.request.duration";

#[cfg(feature = "requests")]
provider!(otel_0_30, opentelemetry_sdk_0_30);
#[cfg(feature = "requests")]
provider!(otel_0_32, opentelemetry_sdk_0_32);
provider!(otel_0_33, opentelemetry_sdk);

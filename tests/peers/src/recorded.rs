//! Meter providers of each OpenTelemetry SDK, with a reader that is really read: what a peer costs when nothing is
//! recorded is no cost to compare with.

/// How many requests to a route the subject has recorded: asked of what an exporter would get.
pub type Recorded = Box<dyn Fn(&str) -> u64>;

/// A module with a provider for one version of the SDK.
macro_rules! provider {
    ($module:ident, $sdk:ident) => {
        pub mod $module {
            use super::Recorded;
            use std::sync::{Arc, Weak};
            use std::time::Duration;
            use $sdk::error::OTelSdkResult;
            use $sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
            use $sdk::metrics::reader::MetricReader;
            use $sdk::metrics::{
                InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality,
            };

            /// A provider, and the number of measurements of a route that a histogram in seconds has from it.
            ///
            /// The histogram is the one whose name has `duration` in it, of which each peer has one; a measurement is of
            /// the route when one of its attributes is.
            pub fn provider() -> (SdkMeterProvider, Recorded) {
                let reader = Reader(Arc::default());
                let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
                // It must outlive the benchmark: dropped, it shuts down.
                std::mem::forget(provider.clone());
                (provider, Box::new(move |route| reader.durations(route)))
            }

            #[derive(Clone, Debug)]
            struct Reader(Arc<ManualReader>);

            impl Reader {
                fn durations(&self, route: &str) -> u64 {
                    let mut collected = ResourceMetrics::default();
                    self.0.collect(&mut collected).expect("a provider that is not shut down");
                    let metrics = collected.scope_metrics().flat_map(|scope| scope.metrics());
                    metrics
                        .filter(|metric| metric.name().contains("duration"))
                        .map(|metric| match metric.data() {
                            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
                                .data_points()
                                .filter(|point| {
                                    point.attributes().any(|label| *label.value.as_str() == *route)
                                })
                                .map(|point| point.count())
                                .sum(),
                            _ => 0,
                        })
                        .sum()
                }
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

#[cfg(feature = "requests")]
provider!(otel_0_30, opentelemetry_sdk_0_30);
#[cfg(feature = "requests")]
provider!(otel_0_32, opentelemetry_sdk_0_32);
provider!(otel_0_33, opentelemetry_sdk);

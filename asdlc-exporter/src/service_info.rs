//! What every exporter says about its service: which version runs, and since when.

use opentelemetry::{KeyValue, metrics::Meter};
use std::time::Instant;

/// Creates `service_info{version}` = 1, if there is a version to tell, and `uptime_seconds` since
/// `start`.
pub(crate) fn register(meter: &Meter, version: Option<String>, start: Instant) {
    if let Some(version) = version {
        meter
            .u64_gauge("service_info")
            .with_description("Always 1; the label tells which version of the service runs.")
            .build()
            .record(1, &[KeyValue::new("version", version)]);
    }
    meter
        .f64_observable_gauge("uptime_seconds")
        .with_unit("s")
        .with_description("Seconds since the service built its exporter.")
        .with_callback(move |observer| observer.observe(start.elapsed().as_secs_f64(), &[]))
        .build();
}

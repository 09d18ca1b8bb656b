//! Metrics of the service itself: its version and build, and how often it was started.
//!
//! ```
//! use asdlc_exporter::{Exporter, service_info};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = Exporter::builder("daemon").build()?;
//! service_info::register_info(&exporter, "1.2.3");
//! service_info::register_build_info(&exporter, "1.2.3", "0a1b2c3");
//! service_info::register_starts(&exporter);
//!
//! let text = exporter.render()?;
//! assert!(text.contains(r#"info{service="daemon",version="1.2.3"} 1"#));
//! assert!(text.contains(r#"build_info{service="daemon",commit="0a1b2c3",version="1.2.3"} 1"#));
//! assert!(text.contains(r#"service_starts_total{service="daemon"} 1"#));
//! # Ok(()) }
//! ```
//!
//! Without any of these calls, every exporter serves `uptime_seconds`, and `service_info{version}`
//! if it has a [version](crate::ExporterBuilder::with_version).

mod starts;
mod state_file;

pub use starts::{Starts, register_starts, register_starts_kept_in};
pub use state_file::StateFileError;

use crate::meter_source::MeterSource;
use opentelemetry::{KeyValue, metrics::Meter};
use std::time::Instant;

/// Creates `uptime_seconds`, the time since `start`, and `service_info{version}` = 1 if there is a
/// version.
pub(crate) fn register(meter: &Meter, version: Option<String>, start: Instant) {
    if let Some(version) = version {
        let help = "Always 1. The label has the version of the service.";
        one(meter, "service_info", help, [KeyValue::new("version", version)]);
    }
    meter
        .f64_observable_gauge("uptime")
        .with_unit("s")
        .with_description("Time since the exporter was built.")
        .with_callback(move |observer| observer.observe(start.elapsed().as_secs_f64(), &[]))
        .build();
}

/// Serves `info{version}` = 1, for exporters with a namespace. With the namespace `palingenesis`, the name
/// is `palingenesis_info`.
pub fn register_info<K>(meter: &(impl MeterSource<K> + ?Sized), version: impl Into<String>) {
    let help = "Always 1. The label has the version.";
    one(&meter.to_meter(), "info", help, [KeyValue::new("version", version.into())]);
}

/// Serves `build_info{version,commit}` = 1. `commit` identifies the source code of the build.
pub fn register_build_info<K>(
    meter: &(impl MeterSource<K> + ?Sized),
    version: impl Into<String>,
    commit: impl Into<String>,
) {
    let labels = [KeyValue::new("version", version.into()), KeyValue::new("commit", commit.into())];
    let help = "Always 1. The labels have the version and the commit.";
    one(&meter.to_meter(), "build_info", help, labels);
}

/// A gauge that is always 1. It is observed, not recorded once: a reader with delta temporality would
/// return a recorded value only once.
fn one<const N: usize>(
    meter: &Meter,
    name: &'static str,
    help: &'static str,
    labels: [KeyValue; N],
) {
    meter
        .u64_observable_gauge(name)
        .with_description(help)
        .with_callback(move |observer| observer.observe(1, &labels))
        .build();
}

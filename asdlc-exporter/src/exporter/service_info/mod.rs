//! Which build of the service runs, and how often it was started.
//!
//! ```
//! use asdlc_exporter::{Exporter, service_info};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = Exporter::builder("daemon").build()?;
//! let meter = exporter.meter();
//! service_info::register_info(&meter, "1.2.3");
//! service_info::register_build_info(&meter, "1.2.3", "0a1b2c3");
//! service_info::register_starts(&meter);
//!
//! let text = exporter.render()?;
//! assert!(text.contains(r#"info{service="daemon",version="1.2.3"} 1"#));
//! assert!(text.contains(r#"build_info{service="daemon",commit="0a1b2c3",version="1.2.3"} 1"#));
//! assert!(text.contains(r#"service_starts_total{service="daemon"} 1"#));
//! # Ok(()) }
//! ```
//!
//! Every exporter has `uptime_seconds` without being asked, and `service_info{version}` when it is
//! [given a version](crate::ExporterBuilder::with_version).

mod starts;
mod state_file;

pub use starts::{Starts, register_starts, register_starts_kept_in};
pub use state_file::StateFileError;

use opentelemetry::{KeyValue, metrics::Meter};
use std::time::Instant;

/// Creates `service_info{version}` = 1, if there is a version to tell, and `uptime_seconds` since
/// `start`.
pub(crate) fn register(meter: &Meter, version: Option<String>, start: Instant) {
    if let Some(version) = version {
        let help = "Always 1; the label tells which version of the service runs.";
        one(meter, "service_info", help, [KeyValue::new("version", version)]);
    }
    meter
        .f64_observable_gauge("uptime_seconds")
        .with_unit("s")
        .with_description("Seconds since the service built its exporter.")
        .with_callback(move |observer| observer.observe(start.elapsed().as_secs_f64(), &[]))
        .build();
}

/// Serves `info{version}` = 1: for services whose namespace says whose information it is, as in
/// `palingenesis_info`.
pub fn register_info(meter: &Meter, version: impl Into<String>) {
    let help = "Always 1; the label tells which version runs.";
    one(meter, "info", help, [KeyValue::new("version", version.into())]);
}

/// Serves `build_info{version,commit}` = 1; `commit` is whatever names the source that was built.
pub fn register_build_info(meter: &Meter, version: impl Into<String>, commit: impl Into<String>) {
    let labels = [KeyValue::new("version", version.into()), KeyValue::new("commit", commit.into())];
    one(meter, "build_info", "Always 1; the labels tell what was built.", labels);
}

/// Observed and not recorded: a reader of delta temporality forgets what it has read.
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

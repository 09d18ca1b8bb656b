//! The counter `service_starts_total`.

use super::state_file::{StateFile, StateFileError};
use crate::meter_source::MeterSource;
use opentelemetry::metrics::Meter;
use std::path::Path;

/// Serves the counter `service_starts_total` = 1, for this start.
///
/// It is 1 after each restart, so it cannot count restarts. Use [`register_starts_kept_in`] for that,
/// or, without a file, the query `resets(uptime_seconds[1h])`.
pub fn register_starts<K>(meter: &(impl MeterSource<K> + ?Sized)) {
    register(&meter.to_meter(), 1);
}

/// Serves the counter `service_starts_total`: all starts, counted across restarts in the file at `path`.
///
/// ```
/// use asdlc_exporter::{Exporter, service_info};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("starts");
/// let exporter = Exporter::builder("shop").build()?;
/// let starts = service_info::register_starts_kept_in(&exporter, &path);
/// assert_eq!(starts.count(), 1);
/// assert!(starts.problem().is_none());
/// # let again = Exporter::builder("shop").build()?;
/// # assert_eq!(service_info::register_starts_kept_in(&again, &path).count(), 2);
/// # Ok(()) }
/// ```
///
/// Reads and writes the file once, in this call. The write is atomic: if the machine stops, the file has
/// the old count or the new one. A damaged file is replaced, and the count starts again at 1. A file
/// that something else wrote is not changed, so a wrong path destroys nothing.
///
/// A problem with the file does not stop the service: the counter is served, the returned value has the
/// problem, and it is logged as a warning.
///
/// The file must not be shared by processes: if two start at the same time, one may not be counted.
pub fn register_starts_kept_in<K>(
    meter: &(impl MeterSource<K> + ?Sized),
    path: impl AsRef<Path>,
) -> Starts {
    let starts = count(&StateFile::new(path.as_ref()));
    if let Some(problem) = &starts.problem {
        tracing::warn!("{problem}");
    }
    register(&meter.to_meter(), starts.count);
    starts
}

fn count(file: &StateFile<'_>) -> Starts {
    let (known, damage) = match file.read() {
        Ok(known) => (known, None),
        Err(problem) if problem.is_damaged() => (0, Some(problem)),
        Err(problem) => return Starts { count: 1, problem: Some(problem) },
    };
    let count = known.saturating_add(1);
    Starts { count, problem: file.write(count).err().or(damage) }
}

/// How often the service was started, from [`register_starts_kept_in`].
#[derive(Debug)]
pub struct Starts {
    count: u64,
    problem: Option<StateFileError>,
}

impl Starts {
    /// The number of starts, including this one.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The problem with the file, if there was one. It means that this count is wrong, or that the
    /// count after the next start will be wrong.
    #[must_use]
    pub fn problem(&self) -> Option<&StateFileError> {
        self.problem.as_ref()
    }
}

fn register(meter: &Meter, count: u64) {
    meter
        .u64_counter("service_starts")
        .with_description("Starts of the service.")
        .build()
        .add(count, &[]);
}

use super::state_file::{StateFile, StateFileError};
use opentelemetry::metrics::Meter;
use std::path::Path;

/// Serves the counter `service_starts_total` = 1: this start. It is 1 after each restart too, and
/// never anything else, so nothing can be counted by it: `resets(uptime_seconds[1h])` counts
/// restarts without a file, and [`register_starts_kept_in`] counts on across them.
pub fn register_starts(meter: &Meter) {
    register(meter, 1);
}

/// Serves the counter `service_starts_total`: all starts that the file at `path` knows, and this
/// one, which it knows from now on.
///
/// ```
/// use asdlc_exporter::{Exporter, service_info};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("starts");
/// let exporter = Exporter::builder("shop").build()?;
/// let starts = service_info::register_starts_kept_in(&exporter.meter(), &path);
/// assert_eq!(starts.count(), 1);
/// assert!(starts.problem().is_none());
/// # let again = Exporter::builder("shop").build()?;
/// # assert_eq!(service_info::register_starts_kept_in(&again.meter(), &path).count(), 2);
/// # Ok(()) }
/// ```
///
/// Reads and writes the file once, now; the write is atomic: whenever the machine stops, the file
/// has the old count or the new one. A file that is torn all the same counts as none and is
/// replaced. A file that something else wrote is left as it is, so that a mistyped path destroys
/// nothing. Neither that nor a file that cannot be read or written keeps the service from starting:
/// the counter is there, the problem is in the returned value, and `tracing` has a warning.
///
/// The file belongs to one process at a time: of two that start together, one may not be counted.
pub fn register_starts_kept_in(meter: &Meter, path: impl AsRef<Path>) -> Starts {
    let starts = count(&StateFile::new(path.as_ref()));
    if let Some(problem) = &starts.problem {
        tracing::warn!("{problem}");
    }
    register(meter, starts.count);
    starts
}

fn count(file: &StateFile<'_>) -> Starts {
    let (known, torn) = match file.read() {
        Ok(known) => (known, None),
        Err(problem) if problem.is_torn() => (0, Some(problem)),
        Err(problem) => return Starts { count: 1, problem: Some(problem) },
    };
    let count = known.saturating_add(1);
    Starts { count, problem: file.write(count).err().or(torn) }
}

/// How often the service was started, as [`register_starts_kept_in`] found it.
#[derive(Debug)]
pub struct Starts {
    count: u64,
    problem: Option<StateFileError>,
}

impl Starts {
    /// The starts, this one included.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Why the count is not what it should be, or will not be at the next start.
    #[must_use]
    pub fn problem(&self) -> Option<&StateFileError> {
        self.problem.as_ref()
    }
}

fn register(meter: &Meter, count: u64) {
    meter
        .u64_counter("service_starts_total")
        .with_description("Starts of the service.")
        .build()
        .add(count, &[]);
}

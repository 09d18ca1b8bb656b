//! The settings, their check, and the source that probes the runtimes at a scrape.

use super::{
    error::{RuntimeSetupError, RuntimeSetupErrorKind},
    instruments::{ObservedRuntime, create_instruments},
};
use crate::{Exporter, MeterSource, PrometheusReader, blocking, names::is_valid_name};
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// Serves metrics of one or more Tokio runtimes; the [module](super) has the list.
///
/// ```
/// use asdlc_exporter::{Exporter, runtime::RuntimeMetrics};
/// use tokio::runtime::Runtime;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").build()?;
/// let (requests, reports) = (Runtime::new()?, Runtime::new()?);
/// RuntimeMetrics::new("requests", requests.handle().clone())
///     .with_runtime("reports", reports.handle().clone())
///     .register(&exporter)?;
///
/// let text = exporter.render()?;
/// assert!(text.contains(r#"runtime_alive_tasks{service="shop",runtime="requests"} 0"#));
/// assert!(text.contains(r#"runtime_alive_tasks{service="shop",runtime="reports"} 0"#));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "call `register` to serve the metrics"]
pub struct RuntimeMetrics {
    runtimes: Vec<(String, Handle)>,
    timeout: Duration,
}

impl RuntimeMetrics {
    /// Selects this runtime. `name` is its label `runtime`: 1 to 64 ASCII letters, digits, `_`, `-`, `.` and `:`.
    pub fn new(name: impl Into<String>, runtime: Handle) -> Self {
        Self { runtimes: vec![(name.into(), runtime)], timeout: DEFAULT_TIMEOUT }
    }

    /// Adds another runtime. Each runtime has a name of its own.
    pub fn with_runtime(mut self, name: impl Into<String>, runtime: Handle) -> Self {
        self.runtimes.push((name.into(), runtime));
        self
    }

    /// Sets how long a scrape waits for the tasks that measure the scheduling delay, of all runtimes together: 1 ms to
    /// 900 ms. Default: 100 ms.
    ///
    /// Only a scrape of a blocked runtime takes this time, and only the first one: the following scrapes do not
    /// wait for a task that is late already. It should be shorter than the [source
    /// timeout](crate::ExporterBuilder::with_source_timeout) of the exporter, 1 s by default. If it is not,
    /// the values are the same, but `exporter_source_up` is 0.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Creates the metrics, and measures the scheduling delay at each scrape of this exporter from now on.
    ///
    /// Call it once. A second call measures the same runtimes twice.
    ///
    /// [`render`](Exporter::render) blocks its thread. If that is the only thread of a runtime, this runtime is blocked
    /// meanwhile, and its delay is at least the [timeout](Self::with_timeout). The scrape service does not have this
    /// problem: it collects on a thread of the exporter.
    ///
    /// # Errors
    ///
    /// When a name is invalid or used twice, or the timeout is out of range. No metrics are created then.
    pub fn register(self, exporter: &Exporter) -> Result<(), RuntimeSetupError> {
        self.register_with(exporter, exporter.reader())
    }

    /// Like [`register`](Self::register), for your own meter provider: creates the metrics with this [meter or meter
    /// provider](MeterSource), and measures the scheduling delay at each scrape of this reader.
    ///
    /// Other readers of the provider get the delay that the last scrape has measured. Before the first scrape they
    /// get none.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    pub fn register_with<K>(
        self,
        meter: &(impl MeterSource<K> + ?Sized),
        reader: &PrometheusReader,
    ) -> Result<(), RuntimeSetupError> {
        self.check()?;
        let Self { runtimes, timeout } = self;
        let runtimes: Arc<[_]> =
            runtimes.into_iter().map(|(name, handle)| ObservedRuntime::new(name, handle)).collect();
        create_instruments(&meter.to_meter(), &runtimes);
        reader.add_source("runtime", blocking(move || probe_all(&runtimes, timeout)));
        Ok(())
    }

    fn check(&self) -> Result<(), RuntimeSetupError> {
        let mut names = HashSet::new();
        for (name, _) in &self.runtimes {
            if !is_valid_name(name) {
                return Err(RuntimeSetupErrorKind::Name(name.clone()).into());
            }
            if !names.insert(name) {
                return Err(RuntimeSetupErrorKind::DuplicateName(name.clone()).into());
            }
        }
        if !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&self.timeout) {
            return Err(RuntimeSetupErrorKind::Timeout(self.timeout).into());
        }
        Ok(())
    }
}

/// Measures the delay of all runtimes at the same time.
fn probe_all(runtimes: &[ObservedRuntime], timeout: Duration) {
    let started: Vec<_> =
        runtimes.iter().filter(|runtime| runtime.probe.start(&runtime.handle)).collect();
    let deadline = Instant::now() + timeout;
    for runtime in started {
        runtime.probe.wait(deadline);
    }
}

const DEFAULT_TIMEOUT: Duration = Duration::from_millis(100);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
/// The default source timeout is 1 s.
const LONGEST_TIMEOUT: Duration = Duration::from_millis(900);

//! The metrics of commands: names, units, boundaries, label keys, and bound series.

use super::{
    error::{RedisSetupError, RedisSetupErrorKind},
    error_type::ErrorType,
    operation::Operation,
};
use crate::{boundaries::check_boundaries, meter_source::MeterSource};
use opentelemetry::{
    KeyValue,
    metrics::{BoundCounter, BoundHistogram, Counter, Histogram, Meter},
};
use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// The metrics of commands. Create them once, for all connections of a service.
///
/// ```
/// use asdlc_exporter::{Exporter, redis::RedisMetrics};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = redis::Client::open("redis://127.0.0.1:6379")?;
/// let exporter = Exporter::builder("shop").build()?;
/// let metrics = RedisMetrics::new(&exporter);
///
/// let mut connection = metrics.instrument(client.get_connection_manager().await?);
/// let paid: Option<u64> = redis::cmd("GET").arg("order:7").query_async(&mut connection).await?;
/// # Ok(()) }
/// ```
///
/// | family | type | |
/// |---|---|---|
/// | `redis_latency_seconds{operation}` | histogram | seconds from the first poll of a command to its response, error or cancellation |
/// | `redis_errors_total{operation,error_type}` | counter | commands that ended without a response, or whose response contains an error |
///
/// `redis_latency_seconds_count` counts all commands. `redis_errors_total` counts a failed command once:
/// if the response to a pipeline contains several errors, it counts the first one. The [module](super)
/// lists the values of `operation` and `error_type`.
///
/// Clones are cheap and share the instruments. The meter must be one of the OpenTelemetry SDK: bound
/// instruments of other providers record nothing.
#[derive(Clone)]
pub struct RedisMetrics {
    instruments: Arc<Instruments>,
}

struct Instruments {
    latency: Histogram<f64>,
    errors: Counter<u64>,
    /// By [`Operation::index`]. Each series is bound at the first command of its operation.
    latencies: [OnceLock<BoundHistogram<f64>>; Operation::COUNT],
    /// By [`Operation::index`], then by [`ErrorType`]. Boxed, because most operations never fail.
    failures: [OnceLock<Box<FailureCounters>>; Operation::COUNT],
}

type FailureCounters = [OnceLock<BoundCounter<u64>>; ErrorType::ALL.len()];

impl RedisMetrics {
    /// Creates the instruments, with the boundaries that OpenTelemetry recommends for databases:
    /// .001, .005, .01, .05, .1, .5, 1, 5 and 10 seconds.
    #[must_use]
    pub fn new<K>(meter: &(impl MeterSource<K> + ?Sized)) -> Self {
        Self::build(&meter.to_meter(), &BOUNDARIES)
    }

    /// Creates the instruments with other boundaries, in seconds.
    ///
    /// ```
    /// use asdlc_exporter::{Exporter, redis::RedisMetrics};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let exporter = Exporter::builder("shop").build()?;
    /// let metrics = RedisMetrics::with_boundaries(&exporter, &[0.0001, 0.001, 0.01, 0.1])?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When `boundaries` is empty, has a value that is not finite, or does not strictly increase.
    pub fn with_boundaries<K>(
        meter: &(impl MeterSource<K> + ?Sized),
        boundaries: &[f64],
    ) -> Result<Self, RedisSetupError> {
        check_boundaries(boundaries).map_err(RedisSetupErrorKind::Boundaries)?;
        Ok(Self::build(&meter.to_meter(), boundaries))
    }

    fn build(meter: &Meter, boundaries: &[f64]) -> Self {
        let latency = meter
            .f64_histogram("redis_latency")
            .with_unit("s")
            .with_description(
                "Time from the start of a Redis command to its response, error or cancellation.",
            )
            .with_boundaries(boundaries.to_vec())
            .build();
        let errors = meter
            .u64_counter("redis_errors")
            .with_description("Redis commands that failed or were cancelled.")
            .build();
        let latencies = [const { OnceLock::new() }; Operation::COUNT];
        let failures = [const { OnceLock::new() }; Operation::COUNT];
        Self { instruments: Arc::new(Instruments { latency, errors, latencies, failures }) }
    }

    /// Records a command that has ended.
    pub(super) fn record(&self, operation: Operation, time: Duration, error: Option<ErrorType>) {
        let Instruments { latency, latencies, .. } = &*self.instruments;
        get_or_bind(&latencies[operation.index()], || latency.bind(&[operation_label(operation)]))
            .record(time.as_secs_f64());
        if let Some(error) = error {
            self.record_error(operation, error);
        }
    }

    #[cold]
    fn record_error(&self, operation: Operation, error: ErrorType) {
        let Instruments { errors, failures, .. } = &*self.instruments;
        let failures = failures[operation.index()]
            .get_or_init(|| Box::new([const { OnceLock::new() }; ErrorType::ALL.len()]));
        let counter = get_or_bind(&failures[error as usize], || {
            errors.bind(&[operation_label(operation), KeyValue::new("error_type", error.label())])
        });
        counter.add(1);
    }
}

impl fmt::Debug for RedisMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisMetrics").finish_non_exhaustive()
    }
}

/// Binds before it takes the lock of the cell, because binding runs code of the SDK.
fn get_or_bind<T>(cell: &OnceLock<T>, bind: impl FnOnce() -> T) -> &T {
    cell.get().unwrap_or_else(|| {
        let bound = bind();
        cell.get_or_init(|| bound)
    })
}

fn operation_label(operation: Operation) -> KeyValue {
    KeyValue::new("operation", operation.label())
}

/// The boundaries of `db.client.operation.duration` in the OpenTelemetry semantic conventions.
const BOUNDARIES: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

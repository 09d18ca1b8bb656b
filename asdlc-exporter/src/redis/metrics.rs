//! The metrics of commands: names, units, boundaries, label keys, and their series.

use super::{
    connection::InstrumentedConnection,
    error::{RedisSetupError, RedisSetupErrorKind},
    error_type::ErrorType,
    operation::Operation,
};
use opentelemetry::{
    KeyValue,
    metrics::{BoundCounter, BoundHistogram, Counter, Histogram, Meter},
};
use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// The metrics of commands: made once, for all connections of a service.
///
/// ```
/// use asdlc_exporter::{Exporter, redis::RedisMetrics};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = redis::Client::open("redis://127.0.0.1:6379")?;
/// let exporter = Exporter::builder("shop").build()?;
/// let metrics = RedisMetrics::new(&exporter.meter());
///
/// let mut connection = metrics.instrument(client.get_connection_manager().await?);
/// let paid: Option<u64> = redis::cmd("GET").arg("order:7").query_async(&mut connection).await?;
/// # Ok(()) }
/// ```
///
/// | family | type | |
/// |---|---|---|
/// | `redis_latency_seconds{operation}` | histogram | from the first poll of a command to its answer, error or cancellation |
/// | `redis_errors_total{operation,error_type}` | counter | those that ended without an answer, or with an error in it |
///
/// So that `redis_latency_seconds_count` counts all commands, and no command counts twice in
/// `redis_errors_total`: of several errors in a pipeline it is the first. What `operation` and
/// `error_type` can be is told in the [module](super).
///
/// Clones are cheap and share everything. The meter has to come from OpenTelemetry's SDK: other
/// providers drop what bound instruments record.
#[derive(Clone)]
pub struct RedisMetrics {
    inner: Arc<Inner>,
}

struct Inner {
    latency: Histogram<f64>,
    errors: Counter<u64>,
    /// By [`Operation::index`]; each is made when its operation is first seen. What each command
    /// needs is one step away.
    latencies: [OnceLock<BoundHistogram<f64>>; Operation::COUNT],
    /// The same for operations that failed, and by [`ErrorType`].
    failures: [OnceLock<Box<Failures>>; Operation::COUNT],
}

type Failures = [OnceLock<BoundCounter<u64>>; ErrorType::ALL.len()];

impl RedisMetrics {
    /// Creates the instruments, with the boundaries that OpenTelemetry recommends for databases:
    /// .001, .005, .01, .05, .1, .5, 1, 5 and 10 seconds.
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        Self::build(meter, &BOUNDARIES)
    }

    /// Creates the instruments with other boundaries, in seconds.
    ///
    /// ```
    /// use asdlc_exporter::{Exporter, redis::RedisMetrics};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let exporter = Exporter::builder("shop").build()?;
    /// let metrics = RedisMetrics::with_boundaries(&exporter.meter(), &[0.0001, 0.001, 0.01, 0.1])?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is none, when one is not finite, and when they do not ascend.
    pub fn with_boundaries(meter: &Meter, boundaries: &[f64]) -> Result<Self, RedisSetupError> {
        let ascends = boundaries.is_sorted_by(|a, b| a < b);
        if boundaries.is_empty() || !ascends || !boundaries.iter().all(|b| b.is_finite()) {
            return Err(RedisSetupErrorKind::Boundaries(boundaries.to_vec()).into());
        }
        Ok(Self::build(meter, boundaries))
    }

    fn build(meter: &Meter, boundaries: &[f64]) -> Self {
        let latency = meter
            .f64_histogram("redis_latency_seconds")
            .with_unit("s")
            .with_description(
                "From the start of a Redis command to its answer, error or cancellation.",
            )
            .with_boundaries(boundaries.to_vec())
            .build();
        let errors = meter
            .u64_counter("redis_errors_total")
            .with_description("Redis commands that failed or were cancelled.")
            .build();
        let latencies = [const { OnceLock::new() }; _];
        let failures = [const { OnceLock::new() }; _];
        Self { inner: Arc::new(Inner { latency, errors, latencies, failures }) }
    }

    /// A connection whose commands are recorded here.
    ///
    /// It takes everything that implements [`ConnectionLike`](redis::aio::ConnectionLike): a
    /// `MultiplexedConnection`, a `ConnectionManager`, a cluster's connection, one from a pool.
    pub fn instrument<C>(&self, connection: C) -> InstrumentedConnection<C> {
        InstrumentedConnection::new(connection, self.clone())
    }

    /// A command has ended.
    pub(super) fn record(&self, operation: Operation, time: Duration, error: Option<ErrorType>) {
        let Inner { latency, latencies, .. } = &*self.inner;
        get_or_bind(&latencies[operation.index()], || latency.bind(&[operation_label(operation)]))
            .record(time.as_secs_f64());
        if let Some(error) = error {
            self.failed(operation, error);
        }
    }

    #[cold]
    fn failed(&self, operation: Operation, error: ErrorType) {
        let Inner { errors, failures, .. } = &*self.inner;
        let failures =
            failures[operation.index()].get_or_init(|| Box::new([const { OnceLock::new() }; _]));
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

/// The SDK is called outside of the lock of the cell.
fn get_or_bind<T>(cell: &OnceLock<T>, bind: impl FnOnce() -> T) -> &T {
    cell.get().unwrap_or_else(|| {
        let bound = bind();
        cell.get_or_init(|| bound)
    })
}

fn operation_label(operation: Operation) -> KeyValue {
    KeyValue::new("operation", operation.label())
}

/// Of `db.client.operation.duration` in OpenTelemetry's semantic conventions.
const BOUNDARIES: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

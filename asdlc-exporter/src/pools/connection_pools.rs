//! The settings and the instruments.

use super::{
    connection_pool::{ConnectionPool, ConnectionStatistics},
    error::{PoolSetupError, PoolSetupErrorKind},
};
use crate::{
    catch_panic::catch_panic, collect::shared_read::SharedRead, meter_source::MeterSource,
    names::is_valid_name,
};
use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Meter},
};
use std::{collections::HashSet, fmt, sync::Arc};

/// Serves metrics of one or more connection pools; the [module](super) has the list.
///
/// ```
/// use asdlc_exporter::{Exporter, pools::{ConnectionPools, ConnectionStatistics}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").build()?;
/// ConnectionPools::new("orders", || ConnectionStatistics::default().with_idle(3).with_used(1))
///     .with_pool("reports", || ConnectionStatistics::default().with_idle(0).with_used(2))
///     .register(&exporter)?;
///
/// let text = exporter.render()?;
/// assert!(text.contains(
///     "db_client_connections{service=\"shop\",db_client_connection_pool_name=\"orders\",\
///      db_client_connection_state=\"idle\"} 3\n"
/// ));
/// # Ok(()) }
/// ```
#[must_use = "call `register` to serve the metrics"]
pub struct ConnectionPools {
    pools: Vec<(String, Box<dyn ConnectionPool>)>,
}

impl ConnectionPools {
    /// Selects this pool. `name` is its label `db_client_connection_pool_name`: 1 to 64 ASCII letters, digits, `_`, `-`, `.`
    /// and `:`.
    pub fn new(name: impl Into<String>, pool: impl ConnectionPool) -> Self {
        Self { pools: Vec::new() }.with_pool(name, pool)
    }

    /// Adds another pool. Each pool has a name of its own.
    pub fn with_pool(mut self, name: impl Into<String>, pool: impl ConnectionPool) -> Self {
        self.pools.push((name.into(), Box::new(pool)));
        self
    }

    /// Creates the metrics. All values of a pool at a scrape come from one call of
    /// [`statistics`](ConnectionPool::statistics), unless an additional reader collects at the same time.
    ///
    /// Call it once for a meter provider, with all pools. The provider keeps the pools until it is dropped. So if it is a pool
    /// that closes its connections when it is dropped, close it explicitly, or register a closure that has a weak
    /// reference to it.
    ///
    /// # Errors
    ///
    /// When a name is invalid or used twice. No metrics are created then.
    pub fn register<K>(self, meter: &(impl MeterSource<K> + ?Sized)) -> Result<(), PoolSetupError> {
        let mut names = HashSet::new();
        for (name, _) in &self.pools {
            if !is_valid_name(name) {
                return Err(PoolSetupErrorKind::Name(name.clone()).into());
            }
            if !names.insert(name) {
                return Err(PoolSetupErrorKind::DuplicateName(name.clone()).into());
            }
        }
        drop(names);
        let pools = self.pools.into_iter().map(|(name, pool)| ObservedPool::new(name, pool));
        create_instruments(&meter.to_meter(), &pools.collect());
        Ok(())
    }
}

impl fmt::Debug for ConnectionPools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.pools.iter().map(|(name, _)| name).collect();
        f.debug_struct("ConnectionPools").field("pools", &names).finish()
    }
}

/// A pool with its labels.
struct ObservedPool {
    label: [KeyValue; 1],
    idle: [KeyValue; 2],
    used: [KeyValue; 2],
    /// `None` if reading panicked.
    statistics: SharedRead<Option<ConnectionStatistics>>,
}

impl ObservedPool {
    fn new(name: String, pool: Box<dyn ConnectionPool>) -> Self {
        let label = KeyValue::new(POOL_NAME, name.clone());
        let with_state = |state| [label.clone(), KeyValue::new(STATE, state)];
        let (idle, used) = (with_state("idle"), with_state("used"));
        let statistics = SharedRead::with_user_code(move || {
            let statistics = catch_panic(|| pool.statistics());
            if statistics.is_none() {
                let _ = catch_panic(|| {
                    tracing::warn!(
                        "reading the statistics of the connection pool `{name}` panicked: its metrics are missing"
                    );
                });
            }
            statistics
        });
        Self { label: [label], idle, used, statistics }
    }
}

type Pools = Arc<[ObservedPool]>;

fn create_instruments(meter: &Meter, pools: &Pools) {
    let observed = Arc::clone(pools);
    meter
        .i64_observable_up_down_counter("db.client.connections")
        .with_unit("{connection}")
        .with_description("Connections of the pool by state.")
        .with_callback(move |observer| {
            each(&observed, 0, |pool, statistics| {
                observe(observer, statistics.idle, &pool.idle);
                observe(observer, statistics.used, &pool.used);
            });
        })
        .build();
    for (callback, name, unit, help, value) in GAUGES {
        let observed = Arc::clone(pools);
        meter
            .i64_observable_up_down_counter(name)
            .with_unit(unit)
            .with_description(help)
            .with_callback(move |observer| {
                each(&observed, callback, |pool, it| observe(observer, value(it), &pool.label));
            })
            .build();
    }
    for (callback, name, unit, help, value) in COUNTERS {
        let observed = Arc::clone(pools);
        meter
            .u64_observable_counter(name)
            .with_unit(unit)
            .with_description(help)
            .with_callback(move |observer| {
                each(&observed, callback, |pool, statistics| {
                    if let Some(value) = value(statistics) {
                        observer.observe(value, &pool.label);
                    }
                });
            })
            .build();
    }
    let observed = Arc::clone(pools);
    meter
        .f64_observable_counter("db.client.connection.waited")
        .with_unit("s")
        .with_description("Time that all requests together waited for a connection of the pool.")
        .with_callback(move |observer| {
            each(&observed, 5, |pool, statistics| {
                if let Some(time) = statistics.wait_time {
                    observer.observe(time.as_secs_f64(), &pool.label);
                }
            });
        })
        .build();
}

/// Reads all pools for the callback with this number.
fn each(
    pools: &[ObservedPool],
    callback: u32,
    mut observe: impl FnMut(&ObservedPool, ConnectionStatistics),
) {
    for pool in pools {
        if let Some(statistics) = pool.statistics.get(callback) {
            observe(pool, statistics);
        }
    }
}

fn observe(observer: &dyn AsyncInstrument<i64>, value: Option<u64>, labels: &[KeyValue]) {
    if let Some(value) = value.and_then(|value| value.try_into().ok()) {
        observer.observe(value, labels);
    }
}

/// The number of the callback, name, unit, help text, and the value.
type Value =
    (u32, &'static str, &'static str, &'static str, fn(ConnectionStatistics) -> Option<u64>);

const GAUGES: [Value; 2] = [
    (
        1,
        "db.client.connection.max",
        "{connection}",
        "Connections that the pool may have.",
        |pool| pool.max,
    ),
    (
        2,
        "db.client.connection.pending_requests",
        "{request}",
        "Requests that wait for a connection of the pool.",
        |pool| pool.pending_requests,
    ),
];

const COUNTERS: [Value; 2] = [
    (
        3,
        "db.client.connection.timeouts",
        "{timeout}",
        "Requests for a connection of the pool that timed out.",
        |pool| pool.timeouts,
    ),
    (
        4,
        "db.client.connection.waits",
        "{request}",
        "Requests that got a connection of the pool after they had waited for it.",
        |pool| pool.waits,
    ),
];

const POOL_NAME: &str = "db.client.connection.pool.name";
const STATE: &str = "db.client.connection.state";

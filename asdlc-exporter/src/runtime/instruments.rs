//! The instruments. Their callbacks read the numbers that Tokio keeps.

use super::probe::Probe;
use opentelemetry::{KeyValue, metrics::Meter};
use std::sync::Arc;
use tokio::runtime::Handle;

/// A runtime with its label.
pub(super) struct ObservedRuntime {
    label: [KeyValue; 1],
    pub(super) handle: Handle,
    pub(super) probe: Arc<Probe>,
}

impl ObservedRuntime {
    pub(super) fn new(name: String, handle: Handle) -> Self {
        Self { label: [KeyValue::new("runtime", name)], handle, probe: Arc::default() }
    }
}

type Runtimes = Arc<[ObservedRuntime]>;

pub(super) fn create_instruments(meter: &Meter, runtimes: &Runtimes) {
    for (name, help, value) in GAUGES {
        let runtimes = Arc::clone(runtimes);
        meter
            .u64_observable_gauge(name)
            .with_description(help)
            .with_callback(move |observer| {
                for runtime in running(&runtimes) {
                    observer.observe(value(runtime), &runtime.label);
                }
            })
            .build();
    }
    #[cfg(target_has_atomic = "64")]
    of_workers::create_instruments(meter, runtimes);
    let runtimes = Arc::clone(runtimes);
    meter
        .f64_observable_gauge("runtime_scheduling_delay")
        .with_unit("s")
        .with_description("How long a task that is spawned at the scrape waits for a worker.")
        .with_callback(move |observer| {
            for runtime in running(&runtimes) {
                if let Some(delay) = runtime.probe.delay() {
                    observer.observe(delay.as_secs_f64(), &runtime.label);
                }
            }
        })
        .build();
}

fn running(runtimes: &Runtimes) -> impl Iterator<Item = &ObservedRuntime> {
    runtimes.iter().filter(|runtime| !runtime.probe.is_shut_down())
}

/// Numbers that Tokio has of each worker, on platforms with 64-bit atomics only.
#[cfg(target_has_atomic = "64")]
mod of_workers {
    use super::{Runtimes, running};
    use opentelemetry::metrics::Meter;
    use std::{ops::Range, sync::Arc, time::Duration};
    use tokio::runtime::RuntimeMetrics;

    pub(super) fn create_instruments(meter: &Meter, runtimes: &Runtimes) {
        let observed = Arc::clone(runtimes);
        meter
            .u64_observable_gauge("runtime_parked_workers")
            .with_description("Worker threads that wait for work.")
            .with_callback(move |observer| {
                for runtime in running(&observed) {
                    let metrics = runtime.handle.metrics();
                    // Tokio counts parking and unparking together: an odd number means parked.
                    let parked = workers(&metrics)
                        .filter(|worker| metrics.worker_park_unpark_count(*worker) % 2 == 1);
                    observer.observe(parked.count() as u64, &runtime.label);
                }
            })
            .build();
        let observed = Arc::clone(runtimes);
        meter
            .f64_observable_counter("runtime_busy")
            .with_unit("s")
            .with_description("Time in which worker threads were not parked, of all together.")
            .with_callback(move |observer| {
                for runtime in running(&observed) {
                    let metrics = runtime.handle.metrics();
                    let busy = workers(&metrics).map(|it| metrics.worker_total_busy_duration(it));
                    observer.observe(busy.sum::<Duration>().as_secs_f64(), &runtime.label);
                }
            })
            .build();
        let observed = Arc::clone(runtimes);
        meter
            .u64_observable_counter("runtime_parks")
            .with_description("How often worker threads found no more work and parked.")
            .with_callback(move |observer| {
                for runtime in running(&observed) {
                    let metrics = runtime.handle.metrics();
                    let parks = workers(&metrics).map(|it| metrics.worker_park_count(it));
                    observer.observe(parks.sum(), &runtime.label);
                }
            })
            .build();
    }

    fn workers(metrics: &RuntimeMetrics) -> Range<usize> {
        0..metrics.num_workers()
    }
}

type Gauge = (&'static str, &'static str, fn(&ObservedRuntime) -> u64);

const GAUGES: [Gauge; 3] = [
    ("runtime_workers", "Worker threads of the runtime.", |runtime| {
        runtime.handle.metrics().num_workers() as u64
    }),
    ("runtime_alive_tasks", "Tasks that were spawned and have not ended.", |runtime| {
        runtime.probe.alive_tasks(&runtime.handle) as u64
    }),
    ("runtime_global_queue_depth", "Tasks in the queue that all workers share.", |runtime| {
        runtime.handle.metrics().global_queue_depth() as u64
    }),
];

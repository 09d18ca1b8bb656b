//! The limits of the container that this process runs in, on Linux.
//!
//! A container is a cgroup with limits. Here it is the cgroup of the process, whoever has created it: a container runtime,
//! systemd, or nobody.

// mod (the instruments) -> cgroup (reads the files) -> location (finds the directories), files (parses).

mod cgroup;
mod files;
mod location;

use self::cgroup::{CgroupReader, Reading};
use crate::collect::shared_read::SharedRead;
use opentelemetry::metrics::Meter;
use std::{sync::Arc, time::Duration};

/// Creates the instruments. They read the files once in each collection.
pub(super) fn register(meter: &Meter) {
    let mut reader = CgroupReader::new();
    let reading = Arc::new(SharedRead::new(move || reader.read()));
    let mut callbacks = 0..;
    // The function that the next callback reads with.
    let mut next = || {
        let (reading, callback) = (Arc::clone(&reading), callbacks.next().unwrap_or_default());
        move || reading.get(callback)
    };
    for (name, help, value) in BYTES {
        let read = next();
        meter
            .i64_observable_up_down_counter(name)
            .with_unit("By")
            .with_description(help)
            .with_callback(move |observer| {
                if let Some(bytes) = value(read()).and_then(|bytes| bytes.try_into().ok()) {
                    observer.observe(bytes, &[]);
                }
            })
            .build();
    }
    let read = next();
    meter
        .f64_observable_up_down_counter("container.cpu.limit")
        .with_unit("{cpu}")
        .with_description("CPU time that the container may use, in CPUs.")
        .with_callback(move |observer| {
            if let Some(limit) = read().cpu.limit {
                observer.observe(limit, &[]);
            }
        })
        .build();
    for (name, help, value) in COUNTERS {
        let read = next();
        meter
            .u64_observable_counter(name)
            .with_description(help)
            .with_callback(move |observer| {
                if let Some(count) = value(read()) {
                    observer.observe(count, &[]);
                }
            })
            .build();
    }
    let read = next();
    meter
        .f64_observable_counter("container.cpu.cfs.throttled")
        .with_unit("s")
        .with_description(
            "Time that the CPUs of the container had to wait because of its CPU limit.",
        )
        .with_callback(move |observer| {
            if let Some(throttling) = read().cpu.throttling {
                observer.observe(Duration::as_secs_f64(&throttling.throttled), &[]);
            }
        })
        .build();
}

type Value = (&'static str, &'static str, fn(Reading) -> Option<u64>);

const BYTES: [Value; 3] = [
    ("container.memory.limit", "Memory that the container may use.", |read| read.memory.limit),
    ("container.memory.usage", "Memory that the container uses, with cached files.", |read| {
        read.memory.usage
    }),
    (
        "container.memory.working_set",
        "Memory that the container uses, without cached files that were not used recently.",
        |read| read.memory.working_set,
    ),
];

const COUNTERS: [Value; 2] = [
    (
        "container.cpu.cfs.periods",
        "Periods in which the CPU limit of the container applied.",
        |read| Some(read.cpu.throttling?.periods),
    ),
    (
        "container.cpu.cfs.throttled_periods",
        "Periods in which the container had to wait because of its CPU limit.",
        |read| Some(read.cpu.throttling?.throttled_periods),
    ),
];

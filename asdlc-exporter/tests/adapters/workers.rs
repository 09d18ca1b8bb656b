//! The metrics of a worker pool.

use crate::{families, logged, value, values};
use asdlc_exporter::{
    Exporter,
    workers::{self, Pool, PoolStatistics},
};
use std::{
    error::Error,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// A pool: threads that take events from a channel and count them.
#[derive(Default)]
struct Threads {
    active: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl Threads {
    /// Works until the channel is closed. The test can scrape between two calls of `step`.
    fn work(&self, events: &Mutex<mpsc::Receiver<bool>>, step: &impl Fn()) {
        loop {
            let event = events.lock().expect("events").recv();
            let Ok(succeeds) = event else { return };
            self.active.fetch_add(1, Ordering::Relaxed);
            step();
            step();
            let total = if succeeds { &self.succeeded } else { &self.failed };
            total.fetch_add(1, Ordering::Relaxed);
            self.active.fetch_sub(1, Ordering::Relaxed);
            step();
            step();
        }
    }
}

impl Pool for Threads {
    fn statistics(&self) -> PoolStatistics {
        let Self { active, succeeded, failed } = self;
        PoolStatistics::default()
            .with_active_workers(active.load(Ordering::Relaxed))
            .with_active_tasks(active.load(Ordering::Relaxed))
            .with_succeeded(succeeded.load(Ordering::Relaxed))
            .with_failed(failed.load(Ordering::Relaxed))
    }
}

/// The values of a scrape: active workers, active tasks, events that succeeded, events that failed.
fn scrape(exporter: &Exporter) -> [f64; 4] {
    let events = values(exporter, "events_processed_total");
    let [(failed_label, failed), (success_label, success)] = {
        let mut events = events;
        events.sort_by(|a, b| a.0.cmp(&b.0));
        <[_; 2]>::try_from(events).expect("both series")
    };
    assert_eq!([&*failed_label, &*success_label], ["status=failed", "status=success"]);
    [value(exporter, "active_workers"), value(exporter, "active_tasks"), success, failed]
}

// W-02, W-03, W-04
#[test]
fn a_scrape_has_the_numbers_of_the_pool() -> Result {
    let exporter = Exporter::builder("workers").build()?;
    let pool = Arc::new(Threads::default());
    workers::register(&exporter.meter(), Arc::clone(&pool));
    assert_eq!(scrape(&exporter), [0.0; 4], "idle, with both series");

    let (send, events) = mpsc::channel();
    let events = Mutex::new(events);
    let barrier = Barrier::new(3);
    let step = || {
        barrier.wait();
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| pool.work(&events, &step));
        }
        let mut done = [0.0, 0.0];
        for outcomes in [[true, true], [true, false], [false, false], [true, true]] {
            for outcome in outcomes {
                send.send(outcome).expect("a worker");
            }
            step();
            assert_eq!(
                scrape(&exporter),
                [2.0, 2.0, done[0], done[1]],
                "while both workers are active"
            );
            step();
            for outcome in outcomes {
                done[usize::from(!outcome)] += 1.0;
            }
            step();
            assert_eq!(
                scrape(&exporter),
                [0.0, 0.0, done[0], done[1]],
                "after both workers have finished"
            );
            step();
        }
        drop(send);
    });
    assert_eq!(scrape(&exporter), [0.0, 0.0, 5.0, 3.0]);
    Ok(())
}

// W-02
#[test]
fn a_scrape_reads_the_pool_once() -> Result {
    let exporter = Exporter::builder("workers").build()?;
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    workers::register(&exporter.meter(), move || {
        let call = counted.fetch_add(1, Ordering::Relaxed) + 1;
        PoolStatistics::default()
            .with_size(call)
            .with_active_workers(call)
            .with_active_tasks(call)
            .with_succeeded(call)
            .with_failed(call)
    });
    for scrape in 1..=3 {
        let text = exporter.render()?;
        let values: Vec<&str> = text
            .lines()
            .filter(|line| {
                ["active", "worker_pool", "events"].iter().any(|it| line.starts_with(it))
            })
            .filter_map(|line| Some(line.rsplit_once(' ')?.1))
            .collect();
        assert_eq!(values, vec![scrape.to_string(); 5]);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    Ok(())
}

// W-02
#[test]
fn the_size_of_a_pool_is_served_only_if_the_pool_reports_it() -> Result {
    let without_size = Exporter::builder("workers").build()?;
    workers::register(&without_size.meter(), PoolStatistics::default);
    assert!(!families(&without_size).iter().any(|family| family == "worker_pool_size"));

    let exporter = Exporter::builder("workers").build()?;
    let size = Arc::new(AtomicU64::new(8));
    let pool = Arc::clone(&size);
    workers::register(&exporter.meter(), move || {
        PoolStatistics::default().with_size(pool.load(Ordering::Relaxed)).with_active_workers(3)
    });
    for workers in [8.0, 12.0] {
        size.store(workers as u64, Ordering::Relaxed);
        assert_eq!(value(&exporter, "worker_pool_size"), workers);
        assert_eq!(scrape(&exporter), [3.0, 0.0, 0.0, 0.0]);
    }
    Ok(())
}

//
#[test]
fn if_a_pool_panics_only_its_own_metrics_are_missing() -> Result {
    let exporter = Exporter::builder("workers").build()?;
    let healthy = Arc::new(AtomicU64::new(0));
    let switch = Arc::clone(&healthy);
    workers::register(&exporter.meter(), move || {
        assert_eq!(switch.load(Ordering::Relaxed), 1, "the pool is broken");
        PoolStatistics::default().with_succeeded(7)
    });
    logged();
    for _ in 0..2 {
        assert_eq!(families(&exporter), ["uptime_seconds"]);
        assert_eq!(
            logged(),
            ["WARN reading the statistics of the worker pool panicked: its metrics are missing"],
            "one warning per scrape"
        );
    }
    healthy.store(1, Ordering::Relaxed);
    assert_eq!(scrape(&exporter), [0.0, 0.0, 7.0, 0.0], "the metrics are served again");
    Ok(())
}

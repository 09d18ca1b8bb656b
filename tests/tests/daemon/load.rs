//! Frequent scrapes.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use asdlc_tests::wait::{DEADLINE, eventually};

use super::program::{METRICS, Watched};

// D-04
#[test]
fn ten_scrapes_a_second_are_fast_use_no_more_memory_and_do_not_block_other_work() {
    let watched = Watched::start("program.settled_after = 0.01\nbackoff.first = 0.01");
    let mut connection = watched.daemon.connect();
    let mut once = || {
        let start = Instant::now();
        assert_eq!(connection.get(METRICS).status(), 200);
        start.elapsed()
    };
    // F-35, a neighbour: a busy machine may delay one or two scrapes, but not three in a row.
    let mut scrape = || {
        let time = once();
        if time < LIMIT { time } else { once().min(once()) }
    };
    // Memory that is allocated once is allocated now.
    for _ in 0..200 {
        scrape();
    }
    let before = resident(watched.daemon.id());
    let done = AtomicBool::new(false);
    let (times, orders) = thread::scope(|scope| {
        // The other work: orders for the state machine.
        let orders = scope.spawn(|| {
            let mut orders = 0;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(watched.post("/api/v1/pause")["state"], "paused");
                assert_eq!(watched.post("/api/v1/resume")["state"], "resuming");
                orders += 2;
            }
            orders
        });
        let start = Instant::now();
        let times: Vec<_> = (1..=30)
            .map(|scrapes| {
                let time = scrape();
                let next = start + Duration::from_millis(100) * scrapes;
                thread::sleep(next.saturating_duration_since(Instant::now()));
                time
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        (times, orders.join().expect("orders are carried out"))
    });
    assert!(times.iter().all(|time| *time < LIMIT), "{times:?}");
    assert!(orders >= 20, "only {orders} orders in 3 s");
    let grown = || resident(watched.daemon.id()).saturating_sub(before);
    assert!(eventually(DEADLINE, || grown() < 1 << 20), "{} bytes more than {before}", grown());
}

// D-04
#[test]
fn a_thousand_scrapes_use_no_more_memory_than_a_hundred() {
    let watched = Watched::start("");
    let scrapes = |number: u32| {
        for _ in 0..number / 100 {
            let mut connection = watched.daemon.connect();
            for _ in 0..100 {
                assert_eq!(connection.get(METRICS).status(), 200);
            }
        }
        resident(watched.daemon.id())
    };
    scrapes(300);
    let before = scrapes(100);
    let after = scrapes(1000);
    assert!(after.saturating_sub(before) < 1 << 20, "{before} bytes, and then {after}");
}

// D-04
#[test]
fn a_hundred_scrapes_take_less_than_five_seconds() {
    let watched = Watched::start("");
    let mut connection = watched.daemon.connect();
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(connection.get(METRICS).status(), 200);
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// The resident memory of the process in bytes, according to the kernel.
fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the process is running");
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel reports it");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kibibytes << 10
}

/// The limit for one scrape.
const LIMIT: Duration = Duration::from_millis(50);

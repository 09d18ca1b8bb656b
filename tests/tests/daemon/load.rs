//! Scraping often.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use asdlc_tests::wait::{DEADLINE, eventually};

use super::program::{METRICS, Watched};

// D-04
#[test]
fn ten_scrapes_a_second_are_fast_and_leave_the_memory_and_the_other_work_alone() {
    let watched = Watched::start("program.settled_after = 0.01\nbackoff.first = 0.01");
    let mut connection = watched.daemon.connect();
    let mut once = || {
        let start = Instant::now();
        assert_eq!(connection.get(METRICS).status(), 200);
        start.elapsed()
    };
    // F-35, a neighbour: a busy machine holds up one scrape or two, and not three in a row.
    let mut scrape = || {
        let time = once();
        if time < LIMIT { time } else { once().min(once()) }
    };
    // What is set aside once, is.
    for _ in 0..200 {
        scrape();
    }
    let before = resident(watched.daemon.id());
    let done = AtomicBool::new(false);
    let (times, orders) = thread::scope(|scope| {
        // The other work: orders that the state machine has to carry out.
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
fn a_thousand_scrapes_need_no_more_memory_than_a_hundred() {
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

/// What the kernel says that the process has in RAM, in bytes.
fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kibibytes << 10
}

/// How long a scrape may take.
const LIMIT: Duration = Duration::from_millis(50);

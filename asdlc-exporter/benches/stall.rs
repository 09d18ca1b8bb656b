//! How long recording takes at most during scrapes: `cargo bench -p asdlc-exporter --bench stall`.
//!
//! One thread scrapes 100 000 histogram and 100 000 counter series in a loop, another records on warm series. If threads
//! share cores, the scheduler stops the recording thread too, which the exporter does not cause. So the first rows have a
//! thread that only counts instead of the scrapes, `running` is the longest recording in CPU time, and the last columns are
//! the voluntary context switches (waits for a lock) and the involuntary ones. The exporter would cause a stall by a long
//! CPU time or a wait.

#![expect(clippy::print_stdout, reason = "a program's result")]

use asdlc_exporter::Exporter;
use opentelemetry::KeyValue;
use std::{
    fs,
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

fn main() {
    let exporter = Exporter::builder("bench").with_max_series(SERIES + 1).build();
    let exporter = exporter.expect("the settings are valid");
    let meter = exporter.meter();
    let counter = meter.u64_counter("requests").build();
    let histogram = meter
        .f64_histogram("duration")
        .with_unit("s")
        .with_boundaries(vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]);
    let histogram = histogram.build();
    for at in 0..SERIES {
        counter.add(1, &labels(at));
        histogram.record(0.25, &labels(at));
    }
    let warm = labels(SERIES / 2);
    let (bound_counter, bound_histogram) = (counter.bind(&warm), histogram.bind(&warm));
    let recorders: [(&str, &(dyn Fn() + Sync)); 4] = [
        ("counter, bound", &|| bound_counter.add(1)),
        ("histogram, bound", &|| bound_histogram.record(0.5)),
        ("counter, unbound", &|| counter.add(1, &warm)),
        ("histogram, unbound", &|| histogram.record(0.5, &warm)),
    ];
    let scrape = || drop(black_box(exporter.render().expect("text")));
    let count = || _ = (0..200_000_000).map(black_box).sum::<u64>();
    scrape();
    println!(
        "| beside | recording on | records | over 0.1 ms | over 1 ms | longest, ms | running, ms | voluntary switches | involuntary switches |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (beside, other) in [("counting", &count as &(dyn Fn() + Sync)), ("scraping", &scrape)] {
        for (name, record) in recorders {
            let Stalls { records, slow, running, waited, aside } = stalls(other, record);
            let longest = slow.iter().max().copied().unwrap_or_default().as_secs_f64() * 1e3;
            let running = running.as_secs_f64() * 1e3;
            let over = slow.iter().filter(|time| **time > Duration::from_millis(1)).count();
            println!(
                "| {beside} | {name} | {records} | {} | {over} | {longest:.2} | {running:.2} | {waited} | {aside} |",
                slow.len()
            );
        }
    }
}

struct Stalls {
    records: u64,
    slow: Vec<Duration>,
    /// The longest in CPU time.
    running: Duration,
    waited: u64,
    aside: u64,
}

/// Measures each recording until the other thread has finished its rounds.
fn stalls(other: &(dyn Fn() + Sync), record: &(dyn Fn() + Sync)) -> Stalls {
    let is_over = AtomicBool::new(false);
    let (mut records, mut slow, mut running) = (0, Vec::new(), Duration::ZERO);
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..ROUNDS).for_each(|_| other());
            is_over.store(true, Ordering::Relaxed);
        });
        let before = switches();
        while !is_over.load(Ordering::Relaxed) {
            let (start, start_running) = (Instant::now(), cpu_time());
            record();
            let (end_running, time) = (cpu_time(), start.elapsed());
            records += 1;
            running = running.max(end_running.saturating_sub(start_running));
            if time > Duration::from_micros(100) {
                slow.push(time);
            }
        }
        let after = switches();
        let [waited, aside] = [after[0] - before[0], after[1] - before[1]];
        Stalls { records, slow, running, waited, aside }
    })
}

/// Voluntary and involuntary context switches of this thread. Zero if the platform does not count them.
fn switches() -> [u64; 2] {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"].map(|key| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    })
}

/// The CPU time of this thread.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("CPU time is not negative")
}

fn labels(at: usize) -> [KeyValue; 4] {
    [
        KeyValue::new("method", ["GET", "POST", "PUT", "DELETE"][at % 4]),
        KeyValue::new("endpoint", format!("/api/v1/resource{}/{{id}}", at / 16)),
        KeyValue::new("status", [200, 201, 404, 500][at / 4 % 4]),
        KeyValue::new("zone", "eu-1"),
    ]
}

const SERIES: usize = 100_000;
const ROUNDS: usize = 10;

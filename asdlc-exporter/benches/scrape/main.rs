//! What a scrape costs above the SDK's own collect: `cargo bench -p asdlc-exporter --bench scrape`.
//!
//! Interleaved rounds and medians for time; exact counts for allocations and peak memory. A number as argument leaves the
//! other sizes out.

#![expect(clippy::print_stdout, reason = "a program's result")]

mod subjects;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use subjects::{Exposed, collected};

fn main() {
    println!(
        "| series | subject | ms | × collect | allocations of ours | peak of ours over the output, MB |"
    );
    println!("|---|---|---|---|---|---|");
    let only = std::env::args().find_map(|argument| argument.parse().ok());
    for (series, rounds) in [(1_000, 501), (10_000, 51), (100_000, 11)] {
        if only.is_none_or(|only: usize| only == series) {
            table(series, rounds);
        }
    }
    if only.is_none() {
        stall(100_000);
    }
}

/// Its name, and how it scrapes: it returns how many bytes there are.
type Subject<'a> = (&'static str, Box<dyn FnMut() -> usize + 'a>);

/// Measures the subjects over so many histogram and so many counter series.
fn table(series: usize, rounds: usize) {
    let (mut sdk, exposed) = (collected(series), Exposed::new(series));
    let mut subjects: [Subject<'_>; 3] = [
        ("the SDK's collect", Box::new(move || sdk.collect())),
        ("text 0.0.4", Box::new(|| exposed.text())),
        ("OpenMetrics 1.0.0", Box::new(|| exposed.open_metrics())),
    ];
    for (_, run) in &mut subjects {
        run();
        run();
    }
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        for ((_, run), times) in subjects.iter_mut().zip(&mut times) {
            let start = Instant::now();
            black_box(run());
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let mut base = None;
    for ((name, run), times) in subjects.iter_mut().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let mut size = 0;
        let memory = allocation_counter::measure(|| size = run());
        let (collect, allocations, peak) =
            *base.get_or_insert((median, memory.count_total, memory.bytes_max));
        let ours = memory.count_total as i64 - allocations as i64;
        // What the SDK collects is dropped or reused by both: the rest of the peak is ours.
        let over = memory.bytes_max as f64 - peak as f64 - size as f64;
        println!(
            "| 2 × {series} | {name} | {median:.2} | {:.2} | {ours} | {:.1} |",
            median / collect,
            over / 1e6
        );
    }
}

/// The longest that recording on a warm series took while everything was scraped, over and over.
fn stall(series: usize) {
    let exposed = Exposed::new(series);
    exposed.text();
    let scrapes = 10;
    let mut longest = [Duration::ZERO; 2];
    std::thread::scope(|scope| {
        let scraper = scope.spawn(|| (0..scrapes).for_each(|_| _ = black_box(exposed.text())));
        while !scraper.is_finished() {
            for (longest, record) in longest.iter_mut().zip(exposed.recorders()) {
                let start = Instant::now();
                record();
                *longest = (*longest).max(start.elapsed());
            }
        }
    });
    let [bound, unbound] = longest.map(|longest| longest.as_secs_f64() * 1e3);
    println!(
        "\nLongest recording during {scrapes} scrapes of 2 × {series} series, ms: bound {bound:.3}, unbound {unbound:.3}"
    );
}

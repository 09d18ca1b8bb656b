//! How much a scrape costs in addition to the SDK's own collect: `cargo bench -p asdlc-exporter --bench scrape`.
//!
//! With the argument `scopes`, every series has the labels of its scope, and there is `target_info`. With `instructions`,
//! instructions are counted instead of time, which is exact on a busy machine too and needs `valgrind`.
//!
//! The rounds of all subjects are interleaved. The table has the least and the median time, and exact counts of allocations
//! and peak memory. The first number selects one number of series, the second is the number of rounds.

#![expect(clippy::print_stdout, reason = "a program's result")]

mod exposed;
mod instructions;
#[path = "../../tests/suite/sdk_alone.rs"]
mod sdk_alone;
mod subjects;

use exposed::Exposed;
use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use subjects::{SCOPES, SUBJECTS, Subject, Subjects};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let subjects = if has("scopes") { SCOPES } else { SUBJECTS };
    if let [mode, name, series] = &arguments[..]
        && mode == "count"
    {
        return instructions::count(name, series.parse().expect("a number"));
    }
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse().ok());
    let (only, rounds) = (numbers.next(), numbers.next());
    for (series, usual) in [(1_000, 501), (10_000, 51), (100_000, 11)] {
        if only.is_some_and(|only: usize| only != series) {
            continue;
        }
        println!("\n2 × {series} series:\n");
        if has("instructions") {
            instructions::table(series, subjects);
        } else {
            times(series, rounds.unwrap_or(usual), subjects);
        }
    }
    if only.is_none() && !has("instructions") {
        stall(100_000);
    }
}

/// Measures the subjects with `series` histogram and `series` counter series.
fn times(series: usize, rounds: usize, subjects: &[Subject]) {
    let sources = Subjects::new(series);
    let mut runs: Vec<_> = subjects.iter().map(|subject| (subject.new)(&sources)).collect();
    for run in &mut runs {
        run();
        run();
    }
    let mut times = vec![Vec::new(); runs.len()];
    for _ in 0..rounds {
        for (run, times) in runs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            black_box(run());
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    println!(
        "| subject | least ms | × collect | median ms | × collect | output, MB | allocations of ours | peak of ours over the output, MB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut base = None;
    for ((subject, run), times) in subjects.iter().zip(&mut runs).zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let (least, median) = (times[0], times[times.len() / 2]);
        let mut written = Written::default();
        let memory = allocation_counter::measure(|| written = run());
        if subject.is_base {
            base = Some((least, median, memory.count_total, memory.bytes_max));
        }
        let (base_least, base_median, allocations, peak) = base.expect("the first is one");
        let (least_ratio, median_ratio) = (least / base_least, median / base_median);
        print!(
            "| {} | {least:.2} | {least_ratio:.2} | {median:.2} | {median_ratio:.2} | {:.2} ",
            subject.name,
            written.bytes as f64 / 1e6,
        );
        if subject.is_elsewhere {
            println!("| | |");
            continue;
        }
        let ours = memory.count_total as i64 - allocations as i64;
        // Both drop or reuse what the SDK collects: the rest of the peak is ours.
        let over = memory.bytes_max as f64 - peak as f64 - written.new as f64;
        println!("| {ours} | {:.1} |", over / 1e6);
    }
}

/// What a scrape has written.
#[derive(Clone, Copy, Default)]
struct Written {
    bytes: usize,
    /// How many of them needed new memory.
    new: usize,
}

/// The longest recording on a warm series while another thread scrapes in a loop.
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

//! How much a scrape costs in addition to the SDK's own collect: `cargo bench -p asdlc-exporter --bench scrape`.
//!
//! With the argument `scopes`, every series has the labels of its scope, and there is `target_info`.
//!
//! The rounds of all subjects are interleaved. The table has the least and the median time, and exact counts of allocations
//! and peak memory. The first argument selects one number of series, the second is the number of rounds.

#![expect(clippy::print_stdout, reason = "a program's result")]

mod subjects;

use asdlc_exporter::Format;
use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use subjects::{Exposed, collected};

fn main() {
    println!(
        "| series | subject | least ms | × collect | median ms | × collect | allocations of ours | peak of ours over the output, MB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let (only, rounds) = (numbers.next(), numbers.next());
    let has_scopes = std::env::args().any(|argument| argument == "scopes");
    for (series, usual) in [(1_000, 501), (10_000, 51), (100_000, 11)] {
        if only.is_some_and(|only: usize| only != series) {
            continue;
        }
        if has_scopes {
            table_with_scopes(series, rounds.unwrap_or(usual));
        } else {
            table(series, rounds.unwrap_or(usual));
        }
    }
    if only.is_none() {
        stall(100_000);
    }
}

/// A name, and a function that scrapes. It returns how many bytes of new memory the output needed.
type Subject<'a> = (&'static str, Box<dyn FnMut() -> usize + 'a>);

/// Measures the subjects with `series` histogram and `series` counter series.
fn table(series: usize, rounds: usize) {
    // The service has its own exporter: otherwise one thread would free what another has allocated.
    let (mut sdk, exposed, served) =
        (collected(series), Exposed::new(series), Exposed::new(series));
    let subjects: Vec<Subject<'_>> = vec![
        ("the SDK's collect", Box::new(move || sdk.collect())),
        ("text 0.0.4", Box::new(exposed.same_text(Format::Text))),
        ("OpenMetrics 1.0.0", Box::new(exposed.same_text(Format::OpenMetrics))),
        ("protobuf", Box::new(|| exposed.protobuf())),
        ("text 0.0.4 in a new string", Box::new(|| exposed.text())),
        ("text 0.0.4 from the service", Box::new(served.service("identity"))),
        ("text 0.0.4 from the service, gzip", Box::new(served.service("gzip"))),
        ("text 0.0.4 from the service, zstd if built in", Box::new(served.service("zstd"))),
    ];
    measure(series, rounds, subjects);
}

/// Like `table`, but every series has the labels of its scope.
fn table_with_scopes(series: usize, rounds: usize) {
    let (mut sdk, exposed) = (collected(series), Exposed::with_scopes(series));
    let subjects: Vec<Subject<'_>> = vec![
        ("the SDK's collect", Box::new(move || sdk.collect())),
        ("text 0.0.4 with scope labels", Box::new(exposed.same_text(Format::Text))),
        ("OpenMetrics 1.0.0 with scope labels", Box::new(exposed.same_text(Format::OpenMetrics))),
        ("text 0.0.4 with scope labels in a new string", Box::new(|| exposed.text())),
    ];
    measure(series, rounds, subjects);
}

fn measure(series: usize, rounds: usize, mut subjects: Vec<Subject<'_>>) {
    for (_, run) in &mut subjects {
        run();
        run();
    }
    let mut times = vec![Vec::new(); subjects.len()];
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
        let (least, median) = (times[0], times[times.len() / 2]);
        let mut size = 0;
        let memory = allocation_counter::measure(|| size = run());
        let (base_least, base_median, allocations, peak) =
            *base.get_or_insert((least, median, memory.count_total, memory.bytes_max));
        let (least_ratio, median_ratio) = (least / base_least, median / base_median);
        print!(
            "| 2 × {series} | {name} | {least:.2} | {least_ratio:.2} | {median:.2} | {median_ratio:.2} "
        );
        if name.contains("service") {
            // It allocates on another thread, where allocations are not counted.
            println!("| | |");
            continue;
        }
        let ours = memory.count_total as i64 - allocations as i64;
        // Both drop or reuse what the SDK collects: the rest of the peak is ours.
        let over = memory.bytes_max as f64 - peak as f64 - size as f64;
        println!("| {ours} | {:.1} |", over / 1e6);
    }
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

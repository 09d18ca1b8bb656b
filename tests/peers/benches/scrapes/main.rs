//! What a scrape costs with each exporter: `cargo bench --no-default-features --features scrapes`.
//!
//! A number as argument leaves the other sizes out.

mod metrics_exporter_prometheus;
mod opentelemetry_prometheus;
mod otel;
mod own;
mod prometheus;
mod prometheus_client;
mod text_exporter;
mod workload;

use std::env;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let only: Option<usize> = env::args().find_map(|argument| argument.parse().ok());
    for (series, rounds) in [(1_000, 301), (100_000, 11)] {
        if only.is_none_or(|only| only == series) && !table(series, rounds) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// An exporter that has recorded everything.
struct Subject {
    name: &'static str,
    /// Writes everything, as an answer to a scrape needs it: in memory that is the answer's own.
    scrape: Box<dyn FnMut() -> Vec<u8>>,
}

impl Subject {
    fn new(name: &'static str, scrape: impl FnMut() -> Vec<u8> + 'static) -> Self {
        Self { name, scrape: Box::new(scrape) }
    }
}

/// Measures all with so many histogram and so many counter series; `false` if one does not serve them all.
fn table(series: usize, rounds: usize) -> bool {
    // First whom the others are measured by.
    let mut subjects = [
        own::collect(series),
        own::text(series),
        own::open_metrics(series),
        opentelemetry_prometheus::subject(series),
        text_exporter::subject(series),
        prometheus_client::subject(series),
        metrics_exporter_prometheus::subject(series),
        prometheus::subject(series),
    ];
    for Subject { name, scrape } in &mut subjects[OURS..] {
        if let Err(what) = workload::check(&scrape(), series) {
            eprintln!("{name} {what}: there is nothing to compare");
            return false;
        }
    }
    let mut times = [const { Vec::new() }; 8];
    for _ in 0..rounds {
        for (Subject { scrape, .. }, times) in subjects.iter_mut().zip(&mut times) {
            let start = cpu_time();
            let answer = black_box(scrape());
            times.push((cpu_time() - start).as_secs_f64() * 1e3);
            drop(answer);
        }
    }
    let medians = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    println!(
        "\n2 × {series} series:\n\n| | ms | × the SDK's collect | × ours | allocations | peak, MB | answer, MB |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (Subject { name, scrape }, median) in subjects.iter_mut().zip(medians) {
        let mut answer = 0;
        let memory = allocation_counter::measure(|| answer = scrape().len());
        println!(
            "| {name} | {median:.2} | {:.2} | {:.2} | {} | {:.2} | {:.2} |",
            median / medians[0],
            median / medians[OURS],
            memory.count_total,
            memory.bytes_max as f64 / 1e6,
            answer as f64 / 1e6,
        );
    }
    true
}

/// Of this thread, on which all of them do all of their work: what else the machine does counts little.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it never ran for less than nothing")
}

/// Where our text is among the subjects.
const OURS: usize = 1;

//! What a scrape costs with each exporter: `cargo bench --no-default-features --features scrapes`.
//!
//! A number as argument leaves the other sizes out.

mod measured;
mod metrics_exporter_prometheus;
mod opentelemetry_prometheus;
mod otel;
mod own;
mod prometheus;
mod prometheus_client;
mod text_exporter;
mod workload;

use measured::Measured;
use std::error::Error;
use std::process::ExitCode;
use std::{env, io};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let numbers = env::args().filter_map(|argument| argument.parse().ok());
    match numbers.collect::<Vec<_>>()[..] {
        [] => {
            table(1_000)?;
            table(100_000)
        }
        [series] => table(series),
        // As one of the processes that measure.
        [series, subject, ..] => {
            measured::serve(SUBJECTS[subject](series), series, io::stdin().lock())
        }
    }
}

/// An exporter that has recorded everything.
struct Subject {
    name: &'static str,
    /// Writes everything and hands it over; into memory that is used again, if there is a way to.
    scrape: Box<dyn FnMut(&mut Answer<'_>)>,
}

/// Takes the text of a scrape.
type Answer<'a> = dyn FnMut(&[u8]) + 'a;

impl Subject {
    fn new(name: &'static str, scrape: impl FnMut(&mut Answer<'_>) + 'static) -> Self {
        Self { name, scrape: Box::new(scrape) }
    }
}

/// With so many histogram and so many counter series. First whom the others are measured by.
const SUBJECTS: [fn(usize) -> Subject; 8] = [
    own::collect,
    own::text,
    own::open_metrics,
    opentelemetry_prometheus::subject,
    text_exporter::subject,
    prometheus_client::subject,
    metrics_exporter_prometheus::subject,
    prometheus::subject,
];
/// Where our text is among them.
const OURS: usize = 1;

/// Measures all, each in a process of its own: how one has used its memory changes nothing for another.
fn table(series: usize) -> Result<()> {
    // What is large is never near.
    let (rounds, scrapes) = if series > 10_000 { (11, 2) } else { (201, 4) };
    let mut subjects = Vec::new();
    for subject in 0..SUBJECTS.len() {
        subjects.push(Measured::start(series, subject)?);
    }
    for _ in 0..rounds {
        for subject in &mut subjects {
            subject.turn(scrapes)?;
        }
    }
    let results: Vec<_> = subjects.into_iter().map(Measured::end).collect::<Result<_>>()?;
    println!(
        "\n2 × {series} series:\n\n| | ms | × the SDK's collect | × ours | ms, cold | allocations | peak, MB | answer, MB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for of in &results {
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {} | {:.2} | {:.2} |",
            of.name,
            of.warm,
            of.warm / results[0].warm,
            of.warm / results[OURS].warm,
            of.cold,
            of.allocations,
            of.peak / 1e6,
            of.answer / 1e6,
        );
    }
    Ok(())
}

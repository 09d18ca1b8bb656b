//! What a scrape costs with each exporter: `cargo bench --no-default-features --features scrapes`.
//!
//! A number as argument leaves the other sizes out, and a name of a group (`text`, `protobuf`, `native`) the other groups.
//! With `exact` no time is measured: what is left is the same on a busy machine.

mod check;
mod fastmetrics;
mod groups;
mod harness;
mod measured;
mod metrics_exporter_prometheus;
mod opentelemetry_prometheus;
mod otel;
mod own;
mod prometheus;
mod prometheus_client;
mod text_exporter;
mod workload;

use groups::{GROUPS, Group};
use harness::Measured;
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
    let arguments: Vec<String> = env::args().skip(1).collect();
    let names: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // As one of the processes that measure.
    if let [mode @ ("serve" | "count"), group, subject, series] = names[..] {
        let group = GROUPS.iter().find(|known| known.name == group).ok_or("no such group")?;
        let new = group.subjects.get(subject.parse::<usize>()?).ok_or("no such subject")?;
        let series = series.parse()?;
        return match mode {
            "serve" => harness::serve(new(series), series, io::stdin().lock()),
            _ => harness::count(new(series)),
        };
    }
    let is_named = |group: &Group| names.contains(&group.name);
    let numbers: Vec<usize> = names.iter().filter_map(|name| name.parse().ok()).collect();
    for series in if numbers.is_empty() { vec![1_000, 100_000] } else { numbers } {
        for group in GROUPS {
            if is_named(&group) || !GROUPS.iter().any(is_named) {
                table(series, &group, names.contains(&"exact"))?;
            }
        }
    }
    Ok(())
}

/// An exporter that has recorded everything.
struct Subject {
    name: &'static str,
    content: Content,
    /// Writes everything and hands it over; into memory that is used again, if there is a way to.
    scrape: Box<dyn FnMut(&mut Answer<'_>)>,
}

/// Takes the answer to a scrape.
type Answer<'a> = dyn FnMut(&[u8]) + 'a;

/// What an answer has to be.
#[derive(Clone, Copy)]
enum Content {
    /// Of the SDK's collect alone.
    Nothing,
    Text,
    Protobuf,
    /// With native histograms, and with or without classic buckets.
    NativeProtobuf,
}

impl Subject {
    fn new(
        name: &'static str,
        content: Content,
        scrape: impl FnMut(&mut Answer<'_>) + 'static,
    ) -> Self {
        Self { name, content, scrape: Box::new(scrape) }
    }
}

/// Measures a group, each subject in a process of its own: how one has used its memory changes nothing for another.
fn table(series: usize, group: &Group, is_exact: bool) -> Result<()> {
    // What is large is never near.
    let is_large = series > 10_000;
    let (rounds, scrapes) = if is_large { (11, 2) } else { (201, 4) };
    let rounds = if is_exact { 0 } else { rounds };
    let mut subjects = Vec::new();
    for subject in 0..group.subjects.len() {
        subjects.push(Measured::start(series, group.name, subject)?);
    }
    for _ in 0..rounds {
        for subject in &mut subjects {
            subject.turn(scrapes)?;
        }
    }
    let mut results: Vec<_> = subjects.into_iter().map(Measured::end).collect::<Result<_>>()?;
    // A large scrape has about as many for each series, and takes minutes under valgrind.
    if !is_large {
        for (subject, of) in results.iter_mut().enumerate() {
            of.instructions = harness::instructions(series, group.name, subject);
        }
    }
    println!("\n{}, 2 × {series} series:\n", group.title);
    println!(
        "| | ms | × the SDK's collect | × ours | ms, cold | instructions, million | × the SDK's collect | × ours | allocations | peak, MB | answer, MB |\n|---|---|---|---|---|---|---|---|---|---|---|"
    );
    let collect = &results[0];
    let ours = results.iter().find(|of| of.name.starts_with("asdlc-exporter"));
    let cell = |figure: Option<f64>| figure.map_or_else(String::new, |f| format!("{f:.2}"));
    let ratio = |of: Option<f64>, to: Option<f64>| cell(of.zip(to).map(|(of, to)| of / to));
    for of in &results {
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.2} | {:.2} |",
            of.name,
            cell(of.warm),
            ratio(of.warm, collect.warm),
            ratio(of.warm, ours.and_then(|ours| ours.warm)),
            cell(of.cold),
            cell(of.instructions.map(|count| count / 1e6)),
            ratio(of.instructions, collect.instructions),
            ratio(of.instructions, ours.and_then(|ours| ours.instructions)),
            of.allocations,
            of.peak / 1e6,
            of.answer / 1e6,
        );
    }
    Ok(())
}

//! What a registry of the crate `prometheus-client` costs at a scrape: `cargo bench -p asdlc-exporter --features
//! prometheus-client --bench prometheus_client`.
//!
//! The first argument is the number of histogram series, which is also the number of counter series. The second is the
//! number of rounds. The third selects one subject, for example to count its instructions with callgrind.

#![expect(clippy::print_stdout, reason = "a program's result")]

use asdlc_exporter::{
    Exporter, Format,
    prometheus_client::{
        encoding::text,
        metrics::{counter::Counter, family::Family, histogram::Histogram},
        registry::Registry,
    },
};
use opentelemetry::KeyValue;
use std::{hint::black_box, sync::Arc, time::Instant};

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let series = numbers.next().unwrap_or(1_000);
    let rounds = numbers.next().unwrap_or(501);
    let only: Option<usize> = numbers.next();
    let registry = Arc::new(registry(series));
    let ours = recorded(series).build();
    let theirs =
        Exporter::builder("bench").with_prometheus_client_registry(registry.clone()).build();
    let (ours, theirs) = (ours.expect("an exporter"), theirs.expect("an exporter"));
    record(&ours, series);
    let mut encoded = String::new();
    let mut texts = [const { Vec::new() }; 2];
    let [served, recorded] = &mut texts;
    let mut subjects: [Subject<'_>; 3] = [
        (
            "the encoder of prometheus-client",
            Box::new(move || {
                encoded.clear();
                text::encode(&mut encoded, &registry).expect("text");
            }),
        ),
        (
            "the exporter with this registry",
            Box::new(move || theirs.render_into(Format::Text, served).expect("text")),
        ),
        (
            "the exporter with the same series of OpenTelemetry",
            Box::new(move || ours.render_into(Format::Text, recorded).expect("text")),
        ),
    ];
    let mut times = [const { Vec::new() }; 3];
    for round in 0..rounds + 2 {
        for (at, (_, run)) in subjects.iter_mut().enumerate() {
            if only.is_some_and(|only| only != at) {
                continue;
            }
            let start = Instant::now();
            run();
            black_box(&run);
            if round >= 2 {
                times[at].push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    println!("| series | subject | least ms | median ms |\n|---|---|---|---|");
    for ((name, _), times) in subjects.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        if let (Some(least), Some(median)) = (times.first(), times.get(times.len() / 2)) {
            println!("| 2 × {series} | {name} | {least:.2} | {median:.2} |");
        }
    }
}

/// A name, and a function that writes a text.
type Subject<'a> = (&'static str, Box<dyn FnMut() + 'a>);

fn registry(series: usize) -> Registry {
    let mut registry = Registry::default();
    let histograms = Family::<Vec<(&str, String)>, Histogram>::new_with_constructor(|| {
        Histogram::new(BOUNDARIES)
    });
    let counters = Family::<Vec<(&str, String)>, Counter>::default();
    registry.register("http_request_duration_seconds", "Duration of requests", histograms.clone());
    registry.register("http_requests", "Requests that got a response", counters.clone());
    for at in 0..series {
        let labels = labels(at).to_vec();
        let histogram = histograms.get_or_create(&labels);
        values(at).for_each(|value| histogram.observe(value));
        counters.get_or_create(&labels).inc_by(count(at));
    }
    registry
}

fn recorded(series: usize) -> asdlc_exporter::ExporterBuilder {
    Exporter::builder("bench").with_max_series(series + 1)
}

fn record(exporter: &Exporter, series: usize) {
    let meter = exporter.meter();
    let histogram = meter
        .f64_histogram("http_request_duration")
        .with_unit("s")
        .with_boundaries(BOUNDARIES.to_vec())
        .build();
    let counter = meter.u64_counter("http_requests").build();
    for at in 0..series {
        let labels = labels(at).map(|(key, value)| KeyValue::new(key, value));
        values(at).for_each(|value| histogram.record(value, &labels));
        counter.add(count(at), &labels);
    }
}

fn labels(at: usize) -> [(&'static str, String); 4] {
    let method = ["GET", "POST", "PUT", "DELETE"][at % 4];
    let status = ["200", "201", "404", "500"][at / 4 % 4];
    [
        ("method", method.to_owned()),
        ("endpoint", format!("/api/v1/resource{}/{{id}}", at / 16)),
        ("status", status.to_owned()),
        ("zone", "eu-1".to_owned()),
    ]
}

fn values(at: usize) -> impl Iterator<Item = f64> {
    [0.003, 0.07, 0.3, 7.0].into_iter().map(move |value| value * (at % 7 + 1) as f64)
}

fn count(at: usize) -> u64 {
    at as u64 * 37 + 1
}

const BOUNDARIES: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

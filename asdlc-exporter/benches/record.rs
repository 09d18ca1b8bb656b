//! What an observation costs in a classic histogram and in a native one: `cargo bench -p asdlc-exporter --bench record`.
//!
//! One thread records on warm series. The observations are spread evenly over four powers of ten. The table has the least time.
//! Instructions are counted if `valgrind` is there, without those of the loop.

#![expect(clippy::print_stdout, reason = "a program's result")]

use asdlc_exporter::Exporter;
use opentelemetry::KeyValue;
use std::{env, hint::black_box, process::Command, time::Instant};

fn main() {
    let values = values();
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [mode, subject] = &arguments[..]
        && mode == "count"
    {
        let (_, new) = SUBJECTS.into_iter().find(|(name, _)| name == subject).expect("a subject");
        let record = new();
        values.iter().for_each(|value| record(*value));
        return counted(&*record, &values);
    }
    println!("| | ns | instructions | × classic |");
    println!("|---|---|---|---|");
    let (mut nothing, mut classic) = (None, None);
    for (name, new) in SUBJECTS {
        let record = new();
        let time = (0..ROUNDS).map(|_| round(&*record, &values)).fold(f64::INFINITY, f64::min);
        let counted = instructions(name);
        // Without those of the loop, which the first row has alone.
        let loop_alone = *nothing.get_or_insert(counted);
        let own = counted.zip(loop_alone).map(|(of, loop_alone)| of - loop_alone);
        if name.starts_with("classic") {
            classic = own;
        }
        let ratio = own.zip(classic).map(|(of, classic)| of / classic);
        let [own, ratio] = [(own, 0), (ratio, 2)].map(|(figure, digits)| {
            figure.map_or_else(String::new, |figure: f64| format!("{figure:.digits$}"))
        });
        println!("| {name} | {time:.1} | {own} | {ratio} |");
    }
}

type Record = Box<dyn Fn(f64)>;
type Subject = (&'static str, fn() -> Record);

const SUBJECTS: [Subject; 5] = [
    ("nothing", || Box::new(|_| ())),
    ("classic, bound", || bound(false)),
    ("native, bound", || bound(true)),
    ("classic, 4 attributes", || unbound(false)),
    ("native, 4 attributes", || unbound(true)),
];

fn bound(is_native: bool) -> Record {
    let (exporter, labels) = (exporter(is_native), labels());
    let bound = histogram(&exporter).bind(&labels);
    Box::new(move |value| {
        let _alive = &exporter;
        bound.record(value);
    })
}

fn unbound(is_native: bool) -> Record {
    let (exporter, labels) = (exporter(is_native), labels());
    let histogram = histogram(&exporter);
    Box::new(move |value| {
        let _alive = &exporter;
        histogram.record(value, &labels);
    })
}

fn exporter(is_native: bool) -> Exporter {
    let builder = Exporter::builder("bench");
    let builder =
        if is_native { builder.with_native_histograms(["*_duration_seconds"]) } else { builder };
    builder.build().expect("the settings are valid")
}

fn histogram(exporter: &Exporter) -> opentelemetry::metrics::Histogram<f64> {
    let boundaries = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let meter = exporter.meter();
    meter.f64_histogram("request_duration_seconds").with_boundaries(boundaries).build()
}

fn labels() -> [KeyValue; 4] {
    [
        KeyValue::new("method", "GET"),
        KeyValue::new("endpoint", "/items/{id}"),
        KeyValue::new("status", 200),
        KeyValue::new("zone", "eu-1"),
    ]
}

/// 1 ms to 10 s, in an order that the processor does not foresee.
fn values() -> Vec<f64> {
    let scattered = (0..OBSERVATIONS).map(|at| at.wrapping_mul(2_654_435_769));
    scattered.map(|at| 1e-3 * 10f64.powf(4.0 * f64::from(at) / f64::from(u32::MAX))).collect()
}

/// Nanoseconds of an observation.
fn round(record: &dyn Fn(f64), values: &[f64]) -> f64 {
    let start = Instant::now();
    counted(record, values);
    start.elapsed().as_secs_f64() * 1e9 / f64::from(OBSERVATIONS)
}

#[inline(never)]
fn counted(record: &dyn Fn(f64), values: &[f64]) {
    values.iter().for_each(|value| record(black_box(*value)));
}

/// Of an observation, with those of the loop. `None` without valgrind.
fn instructions(name: &str) -> Option<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=record::counted*")
        .arg(env::current_exe().ok()?)
        .args(["count", name])
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let total = report.lines().find_map(|line| line.split_once("Collected : "))?.1;
    Some(total.trim().parse::<f64>().ok()? / f64::from(OBSERVATIONS))
}

const ROUNDS: usize = 31;
const OBSERVATIONS: u32 = 20_000;

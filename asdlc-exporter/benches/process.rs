//! How much time the metrics of the process add to a scrape: `cargo bench -p asdlc-exporter --features process --bench process`.

#![expect(clippy::print_stdout, reason = "a program's result")]

use asdlc_exporter::{
    Exporter,
    process::{Memory, ProcessMetrics},
};
use std::{error::Error, fs::File, hint::black_box, thread, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` only checks that it runs.
    let scrapes = if std::env::args().any(|arg| arg == "--bench") { 20_000 } else { 10 };
    for (threads, files) in [(0, 0), (64, 1_000)] {
        for _ in 0..threads {
            thread::spawn(thread::park);
        }
        let files: Vec<File> =
            (0..files).map(|_| File::open("/dev/null")).collect::<Result<_, _>>()?;
        println!("{threads} more threads, {} more files", files.len());
        let bare = median(scrapes, None)?;
        let none = ProcessMetrics::new();
        for (name, metrics) in [
            ("memory by type", none.with_memory(Memory::ByType)),
            ("memory, CPU usage", none.with_memory(Memory::Resident).with_cpu_usage()),
            ("canonical", none.with_canonical()),
            ("container", none.with_container()),
            (
                "all",
                none.with_memory(Memory::ByType).with_cpu_usage().with_canonical().with_container(),
            ),
        ] {
            let added = median(scrapes, Some(metrics))? - bare;
            println!("  {name:<20} {added:>6.1} µs a scrape");
        }
    }
    Ok(())
}

/// How long a scrape takes, in microseconds.
fn median(scrapes: usize, metrics: Option<ProcessMetrics>) -> Result<f64, Box<dyn Error>> {
    let exporter = Exporter::builder("bench").build()?;
    if let Some(metrics) = metrics {
        metrics.register(&exporter);
    }
    let mut times = Vec::with_capacity(scrapes);
    for _ in 0..scrapes {
        let start = Instant::now();
        black_box(exporter.render()?);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[scrapes / 2].as_secs_f64() * 1e6)
}

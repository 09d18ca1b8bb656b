//! The metrics of the process.

use crate::{check::check, families, value, values};
use asdlc_exporter::{
    Exporter,
    process::{self, Memory, ProcessMetrics},
};
use std::{
    error::Error,
    fs::File,
    hint,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The families that these metrics add to those of every exporter.
fn added(metrics: impl FnOnce(&opentelemetry::metrics::Meter)) -> Result<(Exporter, Vec<String>)> {
    let exporter = Exporter::builder("shop").build()?;
    let before = families(&exporter);
    metrics(&exporter.meter());
    let mut added = families(&exporter);
    added.retain(|family| !before.contains(family));
    added.sort();
    Ok((exporter, added))
}

// O-05
#[test]
fn the_default_is_only_memory_by_type() -> Result {
    let (exporter, families) = added(process::register)?;
    assert_eq!(families, ["process_memory_bytes"]);
    let memory = values(&exporter, "process_memory_bytes");
    assert!(
        matches!(memory.as_slice(), [(rss, a), (vms, b)]
            if rss == "type=rss" && vms == "type=vms" && 1e6 < *a && a < b),
        "{memory:?}"
    );
    assert_eq!(added(|meter| ProcessMetrics::new().register(meter))?.1, [""; 0]);
    Ok(())
}

// N-01
#[test]
fn the_agent_has_resident_memory_without_a_label() -> Result {
    let (exporter, families) = added(|meter| {
        ProcessMetrics::new().with_memory(Memory::Resident).with_cpu_usage().register(meter);
    })?;
    assert_eq!(families, ["process_cpu_usage", "process_memory_bytes"]);
    // Other tests of this process free memory too, so one attempt proves nothing.
    let grows = || {
        let before = value(&exporter, "process_memory_bytes");
        let ballast = hint::black_box(vec![1_u8; 64 << 20]);
        let grown = value(&exporter, "process_memory_bytes");
        hint::black_box(ballast);
        grown > before + 32e6 && grown < before + 256e6
    };
    assert!((0..50).any(|_| grows()));
    Ok(())
}

// N-01
#[test]
fn cpu_usage_shows_a_busy_thread() -> Result {
    let (exporter, _) = added(|meter| ProcessMetrics::new().with_cpu_usage().register(meter))?;
    let first = value(&exporter, "process_cpu_usage");
    assert!((0.0..=200.0).contains(&first), "the first scrape has a value: {first}");
    burn_until(|| value(&exporter, "process_cpu_usage") > 20.0);
    let cores = thread::available_parallelism()?.get() as f64;
    let busy = value(&exporter, "process_cpu_usage");
    assert!(busy <= 100.0 * cores + 2.0, "{busy} of {cores} cores");
    Ok(())
}

#[test]
fn all_canonical_families_are_served() -> Result {
    let (_, families) = added(|meter| ProcessMetrics::new().with_canonical().register(meter))?;
    let mut expected = vec![
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
    ];
    if cfg!(target_os = "linux") {
        expected.insert(5, "process_threads");
    }
    assert_eq!(families, expected);
    Ok(())
}

#[test]
fn the_canonical_families_have_the_values_of_this_process() -> Result {
    let (exporter, _) = added(|meter| ProcessMetrics::new().with_canonical().register(meter))?;

    let cpu = value(&exporter, "process_cpu_seconds_total");
    burn_until(|| value(&exporter, "process_cpu_seconds_total") >= cpu + 0.1);

    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
    let start = value(&exporter, "process_start_time_seconds");
    assert!((now - 600.0..=now + 2.0).contains(&start), "{start} is not shortly before {now}");

    let files: Vec<_> =
        (0..300).map(|_| File::open("Cargo.toml")).collect::<std::io::Result<_>>()?;
    let open = value(&exporter, "process_open_fds");
    assert!((300.0..500.0).contains(&open), "{open} with {} open files", files.len());
    drop(files);
    let open = value(&exporter, "process_open_fds");
    assert!((3.0..200.0).contains(&open), "{open}");

    let resident = value(&exporter, "process_resident_memory_bytes");
    let mapped = value(&exporter, "process_virtual_memory_bytes");
    assert!(1e6 < resident && resident < mapped, "{resident} resident of {mapped} mapped");
    Ok(())
}

#[test]
fn all_families_of_a_scrape_are_read_at_the_same_time() -> Result {
    let (exporter, _) = added(|meter| {
        ProcessMetrics::new().with_memory(Memory::ByType).with_canonical().register(meter);
    })?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // This changes the size of the address space all the time.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                drop(hint::black_box(Vec::<u8>::with_capacity(64 << 20)));
            }
        });
        let scrape = |_| {
            let samples = check(&exporter.render().expect("a scrape"));
            let mapped = samples
                .iter()
                .filter(|s| s.label("type") == Some("vms") || s.name.contains("virtual"))
                .map(|s| s.value);
            mapped.collect::<Vec<_>>()
        };
        let scrapes: Vec<_> = (0..300).map(scrape).collect();
        done.store(true, Ordering::Relaxed);
        for mapped in scrapes {
            assert!(mapped.len() == 2 && mapped[0] == mapped[1], "{mapped:?}");
        }
    });
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn limits_and_threads_are_those_of_this_process() -> Result {
    let (exporter, _) = added(|meter| ProcessMetrics::new().with_canonical().register(meter))?;
    let limit = std::process::Command::new("sh").args(["-c", "ulimit -n"]).output()?.stdout;
    let limit: f64 = String::from_utf8(limit)?.trim().parse()?;
    assert_eq!(value(&exporter, "process_max_fds"), limit);

    let (ready, end) = (Barrier::new(201), Barrier::new(201));
    let threads = thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                ready.wait();
                end.wait();
            });
        }
        ready.wait();
        let threads = value(&exporter, "process_threads");
        end.wait();
        threads
    });
    assert!((202.0..300.0).contains(&threads), "{threads}");
    Ok(())
}

/// Uses CPU time until `done` returns true.
fn burn_until(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "a minute of CPU time is not in the metrics"
        );
        for at in 0..1_000_000_u64 {
            hint::black_box(at);
        }
    }
}

//! The metrics of a process in its own PID namespace. Its process id there differs from its id in the `/proc` of the host.

use crate::value;
use asdlc_exporter::{
    Exporter,
    process::{Memory, ProcessMetrics},
};
use std::{
    env,
    error::Error,
    fs,
    process::{self, Command},
    time::SystemTime,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Set in the environment of the process that a test starts in a PID namespace.
const INSIDE: &str = "ASDLC_TEST_NAMESPACE";

// F-33
#[test]
fn with_the_proc_of_the_host_the_metrics_are_those_of_this_process() -> Result {
    if env::var_os(INSIDE).is_some() {
        return inside();
    }
    let test = "with_the_proc_of_the_host_the_metrics_are_those_of_this_process";
    unshared(&format!("namespace::{test}"), &[])
}

// F-33, a neighbour: a `/proc` of the namespace itself, as in a container.
#[test]
fn with_the_proc_of_the_namespace_the_metrics_are_those_of_this_process() -> Result {
    if env::var_os(INSIDE).is_some() {
        return inside();
    }
    let test = "with_the_proc_of_the_namespace_the_metrics_are_those_of_this_process";
    unshared(&format!("namespace::{test}"), &["--mount-proc"])
}

/// Runs this test as process 1 of a PID namespace, with a file limit that no other process has.
fn unshared(test: &str, options: &[&str]) -> Result {
    let run = |user: &[&str]| {
        Command::new("unshare")
            .args(user)
            .args(["--pid", "--fork"])
            .args(options)
            .args(["sh", "-c", r#"ulimit -n 777; exec "$0" "$@""#])
            .arg(env::current_exe()?)
            .args([test, "--exact", "--nocapture"])
            .env(INSIDE, "1")
            .output()
    };
    let mut output =
        run(&[]).map_err(|error| format!("unshare of util-linux is needed: {error}"))?;
    if String::from_utf8_lossy(&output.stderr).contains("Operation not permitted") {
        // Without root, this needs a user namespace.
        output = run(&["--user", "--map-root-user"])?;
    }
    let output_text = format!("{output:?}");
    assert!(
        output.status.success(),
        "no PID namespace could be created, or the metrics are wrong: {output_text}"
    );
    assert!(output_text.contains("1 passed"), "the test did not run: {output_text}");
    Ok(())
}

fn inside() -> Result {
    assert_eq!(process::id(), 1, "not in its own namespace");
    let exporter = Exporter::builder("shop").build()?;
    let metrics = ProcessMetrics::new().with_canonical().with_memory(Memory::Resident);
    metrics.with_cpu_usage().register(&exporter.meter());

    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = |at| -> Result<f64> {
        Ok(statm.split_ascii_whitespace().nth(at).ok_or("a field")?.parse::<f64>()? * 4096.0)
    };
    let (mapped, resident) = (pages(0)?, pages(1)?);
    let close = |value: f64, own: f64| (value - own).abs() < 16e6;
    for (family, own) in [
        ("process_virtual_memory_bytes", mapped),
        ("process_resident_memory_bytes", resident),
        ("process_memory_bytes", resident),
    ] {
        let value = value(&exporter, family);
        assert!(close(value, own), "{family}: {value} of {own}");
    }
    assert!((value(&exporter, "process_max_fds") - 777.0).abs() < 0.5);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
    let age = now - value(&exporter, "process_start_time_seconds");
    assert!((-2.0..60.0).contains(&age), "{age} s old");
    let cpu = value(&exporter, "process_cpu_seconds_total");
    assert!(cpu <= 5.0, "{cpu} s of CPU time in a process that has just started");
    Ok(())
}

//! The limits of a container: those of this process, and of one in a cgroup that a test creates.

use crate::{
    check::{Sample, check},
    value, values,
};
use asdlc_exporter::{Exporter, process::ProcessMetrics};
use std::{
    env,
    error::Error,
    fs, hint, io,
    path::{Path, PathBuf},
    process::{self, Command},
    time::{Duration, Instant},
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Set in the environment of the process that a test starts in a cgroup: the directory of the cgroup.
const INSIDE: &str = "ASDLC_TEST_CGROUP";

const THROTTLED: &str = "container_cpu_cfs_throttled_periods_total";

fn exporter() -> Result<Exporter> {
    let exporter = Exporter::builder("shop").build()?;
    ProcessMetrics::new().with_container().register(&exporter);
    Ok(exporter)
}

//
#[test]
fn the_families_belong_together() -> Result {
    let samples = check(&exporter()?.render()?);
    let value = |family: &str| Some(samples.iter().find(|sample| sample.name == family)?.value);
    let own = samples.iter().filter(|sample| sample.name.starts_with("container_"));
    for Sample { name, .. } in own {
        assert!(ALL.contains(&name.as_str()), "{name}");
    }
    // The limits depend on where this test runs. What a limit brings with it does not.
    for family in &ALL[4..] {
        assert_eq!(value(family).is_some(), value("container_cpu_limit").is_some(), "{family}");
    }
    let usage = value("container_memory_usage_bytes");
    assert!(usage >= value("container_memory_working_set_bytes"), "{samples:?}");
    // This process alone has more than a megabyte.
    assert!(usage.is_none_or(|usage| usage > 1e6), "{usage:?}");
    Ok(())
}

const ALL: [&str; 7] = [
    "container_memory_limit_bytes",
    "container_memory_usage_bytes",
    "container_memory_working_set_bytes",
    "container_cpu_limit",
    "container_cpu_cfs_periods_total",
    THROTTLED,
    "container_cpu_cfs_throttled_seconds_total",
];

//
#[test]
fn a_process_with_a_cpu_limit_shows_the_limit_and_that_it_is_throttled() -> Result {
    if let Some(directory) = env::var_os(INSIDE) {
        return inside(Path::new(&directory));
    }
    // Only root may create a cgroup, and in a container often nobody. The limits of version 1 and 2 are also tested with
    // files in `src/process/container/cgroup/tests.rs`.
    let Ok(cgroup) = Cgroup::create() else { return Ok(()) };
    let test = "container::a_process_with_a_cpu_limit_shows_the_limit_and_that_it_is_throttled";
    let output = Command::new(env::current_exe()?)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, &cgroup.inner)
        .output()?;
    let text = format!("{output:?}");
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    Ok(())
}

/// In a process of its own.
fn inside(cgroup: &Path) -> Result {
    let exporter = exporter()?;
    // It is registered before the process is moved.
    assert!(values(&exporter, "container_cpu_limit").iter().all(|(_, limit)| *limit > 0.25));
    fs::write(cgroup.join("cgroup.procs"), process::id().to_string())?;
    let limit = value(&exporter, "container_cpu_limit");
    assert!((limit - 0.2).abs() < 1e-9, "the limit of the parent, not {limit}");

    let before = value(&exporter, THROTTLED);
    let start = Instant::now();
    while value(&exporter, THROTTLED) < before + 2.0 {
        assert!(start.elapsed() < Duration::from_secs(60), "it is not throttled");
        for at in 0..1_000_000_u64 {
            hint::black_box(at);
        }
    }
    assert!(value(&exporter, "container_cpu_cfs_periods_total") >= value(&exporter, THROTTLED));
    assert!(value(&exporter, "container_cpu_cfs_throttled_seconds_total") > 0.0);
    Ok(())
}

/// A cgroup that may use a fifth of a CPU, and one without a limit in it.
struct Cgroup {
    outer: PathBuf,
    inner: PathBuf,
}

impl Cgroup {
    fn create() -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let mounted = |kind: &str| {
            let is_mounted = |line: &&str| line.contains(" - cgroup") && line.ends_with(kind);
            let mount = mounts.lines().find(is_mounted)?;
            mount.split(' ').nth(4).map(PathBuf::from)
        };
        let quota = [("cpu.cfs_period_us", "50000"), ("cpu.cfs_quota_us", "10000")];
        let v1 = ["rw,cpu", "rw,cpu,cpuacct"].into_iter().find_map(mounted);
        match v1 {
            Some(mount) => Self::create_in(&mount, &quota),
            None => Self::create_in(Path::new("/sys/fs/cgroup"), &[("cpu.max", "10000 50000")]),
        }
    }

    fn create_in(mount: &Path, files: &[(&str, &str)]) -> io::Result<Self> {
        let outer = mount.join(format!("asdlc-metrics-test-{}", process::id()));
        let cgroup = Self { inner: outer.join("inner"), outer };
        fs::create_dir_all(&cgroup.inner)?;
        for (file, text) in files {
            fs::write(cgroup.outer.join(file), text)?;
        }
        Ok(cgroup)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for directory in [&self.inner, &self.outer] {
            // The kernel may need a moment after the last process has ended.
            let start = Instant::now();
            while directory.exists() && start.elapsed() < Duration::from_secs(10) {
                let _ = fs::remove_dir(directory);
            }
        }
    }
}

//! Version, state and starts of a service.

use crate::{families, logged, value, values};
use asdlc_exporter::{
    Exporter, StateGauge,
    service_info::{self, Starts},
};
use std::{error::Error, fs, path::Path, thread};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

// D-03
#[test]
fn a_daemon_has_version_commit_and_uptime() -> Result {
    let exporter = Exporter::builder("daemon").with_namespace("palingenesis").build()?;
    let meter = exporter.meter();
    service_info::register_info(&meter, "1.2.3");
    service_info::register_build_info(&meter, "1.2.3", "0a1b2c3");
    assert_eq!(values(&exporter, "palingenesis_info"), [("version=1.2.3".into(), 1.0)]);
    assert_eq!(
        values(&exporter, "palingenesis_build_info"),
        [("commit=0a1b2c3,version=1.2.3".into(), 1.0)]
    );
    assert!(value(&exporter, "palingenesis_uptime_seconds") > 0.0);
    assert!(!families(&exporter).contains(&"palingenesis_service_info".to_owned()));
    Ok(())
}

#[derive(Clone, Copy)]
enum DaemonState {
    Monitoring = 1,
    Paused = 2,
    Waiting = 3,
    Resuming = 4,
}

impl From<DaemonState> for u64 {
    fn from(state: DaemonState) -> Self {
        state as u64
    }
}

// D-03
#[test]
fn a_state_gauge_shows_the_last_state_of_any_thread() -> Result {
    let exporter = Exporter::builder("daemon").build()?;
    let state =
        StateGauge::new(&exporter.meter(), "daemon_state", "1 to 4.", DaemonState::Monitoring);
    assert_eq!(value(&exporter, "daemon_state"), 1.0, "the initial state");
    for (set, expected) in
        [(DaemonState::Paused, 2.0), (DaemonState::Waiting, 3.0), (DaemonState::Resuming, 4.0)]
    {
        let other = state.clone();
        thread::spawn(move || other.set(set)).join().expect("set");
        assert_eq!(value(&exporter, "daemon_state"), expected);
    }
    state.set(DaemonState::Monitoring);
    drop(state);
    assert_eq!(
        value(&exporter, "daemon_state"),
        1.0,
        "the gauge is served after its handle is dropped"
    );
    Ok(())
}

//
#[test]
fn without_a_state_file_each_start_has_number_1() -> Result {
    for _ in 0..2 {
        let exporter = Exporter::builder("shop").build()?;
        service_info::register_starts(&exporter.meter());
        assert_eq!(value(&exporter, "service_starts_total"), 1.0);
    }
    Ok(())
}

/// Starts the service. Returns its starts, and the served value.
fn start(path: &Path) -> Result<(Starts, f64)> {
    let exporter = Exporter::builder("shop").build()?;
    let starts = service_info::register_starts_kept_in(&exporter.meter(), path);
    let served = value(&exporter, "service_starts_total");
    assert_eq!(served, starts.count() as f64);
    Ok((starts, served))
}

//
#[test]
fn starts_are_counted_across_restarts() -> Result {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("starts");
    for expected in 1..=12 {
        let (starts, served) = start(&path)?;
        assert_eq!(
            (served, starts.problem().map(ToString::to_string)),
            (f64::from(expected), None)
        );
    }
    let names: Vec<_> = fs::read_dir(&directory)?
        .map(|entry| entry.map(|e| e.file_name()))
        .collect::<std::io::Result<_>>()?;
    assert_eq!(names, ["starts"], "no other file is left");
    Ok(())
}

//
#[test]
fn a_damaged_file_is_a_warning_and_counts_from_1() -> Result {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("starts");
    for _ in 0..41 {
        start(&path)?;
    }
    let whole = fs::read(&path)?;
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
    damaged.push(vec![0; whole.len()]);
    damaged.push([&whole[..], b"41\n"].concat());
    damaged.push([&whole[..whole.len() - 3], b"-1\n"].concat());
    damaged.push([&whole[..whole.len() - 3], b"+41\n"].concat());
    damaged.push([&whole[..whole.len() - 3], b"99999999999999999999\n"].concat());
    for content in damaged {
        fs::write(&path, &content)?;
        let (starts, _) = start(&path)?;
        let problem = starts.problem().ok_or("no warning")?;
        assert!(problem.is_damaged() && !problem.is_foreign(), "{problem}");
        assert_eq!(
            (starts.count(), problem.to_string()),
            (
                1,
                format!(
                    "invalid state file {path:?}: it is damaged, and starts are counted from 1 again"
                )
            ),
            "{content:?}"
        );
        let (starts, _) = start(&path)?;
        assert_eq!(
            (starts.count(), starts.problem().is_none()),
            (2, true),
            "the file is valid again"
        );
    }
    // The largest number is not increased.
    fs::write(&path, String::from_utf8(whole)?.replace("41", &u64::MAX.to_string()))?;
    assert_eq!(start(&path)?.0.count(), u64::MAX);
    Ok(())
}

//
#[test]
fn a_foreign_file_is_not_changed() -> Result {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("passwd");
    // As a disk image begins.
    let zeros = "\0".repeat(4096);
    let long = "x".repeat(100_000);
    for content in ["root:x:0:0\n", "41\n", "asdlc-exporter starts 2\n41\n", &zeros, &long] {
        fs::write(&path, content)?;
        for _ in 0..2 {
            let (starts, _) = start(&path)?;
            let problem = starts.problem().ok_or("no warning")?;
            assert!(
                problem.is_foreign() && !problem.is_damaged() && starts.count() == 1,
                "{problem}"
            );
            assert!(fs::read_to_string(&path)? == content, "the file was changed");
        }
    }
    Ok(())
}

//
#[test]
fn a_file_that_cannot_be_read_or_written_is_a_warning() -> Result {
    let directory = tempfile::tempdir()?;
    let (starts, _) = start(directory.path())?;
    let problem = starts.problem().ok_or("no warning")?.to_string();
    assert!(problem.ends_with("(not a regular file): starts are not stored"), "{problem}");

    for path in [directory.path().join("no/such/starts"), "".into(), "/".into()] {
        let (starts, _) = start(&path)?;
        let problem = starts.problem().ok_or("no warning")?;
        assert!(starts.count() == 1 && problem.source().is_some(), "{problem}");
    }

    // The new file cannot be created, as on a full disk: a directory has its name.
    let path = directory.path().join("starts");
    start(&path)?;
    fs::create_dir(directory.path().join(format!(".starts.{}.tmp", std::process::id())))?;
    let (starts, _) = start(&path)?;
    let problem = starts.problem().ok_or("no warning")?;
    assert!(problem.is_write() && starts.count() == 2, "{problem}: {}", starts.count());
    Ok(())
}

//
#[test]
fn a_temporary_file_of_a_crashed_process_is_not_a_problem() -> Result {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("starts");
    start(&path)?;
    fs::write(directory.path().join(format!(".starts.{}.tmp", std::process::id())), "half")?;
    let (starts, _) = start(&path)?;
    assert_eq!((starts.count(), starts.problem().is_none()), (2, true));
    assert_eq!(fs::read_dir(&directory)?.count(), 1);
    Ok(())
}

#[test]
fn a_problem_is_logged_as_one_warning() -> Result {
    logged();
    let directory = tempfile::tempdir()?;
    start(&directory.path().join("starts"))?;
    assert_eq!(logged(), [""; 0]);
    start(directory.path())?;
    let lines = logged();
    assert!(
        matches!(lines.as_slice(), [line] if line.starts_with("WARN cannot read state file")),
        "{lines:?}"
    );
    Ok(())
}

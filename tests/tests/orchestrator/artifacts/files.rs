//! Artifacts in temporary files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::super::traffic::{Client, TASKS};
use super::Orchestrator;

#[test]
fn the_files_are_private_and_are_removed_at_the_end() {
    let temporary = TempDir::new().expect("a temporary directory can be made");
    let place = temporary.path().to_str().expect("it is UTF-8");
    let mut orchestrator = Orchestrator::start(&[("TMPDIR", place)]);
    assert_eq!(orchestrator.get().status(), 404);
    assert!(entries(temporary.path().into()).is_empty());
    orchestrator.assert_stores_and_returns("one");
    orchestrator.assert_stores_and_returns("two");
    let [directory] = &entries(temporary.path().into())[..] else { panic!("not one directory") };
    let metadata = fs::metadata(directory).expect("it exists");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
    let [file] = &entries(directory.clone())[..] else { panic!("not one file") };
    assert_eq!(fs::read(file).expect("it can be read"), b"two");

    orchestrator.example.terminate();
    let finished = orchestrator.example.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert!(entries(temporary.path().into()).is_empty());
}

#[test]
fn the_oldest_of_too_many_files_is_removed() {
    const KEPT: usize = 1_000;
    let temporary = TempDir::new().expect("a temporary directory can be made");
    let place = temporary.path().to_str().expect("it is UTF-8");
    let mut orchestrator = Orchestrator::start(&[("TMPDIR", place)]);
    orchestrator.assert_stores_and_returns("first");
    let mut client = Client::of(&orchestrator.example);
    // The program drops the oldest tasks, but not their artifacts.
    for _ in 0..KEPT {
        orchestrator.task = client.submit("word_count", "");
        assert_eq!(orchestrator.put("another").status(), 204);
    }
    let [directory] = &entries(temporary.path().into())[..] else { panic!("not one directory") };
    let files = entries(directory.clone());
    assert_eq!(files.len(), KEPT);
    assert!(files.iter().all(|file| fs::read(file).is_ok_and(|artifact| artifact == b"another")));
}

#[test]
fn without_a_writable_directory_only_artifacts_fail() {
    let mut orchestrator = Orchestrator::start(&[("TMPDIR", "/proc/nowhere")]);
    let response = orchestrator.put("one");
    assert_eq!(response.status(), 503, "{:?}", response.body());
    assert_eq!(orchestrator.get().status(), 404);
    assert_eq!(orchestrator.connection.get(TASKS).status(), 200);
}

fn entries(directory: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory exists");
    entries.map(|entry| entry.expect("it can be read").path()).collect()
}

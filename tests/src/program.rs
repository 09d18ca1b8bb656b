//! Finds the programs that tests start. Each is built with the features that its users get.
//!
//! `tests/run` builds them before the first test and names their directory in [`DIRECTORY`]. Then no test builds anything. Plain
//! `cargo test` builds a program when the first test asks for it. That is before the test starts the program, and so before any
//! deadline.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The environment variable with the directory of the built programs.
pub const DIRECTORY: &str = "TEST_PROGRAMS";

/// The path of the program of `package`.
///
/// Cargo does not build binaries of other packages for a test. If they were built together with the tests, they would also have
/// all features that the tests of any package enable in a shared dependency, unlike the program that `cargo run` builds.
#[must_use]
pub fn program(package: &'static str) -> PathBuf {
    binary(package, package)
}

/// The path of one of the programs of `package`.
#[must_use]
pub fn binary(package: &'static str, name: &'static str) -> PathBuf {
    located(name, &["--package", package, "--bin", name])
}

/// The path of the release build of `package`, for measurements. It is always built; no test starts it.
#[must_use]
pub fn release_program(package: &'static str) -> PathBuf {
    built(&["--package", package, "--bin", package, "--release"])
}

/// The path of the program of `package` with a feature that is off by default. `name` is `PACKAGE-FEATURE`, as `tests/run` names
/// its copy.
#[must_use]
pub fn program_with(package: &'static str, feature: &'static str, name: &'static str) -> PathBuf {
    located(name, &["--package", package, "--bin", package, "--features", feature])
}

/// The path of an example in the folder `examples/` of a library.
#[must_use]
pub fn library_example(
    package: &'static str,
    example: &'static str,
    features: &'static str,
) -> PathBuf {
    located(example, &["--package", package, "--example", example, "--features", features])
}

fn located(name: &str, arguments: &[&'static str]) -> PathBuf {
    match env::var_os(DIRECTORY) {
        Some(directory) => {
            in_directory(Path::new(&directory), name).unwrap_or_else(|missing| panic!("{missing}"))
        }
        None => built(arguments),
    }
}

fn in_directory(directory: &Path, name: &str) -> Result<PathBuf, String> {
    let path = directory.join(name);
    if path.is_file() {
        return Ok(path);
    }
    let directory = directory.display();
    Err(format!(
        "the program {name} was not built: it is not in {directory} ({DIRECTORY}). `tests/run` builds the programs of its \
         function `build_programs`. Without {DIRECTORY}, `cargo test` builds the program"
    ))
}

fn built(arguments: &[&'static str]) -> PathBuf {
    static BUILT: Mutex<BTreeMap<Vec<&str>, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(arguments.to_vec()).or_insert_with(|| build(arguments)).clone()
}

fn build(arguments: &[&str]) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--message-format", "json-render-diagnostics"])
        .args(arguments)
        // A relative `CARGO_TARGET_DIR` is relative to the workspace's root.
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .expect("cargo can be run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} does not build:\n{errors}");
    String::from_utf8(output.stdout)
        .expect("cargo prints UTF-8")
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the executable it built")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    // F-35
    #[test]
    fn the_error_for_a_missing_program_says_how_to_build_it() {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let missing = in_directory(directory.path(), "orchestrator").expect_err("it is empty");
        let place = directory.path().display().to_string();
        for word in ["orchestrator was not built", "tests/run", DIRECTORY, place.as_str()] {
            assert!(missing.contains(word), "{word} is not in {missing}");
        }
        std::fs::write(directory.path().join("orchestrator"), "").expect("it is writable");
        let found = in_directory(directory.path(), "orchestrator");
        assert_eq!(found, Ok(directory.path().join("orchestrator")));
    }
}

//! The programs that tests start, each with the features that its users get.
//!
//! `tests/run` builds them before the first test and says where they are in [`DIRECTORY`]; then no test builds anything. Plain
//! `cargo test` builds each when the first test asks for it: before that test starts it, and so before any deadline.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The variable with the directory of the built programs.
pub const DIRECTORY: &str = "TEST_PROGRAMS";

/// Where the program of `package` is.
///
/// Cargo builds no binaries of other packages for a test. And were they built with the tests, they would have the features
/// that any package's tests ask of a shared dependency: not what `cargo run` gives to a user.
#[must_use]
pub fn program(package: &'static str) -> PathBuf {
    located(package, &["--package", package])
}

/// As [`program`], optimised: what is measured is what users run. It is always built, and no test starts it.
#[must_use]
pub fn release_program(package: &'static str) -> PathBuf {
    built(&["--package", package, "--release"])
}

/// Where the program of `examples/` in a library's own folder is.
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
        "the program {name} was not built: it is not in {directory}, which {DIRECTORY} names. `tests/run` builds what its \
         list `build_programs` has; without {DIRECTORY}, `cargo test` builds it"
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
        // A relative `CARGO_TARGET_DIR` is one of the workspace's root.
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
    fn a_program_that_was_not_built_is_named_with_what_builds_it() {
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

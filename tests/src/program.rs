//! The example programs, built as their users build them.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Builds the program of `package`, once for each test program, and says where it is.
///
/// Cargo builds no binaries of other packages for a test. And were they built with the tests, they would have the features
/// that any package's tests ask of a shared dependency: not what `cargo run` gives to a user.
#[must_use]
pub fn program(package: &'static str) -> PathBuf {
    built(&["--package", package])
}

/// As [`program`], optimised: what is measured is what users run.
#[must_use]
pub fn release_program(package: &'static str) -> PathBuf {
    built(&["--package", package, "--release"])
}

/// Builds the program of `examples/` in a library's own folder.
#[must_use]
pub fn library_example(
    package: &'static str,
    example: &'static str,
    features: &'static str,
) -> PathBuf {
    built(&["--package", package, "--example", example, "--features", features])
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
        .current_dir(env!("CARGO_MANIFEST_DIR"))
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

//! Which release of a server a test starts.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The environment variable with the directory of the newer servers.
const DIRECTORY: &str = "NEW_SERVERS";

/// A server that exists in two releases on the machine of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "tests cover every generation")]
pub enum Generation {
    /// From the installed Debian release: Prometheus 2, `VictoriaMetrics` 1.79.
    Stable,
    /// From Debian's unstable suite: Prometheus 3, `VictoriaMetrics` 1.145. `tests/new-servers` unpacks them.
    New,
}

impl Generation {
    /// Both, the older one first.
    pub const ALL: [Self; 2] = [Self::Stable, Self::New];

    /// The program of this generation: a name in the `PATH`, or a path.
    ///
    /// # Panics
    /// If there is none of the new generation. The message says why `tests/new-servers` did not get it.
    #[must_use]
    pub fn program(self, name: &str) -> PathBuf {
        match self {
            Self::Stable => name.into(),
            Self::New => {
                in_directory(&directory(), name).unwrap_or_else(|missing| panic!("{missing}"))
            }
        }
    }
}

/// The version of the package that a program of the new generation comes from.
///
/// # Panics
/// If the package was not unpacked.
#[must_use]
pub fn new_version(package: &str) -> String {
    let file = in_directory(&directory(), "versions").unwrap_or_else(|missing| panic!("{missing}"));
    let versions = fs::read_to_string(file).expect("it can be read");
    let version = versions.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix(' '));
    version.unwrap_or_else(|| panic!("{package} is not in {versions:?}")).to_owned()
}

/// `tests/run` sets the variable. Plain `cargo test` finds the programs that `tests/run` left in the default target directory.
fn directory() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/new-servers");
    env::var_os(DIRECTORY).map_or_else(default, Into::into)
}

fn in_directory(directory: &Path, name: &str) -> Result<PathBuf, String> {
    let path = directory.join(name);
    if path.is_file() {
        return Ok(path);
    }
    let reason = fs::read_to_string(directory.join("missing"));
    let reason = reason.unwrap_or_else(|_| "tests/new-servers was not run".to_owned());
    let directory = directory.display();
    Err(format!(
        "the newer {name} of Debian's unstable suite is not in {directory} ({DIRECTORY}). `tests/run` puts it there with \
         `tests/new-servers {directory}`, which says:\n{reason}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    // F-35
    #[test]
    fn the_error_for_a_missing_server_says_why_it_could_not_be_downloaded() {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let error = || in_directory(directory.path(), "vmagent").expect_err("it is not there");
        let place = directory.path().display().to_string();
        for word in ["vmagent", "unstable", "tests/new-servers was not run", DIRECTORY, &place] {
            assert!(error().contains(word), "{word} is not in {}", error());
        }
        let write =
            |name, text| fs::write(directory.path().join(name), text).expect("it is writable");
        write("missing", "E: Unable to locate package");
        assert!(error().ends_with("which says:\nE: Unable to locate package"), "{}", error());
        write("vmagent", "");
        let found = in_directory(directory.path(), "vmagent");
        assert_eq!(found, Ok(directory.path().join("vmagent")));
    }
}

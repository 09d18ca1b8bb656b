//! The files under test.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// A path of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A path in `examples/deploy`.
pub(crate) fn deploy(path: &str) -> PathBuf {
    repository("examples/deploy").join(path)
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents of a YAML file, with merge keys (`<<`) resolved.
pub(crate) fn documents(path: &Path) -> Vec<Value> {
    let text = read(path);
    let documents = yaml_serde::Deserializer::from_str(&text).map(|document| {
        let mut value = yaml_serde::Value::deserialize(document)?;
        value.apply_merge()?;
        yaml_serde::from_value(value)
    });
    documents
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error: yaml_serde::Error| panic!("{}: {error}", path.display()))
}

/// The only document of a YAML file.
pub(crate) fn document(path: &Path) -> Value {
    let mut documents = documents(path);
    assert_eq!(documents.len(), 1, "{}", path.display());
    documents.remove(0)
}

/// The files in a directory with this ending, in order.
pub(crate) fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory can be read");
    let paths = entries.map(|entry| entry.expect("the directory can be read").path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
    files.sort();
    assert!(!files.is_empty(), "no .{ending} in {}", directory.display());
    files
}

/// The strings of a YAML or JSON list.
pub(crate) fn strings(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

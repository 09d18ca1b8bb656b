//! The published schema file, and the schema URL that the crates put into their scopes.

use std::fs;
use std::path::Path;

use yaml_serde::Value;

//
#[test]
fn the_schema_url_of_each_crate_is_that_of_the_published_file() {
    let url = asdlc_exporter::SCHEMA_URL;
    assert_eq!(tower_asdlc_metrics::SCHEMA_URL, url);
    assert_eq!(tracing_asdlc_metrics::SCHEMA_URL, url);

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let repository = format!(
        "{}/main/",
        env!("CARGO_PKG_REPOSITORY").replace("//github.com/", "//raw.githubusercontent.com/")
    );
    let path = url.strip_prefix(&repository).expect("a file of this repository");
    let file = fs::read_to_string(root.join(path)).expect("the file is in the repository");
    let schema: Value = yaml_serde::from_str(&file).expect("a schema file is YAML");

    // https://opentelemetry.io/docs/specs/otel/schemas/file_format_v1.1.0/
    assert_eq!(schema["file_format"], Value::from("1.1.0"));
    assert_eq!(schema["schema_url"], Value::from(url));
    let (_, version) = url.rsplit_once('/').expect("the URL ends with a version");
    let versions = schema["versions"].as_mapping().expect("the versions of this family");
    let last = versions.keys().filter_map(Value::as_str).max_by_key(|version| parsed(version));
    assert_eq!(last, Some(version), "the URL has the highest version of the file");
    // A schema has the version of the release that changed a name. It is never newer than the crates.
    assert!(parsed(version) <= parsed(env!("CARGO_PKG_VERSION")));
    assert!(versions.values().all(Value::is_null), "0.1.0 is the first version");
}

fn parsed(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().expect("a number")).collect()
}

//! `docs/compatibility.md` has the versions of the manifests.

use std::collections::BTreeMap;

use super::files::{read, repository};

#[test]
fn the_support_table_has_the_versions_of_the_manifest() {
    let manifest = read(&repository("Cargo.toml"));
    let document = read(&repository("docs/compatibility.md"));
    let mut rows = document.lines().skip_while(|line| !line.starts_with("| ours |"));
    let heads = cells(rows.next().expect("the table"));
    // The newest version is in the first row.
    let newest = cells(rows.nth(1).expect("the row of this version"));
    assert_eq!(heads.len(), newest.len());
    let table: BTreeMap<_, _> = heads.into_iter().zip(newest).collect();

    let version = version(&manifest, "version");
    assert!(version.starts_with(&format!("{}.", table["ours"])), "{version}");
    assert_eq!(table["Rust"], self::version(&manifest, "rust-version"));
    let mut compared = 0;
    for (head, of_table) in table.iter().filter(|(head, _)| head.starts_with('`')) {
        for name in head.split(", ").map(|name| name.trim_matches('`')) {
            assert_eq!(of_table, &self::version(&manifest, name), "{name}");
            compared += 1;
        }
    }
    assert_eq!(compared, 17);
}

// The document says that two versions in one program record nothing.
#[test]
fn this_workspace_has_one_version_of_opentelemetry() {
    let lock = read(&repository("Cargo.lock"));
    let versions: Vec<_> = lock
        .split("[[package]]")
        .filter_map(|package| package.trim_start().strip_prefix("name = \"opentelemetry\"\n"))
        .collect();
    assert_eq!(versions.len(), 1, "{versions:?}");
}

fn cells(row: &str) -> Vec<String> {
    row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The first version of this key: `KEY = "1.2"` or `KEY = { version = "1.2", … }`.
fn version(manifest: &str, key: &str) -> String {
    let start = format!("{key} = ");
    let found = manifest.lines().find_map(|line| line.strip_prefix(&start)).expect(key);
    let version = found.strip_prefix("{ version = ").unwrap_or(found);
    version.split('"').nth(1).expect(key).to_owned()
}

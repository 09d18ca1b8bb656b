//! `docs/requirements.md` and `docs/conformance.md` define every identifier that a test names, and a test names every requirement.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::conformance;
use super::files::{read, repository};

/// The folders whose Rust files name requirements.
const FOLDERS: [&str; 5] =
    ["asdlc-exporter", "examples", "tests", "tower-asdlc-metrics", "tracing-asdlc-metrics"];

#[test]
fn tests_name_only_requirements_that_are_defined() {
    let mut defined: BTreeSet<_> = rows().into_iter().map(|row| row.id).collect();
    defined.extend(conformance::ids());
    for (id, files) in named() {
        assert!(defined.contains(&id), "no document defines {id}, see {files:?}");
    }
}

#[test]
fn each_requirement_is_named_by_a_test_and_its_files_exist() {
    let named = named();
    let rows = rows();
    let ids: BTreeSet<_> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids.len(), rows.len(), "an identifier has two rows");
    for Row { id, files } in &rows {
        assert!(named.contains_key(id), "no test names {id}");
        assert!(!files.is_empty(), "{id} has no file of tests");
        for file in files {
            assert!(repository(file).exists(), "{id}: {file} does not exist");
        }
    }
}

#[test]
fn identifiers_in_a_comment_are_found() {
    let found = |line| identifiers(line, "tower").into_iter().collect::<Vec<_>>();
    assert_eq!(found("    // O-02 X-01, F-12a: why"), ["F-12a", "O-02", "X-01"]);
    assert_eq!(found("// G-01, traps 10 and 11"), ["G-01", "Trap 10 (tower)", "Trap 11 (tower)"]);
    assert_eq!(found("// Trap 7"), ["Trap 7 (tower)"]);
    for line in ["let x = O-02;", "// UTF-16 and SHA-256", "// O-2", "// O-024", "// a trap"] {
        assert!(found(line).is_empty(), "{line}");
    }
}

/// One row of the document.
struct Row {
    id: String,
    /// From its last column.
    files: Vec<String>,
}

fn rows() -> Vec<Row> {
    let text = read(&repository("docs/requirements.md"));
    let mut rows = Vec::new();
    let mut heading = "";
    for line in text.lines() {
        if line.starts_with("## ") {
            heading = line;
        }
        let cells: Vec<_> = line.split(" | ").collect();
        let id = cells[0].trim_start_matches("| ");
        // The crates have traps of their own: the heading says which crate's they are.
        let owner = FOLDERS.into_iter().find(|folder| heading.contains(&format!("`{folder}`")));
        if let Some(id) = identifiers(&format!("// {id}"), owner.unwrap_or_default()).pop_first()
            && line.starts_with("| ")
        {
            let last = cells.last().copied().unwrap_or_default();
            let files = last.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            rows.push(Row { id, files });
        }
    }
    assert!(rows.len() > 50, "docs/requirements.md has {} rows", rows.len());
    rows
}

/// Each identifier that a comment names, with the files that name it.
fn named() -> BTreeMap<String, BTreeSet<String>> {
    let mut named = BTreeMap::<_, BTreeSet<_>>::new();
    for folder in FOLDERS {
        visit(&repository(folder), &mut |path, text| {
            for id in text.lines().flat_map(|line| identifiers(line, folder)) {
                named.entry(id).or_default().insert(path.display().to_string());
            }
        });
    }
    named
}

/// Calls `file` with each Rust file below `directory`.
fn visit(directory: &Path, file: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(directory).expect("the directory can be read") {
        let path = entry.expect("the directory can be read").path();
        let name = path.file_name().unwrap_or_default();
        // This file has identifiers that are examples. `target` is what cargo builds.
        if path.is_dir() && name != "target" {
            visit(&path, file);
        } else if path.extension().is_some_and(|rs| rs == "rs") && name != "requirements.rs" {
            file(&path, &read(&path));
        }
    }
}

/// The identifiers in the comment of a line. A trap is one of `folder`.
fn identifiers(line: &str, folder: &str) -> BTreeSet<String> {
    let comment = line.split_once("//").map_or("", |(_, comment)| comment);
    let words: Vec<_> = comment
        .split(|it: char| !it.is_ascii_alphanumeric() && it != '-')
        .filter(|word| !word.is_empty())
        .collect();
    let mut found: BTreeSet<_> =
        words.iter().filter(|word| is_identifier(word)).map(|word| (*word).to_owned()).collect();
    for (index, word) in words.iter().enumerate() {
        if ["trap", "traps"].contains(&word.to_ascii_lowercase().as_str()) {
            let numbers = words[index + 1..].iter().take_while(|word| {
                **word == "and" || word.bytes().all(|byte| byte.is_ascii_digit())
            });
            let numbers = numbers.filter(|word| **word != "and");
            found.extend(numbers.map(|number| format!("Trap {number} ({folder})")));
        }
    }
    found
}

/// Whether this is `O-02` or `F-12a`.
fn is_identifier(word: &str) -> bool {
    match word.as_bytes() {
        [letter, b'-', tens, ones, rest @ ..] => {
            letter.is_ascii_uppercase()
                && tens.is_ascii_digit()
                && ones.is_ascii_digit()
                && matches!(rest, [] | [b'a'..=b'z'])
        }
        _ => false,
    }
}

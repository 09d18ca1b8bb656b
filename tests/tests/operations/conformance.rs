//! `docs/conformance.md`: each row has an answer, and each *yes* a test that exists and names the row.

use std::collections::BTreeMap;

use super::files::{read, repository};

#[test]
fn each_rule_has_an_answer_and_each_yes_a_test_that_names_it() {
    let rows = rows();
    assert!(rows.len() > 80, "{} rows", rows.len());
    let mut problems = Vec::new();
    for (id, Row { answer, tests, reason }) in &rows {
        match answer.as_str() {
            "yes" if tests.is_empty() => problems.push(format!("{id} names no test")),
            "no" | "not yet" | "not applicable" if reason.len() < 5 => {
                problems.push(format!("{id} does not say why: {reason:?}"));
            }
            "yes" | "no" | "not yet" | "not applicable" => {}
            _ => problems.push(format!("{id} has the answer {answer:?}")),
        }
        for (file, test) in tests {
            match comment_before(file, test) {
                Ok(comment) if comment.contains(id.as_str()) => {}
                Ok(comment) => {
                    problems.push(format!("{file}: {test} does not name {id}: {comment:?}"));
                }
                Err(problem) => problems.push(format!("{id}: {problem}")),
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn each_row_of_the_matrix_has_the_answer_of_its_rules() {
    let rules = rows();
    let mut count = 0;
    for cells in tables() {
        let [feature, answer, ids] = cells.as_slice() else { continue };
        if !ids.starts_with("C-") {
            continue;
        }
        count += 1;
        for id in ids.split(", ") {
            let row = rules.get(id).unwrap_or_else(|| panic!("{feature}: {id} is no row"));
            assert_eq!(&row.answer, answer, "{feature}, {id}");
        }
    }
    assert!(count >= 22 + 6, "the matrix has 22 rows, the environment 6: {count}");
}

#[test]
fn a_test_is_found_with_its_comment() {
    let here = "tests/tests/operations/conformance.rs";
    let found = comment_before(here, "a_test_that_is_an_example").expect("it is below");
    assert_eq!(found, "// An example.\n");
    for not_a_test in ["comment_before", "no_such_function"] {
        assert!(comment_before(here, not_a_test).is_err(), "{not_a_test}");
    }
}

// An example.
#[test]
fn a_test_that_is_an_example() {
    let row = tests_in("`a/b.rs`: `c`, `d`. The rest is `prose`.");
    assert_eq!(
        row,
        [("asdlc-exporter/tests/suite/a/b.rs", "c"), ("asdlc-exporter/tests/suite/a/b.rs", "d")]
            .map(|(file, test)| (file.to_owned(), test.to_owned()))
    );
    assert!(tests_in("`prose`: `c`").is_empty());
}

/// The identifiers of all rules. Tests name them as they name requirements.
pub(crate) fn ids() -> Vec<String> {
    rows().into_keys().collect()
}

struct Row {
    answer: String,
    /// Files from the root of the repository, and functions.
    tests: Vec<(String, String)>,
    reason: String,
}

fn rows() -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    let mut last = Vec::new();
    for cells in tables() {
        let [id, rule, answer, reason] = cells.as_slice() else { continue };
        if !id.starts_with("C-") {
            continue;
        }
        assert!(!rule.is_empty(), "{id} has no rule");
        let named = tests_in(reason);
        // The test of the row above.
        let tests = if reason.starts_with("the same") { last } else { named };
        last = tests.clone();
        let tests = if answer == "yes" { tests } else { Vec::new() };
        let row = Row { answer: answer.clone(), tests, reason: reason.clone() };
        assert!(rows.insert(id.clone(), row).is_none(), "{id} has two rows");
    }
    rows
}

/// The cells of each row of each table.
fn tables() -> Vec<Vec<String>> {
    let text = read(&repository("docs/conformance.md"));
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.map(|row| row.split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The tests that a cell names: `` `file.rs`: `test`, `test` ``.
fn tests_in(cell: &str) -> Vec<(String, String)> {
    let mut tests = Vec::new();
    let mut file = None;
    // Text and code by turns.
    for (at, part) in cell.split('`').enumerate() {
        let is_code = at % 2 == 1;
        if is_code && part.ends_with(".rs") {
            let folder = match part {
                _ if part.starts_with("src/") => "asdlc-exporter/",
                _ if repository(part).exists() => "",
                _ => "asdlc-exporter/tests/suite/",
            };
            file = Some(format!("{folder}{part}"));
        } else if let (true, Some(file)) = (is_code, &file) {
            tests.push((file.clone(), part.to_owned()));
        } else if file.is_some() && ![": ", ", "].contains(&part) {
            break;
        }
    }
    tests
}

/// The comment before a test. The error says what is missing.
fn comment_before(file: &str, test: &str) -> Result<String, String> {
    let path = repository(file);
    if !path.exists() {
        return Err(format!("{file} does not exist"));
    }
    let text = read(&path);
    let function = format!("fn {test}(");
    let (before, _) = text.split_once(&function).ok_or(format!("{file} has no function {test}"))?;
    let mut is_test = false;
    let mut comment = String::new();
    let (lines_before, _) = before.rsplit_once('\n').unwrap_or_default();
    for line in lines_before.lines().rev().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.ends_with("test]");
        } else if line.starts_with("//") {
            comment = format!("{line}\n{comment}");
        } else {
            break;
        }
    }
    if is_test { Ok(comment) } else { Err(format!("{file}: {test} is not a test")) }
}

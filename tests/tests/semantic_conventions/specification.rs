//! The tables of the specification, read from `docs/semantic-conventions.md`.

use std::collections::BTreeMap;
use std::path::Path;

/// A metric, as the specification defines it.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) instrument: String,
    pub(crate) unit: String,
    pub(crate) level: Level,
    pub(crate) description: String,
    pub(crate) attributes: Vec<Attribute>,
}

#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub(crate) key: String,
    /// `string` or `int`.
    pub(crate) kind: String,
    pub(crate) level: Level,
    /// The document has a reason why it is not recorded.
    pub(crate) is_left_out: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Required,
    /// The document has the condition.
    Conditional,
    Recommended,
    OptIn,
}

impl Metric {
    /// All metrics of the document.
    pub(crate) fn all() -> Vec<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/semantic-conventions.md");
        let text = std::fs::read_to_string(&path).expect("the document exists");
        let mut attributes = attributes(&text);
        let metrics: Vec<_> = rows(section(&text, "## Metrics"))
            .map(|row| {
                let [name, instrument, unit, level, _stability, description] = row;
                let name = code(name).to_owned();
                let attributes = attributes.remove(&name);
                Self {
                    attributes: attributes.unwrap_or_else(|| panic!("{name} has no table")),
                    name,
                    instrument: instrument.to_owned(),
                    unit: code(unit).to_owned(),
                    level: Level::parse(level),
                    description: description.to_owned(),
                }
            })
            .collect();
        assert!(attributes.is_empty(), "no metrics: {:?}", attributes.keys());
        metrics
    }

    pub(crate) fn attribute(&self, key: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.key == key)
    }
}

impl Level {
    fn parse(level: &str) -> Self {
        match level {
            "required" => Self::Required,
            "recommended" => Self::Recommended,
            "opt-in" => Self::OptIn,
            conditional if conditional.starts_with("required if ") => Self::Conditional,
            other => panic!("no requirement level: {other}"),
        }
    }
}

/// The families that the document lists, by metric.
pub(crate) fn families() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/semantic-conventions.md");
    let text = std::fs::read_to_string(&path).expect("the document exists");
    let rows = rows(section(&text, "## Prometheus"));
    rows.map(|[metric, family]| (code(metric).to_owned(), code(family).to_owned())).collect()
}

/// The tables of attributes, by metric. A table can be that of several metrics.
fn attributes(text: &str) -> BTreeMap<String, Vec<Attribute>> {
    let mut tables = BTreeMap::new();
    for part in section(text, "## Attributes").split("\n### ").skip(1) {
        let (names, table) = part.split_once('\n').expect("a heading is a line");
        let table: Vec<_> = rows(table)
            .map(|[key, kind, level, recorded]| Attribute {
                key: code(key).to_owned(),
                kind: kind.to_owned(),
                level: Level::parse(level),
                is_left_out: recorded.starts_with("not recorded: "),
            })
            .collect();
        for name in names.split(", ") {
            let before = tables.insert(code(name).to_owned(), table.clone());
            assert!(before.is_none(), "{name} has two tables");
        }
    }
    tables
}

/// The text from this heading to the next one of the same level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, after) = text.split_once(&format!("\n{heading}\n")).expect("the section exists");
    after.split_once("\n## ").map_or(after, |(section, _)| section)
}

/// The rows of the only table, without its two head lines.
fn rows<const N: usize>(text: &str) -> impl Iterator<Item = [&str; N]> {
    text.lines().filter(|line| line.starts_with('|')).skip(2).map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        cells.try_into().unwrap_or_else(|_| panic!("a row has {N} cells: {line}"))
    })
}

fn code(cell: &str) -> &str {
    let code = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
    code.unwrap_or_else(|| panic!("no code: {cell}"))
}

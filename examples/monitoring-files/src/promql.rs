//! Builds expressions of several lines.

use crate::convention::Requests;

/// A label that a convention has under other names.
#[derive(Debug)]
pub(crate) struct Renamed {
    /// The name in rules and panels.
    pub(crate) label: &'static str,
    /// The names in the convention. A series has at most one of them.
    pub(crate) from: &'static [&'static str],
    /// Further values: (value, the label that decides, the value of that label).
    pub(crate) replaced: &'static [(&'static str, &'static str, &'static str)],
}

impl Renamed {
    /// Gives `label` to each series of `vector`.
    fn add(&self, vector: &str) -> String {
        let Self { label, from, replaced } = self;
        let sources: Vec<_> = from.iter().map(|source| format!(r#""{source}""#)).collect();
        let joined =
            call("label_join", vector, &format!(r#""{label}", "", {}"#, sources.join(", ")));
        replaced.iter().fold(joined, |vector, (value, source, is)| {
            call("label_replace", &vector, &format!(r#""{label}", "{value}", "{source}", "{is}""#))
        })
    }

    /// The labels that `add` reads.
    fn sources(&self) -> impl Iterator<Item = &str> {
        let decides = self.replaced.iter().map(|(_, source, _)| *source);
        self.from.iter().copied().chain(decides.filter(|source| *source != self.label))
    }
}

impl Requests {
    /// `sum by (labels) (vector)`, where `vector` has the labels of the convention, and `labels` are those of rules and panels.
    pub(crate) fn sum_by(&self, labels: &str, vector: &str) -> String {
        self.aggregate_by("sum", labels, vector)
    }

    /// As `sum_by`, for another operation whose results can be added, such as `count`.
    pub(crate) fn aggregate_by(&self, operation: &str, labels: &str, vector: &str) -> String {
        let all: Vec<_> = labels.split(", ").collect();
        let renamed: Vec<_> = self.renamed.iter().filter(|it| all.contains(&it.label)).collect();
        if renamed.is_empty() {
            return aggregate_by(operation, labels, vector);
        }
        // Before labels are renamed, because that copies each series.
        let is_kept = |label: &&str| renamed.iter().all(|it| it.label != *label);
        let kept = all.iter().copied().filter(is_kept);
        let sources: Vec<_> = kept.chain(renamed.iter().flat_map(|it| it.sources())).collect();
        let aggregated = aggregate_by(operation, &sources.join(", "), vector);
        sum_by(labels, &renamed.iter().fold(aggregated, |vector, renamed| renamed.add(&vector)))
    }
}

/// `sum by (labels) (vector)`.
pub(crate) fn sum_by(labels: &str, vector: &str) -> String {
    aggregate_by("sum", labels, vector)
}

fn aggregate_by(operation: &str, labels: &str, vector: &str) -> String {
    format!("{operation} by ({labels}) (\n{}\n)", indented(vector, 2))
}

fn call(function: &str, vector: &str, arguments: &str) -> String {
    format!("{function}(\n{},\n  {arguments}\n)", indented(vector, 2))
}

/// Puts this number of spaces before each line.
pub(crate) fn indented(text: &str, spaces: usize) -> String {
    let lines: Vec<_> = text
        .lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("{:spaces$}{line}", "") })
        .collect();
    lines.join("\n")
}

/// The expression in one line, as the panels of a dashboard have it.
pub(crate) fn one_line(expression: &str) -> String {
    let mut line = String::new();
    for part in expression.lines().map(str::trim) {
        if !line.is_empty() && !line.ends_with('(') && !part.starts_with(')') {
            line.push(' ');
        }
        line.push_str(part);
    }
    line
}

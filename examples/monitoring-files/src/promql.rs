//! Builds expressions of several lines.

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

/// The labels that a convention has under other names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renames(pub(crate) &'static [Renamed]);

impl Renames {
    pub(crate) const NONE: Self = Self(&[]);

    /// `sum by (labels) (vector)`, where `vector` has the labels of the convention, and `labels` are those of rules and panels.
    pub(crate) fn sum_by(self, labels: &str, vector: &str) -> String {
        self.aggregate_by("sum", labels, vector)
    }

    /// As `sum_by`, for another operation whose results can be added, such as `count`.
    pub(crate) fn aggregate_by(self, operation: &str, labels: &str, vector: &str) -> String {
        if self.among(labels).next().is_none() {
            return aggregate_by(operation, labels, vector);
        }
        // Before labels are renamed, because that copies each series.
        let aggregated = aggregate_by(operation, &self.sources(labels), vector);
        sum_by(labels, &self.rename(labels, &aggregated))
    }

    /// The names in the convention from which `rename` makes these labels.
    pub(crate) fn sources(self, labels: &str) -> String {
        let is_kept = |label: &&str| self.0.iter().all(|it| it.label != *label);
        let mut sources: Vec<_> = labels.split(", ").filter(is_kept).collect();
        for renamed in self.among(labels) {
            sources.extend(renamed.sources());
        }
        sources.join(", ")
    }

    /// Gives these labels to each series of `vector`.
    pub(crate) fn rename(self, labels: &str, vector: &str) -> String {
        self.among(labels).fold(vector.to_owned(), |vector, renamed| renamed.add(&vector))
    }

    /// Those of these labels.
    fn among(self, labels: &str) -> impl Iterator<Item = &'static Renamed> {
        self.0.iter().filter(move |it| labels.split(", ").any(|label| label == it.label))
    }
}

/// `sum by (labels) (vector)`.
pub(crate) fn sum_by(labels: &str, vector: &str) -> String {
    aggregate_by("sum", labels, vector)
}

/// `operation by (labels) (vector)`. `""` is no label.
pub(crate) fn aggregate_by(operation: &str, labels: &str, vector: &str) -> String {
    let by = if labels.is_empty() { "" } else { &format!(" by ({labels}) ") };
    format!("{operation}{by}(\n{}\n)", indented(vector, 2))
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

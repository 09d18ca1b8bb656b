//! The table, and whether all of it agrees.

use std::fmt::Display;

/// Rows of Markdown; each may disagree.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    disagreements: usize,
}

impl Report {
    pub(crate) fn section(&mut self, columns: &[&str]) {
        let rule = "---|".repeat(columns.len());
        self.lines.extend([
            String::new(),
            format!("| {} |", columns.join(" | ")),
            format!("|{rule}"),
        ]);
    }

    /// A row that only tells.
    pub(crate) fn tell(&mut self, cells: &[&dyn Display]) {
        let cells: Vec<_> = cells.iter().map(ToString::to_string).collect();
        self.lines.push(format!("| {} |", cells.join(" | ")));
    }

    /// A row that must agree; says so in its last cell.
    pub(crate) fn check(&mut self, cells: &[&dyn Display], agrees: bool) {
        self.disagreements += usize::from(!agrees);
        let verdict: &dyn Display = if agrees { &"yes" } else { &"**NO**" };
        self.tell(&[cells, &[verdict]].concat());
    }

    /// Something went wrong that is in no table.
    pub(crate) fn complain(&mut self, what: &str) {
        self.disagreements += 1;
        self.lines.extend([String::new(), format!("**NO**: {what}")]);
    }

    pub(crate) fn agrees(&self) -> bool {
        self.disagreements == 0
    }

    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// Bytes, to be read.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

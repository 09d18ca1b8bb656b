//! The table that is printed, and whether all its rows agree.

use std::fmt::Display;

/// Tables in Markdown, and the number of rows that do not agree.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    disagreements: usize,
}

impl Report {
    /// Starts a table with these columns.
    pub(crate) fn section(&mut self, columns: &[&str]) {
        let rule = "---|".repeat(columns.len());
        self.lines.extend([
            String::new(),
            format!("| {} |", columns.join(" | ")),
            format!("|{rule}"),
        ]);
    }

    /// Adds a row that is not checked.
    pub(crate) fn row(&mut self, cells: &[&dyn Display]) {
        let cells: Vec<_> = cells.iter().map(ToString::to_string).collect();
        self.lines.push(format!("| {} |", cells.join(" | ")));
    }

    /// Adds a row that must agree. The last cell says whether it does.
    pub(crate) fn check(&mut self, cells: &[&dyn Display], agrees: bool) {
        self.disagreements += usize::from(!agrees);
        let verdict: &dyn Display = if agrees { &"yes" } else { &"**NO**" };
        self.row(&[cells, &[verdict]].concat());
    }

    /// Adds a failure that belongs to no table.
    pub(crate) fn fail(&mut self, what: &str) {
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

/// Formats bytes for the table.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

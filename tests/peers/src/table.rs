//! The ladder's table, with how many times our own figure each other's is.

/// Adds two columns: the time on one thread and the instructions, both over the base, as multiples of the row that is named
/// `ours`.
///
/// # Panics
///
/// If that row is not there, or no column is named `instructions`.
#[must_use]
pub fn with_ratios(table: &str, ours: &str) -> String {
    let row = table.lines().find(|line| cell(line, NAME) == ours).expect("a row of ours");
    let header = table.lines().next().unwrap_or_default();
    let instructions = header.split('|').position(|cell| cell.trim() == "instructions");
    let instructions = instructions.expect("a column of instructions");
    let mut text = String::new();
    for (index, line) in table.lines().enumerate() {
        let last = match index {
            0 => " × ours, 1 thread | × ours, instructions |".to_owned(),
            1 => "---|---|".to_owned(),
            _ => format!(" {} | {} |", ratio(line, row, TIME), ratio(line, row, instructions)),
        };
        text.push_str(&format!("{line}{last}\n"));
    }
    text
}

/// Empty for what is not over anything or less than the base, and where a figure is missing.
fn ratio(line: &str, ours: &str, column: usize) -> String {
    match (over(line, column), over(ours, column)) {
        (Some(figure), Some(ours)) if figure >= 0.0 && ours > 0.0 => {
            format!("{:.1}", figure / ours)
        }
        _ => String::new(),
    }
}

/// `+12`, or the 12 of `30 (+12)`.
fn over(line: &str, column: usize) -> Option<f64> {
    cell(line, column).split_once('+')?.1.trim_end_matches(')').parse().ok()
}

fn cell(line: &str, column: usize) -> &str {
    line.split('|').nth(column).unwrap_or_default().trim()
}

const NAME: usize = 1;
const TIME: usize = 2;

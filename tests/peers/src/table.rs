//! The ladder's table, with how many times our own figure each other's is.

/// Adds two columns: the time on one thread and the instructions, both over the base, as multiples of the row that is named
/// `ours`. The base is the row of that name, or what all rows are over already; rows before it are left empty.
///
/// # Panics
///
/// If one of these rows is not there, or no column is named `instructions`.
#[must_use]
pub fn with_ratios(table: &str, base: Option<&str>, ours: &str) -> String {
    let place = |name: &str| table.lines().position(|line| cell(line, NAME) == name);
    let row = |index| table.lines().nth(index).unwrap_or_default();
    let ours = row(place(ours).expect("a row of ours"));
    let base = base.map(|name| place(name).expect("the base"));
    let header = table.lines().next().unwrap_or_default();
    let instructions = header.split('|').position(|cell| cell.trim() == "instructions");
    let instructions = instructions.expect("a column of instructions");
    let ratio = |line: &str, column| {
        let base = base.and_then(|base| over(row(base), column)).unwrap_or_default();
        match (over(line, column), over(ours, column)) {
            (Some(figure), Some(ours)) if figure >= base && ours > base => {
                format!("{:.1}", (figure - base) / (ours - base))
            }
            // Less than the base, or a figure is missing.
            _ => String::new(),
        }
    };
    let mut text = String::new();
    for (index, line) in table.lines().enumerate() {
        let last = match index {
            0 => " × ours, 1 thread | × ours, instructions |".to_owned(),
            1 => "---|---|".to_owned(),
            _ if base.is_some_and(|base| index <= base) => "  |  |".to_owned(),
            _ => format!(" {} | {} |", ratio(line, TIME), ratio(line, instructions)),
        };
        text.push_str(&format!("{line}{last}\n"));
    }
    text
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

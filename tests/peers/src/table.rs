//! The ladder's table, with how many times our own figure each other's is.

/// Adds two columns: the time on one thread and the instructions, both over the base, as multiples of a row of ours.
///
/// - The base of a row is the nearest row above it that is one of `bases`. Rows without one are left empty. If there are no
///   `bases`, it is what the table's figures are over already.
/// - A row of ours is compared with the first row of ours over the same base; any other row with the nearest row of ours above
///   it, or the first.
///
/// # Panics
///
/// If one of these rows is not there, or no column is named `instructions`.
#[must_use]
pub fn with_ratios(table: &str, bases: &[&str], ours: &[&str]) -> String {
    let lines: Vec<&str> = table.lines().collect();
    let place = |name: &&str| lines.iter().position(|line| cell(line, NAME) == *name);
    let places = |names: &[&str]| -> Vec<usize> {
        names.iter().map(|name| place(name).expect("a row of this name")).collect()
    };
    let (base_places, our_places) = (places(bases), places(ours));
    let first = *our_places.iter().min().expect("a row of ours");
    let header = lines.first().copied().unwrap_or_default();
    let instructions = header.split('|').position(|cell| cell.trim() == "instructions");
    let instructions = instructions.expect("a column of instructions");

    let base_of = |row: usize| base_places.iter().filter(|base| **base < row).max();
    // Over the row's base.
    let cost = |row: usize, column| {
        let figure = over(lines[row], column)?;
        match base_of(row) {
            Some(base) => Some(figure - over(lines[*base], column)?),
            None => bases.is_empty().then_some(figure),
        }
    };
    let ratio = |row: usize, column| {
        let ours = if our_places.contains(&row) {
            our_places.iter().filter(|place| base_of(**place) == base_of(row)).min()
        } else {
            our_places.iter().filter(|place| **place < row).max()
        };
        let ours = *ours.unwrap_or(&first);
        match (cost(row, column), cost(ours, column)) {
            (Some(cost), Some(ours)) if cost >= 0.0 && ours > 0.0 => {
                format!("{:.2}", cost / ours)
            }
            // Less than the base, or a figure is missing.
            _ => String::new(),
        }
    };
    let mut text = String::new();
    for (row, line) in lines.iter().enumerate() {
        let last = match row {
            0 => " × ours, 1 thread | × ours, instructions |".to_owned(),
            1 => "---|---|".to_owned(),
            _ if base_places.contains(&row) => "  |  |".to_owned(),
            _ => format!(" {} | {} |", ratio(row, TIME), ratio(row, instructions)),
        };
        text.push_str(&format!("{line}{last}\n"));
    }
    text
}

/// `+12`, `-1`, or the 12 of `30 (+12)`.
fn over(line: &str, column: usize) -> Option<f64> {
    let cell = cell(line, column);
    let figure = cell.split_once('+').map(|(_, figure)| figure.trim_end_matches(')'));
    figure.or_else(|| cell.starts_with('-').then_some(cell))?.parse().ok()
}

fn cell(line: &str, column: usize) -> &str {
    line.split('|').nth(column).unwrap_or_default().trim()
}

const NAME: usize = 1;
const TIME: usize = 2;

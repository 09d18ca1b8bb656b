//! Reads the text of a registry: `OpenMetrics`, as the crate `prometheus-client` writes it.
//!
//! The parser reads what the crate writes, and not every `OpenMetrics` text. In two points, the crate
//! writes what `OpenMetrics` does not allow:
//!
//! * The crate does not check names and label keys. So they can have characters that Prometheus rejects.
//!   These are replaced later, as in all names.
//! * The crate does not escape help texts. So a help text is read as it is, and can have several lines.
//!
//! A line that cannot be read costs only the family to which it belongs.
//!
//! Parsers of other crates are not used. `openmetrics-parser` 0.5 has the licence LGPL-3.0, and its integers
//! are `i64`: counters above that become `f64`, which rounds them. `prometheus-parse` 0.2 reads text
//! format 0.0.4, all numbers as `f64`, and depends on `regex` and `chrono`. Both reject a whole text for one
//! line.

use crate::families::{
    foreign::prometheus_client::{
        family::{Family, Series, Value},
        histogram::HistogramReader,
        sample::{read_labels, read_number_after_space},
    },
    model::FamilyKind,
};

/// The families of a text, in its order.
pub(super) struct Families<'a> {
    text: &'a str,
    /// Where the next line begins.
    at: usize,
}

impl<'a> Families<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The family whose HELP line was read.
    fn family(&mut self, line: &'a str, about: &'a str) -> Result<Family<'a>, &'a str> {
        let (name, help) = about.split_once(' ').unwrap_or((about, ""));
        let help_start = self.at.saturating_sub(help.len() + 1);
        let (type_name, help_end) = loop {
            let help_end = self.at.saturating_sub(1);
            let next = self.line_if(|line| !line.starts_with(HELP)).ok_or(line)?;
            if let Some(type_name) = about_family(next, TYPE, name) {
                break (type_name, help_end);
            }
        };
        let (kind, suffix) = kind_and_suffix(type_name).ok_or(line)?;
        let unit = self.line_if(|line| about_family(line, UNIT, name).is_some());
        let mut family = Family {
            name,
            help: self.text.get(help_start..help_end).unwrap_or_default(),
            unit: unit.and_then(|unit| about_family(unit, UNIT, name)).unwrap_or_default(),
            kind: Ok(kind),
            suffix,
            series: Vec::new(),
            labels: Vec::new(),
        };
        self.samples(&mut family, kind)?;
        Ok(family)
    }

    fn samples(&mut self, family: &mut Family<'a>, kind: FamilyKind) -> Result<(), &'a str> {
        let mut histograms = HistogramReader::default();
        // Where the labels of the previous sample begin.
        let mut previous = 0;
        let mut last = "";
        while let Some(line) = self.line_if(|line| !line.starts_with(COMMENT)) {
            last = line;
            let sample = line.strip_prefix(family.name).ok_or(line)?;
            if is_created(sample, kind) {
                continue;
            }
            if kind == FamilyKind::Histogram {
                histograms.read(sample, family).ok_or(line)?;
                continue;
            }
            let labels = sample.strip_prefix(family.suffix).ok_or(line)?;
            let start = family.labels.len();
            let (_, after) = read_labels(labels, &mut family.labels, previous).ok_or(line)?;
            let value = Value::Number(read_number_after_space(after).ok_or(line)?);
            family.series.push(Series { labels_end: family.labels.len(), value });
            previous = start;
        }
        histograms.finish(family, family.labels.len()).ok_or(last)
    }

    /// The next line, if it is as expected.
    fn line_if(&mut self, is_expected: impl Fn(&str) -> bool) -> Option<&'a str> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
        if !is_expected(line) {
            return None;
        }
        self.at += line.len() + 1;
        Some(line)
    }
}

impl<'a> Iterator for Families<'a> {
    type Item = Family<'a>;

    fn next(&mut self) -> Option<Family<'a>> {
        let line = self.line_if(|line| line != EOF)?;
        let family = match line.strip_prefix(HELP) {
            Some(about) => self.family(line, about),
            None => Err(line),
        };
        Some(family.unwrap_or_else(|unread| {
            // The rest of the family is not read either.
            while self.line_if(|line| !line.starts_with(HELP) && line != EOF).is_some() {}
            Family::unreadable(family_name(line), unread)
        }))
    }
}

/// What a line says about the family: the text after the keyword, the name and a space.
fn about_family<'a>(line: &'a str, keyword: &str, name: &str) -> Option<&'a str> {
    line.strip_prefix(keyword)?.strip_prefix(name)?.strip_prefix(' ')
}

/// The kind of a type, and what its samples append to the name of the family.
fn kind_and_suffix(type_name: &str) -> Option<(FamilyKind, &'static str)> {
    match type_name {
        "counter" => Some((FamilyKind::Counter, "_total")),
        "gauge" => Some((FamilyKind::Gauge, "")),
        "histogram" => Some((FamilyKind::Histogram, "")),
        "info" => Some((FamilyKind::Gauge, "_info")),
        "unknown" => Some((FamilyKind::Unknown, "")),
        // The crate has no other types.
        _ => None,
    }
}

/// Whether the sample is the time at which a series was created. It is not served.
fn is_created(sample: &str, kind: FamilyKind) -> bool {
    matches!(kind, FamilyKind::Counter | FamilyKind::Histogram)
        && sample.strip_prefix("_created").is_some_and(|rest| rest.starts_with(['{', ' ']))
}

/// The name of the family in the first line of a family, or in a line of no family.
fn family_name(line: &str) -> &str {
    let name = [HELP, TYPE, UNIT].iter().find_map(|keyword| line.strip_prefix(keyword));
    name.unwrap_or(line).split([' ', '{']).next().unwrap_or_default()
}

const COMMENT: &str = "# ";
const HELP: &str = "# HELP ";
const TYPE: &str = "# TYPE ";
const UNIT: &str = "# UNIT ";
const EOF: &str = "# EOF";

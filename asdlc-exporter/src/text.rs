//! The Prometheus text format 0.0.4, line by line.

use crate::model::{Bucket, Kind, Number};
use std::{fmt::Write as _, ops::Range};

/// Writes families one after the other: [`family`](Self::family) first, then its series.
pub(crate) struct TextWriter<'a> {
    out: &'a mut String,
    constant: &'a str,
    name: String,
    bounds: BoundTexts,
}

impl<'a> TextWriter<'a> {
    /// A writer that adds the constant labels to every series.
    pub(crate) fn new(out: &'a mut String, constant: &'a str) -> Self {
        Self { out, constant, name: String::new(), bounds: BoundTexts::default() }
    }

    /// Begins a family; every family has both lines, the help text may be empty.
    pub(crate) fn family(&mut self, name: &str, help: &str, kind: Kind) {
        name.clone_into(&mut self.name);
        for part in ["# HELP ", name, " "] {
            self.out.push_str(part);
        }
        push_help(self.out, help);
        for part in ["\n# TYPE ", name, " ", kind.as_str(), "\n"] {
            self.out.push_str(part);
        }
    }

    /// A series of a counter or gauge.
    pub(crate) fn sample(&mut self, labels: &str, value: Number) {
        self.line("", labels);
        self.end_labels(labels);
        self.end(value);
    }

    /// A series of a histogram: the buckets, the one at `+Inf` that equals `count`, sum and count.
    pub(crate) fn histogram(&mut self, labels: &str, buckets: &[Bucket], count: u64, sum: Number) {
        let start = self.out.len();
        self.line("_bucket", labels);
        self.out.push_str(if self.constant.is_empty() && labels.is_empty() {
            "{le=\""
        } else {
            ",le=\""
        });
        // What all bucket lines of the series begin with: copied from line to line.
        let head = start..self.out.len();
        self.bounds.prepare(buckets);
        for (at, bucket) in buckets.iter().enumerate() {
            self.out.push_str(self.bounds.get(at));
            self.out.push_str("\"}");
            self.end(Number::U64(bucket.cumulative));
            self.out.extend_from_within(head.clone());
        }
        self.out.push_str("+Inf\"}");
        self.end(Number::U64(count));
        for (suffix, value) in [("_sum", sum), ("_count", Number::U64(count))] {
            self.line(suffix, labels);
            self.end_labels(labels);
            self.end(value);
        }
    }

    /// Name and labels, without the closing brace.
    fn line(&mut self, suffix: &str, labels: &str) {
        self.out.push_str(&self.name);
        self.out.push_str(suffix);
        let mut separator = '{';
        for labels in [self.constant, labels] {
            if !labels.is_empty() {
                self.out.push(separator);
                self.out.push_str(labels);
                separator = ',';
            }
        }
    }

    fn end_labels(&mut self, labels: &str) {
        if !self.constant.is_empty() || !labels.is_empty() {
            self.out.push('}');
        }
    }

    fn end(&mut self, value: Number) {
        self.out.push(' ');
        push_number(self.out, value);
        self.out.push('\n');
    }
}

/// The boundaries of the histogram at hand as text: the series of a metric share them, so that each
/// is formatted once.
#[derive(Default)]
struct BoundTexts {
    text: String,
    bounds: Vec<(f64, Range<usize>)>,
}

impl BoundTexts {
    fn prepare(&mut self, buckets: &[Bucket]) {
        let known = self.bounds.iter().map(|(bound, _)| bound.to_bits());
        if known.eq(buckets.iter().map(|bucket| bucket.bound.to_bits())) {
            return;
        }
        self.text.clear();
        self.bounds.clear();
        for bucket in buckets {
            let start = self.text.len();
            push_float(&mut self.text, bucket.bound);
            self.bounds.push((bucket.bound, start..self.text.len()));
        }
    }

    fn get(&self, at: usize) -> &str {
        &self.text[self.bounds[at].1.clone()]
    }
}

fn push_number(out: &mut String, value: Number) {
    match value {
        Number::U64(v) => out.push_str(itoa::Buffer::new().format(v)),
        Number::I64(v) => out.push_str(itoa::Buffer::new().format(v)),
        Number::F64(v) => push_float(out, v),
    }
}

/// Appends the shortest text that reads back as the same number.
fn push_float(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        // `Debug` turns to an exponent where `Display` would write hundreds of digits.
        // Writing to a string cannot fail.
        let _ = write!(out, "{value:?}");
        if out.ends_with(".0") {
            out.truncate(out.len() - ".0".len());
        }
    }
}

/// Appends a help text with `\` and LF escaped.
fn push_help(out: &mut String, help: &str) {
    for (at, line) in help.split('\n').enumerate() {
        if at > 0 {
            out.push_str("\\n");
        }
        for (at, part) in line.split('\\').enumerate() {
            if at > 0 {
                out.push_str("\\\\");
            }
            out.push_str(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_reads_them() {
        for (value, expected) in [
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (-0.0, "-0"),
            (5.0, "5"),
            (0.005, "0.005"),
            (1e15, "1000000000000000"),
            (1e16, "1e16"),
            (-1e300, "-1e300"),
            (1e-7, "1e-7"),
        ] {
            let mut out = String::new();
            push_float(&mut out, value);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn a_series_without_labels_has_no_braces() {
        let mut out = String::new();
        let mut writer = TextWriter::new(&mut out, "");
        writer.family("a", "", Kind::Gauge);
        writer.sample("", Number::I64(-1));
        writer.sample("b=\"c\"", Number::F64(0.5));
        writer.family("h", "x\\y\nz", Kind::Histogram);
        writer.histogram("", &[Bucket { bound: 0.5, cumulative: 1 }], 2, Number::F64(3.0));
        let expected = [
            "# HELP a ",
            "# TYPE a gauge",
            "a -1",
            "a{b=\"c\"} 0.5",
            "# HELP h x\\\\y\\nz",
            "# TYPE h histogram",
            "h_bucket{le=\"0.5\"} 1",
            "h_bucket{le=\"+Inf\"} 2",
            "h_sum 3",
            "h_count 2",
            "",
        ];
        assert_eq!(out, expected.join("\n"));
    }

    #[test]
    fn histograms_with_other_boundaries_get_their_own_texts() {
        let mut out = String::new();
        let mut writer = TextWriter::new(&mut out, "service=\"shop\"");
        writer.family("h", "", Kind::Histogram);
        for bound in [1.0, 2.0] {
            writer.histogram("", &[Bucket { bound, cumulative: 1 }], 1, Number::U64(1));
        }
        assert!(out.contains("h_bucket{service=\"shop\",le=\"1\"} 1\n"), "{out}");
        assert!(out.contains("h_bucket{service=\"shop\",le=\"2\"} 1\n"), "{out}");
    }
}

//! The Prometheus text format 0.0.4, line by line; `OpenMetrics` where it differs.

use crate::{
    exposition::open_metrics,
    families::{
        catalogue::Family,
        labels::Labels,
        model::{Bucket, Format, Number, Quantile},
    },
};
use std::ops::Range;

/// Writes families one after the other: [`family`](Self::family) first, then its series.
pub(crate) struct TextWriter<'a> {
    out: &'a mut String,
    constant: &'a str,
    format: Format,
    name: String,
    /// What the bucket lines of the series at hand begin with.
    head: String,
    bounds: BoundTexts,
}

impl<'a> TextWriter<'a> {
    /// A writer that adds the constant labels to every series.
    pub(crate) fn new(out: &'a mut String, constant: &'a str, format: Format) -> Self {
        let (name, head) = (String::new(), String::new());
        Self { out, constant, format, name, head, bounds: BoundTexts::default() }
    }

    /// Begins a family; every family has both lines, the help text may be empty.
    ///
    /// `is_typical` says that all its values are what `OpenMetrics` expects of its type.
    pub(crate) fn family(&mut self, family: &Family<'_, '_>, is_typical: bool) {
        family.name.clone_into(&mut self.name);
        match self.format {
            Format::Text => push_head(self.out, family),
            Format::OpenMetrics => open_metrics::push_head(self.out, family, is_typical),
        }
    }

    /// A series of a counter or gauge.
    pub(crate) fn sample(&mut self, labels: Labels<'_>, value: Number) {
        let range = self.labelled("", labels);
        self.value_after(!range.is_empty(), value);
    }

    /// A series of a histogram: the buckets, the one at `+Inf` that equals `count`, sum and count.
    pub(crate) fn histogram(
        &mut self,
        labels: Labels<'_>,
        buckets: &[Bucket],
        count: u64,
        sum: Number,
    ) {
        // What all bucket lines of the series begin with is copied from line to line, and the
        // labels to the lines of sum and count. The line feed of the line before is a part of it:
        // one copy less.
        let start = self.out.len() - 1;
        let labels = self.labelled("_bucket", labels);
        self.out.push_str(if labels.is_empty() { "{le=\"" } else { ",le=\"" });
        self.head.clear();
        self.head.push_str(&self.out[start..]);
        let labels = labels.start - start..labels.end - start;
        self.bounds.prepare(buckets, self.format);
        for (bucket, (_, bound)) in buckets.iter().zip(&self.bounds.0) {
            self.out.push_str(bound);
            push_integer(self.out, bucket.cumulative);
            self.out.push_str(&self.head);
        }
        self.out.push_str("+Inf\"} ");
        push_integer(self.out, count);
        self.out.push('\n');
        if self.format == Format::OpenMetrics && !open_metrics::has_sum(buckets, sum) {
            return;
        }
        for (suffix, value) in [("_sum", sum), ("_count", Number::U64(count))] {
            self.out.push_str(&self.name);
            self.out.push_str(suffix);
            self.out.push_str(&self.head[labels.clone()]);
            self.value_after(!labels.is_empty(), value);
        }
    }

    /// A series of a summary: the quantiles, sum and count.
    pub(crate) fn summary(
        &mut self,
        labels: Labels<'_>,
        quantiles: &[Quantile],
        count: u64,
        sum: Number,
    ) {
        let is_open = self.format == Format::OpenMetrics;
        for Quantile { quantile, value } in quantiles {
            let range = self.labelled("", labels);
            self.out.push_str(if range.is_empty() { "{quantile=\"" } else { ",quantile=\"" });
            push_number(self.out, Number::F64(*quantile), self.format);
            self.out.push('"');
            self.value_after(true, Number::F64(*value));
        }
        if !is_open || open_metrics::is_countable(sum) {
            let range = self.labelled("_sum", labels);
            self.value_after(!range.is_empty(), sum);
        }
        let range = self.labelled("_count", labels);
        self.value_after(!range.is_empty(), Number::U64(count));
    }

    /// Name and labels, without the closing brace. Returns where `{` and labels are.
    fn labelled(&mut self, suffix: &str, labels: Labels<'_>) -> Range<usize> {
        // By itself a string grows to twice its size, which is too much for a large one.
        if self.out.capacity() - self.out.len() < SPARE / 2 {
            self.out.reserve_exact(SPARE + self.out.len() / 8);
        }
        self.out.push_str(&self.name);
        self.out.push_str(suffix);
        let start = self.out.len();
        if !self.constant.is_empty() {
            self.out.push('{');
            self.out.push_str(self.constant);
        }
        if !labels.is_empty() {
            self.out.push(if self.constant.is_empty() { '{' } else { ',' });
            labels.write(self.out);
        }
        start..self.out.len()
    }

    fn value_after(&mut self, has_labels: bool, value: Number) {
        self.out.push_str(if has_labels { "} " } else { " " });
        push_number(self.out, value, self.format);
        self.out.push('\n');
    }
}

/// The boundaries of the histogram at hand as text: the series of a metric share them, so that each
/// is formatted once.
#[derive(Default)]
struct BoundTexts(
    /// `0.5"} ` and so on.
    Vec<(f64, String)>,
);

impl BoundTexts {
    fn prepare(&mut self, buckets: &[Bucket], format: Format) {
        let Self(bounds) = self;
        let known = bounds.iter().map(|(bound, _)| bound.to_bits());
        if known.eq(buckets.iter().map(|bucket| bucket.bound.to_bits())) {
            return;
        }
        bounds.resize_with(buckets.len(), Default::default);
        for ((bound, text), bucket) in bounds.iter_mut().zip(buckets) {
            *bound = bucket.bound;
            text.clear();
            match format {
                Format::Text => push_float(text, *bound),
                Format::OpenMetrics => open_metrics::push_float(text, *bound),
            }
            text.push_str("\"} ");
        }
    }
}

fn push_head(out: &mut String, family: &Family<'_, '_>) {
    for part in ["# HELP ", family.name, " "] {
        out.push_str(part);
    }
    push_help(out, family.help);
    for part in ["\n# TYPE ", family.name, " ", family.kind.as_str(), "\n"] {
        out.push_str(part);
    }
}

fn push_integer(out: &mut String, value: u64) {
    // Many buckets are empty or nearly so.
    if value < 10 {
        out.push(char::from(b'0' + value as u8));
    } else {
        out.push_str(itoa::Buffer::new().format(value));
    }
}

fn push_number(out: &mut String, value: Number, format: Format) {
    match value {
        Number::U64(v) => push_integer(out, v),
        Number::I64(v) => out.push_str(itoa::Buffer::new().format(v)),
        Number::F64(v) if format == Format::OpenMetrics => open_metrics::push_float(out, v),
        Number::F64(v) => push_float(out, v),
    }
}

/// Appends the shortest text that reads back as the same number.
pub(crate) fn push_float(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value);
        let text = text.strip_suffix(".0").unwrap_or(text);
        // Only those have an exponent with a sign to drop.
        let parts = if value.abs() >= 1e16 { text.split_once("e+") } else { None };
        match parts {
            Some((digits, exponent)) => out.extend([digits, "e", exponent]),
            None => out.push_str(text),
        }
    }
}

/// Room for some series, in bytes.
pub(crate) const SPARE: usize = 16 * 1024;

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
    use crate::families::model::Kind;

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
        let mut writer = TextWriter::new(&mut out, "", Format::Text);
        writer.family(&Family::of("a", "", Kind::Gauge), true);
        writer.sample(Labels::NONE, Number::I64(-1));
        writer.family(&Family::of("h", "x\\y\nz", Kind::Histogram), true);
        writer.histogram(
            Labels::NONE,
            &[Bucket { bound: 0.5, cumulative: 1 }],
            2,
            Number::F64(3.0),
        );
        let expected = [
            "# HELP a ",
            "# TYPE a gauge",
            "a -1",
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
        let mut writer = TextWriter::new(&mut out, "service=\"shop\"", Format::Text);
        writer.family(&Family::of("h", "", Kind::Histogram), true);
        for bound in [1.0, 2.0] {
            writer.histogram(Labels::NONE, &[Bucket { bound, cumulative: 1 }], 1, Number::U64(1));
        }
        assert!(out.contains("h_bucket{service=\"shop\",le=\"1\"} 1\n"), "{out}");
        assert!(out.contains("h_bucket{service=\"shop\",le=\"2\"} 1\n"), "{out}");
    }
}

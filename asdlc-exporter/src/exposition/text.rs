//! Writes the lines of text format 0.0.4, and of `OpenMetrics` where they are the same.

use crate::{
    exposition::{
        format::Format,
        number::{push_float, push_integer, push_number},
        open_metrics,
    },
    families::{
        family::FamilyDescription,
        labels::Labels,
        model::{Bucket, Number, Quantile},
    },
};
use std::ops::Range;

/// Writes families one after the other: [`family`](Self::family) first, then each of its series.
pub(crate) struct TextWriter<'a> {
    out: &'a mut String,
    constant: &'a str,
    format: Format,
    name: String,
    /// The beginning that all bucket lines of a series share. A field, to reuse its memory.
    head: String,
    bounds: BoundTexts,
}

impl<'a> TextWriter<'a> {
    pub(crate) fn new(out: &'a mut String, format: Format) -> Self {
        let (name, head) = (String::new(), String::new());
        Self { out, constant: "", format, name, head, bounds: BoundTexts::default() }
    }

    /// Writes the first lines of a family: `HELP`, `TYPE` and, in `OpenMetrics`, `UNIT`. The line
    /// `HELP` is also written if the help text is empty.
    ///
    /// `fits_type` means that all values [fit the type](open_metrics::fits_type) in `OpenMetrics`.
    /// Every series of the family gets the labels `constant`.
    pub(crate) fn family(
        &mut self,
        family: &FamilyDescription,
        fits_type: bool,
        constant: &'a str,
    ) {
        self.constant = constant;
        family.name.clone_into(&mut self.name);
        match self.format {
            Format::Text => push_head(self.out, family),
            Format::OpenMetrics => open_metrics::push_head(self.out, family, fits_type),
        }
    }

    /// Writes a series of a counter or gauge.
    #[inline]
    pub(crate) fn sample(&mut self, labels: Labels<'_>, value: Number) {
        let range = self.labelled("", labels);
        self.value_after(!range.is_empty(), value);
    }

    /// Writes a series of a histogram: the buckets, the bucket `+Inf` with the value `count`, sum and count.
    pub(crate) fn histogram(
        &mut self,
        labels: Labels<'_>,
        buckets: &[Bucket],
        count: u64,
        sum: Number,
    ) {
        // `head` is the beginning of the first bucket line. It is copied to the other bucket lines,
        // and its labels are copied to the lines of sum and count. It starts with the line feed of
        // the line before. So one copy ends a line and begins the next one.
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

    /// Writes a series of a summary: the quantiles, sum and count.
    pub(crate) fn summary(
        &mut self,
        labels: Labels<'_>,
        quantiles: &[Quantile],
        count: u64,
        sum: Number,
    ) {
        let is_open = self.format == Format::OpenMetrics;
        // `OpenMetrics` allows no negative values of quantiles.
        let is_allowed = |quantile: &&Quantile| !(is_open && quantile.value < 0.0);
        for Quantile { quantile, value } in quantiles.iter().filter(is_allowed) {
            let range = self.labelled("", labels);
            self.out.push_str(if range.is_empty() { "{quantile=\"" } else { ",quantile=\"" });
            push_number(self.out, Number::F64(*quantile), self.format);
            self.out.push('"');
            self.value_after(true, Number::F64(*value));
        }
        if !is_open || open_metrics::is_count_or_sum(sum) {
            let range = self.labelled("_sum", labels);
            self.value_after(!range.is_empty(), sum);
        }
        let range = self.labelled("_count", labels);
        self.value_after(!range.is_empty(), Number::U64(count));
    }

    /// Writes name, `{` and labels, without `}`. Returns the range of `out` from `{` to the last
    /// label.
    fn labelled(&mut self, suffix: &str, labels: Labels<'_>) -> Range<usize> {
        // By default, a string doubles its capacity, which is too much for a large one.
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

/// The boundaries of a histogram as text. All series of a metric have the same boundaries, so each
/// boundary is formatted once.
#[derive(Default)]
struct BoundTexts(
    /// Each boundary with its text, for example `0.5"} `.
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
            push_float(text, *bound, format);
            text.push_str("\"} ");
        }
    }
}

fn push_head(out: &mut String, FamilyDescription { name, help, kind, .. }: &FamilyDescription) {
    for part in ["# HELP ", name, " "] {
        out.push_str(part);
    }
    push_help(out, help);
    for part in ["\n# TYPE ", name, " ", kind.as_str(), "\n"] {
        out.push_str(part);
    }
}

/// Free memory for some series, in bytes.
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
    use crate::families::model::FamilyKind;

    fn family(name: &str, help: &str, kind: FamilyKind) -> FamilyDescription {
        let (name, help) = (name.to_owned(), help.to_owned());
        FamilyDescription {
            name,
            help,
            kind,
            unit: String::new(),
            has_base_name: false,
            can_be_idle: false,
        }
    }

    #[test]
    fn a_series_without_labels_has_no_braces() {
        let mut out = String::new();
        let mut writer = TextWriter::new(&mut out, Format::Text);
        writer.family(&family("a", "", FamilyKind::Gauge), true, "");
        writer.sample(Labels::NONE, Number::I64(-1));
        writer.family(&family("h", "x\\y\nz", FamilyKind::Histogram), true, "");
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
    fn histograms_with_different_boundaries_get_different_texts() {
        let mut out = String::new();
        let mut writer = TextWriter::new(&mut out, Format::Text);
        writer.family(&family("h", "", FamilyKind::Histogram), true, "service=\"shop\"");
        for bound in [1.0, 2.0] {
            writer.histogram(Labels::NONE, &[Bucket { bound, cumulative: 1 }], 1, Number::U64(1));
        }
        assert!(out.contains("h_bucket{service=\"shop\",le=\"1\"} 1\n"), "{out}");
        assert!(out.contains("h_bucket{service=\"shop\",le=\"2\"} 1\n"), "{out}");
    }
}

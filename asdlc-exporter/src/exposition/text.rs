//! Writes the lines of the text formats. `open_metrics` has what is different there.

use crate::{
    exemplars::Exemplar,
    exposition::{
        chunks::ChunkBuffer,
        family_writer::{FamilyHead, FamilyWriter},
        number::{push_float, push_integer, push_number, push_time},
        open_metrics,
    },
    families::{
        escape::push_escaped,
        escaping::NameKind,
        labels::Labels,
        model::{Bucket, HistogramValue, Number, Quantile},
    },
    unix_time::UnixTime,
};
use std::{borrow::Cow, ops::Range};

/// Writes families as text.
pub(crate) struct TextWriter<'o, 's> {
    out: &'o mut ChunkBuffer<'s>,
    is_open_metrics: bool,
    /// Whether `OpenMetrics` has the start time of each series, in a line `_created`.
    has_created_lines: bool,
    // What is the same for all series of a family.
    /// The name of the family. A UTF-8 name begins with `{"`.
    name: String,
    /// The name of the lines `_created`. Empty if the family has none.
    created: String,
    /// What follows the name and its suffix: the end of a name in UTF-8, and the constant labels.
    constant: String,
    /// What is between `constant` and other labels: `{` or `,`.
    separator: u8,
    /// The beginning that all bucket lines of a series share. A field, to reuse its memory.
    head: Vec<u8>,
    bounds: BoundTexts,
}

impl<'o, 's> TextWriter<'o, 's> {
    pub(crate) fn new(
        out: &'o mut ChunkBuffer<'s>,
        is_open_metrics: bool,
        has_created_lines: bool,
    ) -> Self {
        Self {
            out,
            is_open_metrics,
            has_created_lines,
            name: String::new(),
            created: String::new(),
            constant: String::new(),
            separator: b'{',
            head: Vec::new(),
            bounds: BoundTexts::default(),
        }
    }

    /// Writes name, `{` and labels, without `}`. Returns the range of the memory from the end of the name to
    /// the last label. It is empty if there is no `{`.
    #[inline]
    fn labelled(&mut self, suffix: &str, labels: Labels<'_>) -> Range<usize> {
        let Self { out, name, constant, separator, .. } = self;
        push_labelled(&mut out.bytes, [name, suffix], (constant, *separator), labels)
    }

    fn value_after(&mut self, has_labels: bool, value: Number) {
        let out = &mut self.out.bytes;
        out.extend_from_slice(if has_labels { b"} " } else { b" " });
        push_number(out, value, self.is_open_metrics);
        out.push(b'\n');
    }

    /// Writes the line `_created`, if the family has one.
    #[inline]
    fn start(&mut self, labels: Labels<'_>, start: Option<UnixTime>) {
        if let Some(start) = start.filter(|_| !self.created.is_empty()) {
            self.created_line(labels, start);
        }
    }

    /// Not inlined, so that the code that writes samples is.
    #[inline(never)]
    fn created_line(&mut self, labels: Labels<'_>, start: UnixTime) {
        let Self { out, created, constant, separator, .. } = self;
        let out = &mut out.bytes;
        let range = push_labelled(out, [created, ""], (constant, *separator), labels);
        out.extend_from_slice(if range.is_empty() { b" " } else { b"} " });
        push_time(out, start);
        out.push(b'\n');
    }
}

impl FamilyWriter for TextWriter<'_, '_> {
    /// Writes the first lines of a family: `HELP`, `TYPE` and, in `OpenMetrics`, `UNIT`. The line
    /// `HELP` is also written if the help text is empty.
    fn begin(&mut self, family: &FamilyHead<'_>) {
        let is_classic = NameKind::Family.is_classic(family.name);
        let push_name = |out: &mut String, name: &str| match is_classic {
            true => out.push_str(name),
            false => {
                out.push_str("{\"");
                push_escaped(out, name);
            }
        };
        let Self { name, created, constant, separator, .. } = self;
        let (first, labels) = (if is_classic { "{" } else { "\"," }, family.constant.text());
        name.clear();
        push_name(name, family.name);
        constant.clear();
        if labels.is_empty() {
            constant.push_str(if is_classic { "" } else { "\"" });
        } else {
            constant.push_str(first);
            constant.push_str(labels);
        }
        *separator = if constant.is_empty() { b'{' } else { b',' };
        created.clear();
        if self.is_open_metrics {
            open_metrics::push_head(&mut self.out.bytes, family);
            if let Some(name) =
                open_metrics::created_name(family).filter(|_| self.has_created_lines)
            {
                push_name(created, name);
                created.push_str("_created");
            }
        } else {
            push_head(&mut self.out.bytes, family);
        }
    }

    #[inline]
    fn sample(
        &mut self,
        labels: Labels<'_>,
        value: Number,
        start: Option<UnixTime>,
        _exemplar: Option<&Exemplar>,
    ) {
        let range = self.labelled("", labels);
        self.value_after(!range.is_empty(), value);
        self.start(labels, start);
        self.out.give();
    }

    /// Writes the buckets, the bucket `+Inf` with the count, sum and count.
    fn histogram(
        &mut self,
        series_labels: Labels<'_>,
        value: &HistogramValue,
        start_time: Option<UnixTime>,
    ) {
        let HistogramValue { count, sum, buckets, .. } = value;
        let labels = self.labelled("_bucket", series_labels);
        let Self { out, name, head, bounds, .. } = self;
        let out = &mut out.bytes;
        // `head` is the beginning of the first bucket line. It is copied to the other bucket lines,
        // and its labels are copied to the lines of sum and count. It starts with a line feed, which ends
        // the line before. So one copy ends a line and begins the next one.
        out.extend_from_slice(if labels.is_empty() { b"{le=\"" } else { b",le=\"" });
        let start = labels.start - name.len() - "_bucket".len();
        head.clear();
        head.push(b'\n');
        head.extend_from_slice(&out[start..]);
        let labels = labels.start - start + 1..labels.end - start + 1;
        bounds.prepare(buckets, self.is_open_metrics);
        reserve(out, (buckets.len() + 3) * (head.len() + LONGEST_END));
        for (bucket, text) in buckets.iter().zip(&bounds.0) {
            text.push(out, bucket.cumulative);
            out.extend_from_slice(head);
        }
        out.extend_from_slice(b"+Inf\"} ");
        push_integer(out, *count);
        out.push(b'\n');
        if !self.is_open_metrics || open_metrics::has_sum(buckets, *sum) {
            for (suffix, value) in [("_sum", *sum), ("_count", Number::U64(*count))] {
                let Self { out, name, head, .. } = self;
                let out = &mut out.bytes;
                push_str(out, name);
                push_str(out, suffix);
                out.extend_from_slice(&head[labels.clone()]);
                self.value_after(!labels.is_empty(), value);
            }
        }
        self.start(series_labels, start_time);
        self.out.give();
    }

    /// Writes the quantiles, sum and count.
    fn summary(
        &mut self,
        labels: Labels<'_>,
        quantiles: &[Quantile],
        count: u64,
        sum: Number,
        start: Option<UnixTime>,
    ) {
        let is_open = self.is_open_metrics;
        // `OpenMetrics` allows no negative values of quantiles.
        let is_allowed = |quantile: &&Quantile| !(is_open && quantile.value < 0.0);
        for Quantile { quantile, value } in quantiles.iter().filter(is_allowed) {
            let range = self.labelled("", labels);
            let out = &mut self.out.bytes;
            push_str(out, if range.is_empty() { "{quantile=\"" } else { ",quantile=\"" });
            push_number(out, Number::F64(*quantile), is_open);
            out.push(b'"');
            self.value_after(true, Number::F64(*value));
        }
        if !is_open || open_metrics::is_count_or_sum(sum) {
            let range = self.labelled("_sum", labels);
            self.value_after(!range.is_empty(), sum);
        }
        let range = self.labelled("_count", labels);
        self.value_after(!range.is_empty(), Number::U64(count));
        self.start(labels, start);
        self.out.give();
    }

    fn end(&mut self) -> bool {
        self.out.give();
        true
    }

    fn is_stopped(&self) -> bool {
        self.out.is_stopped()
    }
}

/// Appends the name in its two parts, `{` and labels, without `}`. Returns the range from the end of the name
/// to the last label. It is empty if there is no `{`.
#[inline]
fn push_labelled(
    out: &mut Vec<u8>,
    [name, suffix]: [&str; 2],
    (constant, separator): (&str, u8),
    labels: Labels<'_>,
) -> Range<usize> {
    reserve(out, SPARE / 2);
    push_str(out, name);
    push_str(out, suffix);
    let start = out.len();
    push_str(out, constant);
    if !labels.is_empty() {
        out.push(separator);
        labels.write(out);
    }
    start..out.len()
}

/// Makes room for so many bytes.
#[inline]
fn reserve(out: &mut Vec<u8>, needed: usize) {
    // By default, memory doubles its capacity, which is too much for a large text.
    if out.capacity() - out.len() < needed {
        out.reserve_exact(needed.max(SPARE) + out.len() / 8);
    }
}

/// The boundaries of a histogram as text. All series of a metric have the same boundaries, so each
/// boundary is formatted once.
#[derive(Default)]
struct BoundTexts(Vec<BoundText>);

struct BoundText {
    bound: f64,
    /// For example `0.5"} `, followed by zeros if it is shorter than this.
    text: [u8; BLOCK],
    len: u8,
    /// A text that is longer.
    long: Vec<u8>,
}

impl BoundText {
    fn new(bound: f64, is_open_metrics: bool) -> Self {
        let mut long = Vec::new();
        push_float(&mut long, bound, is_open_metrics);
        push_str(&mut long, "\"} ");
        let (mut text, mut len) = ([0; BLOCK], 0);
        // One byte is left for a count.
        if let Some(short) = text[..BLOCK - 1].get_mut(..long.len()) {
            short.copy_from_slice(&long);
            len = long.len() as u8;
            long = Vec::new();
        }
        Self { bound, text, len, long }
    }

    /// Appends the boundary and the count of its bucket.
    #[inline]
    fn push(&self, out: &mut Vec<u8>, count: u64) {
        let len = usize::from(self.len);
        if len == 0 {
            out.extend_from_slice(&self.long);
            push_integer(out, count);
            return;
        }
        // Copying a fixed number of bytes needs no call. Many buckets have a count of one digit.
        let mut block = self.text;
        let is_short = count < 10;
        if let Some(digit) = block.get_mut(len).filter(|_| is_short) {
            *digit = b'0' + count as u8;
        }
        let end = out.len() + len + usize::from(is_short);
        out.extend_from_slice(&block);
        out.truncate(end);
        if !is_short {
            push_integer(out, count);
        }
    }
}

impl BoundTexts {
    fn prepare(&mut self, buckets: &[Bucket], is_open_metrics: bool) {
        let Self(bounds) = self;
        let known = bounds.iter().map(|text| text.bound.to_bits());
        if known.eq(buckets.iter().map(|bucket| bucket.bound.to_bits())) {
            return;
        }
        bounds.clear();
        let text = |bucket: &Bucket| BoundText::new(bucket.bound, is_open_metrics);
        bounds.extend(buckets.iter().map(text));
    }
}

fn push_head(out: &mut Vec<u8>, FamilyHead { name, help, kind, .. }: &FamilyHead<'_>) {
    let name = &*name_text(name);
    for part in ["# HELP ", name, " "] {
        push_str(out, part);
    }
    push_help(out, help);
    for part in ["\n# TYPE ", name, " ", kind.as_str(), "\n"] {
        push_str(out, part);
    }
}

/// How many bytes are copied at once.
const BLOCK: usize = 16;
/// More bytes than the end of any line of a histogram has: boundary, value and what is between them.
const LONGEST_END: usize = 64;

/// The name of a family in its first lines: with quotes if not every scraper reads it.
pub(crate) fn name_text(name: &str) -> Cow<'_, str> {
    if NameKind::Family.is_classic(name) {
        return Cow::Borrowed(name);
    }
    let mut text = String::from("\"");
    push_escaped(&mut text, name);
    text.push('"');
    Cow::Owned(text)
}

/// Free memory for some series, in bytes.
pub(crate) const SPARE: usize = 16 * 1024;

/// Appends a help text with `\` and LF escaped.
fn push_help(out: &mut Vec<u8>, help: &str) {
    for b in help.bytes() {
        match b {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b => out.push(b),
        }
    }
}

#[inline]
pub(crate) fn push_str(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::{constant_labels::ConstantLabels, model::FamilyKind};

    fn head<'a>(
        name: &'a str,
        help: &'a str,
        kind: FamilyKind,
        constant: &'a ConstantLabels,
    ) -> FamilyHead<'a> {
        FamilyHead { name, base_name: None, help, kind, unit: "", constant }
    }

    fn value(buckets: Vec<Bucket>, count: u64, sum: f64) -> HistogramValue {
        HistogramValue { buckets, count, sum: Number::F64(sum), ..HistogramValue::default() }
    }

    #[test]
    fn a_series_without_labels_has_no_braces() {
        let mut out = ChunkBuffer::new(Vec::new(), None);
        let mut writer = TextWriter::new(&mut out, false, false);
        let constant = ConstantLabels::default();
        writer.begin(&head("a", "", FamilyKind::Gauge, &constant));
        writer.sample(Labels::NONE, Number::I64(-1), None, None);
        writer.begin(&head("h", "x\\y\nz", FamilyKind::Histogram, &constant));
        let buckets = vec![Bucket { bound: 0.5, cumulative: 1 }];
        writer.histogram(Labels::NONE, &value(buckets, 2, 3.0), None);
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
        assert_eq!(String::from_utf8(out.bytes).unwrap(), expected.join("\n"));
    }

    // X-14
    #[test]
    fn a_name_in_utf8_has_quotes_and_is_inside_the_braces() {
        let text = |constant: &[(&str, &str)], is_open_metrics| {
            let mut out = ChunkBuffer::new(Vec::new(), None);
            let mut writer = TextWriter::new(&mut out, is_open_metrics, true);
            let pairs = constant.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            let constant = ConstantLabels::new(pairs.collect());
            let mut family = head("a.b\"_total", "", FamilyKind::Counter, &constant);
            family.base_name = Some("a.b\"");
            writer.begin(&family);
            writer.sample(Labels::NONE, Number::U64(1), Some(UnixTime::default()), None);
            writer.begin(&head("h.x", "", FamilyKind::Histogram, &constant));
            let buckets = vec![Bucket { bound: 0.5, cumulative: 1 }];
            writer.histogram(Labels::NONE, &value(buckets, 2, 3.0), None);
            String::from_utf8(out.bytes).unwrap()
        };
        let expected = [
            r#"# HELP "a.b\"_total" "#,
            r#"# TYPE "a.b\"_total" counter"#,
            r#"{"a.b\"_total"} 1"#,
            r#"# HELP "h.x" "#,
            r#"# TYPE "h.x" histogram"#,
            r#"{"h.x_bucket",le="0.5"} 1"#,
            r#"{"h.x_bucket",le="+Inf"} 2"#,
            r#"{"h.x_sum"} 3"#,
            r#"{"h.x_count"} 2"#,
            "",
        ];
        assert_eq!(text(&[], false), expected.join("\n"));
        let expected = [
            r#"# HELP "a.b\"" "#,
            r#"# TYPE "a.b\"" counter"#,
            r#"{"a.b\"_total","x.y"="z"} 1"#,
            r#"{"a.b\"_created","x.y"="z"} 0.0"#,
            r#"# HELP "h.x" "#,
            r#"# TYPE "h.x" histogram"#,
            r#"{"h.x_bucket","x.y"="z",le="0.5"} 1"#,
            r#"{"h.x_bucket","x.y"="z",le="+Inf"} 2"#,
            r#"{"h.x_sum","x.y"="z"} 3.0"#,
            r#"{"h.x_count","x.y"="z"} 2"#,
            "",
        ];
        assert_eq!(text(&[("x.y", "z")], true), expected.join("\n"));
    }

    #[test]
    fn histograms_with_different_boundaries_get_different_texts() {
        let mut out = ChunkBuffer::new(Vec::new(), None);
        let mut writer = TextWriter::new(&mut out, false, false);
        let constant = ConstantLabels::new(vec![("service".to_owned(), "shop".to_owned())]);
        writer.begin(&head("h", "", FamilyKind::Histogram, &constant));
        for bound in [1.0, 2.0] {
            let buckets = vec![Bucket { bound, cumulative: 1 }];
            writer.histogram(Labels::NONE, &value(buckets, 1, 1.0), None);
        }
        let text = String::from_utf8(out.bytes).unwrap();
        assert!(text.contains("h_bucket{service=\"shop\",le=\"1\"} 1\n"), "{text}");
        assert!(text.contains("h_bucket{service=\"shop\",le=\"2\"} 1\n"), "{text}");
    }
}

//! Writes the lines of the text formats. `open_metrics` has what is different there.

use crate::{
    exemplars::Exemplar,
    exposition::{
        bound_texts::BoundTexts,
        chunks::ChunkBuffer,
        exemplars::BucketExemplars,
        family_writer::{FamilyHead, FamilyWriter},
        number::{push_integer, push_number, push_time},
        open_metrics::{self, LONGEST_EXEMPLAR},
    },
    families::{
        labels::{attributes::Labels, escape::push_escaped},
        model::{Bucket, FamilyKind, HistogramValue, Number, Quantile},
        names::escaping::NameKind,
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
    /// Whether the samples of the family may have exemplars.
    has_exemplars: bool,
    // What is the same for all series of a family.
    /// The name of the family. A UTF-8 name begins with `{"`.
    name: String,
    /// The beginning of the lines of samples. Of a histogram, these are the buckets.
    samples: LineStart,
    /// The names of a histogram's sum and count, after the line feed that ends the line before.
    sum_and_count: [String; 2],
    /// The beginning of the lines `_created`. Empty if the family has none.
    created: LineStart,
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
            has_exemplars: false,
            name: String::new(),
            samples: LineStart::default(),
            sum_and_count: Default::default(),
            created: LineStart::default(),
            head: Vec::new(),
            bounds: BoundTexts::default(),
        }
    }

    /// Begins a line of a summary whose name has this suffix. Returns what [`LineStart::push`] does.
    fn suffixed(&mut self, suffix: &str, labels: Labels<'_>) -> Range<usize> {
        let Self { out, name, samples, .. } = self;
        let out = &mut out.bytes;
        reserve(out, SPARE / 2);
        push_str(out, name);
        push_str(out, suffix);
        samples.push_labels(out, labels)
    }

    fn value_after(&mut self, has_labels: bool, value: Number) {
        let out = &mut self.out.bytes;
        out.extend_from_slice(if has_labels { b"} " } else { b" " });
        push_number(out, value, self.is_open_metrics);
        out.push(b'\n');
    }

    /// Adds an exemplar to the last line, if the family may have some.
    #[cold]
    #[inline(never)]
    fn add_exemplar(&mut self, exemplar: &Exemplar) {
        if self.has_exemplars {
            let out = &mut self.out.bytes;
            // The line feed.
            out.pop();
            open_metrics::push_exemplar(out, exemplar);
            out.push(b'\n');
        }
    }

    /// Writes the bucket lines of a histogram with exemplars, but for the beginning of the first one, and without the
    /// last line feed.
    #[cold]
    #[inline(never)]
    fn exemplified_buckets(&mut self, value: &HistogramValue) {
        let Self { out, head, bounds, .. } = self;
        let out = &mut out.bytes;
        reserve(out, (value.buckets.len() + 3) * (head.len() + LONGEST_END + LONGEST_EXEMPLAR));
        let mut exemplars = BucketExemplars::new(value);
        let mut push = |out: &mut Vec<u8>, bucket: Bucket| {
            if let Some(exemplar) = exemplars.newest(bucket) {
                open_metrics::push_exemplar(out, exemplar);
            }
        };
        for (bucket, text) in value.buckets.iter().zip(&bounds.0) {
            out.extend_from_slice(text.as_bytes());
            push_integer(out, bucket.cumulative);
            push(out, *bucket);
            out.extend_from_slice(head);
        }
        push_infinite(out, value.count);
        push(out, value.infinite());
    }

    /// Writes the line `_created`, if the family has one.
    #[inline]
    fn start(&mut self, labels: Labels<'_>, start: Option<UnixTime>) {
        if let Some(start) = start.filter(|_| !self.created.text.is_empty()) {
            self.created_line(labels, start);
        }
    }

    /// Not inlined, so that the code that writes samples is.
    #[inline(never)]
    fn created_line(&mut self, labels: Labels<'_>, start: UnixTime) {
        let Self { out, created, .. } = self;
        let out = &mut out.bytes;
        let range = created.push(out, labels);
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
        let Self { name, samples, sum_and_count, created, .. } = self;
        let first = if is_classic { "{" } else { "\"," };
        name.clear();
        push_name(name, family.name);
        samples.text.clone_from(name);
        if family.kind == FamilyKind::Histogram {
            samples.text.push_str("_bucket");
            for (text, suffix) in sum_and_count.iter_mut().zip(["_sum", "_count"]) {
                text.clear();
                ["\n", name, suffix].into_iter().for_each(|part| text.push_str(part));
            }
        }
        samples.push_constant(first, family.constant.text());
        created.text.clear();
        self.has_exemplars = self.is_open_metrics && open_metrics::has_exemplars(family);
        if self.is_open_metrics {
            open_metrics::push_head(&mut self.out.bytes, family);
            if let Some(name) =
                open_metrics::created_name(family).filter(|_| self.has_created_lines)
            {
                push_name(&mut created.text, name);
                created.text.push_str("_created");
                created.push_constant(first, family.constant.text());
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
        exemplar: Option<&Exemplar>,
    ) {
        let range = self.samples.push(&mut self.out.bytes, labels);
        self.value_after(!range.is_empty(), value);
        if let Some(exemplar) = exemplar {
            self.add_exemplar(exemplar);
        }
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
        let HistogramValue { count, sum, buckets, exemplars, .. } = value;
        let Self { out, samples, head, bounds, .. } = self;
        let out = &mut out.bytes;
        let labels = samples.push(out, series_labels);
        // `head` is the beginning of the first bucket line. It is copied to the other bucket lines,
        // and its labels are copied to the lines of sum and count. It starts with a line feed, which ends
        // the line before. So one copy ends a line and begins the next one.
        out.extend_from_slice(if labels.is_empty() { b"{le=\"" } else { b",le=\"" });
        let start = labels.start - samples.name_len;
        head.clear();
        head.push(b'\n');
        head.extend_from_slice(&out[start..]);
        let labels = labels.start - start + 1..labels.end - start + 1;
        if !value.has_last_bounds {
            bounds.prepare(buckets, self.is_open_metrics);
        }
        if exemplars.is_empty() || !self.is_open_metrics {
            reserve(out, (buckets.len() + 3) * (head.len() + LONGEST_END));
            for (bucket, text) in buckets.iter().zip(&bounds.0) {
                text.push(out, bucket.cumulative);
                out.extend_from_slice(head);
            }
            push_infinite(out, *count);
        } else {
            self.exemplified_buckets(value);
        }
        if !self.is_open_metrics || open_metrics::has_sum(buckets, *sum) {
            let Self { out, sum_and_count: [sum_name, count_name], head, is_open_metrics, .. } =
                self;
            let out = &mut out.bytes;
            let begin_line = |out: &mut Vec<u8>, name: &str| {
                push_str(out, name);
                out.extend_from_slice(&head[labels.clone()]);
                out.extend_from_slice(if labels.is_empty() { b" " } else { b"} " });
            };
            begin_line(out, sum_name);
            push_number(out, *sum, *is_open_metrics);
            begin_line(out, count_name);
            push_integer(out, *count);
        }
        self.out.bytes.push(b'\n');
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
            let out = &mut self.out.bytes;
            let range = self.samples.push(out, labels);
            push_str(out, if range.is_empty() { "{quantile=\"" } else { ",quantile=\"" });
            push_number(out, Number::F64(*quantile), is_open);
            out.push(b'"');
            self.value_after(true, Number::F64(*value));
        }
        if !is_open || open_metrics::is_count_or_sum(sum) {
            let range = self.suffixed("_sum", labels);
            self.value_after(!range.is_empty(), sum);
        }
        let range = self.suffixed("_count", labels);
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

/// The beginning of a line, up to the labels of its series.
#[derive(Default)]
struct LineStart {
    /// The name with its suffix, the constant labels, and what is between these and other labels: `{` or `,`.
    text: String,
    /// The bytes of the name and its suffix.
    name_len: usize,
}

impl LineStart {
    /// Appends the constant labels to the name. `first` is between both.
    fn push_constant(&mut self, first: &str, labels: &str) {
        let Self { text, name_len } = self;
        *name_len = text.len();
        if labels.is_empty() {
            // `first` is `{` for a classic name, and the quote that ends a name in UTF-8 with a comma.
            text.push_str(first);
        } else {
            text.push_str(first);
            text.push_str(labels);
            text.push(',');
        }
    }

    /// Appends a line up to the last label, without `}`. Returns the range from the end of the name to the last label. It
    /// is empty if there is no `{`.
    #[inline]
    fn push(&self, out: &mut Vec<u8>, labels: Labels<'_>) -> Range<usize> {
        reserve(out, SPARE / 2);
        let start = out.len() + self.name_len;
        let end = self.text.len() - usize::from(labels.is_empty());
        out.extend_from_slice(&self.text.as_bytes()[..end]);
        labels.write(out);
        start..out.len()
    }

    /// As [`push`](Self::push), without the name.
    fn push_labels(&self, out: &mut Vec<u8>, labels: Labels<'_>) -> Range<usize> {
        let start = out.len();
        let end = self.text.len() - usize::from(labels.is_empty());
        out.extend_from_slice(&self.text.as_bytes()[self.name_len..end]);
        labels.write(out);
        start..out.len()
    }
}

/// Makes room for so many bytes.
#[inline]
fn reserve(out: &mut Vec<u8>, needed: usize) {
    // By default, memory doubles its capacity, which is too much for a large text.
    if out.capacity() - out.len() < needed {
        out.reserve_exact(needed.max(SPARE) + out.len() / 8);
    }
}

/// Appends the boundary of the bucket `+Inf` and its count.
#[inline]
fn push_infinite(out: &mut Vec<u8>, count: u64) {
    out.extend_from_slice(b"+Inf\"} ");
    push_integer(out, count);
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
mod tests;

//! Reads the samples of a histogram family.

use crate::families::{
    foreign::prometheus_client::{
        family::{Family, Histogram, Series, Value},
        sample::{Label, read_bound, read_labels, read_number_after_space},
    },
    model::{Bucket, Number},
};
/// Collects the samples of a series. They follow each other, in any order.
#[derive(Default)]
pub(super) struct HistogramReader<'a> {
    open: Option<OpenSeries<'a>>,
    /// The bounds of the last series. The next one mostly has the same, so that their texts need not be
    /// parsed again.
    bounds: Vec<(&'a str, f64)>,
    /// Where `le` is among the labels of a series: mostly after the labels of the registry.
    le_at: usize,
}

/// The series whose samples are being read.
#[derive(Default)]
struct OpenSeries<'a> {
    /// The text of its labels. `None` if only buckets were read.
    text: Option<&'a str>,
    /// Where its labels begin.
    labels_start: usize,
    sum: Option<Number>,
    count: Option<u64>,
    buckets: Vec<Bucket>,
    buckets_read: usize,
    last_bucket: u64,
}

impl<'a> HistogramReader<'a> {
    /// Reads a sample, without the name of the family. `None` if that is not possible.
    pub(super) fn read(&mut self, sample: &'a str, family: &mut Family<'a>) -> Option<()> {
        if let Some(labels) = sample.strip_prefix("_bucket") {
            let (bound, count) = self.bucket(labels, family)?;
            self.push_bucket(bound, integer(count)?)?;
        } else if let Some(labels) = sample.strip_prefix("_sum") {
            let sum = self.total(labels, family, |open| open.sum.is_none())?;
            self.open.as_mut()?.sum = Some(sum);
        } else {
            let labels = sample.strip_prefix("_count")?;
            let count = self.total(labels, family, |open| open.count.is_none())?;
            self.open.as_mut()?.count = Some(integer(count)?);
        }
        Some(())
    }

    /// Adds the open series to the family, whose labels end at `labels_end`. `None` if it is incomplete.
    pub(super) fn finish(&mut self, family: &mut Family<'a>, labels_end: usize) -> Option<()> {
        if let Some(OpenSeries { sum, count, buckets, last_bucket, .. }) = self.open.take() {
            let histogram = Histogram { sum: sum?, count: count?.max(last_bucket), buckets };
            family.series.push(Series { labels_end, value: Value::Histogram(histogram) });
        }
        Some(())
    }

    /// The value of `_sum` or `_count`. Opens its series.
    fn total(
        &mut self,
        labels: &'a str,
        family: &mut Family<'a>,
        is_free: impl Fn(&OpenSeries<'a>) -> bool,
    ) -> Option<Number> {
        let open = self.open.as_ref().filter(|open| is_free(open));
        let after = open.and_then(|open| after_labels(labels, open.text?));
        let after = match after {
            Some(after) => after,
            None => {
                let (start, previous) = (family.labels.len(), self.previous());
                let (text, after) = read_labels(labels, &mut family.labels, previous)?;
                self.open(start, is_free, family)?.text = Some(text);
                after
            }
        };
        read_number_after_space(after)
    }

    /// Bound and value of a bucket. Opens its series.
    fn bucket(&mut self, labels: &'a str, family: &mut Family<'a>) -> Option<(&'a str, Number)> {
        let text = self.open.as_ref().and_then(|open| open.text);
        let known = text.and_then(|text| read_bound(labels, text, self.le_at.min(text.len())));
        let (bound, after) = match known {
            Some(known) => known,
            None => {
                let start = family.labels.len();
                // The keys have to be those of this line, to find out where `le` is.
                let (text, after) = read_labels(labels, &mut family.labels, start)?;
                let le = family.labels[start..].iter().position(|label| label.key == "le")?;
                let Label { key, value } = family.labels.remove(start + le);
                self.le_at = key.as_ptr() as usize - text.as_ptr() as usize;
                self.open(start, |_| true, family)?;
                let bound_at = self.le_at + "le=\"".len();
                (text.get(bound_at..bound_at + value.len())?, after)
            }
        };
        Some((bound, read_number_after_space(after)?))
    }

    /// The open series if it has the labels from `start` on, which are then removed. Otherwise a new one.
    fn open(
        &mut self,
        start: usize,
        is_free: impl Fn(&OpenSeries<'a>) -> bool,
        family: &mut Family<'a>,
    ) -> Option<&mut OpenSeries<'a>> {
        let is_same = |open: &OpenSeries<'a>| {
            is_free(open) && family.labels[open.labels_start..start] == family.labels[start..]
        };
        if self.open.as_ref().is_some_and(is_same) {
            family.labels.truncate(start);
        } else {
            self.finish(family, start)?;
            let buckets = Vec::with_capacity(self.bounds.len());
            self.open = Some(OpenSeries { labels_start: start, buckets, ..OpenSeries::default() });
        }
        self.open.as_mut()
    }

    /// Where the labels of the previous series begin.
    fn previous(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.labels_start)
    }

    /// Leaves out bounds that do not ascend. A collector can have such bounds.
    fn push_bucket(&mut self, text: &'a str, count: u64) -> Option<()> {
        let open = self.open.as_mut()?;
        let at = open.buckets_read;
        open.buckets_read += 1;
        let bound = match self.bounds.get(at) {
            Some((known, bound)) if *known == text => *bound,
            _ => {
                let bound = text.parse().ok()?;
                self.bounds.truncate(at);
                self.bounds.push((text, bound));
                bound
            }
        };
        open.last_bucket = open.last_bucket.max(count);
        let last = open.buckets.last().map_or(f64::NEG_INFINITY, |last| last.bound);
        if bound > last && bound.is_finite() {
            open.buckets.push(Bucket { bound, cumulative: open.last_bucket });
        }
        Some(())
    }
}

/// The text after `{labels}`, or after no braces if there are no labels.
fn after_labels<'a>(text: &'a str, labels: &str) -> Option<&'a str> {
    if labels.is_empty() {
        return text.starts_with(' ').then_some(text);
    }
    text.strip_prefix('{')?.strip_prefix(labels)?.strip_prefix('}')
}

fn integer(number: Number) -> Option<u64> {
    match number {
        Number::U64(integer) => Some(integer),
        Number::I64(_) | Number::F64(_) => None,
    }
}

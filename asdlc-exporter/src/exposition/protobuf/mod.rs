//! Writes Prometheus' protobuf format: messages `io.prometheus.client.MetricFamily`, each with its length before
//! it. Fields are in the order of their numbers. Repeated numbers are not packed.
//!
//! `wire` encodes fields. `family_length` writes the length of a family, `labels` the labels of a series,
//! `buckets` the buckets of a histogram, `native` the fields that only native histograms have, `exemplar` exemplars, and `timestamp` the start time of a
//! series.

mod buckets;
mod exemplar;
mod family_length;
mod labels;
mod native;
#[cfg(test)]
mod tests;
mod timestamp;
mod wire;

use crate::{
    exemplars::Exemplar,
    exposition::{
        chunks::ChunkBuffer,
        family_writer::{FamilyHead, FamilyWriter},
        text::SPARE,
    },
    families::{
        labels::attributes::Labels,
        model::{FamilyKind, HistogramValue, Number, Quantile},
    },
    unix_time::UnixTime,
};
use buckets::BucketFields;
use exemplar::push_exemplar;
use family_length::FamilyLength;
use labels::LabelFields;
use native::push_native;
use timestamp::{CreatedTimestamp, OF_COUNTER, OF_HISTOGRAM, OF_SUMMARY};
use wire::{
    close, double, double_tag, length_tag, push_bytes, push_double, push_varint, varint_tag,
};

/// Writes families as protobuf.
pub(crate) struct ProtobufWriter<'o, 's> {
    out: &'o mut ChunkBuffer<'s>,
    length: FamilyLength,
    labels: LabelFields,
    buckets: BucketFields,
    created: CreatedTimestamp,
    /// The memory of `push_native`.
    deltas: Vec<u8>,
    /// The memory of `exemplar::push_native`.
    exemplars: Vec<Exemplar>,
    /// The field of the values of the family.
    value_tag: u8,
    is_counter: bool,
    /// The last field of the family. Empty if it has no unit.
    unit: Vec<u8>,
    /// The number of bytes of the length fields of the last series and of its value. Those of the next series
    /// mostly have the same number.
    metric_reserved: usize,
    value_reserved: usize,
}

impl<'o, 's> ProtobufWriter<'o, 's> {
    pub(crate) fn new(out: &'o mut ChunkBuffer<'s>) -> Self {
        Self {
            out,
            length: FamilyLength::new(),
            labels: LabelFields::default(),
            buckets: BucketFields::default(),
            created: CreatedTimestamp::new(),
            deltas: Vec::new(),
            exemplars: Vec::new(),
            value_tag: GAUGE,
            is_counter: false,
            unit: Vec::new(),
            metric_reserved: 1,
            value_reserved: 1,
        }
    }

    /// Begins a series and writes its labels. Returns where its first label begins.
    #[inline]
    fn open(&mut self, labels: Labels<'_>) -> usize {
        let out = &mut self.out.bytes;
        // By default, memory doubles its capacity, which is too much for a large exposition.
        if out.capacity() - out.len() < SPARE / 2 {
            out.reserve_exact(SPARE + out.len() / 8);
        }
        let start = push_opening(out, METRIC, self.metric_reserved);
        self.labels.write(out, labels);
        start
    }

    /// Ends the series that begins there.
    #[inline]
    fn close(&mut self, start: usize) {
        self.metric_reserved = close(&mut self.out.bytes, start, self.metric_reserved);
        self.length.cut(self.out);
    }

    /// Begins the value of a histogram or summary.
    #[inline]
    fn open_value(&mut self) -> usize {
        push_opening(&mut self.out.bytes, self.value_tag, self.value_reserved)
    }

    /// Ends the value that begins there.
    #[inline]
    fn close_value(&mut self, start: usize) {
        self.value_reserved = close(&mut self.out.bytes, start, self.value_reserved);
    }

    /// Writes the value of a counter that has an exemplar.
    #[cold]
    #[inline(never)]
    fn exemplified(&mut self, value: Number, start: Option<UnixTime>, exemplar: &Exemplar) {
        let counter = push_opening(&mut self.out.bytes, self.value_tag, 1);
        push_double(&mut self.out.bytes, VALUE, value.float());
        push_exemplar(&mut self.out.bytes, &exemplar::OF_COUNTER, exemplar);
        self.push_created(OF_COUNTER, start);
        close(&mut self.out.bytes, counter, 1);
    }

    #[inline]
    fn push_created(&mut self, tag: u8, start: Option<UnixTime>) {
        if let Some(start) = start {
            let (field, len) = self.created.field(tag, start);
            push_prefix(&mut self.out.bytes, field, len);
        }
    }
}

impl FamilyWriter for ProtobufWriter<'_, '_> {
    fn begin(&mut self, family: &FamilyHead<'_>) {
        let FamilyHead { name, base_name: _, help, kind, unit, constant } = *family;
        self.length.begin(self.out);
        self.labels.begin(constant);
        let out = &mut self.out.bytes;
        push_bytes(out, FAMILY_NAME, name.as_bytes());
        push_bytes(out, FAMILY_HELP, help.as_bytes());
        let (family_type, value_tag) = match kind {
            FamilyKind::Counter => (0, COUNTER),
            FamilyKind::Gauge | FamilyKind::TargetInfo => (1, GAUGE),
            FamilyKind::Summary => (2, SUMMARY),
            FamilyKind::Unknown => (3, UNTYPED),
            FamilyKind::Histogram => (4, HISTOGRAM),
        };
        out.extend_from_slice(&[FAMILY_TYPE, family_type]);
        self.value_tag = value_tag;
        self.is_counter = kind == FamilyKind::Counter;
        self.unit.clear();
        if has_unit(family) {
            push_bytes(&mut self.unit, FAMILY_UNIT, unit.as_bytes());
        }
        self.length.cut(self.out);
    }

    #[inline]
    fn sample(
        &mut self,
        labels: Labels<'_>,
        value: Number,
        start: Option<UnixTime>,
        exemplar: Option<&Exemplar>,
    ) {
        let metric = self.open(labels);
        if let Some(exemplar) = exemplar {
            self.exemplified(value, start, exemplar);
            return self.close(metric);
        }
        // A gauge and an untyped value have their number in the same field as a counter.
        let mut fields = [0; 2 + 9 + CreatedTimestamp::MAX];
        let mut len = 2 + 9;
        fields[2] = VALUE;
        fields[3..2 + 9].copy_from_slice(&double(value.float()));
        if let (true, Some(start)) = (self.is_counter, start) {
            let (created, created_len) = self.created.field(OF_COUNTER, start);
            fields[2 + 9..].copy_from_slice(created);
            len += created_len;
        }
        (fields[0], fields[1]) = (self.value_tag, (len - 2) as u8);
        push_prefix(&mut self.out.bytes, &fields, len);
        self.close(metric);
    }

    fn histogram(&mut self, labels: Labels<'_>, value: &HistogramValue, start: Option<UnixTime>) {
        let HistogramValue { count, sum, buckets, native, is_native, exemplars, .. } = value;
        let metric = self.open(labels);
        let histogram = self.open_value();
        push_count_and_sum(&mut self.out.bytes, *count, *sum);
        if exemplars.is_empty() {
            self.buckets.push(&mut self.out.bytes, buckets);
        } else {
            exemplar::push_buckets(&mut self.out.bytes, value);
        }
        if *is_native {
            push_native(&mut self.out.bytes, &mut self.deltas, native);
        }
        self.push_created(OF_HISTOGRAM, start);
        if *is_native && !exemplars.is_empty() {
            exemplar::push_native(&mut self.out.bytes, &mut self.exemplars, value);
        }
        self.close_value(histogram);
        self.close(metric);
    }

    fn summary(
        &mut self,
        labels: Labels<'_>,
        quantiles: &[Quantile],
        count: u64,
        sum: Number,
        start: Option<UnixTime>,
    ) {
        let metric = self.open(labels);
        let summary = self.open_value();
        push_count_and_sum(&mut self.out.bytes, count, sum);
        for Quantile { quantile, value } in quantiles {
            let out = &mut self.out.bytes;
            out.extend_from_slice(&[REPEATED, 2 * 9]);
            push_double(out, QUANTILE, *quantile);
            push_double(out, QUANTILE_VALUE, *value);
        }
        self.push_created(OF_SUMMARY, start);
        self.close_value(summary);
        self.close(metric);
    }

    fn end(&mut self) -> bool {
        self.out.bytes.extend_from_slice(&self.unit);
        self.length.end(self.out)
    }

    fn is_stopped(&self) -> bool {
        self.out.is_stopped()
    }
}

/// Appends a tag, and reserves up to four bytes for the length. Returns where the message begins.
#[inline]
fn push_opening(out: &mut Vec<u8>, tag: u8, reserved: usize) -> usize {
    push_prefix(out, &[tag, 0, 0, 0, 0], 1 + reserved.min(4));
    out.len()
}

/// Appends the first bytes of an array. Copying a whole array is faster: its length is constant.
#[inline]
fn push_prefix<const N: usize>(out: &mut Vec<u8>, bytes: &[u8; N], len: usize) {
    let end = out.len() + len;
    out.extend_from_slice(bytes);
    out.truncate(end);
}

/// Appends the first fields of a histogram or summary.
#[inline]
fn push_count_and_sum(out: &mut Vec<u8>, count: u64, sum: Number) {
    out.push(SAMPLE_COUNT);
    push_varint(out, count);
    push_double(out, SAMPLE_SUM, sum.float());
}

/// Whether Prometheus accepts the unit. It fails the whole scrape if a name does not end with its unit, before
/// `_total` for a counter.
fn has_unit(FamilyHead { name, kind, unit, .. }: &FamilyHead<'_>) -> bool {
    let base = name.strip_suffix("_total").filter(|_| *kind == FamilyKind::Counter);
    let rest = base.unwrap_or(name).strip_suffix(unit);
    !unit.is_empty() && rest.is_some_and(|rest| rest.ends_with('_'))
}

// The fields of `MetricFamily`.
const FAMILY_NAME: u8 = length_tag(1);
const FAMILY_HELP: u8 = length_tag(2);
const FAMILY_TYPE: u8 = varint_tag(3);
const METRIC: u8 = length_tag(4);
const FAMILY_UNIT: u8 = length_tag(5);
// The values of a `Metric`.
const GAUGE: u8 = length_tag(2);
const COUNTER: u8 = length_tag(3);
const SUMMARY: u8 = length_tag(4);
const UNTYPED: u8 = length_tag(5);
const HISTOGRAM: u8 = length_tag(7);
/// `Counter.value`, `Gauge.value` and `Untyped.value`.
const VALUE: u8 = double_tag(1);
// Of a `Histogram` and of a `Summary`.
const SAMPLE_COUNT: u8 = varint_tag(1);
const SAMPLE_SUM: u8 = double_tag(2);
/// `Histogram.bucket` and `Summary.quantile`.
const REPEATED: u8 = length_tag(3);
/// `Quantile.quantile`.
const QUANTILE: u8 = double_tag(1);
/// `Quantile.value`.
const QUANTILE_VALUE: u8 = double_tag(2);

//! A family that was read from the text of a registry.

use crate::families::{
    foreign::{NotServed, prometheus_client::sample::Label},
    labels::attributes::{Attribute, AttributeValue},
    model::{Bucket, FamilyKind, HistogramValue, Number},
    series::points::{HistogramPoint, Point, PointVisitor},
};

/// A family, or the line that could not be read.
#[derive(Debug)]
pub(crate) struct Family<'a> {
    pub(super) name: &'a str,
    pub(super) help: &'a str,
    pub(super) unit: &'a str,
    pub(super) kind: Result<FamilyKind, &'a str>,
    pub(super) suffix: &'static str,
    pub(super) series: Vec<Series>,
    /// The labels of all series.
    pub(super) labels: Vec<Label<'a>>,
}

#[derive(Debug)]
pub(super) struct Series {
    /// Where its labels end. They begin where those of the previous series end.
    pub(super) labels_end: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Number(Number),
    Histogram(Histogram),
}

#[derive(Debug)]
pub(super) struct Histogram {
    pub(super) sum: Number,
    pub(super) count: u64,
    /// The finite ones in ascending order.
    pub(super) buckets: Vec<Bucket>,
}

impl<'a> Family<'a> {
    pub(super) fn unreadable(name: &'a str, line: &'a str) -> Self {
        Self {
            name,
            help: "",
            unit: "",
            kind: Err(line),
            suffix: "",
            series: Vec::new(),
            labels: Vec::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.name
    }

    /// What the crate appends to the name in samples.
    pub(crate) fn suffix(&self) -> &'static str {
        self.suffix
    }

    pub(super) fn has_series(&self) -> bool {
        !self.series.is_empty()
    }

    pub(crate) fn help(&self) -> &str {
        self.help
    }

    pub(crate) fn unit(&self) -> &str {
        self.unit
    }

    pub(crate) fn kind(&self) -> Result<FamilyKind, NotServed<'_>> {
        self.kind.map_err(Some)
    }

    /// Passes every series to the visitor. `kind` is the kind of the family.
    pub(crate) fn for_each_point<'m>(
        &'m self,
        kind: FamilyKind,
        visitor: &mut impl PointVisitor<'m>,
    ) {
        let mut start = 0;
        for Series { labels_end, value } in &self.series {
            let labels = &self.labels[start..*labels_end];
            start = *labels_end;
            let attributes = labels
                .iter()
                .map(|Label { key, value }| Attribute { key, value: AttributeValue::Text(value) });
            let point = match value {
                Value::Number(number) if kind == FamilyKind::Counter => Point::Sum(*number),
                Value::Number(number) => Point::Gauge(*number),
                Value::Histogram(histogram) => Point::Histogram(histogram),
            };
            visitor.point(attributes, point);
        }
    }
}

impl HistogramPoint for Histogram {
    fn sum(&self) -> Number {
        self.sum
    }

    fn read(&self, value: &mut HistogramValue) {
        value.is_native = false;
        value.buckets.clear();
        value.buckets.extend_from_slice(&self.buckets);
        value.count = self.count;
    }
}

//! Series of a push, with the types of their attributes.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Typed {
    Text(String),
    Int(i64),
}

/// The attributes of a series.
pub(crate) type Attributes = BTreeMap<String, Typed>;

/// The series of a metric. The value is the count of a histogram, or the sum.
pub(crate) type Series = BTreeMap<Attributes, i64>;

impl Typed {
    /// The type, as the specification calls it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Int(_) => "int",
        }
    }
}

impl From<&str> for Typed {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u16> for Typed {
    fn from(number: u16) -> Self {
        Self::Int(number.into())
    }
}

/// The series of a metric. Two series with the same attributes are a failure.
pub(crate) fn series(metric: &Metric) -> Series {
    let mut series = Series::new();
    let mut add = |attributes: &[KeyValue], value| {
        let before = series.insert(typed(attributes), value);
        assert!(before.is_none(), "{}: {attributes:?} is there twice", metric.name);
    };
    match metric.data.as_ref().expect("a metric has data") {
        Data::Histogram(histogram) => {
            for point in &histogram.data_points {
                add(&point.attributes, point.count.try_into().expect("a small number"));
            }
        }
        Data::Sum(sum) => {
            for point in &sum.data_points {
                let Some(number_data_point::Value::AsInt(value)) = point.value else {
                    panic!("{} counts in integers", metric.name)
                };
                add(&point.attributes, value);
            }
        }
        other => panic!("{} is {other:?}", metric.name),
    }
    series
}

fn typed(attributes: &[KeyValue]) -> Attributes {
    let pair = |attribute: &KeyValue| {
        let value = match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => Typed::Text(text.clone()),
            Some(Value::IntValue(number)) => Typed::Int(*number),
            other => panic!("{} is {other:?}", attribute.key),
        };
        (attribute.key.clone(), value)
    };
    let typed: Attributes = attributes.iter().map(pair).collect();
    assert_eq!(typed.len(), attributes.len(), "a key is there twice: {attributes:?}");
    typed
}

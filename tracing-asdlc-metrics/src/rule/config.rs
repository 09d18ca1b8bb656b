use crate::rule::label::Label;
use crate::rule::outcome::Outcome;
use crate::rule::rule::{FieldMetric, Rule};
use crate::rule::span_duration::SpanDuration;
use serde::Deserialize;
use std::borrow::Cow;
use std::str::FromStr;
use tracing_core::Level;

/// A [`Rule`] from configuration, in any format that `serde` reads. An unknown key is an error that names the key.
///
/// ```
/// use tracing_asdlc_metrics::{Label, Rule, RuleConfig};
///
/// let config: RuleConfig = serde_json::from_str(
///     r#"{
///         "span": "storage",
///         "counter": "storage_operations_total",
///         "duration": "storage_operation_duration_seconds",
///         "labels": [{ "field": "operation", "values": ["get", "put", "delete"] }, "backend"]
///     }"#,
/// )?;
/// assert_eq!(
///     Rule::from(config),
///     Rule::span("storage")
///         .with_counter("storage_operations_total")
///         .with_duration("storage_operation_duration_seconds")
///         .with_label(Label::field("operation").with_values(["get", "put", "delete"]))
///         .with_label("backend"),
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Keys
///
/// A rule has exactly one of these keys:
///
/// | key | rule |
/// |---|---|
/// | `span: NAME` | [`Rule::span`] |
/// | `event: NAME` | [`Rule::event`] |
/// | `source: spans`, `events` or `prefixed_fields` | [`Rule::spans`], [`Rule::events`] or [`Rule::prefixed_fields`] |
///
/// Every other key is the name of a method of [`Rule`] without `with_`. In the same way, the keys of a label and of an outcome
/// are the methods of [`Label`] and [`Outcome`]. The one exception is `inherited: true`, which is [`Label::with_inheritance`].
///
/// | key | value |
/// |---|---|
/// | `target`, `counter`, `opened_counter`, `in_flight`, `duration`, `unit` | text |
/// | `max_level` | `error`, `warn`, `info`, `debug` or `trace` |
/// | `span_duration` | `until_close`, `until_last_exit` or `busy` |
/// | `sum`, `histogram`, `gauge` | `{name, field}` |
/// | `boundaries` | a list of numbers |
/// | `labels` | a list; each is a field's name, or `{field, name, values, max_values, max_bytes, overflow_value, default, inherited}` |
/// | `outcome` | a label's name, or `{label, field, success, failed, cancelled, panicked, unknown, max_level}` |
/// | `max_series` | a number |
///
/// Their meaning and their valid values are those of the methods. Suffixes of names also
/// [mean the same](crate#names-and-units). [`SpanMetricsLayer::new`](crate::SpanMetricsLayer::new) checks the values.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(try_from = "Keys")]
pub struct RuleConfig(Rule);

impl From<RuleConfig> for Rule {
    fn from(RuleConfig(rule): RuleConfig) -> Self {
        rule
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    span: Option<String>,
    event: Option<String>,
    source: Option<SourceKey>,
    target: Option<String>,
    max_level: Option<String>,
    counter: Option<String>,
    opened_counter: Option<String>,
    in_flight: Option<String>,
    duration: Option<String>,
    span_duration: Option<SpanDurationKey>,
    sum: Option<FieldMetricKeys>,
    histogram: Option<FieldMetricKeys>,
    gauge: Option<FieldMetricKeys>,
    unit: Option<String>,
    boundaries: Option<Vec<f64>>,
    #[serde(default)]
    labels: Vec<LabelKey>,
    outcome: Option<OutcomeKey>,
    max_series: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SourceKey {
    Spans,
    Events,
    PrefixedFields,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SpanDurationKey {
    UntilClose,
    UntilLastExit,
    Busy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldMetricKeys {
    name: String,
    field: String,
}

/// Only a name, or a map of keys.
enum NameOr<T> {
    Name(String),
    Keys(T),
}

type LabelKey = NameOr<LabelKeys>;
type OutcomeKey = NameOr<OutcomeKeys>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelKeys {
    field: String,
    name: Option<String>,
    values: Option<Vec<String>>,
    max_values: Option<usize>,
    max_bytes: Option<usize>,
    overflow_value: Option<String>,
    default: Option<String>,
    #[serde(default)]
    inherited: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutcomeKeys {
    label: String,
    field: Option<String>,
    success: Option<String>,
    failed: Option<String>,
    cancelled: Option<String>,
    panicked: Option<String>,
    unknown: Option<String>,
    max_level: Option<String>,
}

/// Written by hand because `#[serde(untagged)]` would not say which key is unknown.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for NameOr<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = NameOr<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name or a map")
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(NameOr::Name(name.to_owned()))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<Self::Value, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(NameOr::Keys)
            }
        }

        deserializer.deserialize_any(Visitor(std::marker::PhantomData))
    }
}

impl TryFrom<Keys> for RuleConfig {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Self, String> {
        let Keys { span, event, source, target, max_level, labels, outcome, .. } = keys;
        let rule = match (span, event, source) {
            (Some(name), None, None) => Rule::span(name),
            (None, Some(name), None) => Rule::event(name),
            (None, None, Some(SourceKey::Spans)) => Rule::spans(),
            (None, None, Some(SourceKey::Events)) => Rule::events(),
            (None, None, Some(SourceKey::PrefixedFields)) => Rule::prefixed_fields(),
            _ => {
                return Err("invalid rule: must have exactly one of the keys `span`, `event` and \
                            `source`"
                    .into());
            }
        };
        let max_level = match max_level {
            Some(level) => Some(self::level(&level)?),
            None => None,
        };
        let outcome = outcome.map(Outcome::try_from).transpose()?;
        Ok(Self(Rule {
            target: cow(target),
            max_level,
            counter: cow(keys.counter),
            opened_counter: cow(keys.opened_counter),
            in_flight: cow(keys.in_flight),
            duration: cow(keys.duration),
            span_duration: keys.span_duration.map(SpanDuration::from),
            sum: keys.sum.map(FieldMetric::from),
            histogram: keys.histogram.map(FieldMetric::from),
            gauge: keys.gauge.map(FieldMetric::from),
            unit: cow(keys.unit),
            boundaries: keys.boundaries,
            labels: labels.into_iter().map(Label::from).collect(),
            outcome,
            max_series: keys.max_series,
            ..rule
        }))
    }
}

impl From<SpanDurationKey> for SpanDuration {
    fn from(duration: SpanDurationKey) -> Self {
        match duration {
            SpanDurationKey::UntilClose => Self::UntilClose,
            SpanDurationKey::UntilLastExit => Self::UntilLastExit,
            SpanDurationKey::Busy => Self::Busy,
        }
    }
}

impl From<FieldMetricKeys> for FieldMetric {
    fn from(FieldMetricKeys { name, field }: FieldMetricKeys) -> Self {
        Self { name: name.into(), field: field.into() }
    }
}

impl From<LabelKey> for Label {
    fn from(label: LabelKey) -> Self {
        let keys = match label {
            NameOr::Name(field) => return Self::field(field),
            NameOr::Keys(keys) => keys,
        };
        let LabelKeys {
            field,
            name,
            values,
            max_values,
            max_bytes,
            overflow_value,
            default,
            inherited,
        } = keys;
        let label = Self::field(field);
        let label = apply(label, name, Self::with_name);
        let label = apply(label, values, Self::with_values);
        let label = apply(label, max_values, Self::with_max_values);
        let label = apply(label, max_bytes, Self::with_max_bytes);
        let label = apply(label, overflow_value, Self::with_overflow_value);
        let label = apply(label, default, Self::with_default);
        if inherited { label.with_inheritance() } else { label }
    }
}

impl TryFrom<OutcomeKey> for Outcome {
    type Error = String;

    fn try_from(outcome: OutcomeKey) -> Result<Self, String> {
        let keys = match outcome {
            NameOr::Name(label) => return Ok(Self::label(label)),
            NameOr::Keys(keys) => keys,
        };
        let OutcomeKeys { label, field, success, failed, cancelled, panicked, unknown, max_level } =
            keys;
        let max_level = max_level.as_deref().map(level).transpose()?;
        let outcome = apply(Self::label(label), field, Self::with_field);
        let outcome = apply(outcome, success, Self::with_success);
        let outcome = apply(outcome, failed, Self::with_failed);
        let outcome = apply(outcome, cancelled, Self::with_cancelled);
        let outcome = apply(outcome, panicked, Self::with_panicked);
        let outcome = apply(outcome, unknown, Self::with_unknown);
        Ok(apply(outcome, max_level, Self::with_max_level))
    }
}

fn level(level: &str) -> Result<Level, String> {
    Level::from_str(level).map_err(|_| {
        format!("invalid max_level {level:?}: must be error, warn, info, debug or trace")
    })
}

fn apply<T, V>(to: T, value: Option<V>, with: impl FnOnce(T, V) -> T) -> T {
    match value {
        Some(value) => with(to, value),
        None => to,
    }
}

fn cow(name: Option<String>) -> Option<Cow<'static, str>> {
    name.map(Cow::Owned)
}

//! What the settings of an exporter may be.

use crate::{
    error::{BuildError, BuildErrorKind},
    exporter::exporter::Limits,
    families::{
        constant_labels::ConstantLabels,
        name::is_label_key,
        truncate::{LEAST_VALUE_LEN, MAX_CONSTANT_LEN, MAX_KEY_LEN, MOST_VALUE_LEN},
    },
};
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use std::time::Duration;

/// Nothing, or the namespace with one `_` at its end.
pub(crate) fn metric_prefix(namespace: Option<String>) -> Result<String, BuildError> {
    let Some(mut namespace) = namespace else { return Ok(String::new()) };
    if !is_label_key(&namespace) {
        return Err(BuildErrorKind::Namespace(namespace).into());
    }
    if namespace.len() > MAX_KEY_LEN {
        return Err(BuildErrorKind::LongNamespace(namespace).into());
    }
    if !namespace.ends_with('_') {
        namespace.push('_');
    }
    Ok(namespace)
}

pub(crate) fn constant_label_set(
    service: &str,
    configured: Vec<(String, String)>,
    max_value_len: usize,
) -> Result<ConstantLabels, BuildError> {
    if service.is_empty() {
        return Err(BuildErrorKind::EmptyService.into());
    }
    if service.len() > max_value_len {
        return Err(BuildErrorKind::LongService { len: service.len(), max: max_value_len }.into());
    }
    let mut labels = vec![("service".to_owned(), service.to_owned())];
    for (key, value) in configured {
        if !is_label_key(&key) {
            return Err(BuildErrorKind::LabelKey(key).into());
        }
        if key.len() > MAX_KEY_LEN {
            return Err(BuildErrorKind::LongLabelKey(key).into());
        }
        if value.len() > max_value_len {
            let len = value.len();
            return Err(BuildErrorKind::LongLabelValue { key, len, max: max_value_len }.into());
        }
        if ["service", "le", "quantile"].contains(&key.as_str()) {
            return Err(BuildErrorKind::ReservedLabelKey(key).into());
        }
        if labels.iter().any(|(known, _)| *known == key) {
            return Err(BuildErrorKind::DuplicateLabelKey(key).into());
        }
        labels.push((key, value));
    }
    let labels = ConstantLabels::new(labels);
    match labels.text().len() {
        len if len > MAX_CONSTANT_LEN => Err(BuildErrorKind::LongLabels(len).into()),
        _ => Ok(labels),
    }
}

pub(crate) fn check_limits(
    Limits { timeout, in_flight, source_timeout }: Limits,
    cardinality: Option<usize>,
    max_value_len: usize,
) -> Result<(), BuildError> {
    Err(if timeout < LEAST_TIMEOUT {
        BuildErrorKind::ScrapeTimeout(timeout)
    } else if source_timeout < LEAST_TIMEOUT {
        BuildErrorKind::SourceTimeout(source_timeout)
    } else if in_flight == 0 {
        BuildErrorKind::InFlight
    } else if let Some(limit) = cardinality.filter(|limit| !(1..=MOST_SERIES).contains(limit)) {
        BuildErrorKind::Cardinality(limit)
    } else if !(LEAST_VALUE_LEN..=MOST_VALUE_LEN).contains(&max_value_len) {
        BuildErrorKind::MaxLabelValueLen(max_value_len)
    } else {
        return Ok(());
    }
    .into())
}

/// For readers other than ours, which the writer of constant labels does not serve.
pub(crate) fn resource(
    service: &str,
    version: Option<&str>,
    labels: &[(String, String)],
) -> Resource {
    let version = version.map(|version| KeyValue::new("service.version", version.to_owned()));
    let labels = labels.iter().cloned().map(|(key, value)| KeyValue::new(key, value));
    Resource::builder_empty()
        .with_attributes(labels)
        .with_attributes(version)
        .with_service_name(service.to_owned())
        .build()
}

const LEAST_TIMEOUT: Duration = Duration::from_millis(1);

/// Of an instrument: room for more would not fit into memory.
pub(crate) const MOST_SERIES: usize = 10_000_000;

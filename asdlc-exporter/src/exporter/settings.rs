//! Checks the settings of a builder.

use crate::{
    error::{BuildError, BuildErrorKind},
    families::{
        labels::{
            constant::ConstantLabels,
            key::{KeyStyle, check_constant_label_key, check_key_beside_service, check_label_key},
        },
        limits::{MAX_CONSTANT_LEN, MAX_KEY_LEN, MAX_SERIES, MAX_VALUE_LEN, MIN_VALUE_LEN},
        model::NativeHistogram,
        series::{
            idle_timeout::{IdleTimeout, MIN_IDLE_TIMEOUT},
            native_histograms::{MAX_BUCKETS, NativeHistograms},
        },
    },
    scrape::ScrapeLimits,
};
use opentelemetry::KeyValue;
use opentelemetry_sdk::{Resource, resource::ResourceBuilder};
use std::time::Duration;

/// The prefix of the family names of instruments: the namespace, followed by `_` unless it ends in
/// `_`. Empty without a namespace.
pub(crate) fn metric_prefix(namespace: Option<String>) -> Result<String, BuildError> {
    let Some(mut namespace) = namespace else { return Ok(String::new()) };
    if let Err(allowed) = check_label_key(&namespace) {
        return Err(BuildErrorKind::Namespace { namespace, allowed }.into());
    }
    if namespace.len() > MAX_KEY_LEN {
        return Err(BuildErrorKind::LongNamespace(namespace).into());
    }
    if !namespace.ends_with('_') {
        namespace.push('_');
    }
    Ok(namespace)
}

/// The constant labels of every series: `service` if there is one, and those of the builder.
pub(crate) fn constant_label_set(
    service: Option<String>,
    configured: Vec<(String, String)>,
    max_value_len: usize,
) -> Result<ConstantLabels, BuildError> {
    if let Some(len) = service.as_ref().map(String::len).filter(|len| *len > max_value_len) {
        return Err(BuildErrorKind::LongService { len, max: max_value_len, variable: None }.into());
    }
    let check = if service.is_some() { check_key_beside_service } else { check_constant_label_key };
    let mut labels: Vec<_> =
        service.into_iter().map(|service| ("service".to_owned(), service)).collect();
    for (key, value) in configured {
        if let Err(allowed) = check(&key) {
            return Err(BuildErrorKind::LabelKey { key, allowed }.into());
        }
        if key.len() > MAX_KEY_LEN {
            return Err(BuildErrorKind::LongLabelKey(key).into());
        }
        if value.len() > max_value_len {
            let len = value.len();
            return Err(BuildErrorKind::LongLabelValue { key, len, max: max_value_len }.into());
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

/// Checks the attributes of the resource that are labels of every series.
pub(crate) fn check_resource_labels(keys: &[String], style: KeyStyle) -> Result<(), BuildError> {
    for key in keys {
        if let Err(allowed) = style.check_constant_label_key(&style.label_key(key)) {
            return Err(BuildErrorKind::ResourceLabel { key: key.clone(), allowed }.into());
        }
        if key.len() > MAX_KEY_LEN {
            return Err(BuildErrorKind::LongLabelKey(key.clone()).into());
        }
    }
    Ok(())
}

pub(crate) fn check_limits(
    ScrapeLimits { timeout, max_in_flight }: ScrapeLimits,
    source_timeout: Duration,
    max_value_len: usize,
) -> Result<(), BuildError> {
    Err(if timeout < MIN_TIMEOUT {
        BuildErrorKind::ScrapeTimeout(timeout)
    } else if source_timeout < MIN_TIMEOUT {
        BuildErrorKind::SourceTimeout(source_timeout)
    } else if max_in_flight == 0 {
        BuildErrorKind::MaxInFlight
    } else if !(MIN_VALUE_LEN..=MAX_VALUE_LEN).contains(&max_value_len) {
        BuildErrorKind::MaxLabelValueLen(max_value_len)
    } else {
        return Ok(());
    }
    .into())
}

pub(crate) fn check_idle_timeout(timeout: Option<&IdleTimeout>) -> Result<(), BuildError> {
    let too_short = timeout.map(IdleTimeout::timeout).filter(|it| *it < MIN_IDLE_TIMEOUT);
    too_short.map_or(Ok(()), |timeout| Err(BuildErrorKind::IdleTimeout(timeout).into()))
}

pub(crate) fn check_native_histograms(native: Option<&NativeHistograms>) -> Result<(), BuildError> {
    let Some(native) = native else { return Ok(()) };
    if !NativeHistogram::SCHEMAS.contains(&native.max_scale()) {
        return Err(BuildErrorKind::MaxScale(native.max_scale()).into());
    }
    if !MAX_BUCKETS.contains(&native.max_buckets()) {
        return Err(BuildErrorKind::MaxBuckets(native.max_buckets()).into());
    }
    Ok(())
}

pub(crate) fn check_max_series(max_series: Option<usize>) -> Result<(), BuildError> {
    let invalid = max_series.filter(|limit| !(1..=MAX_SERIES).contains(limit));
    invalid.map_or(Ok(()), |limit| Err(BuildErrorKind::MaxSeries(limit).into()))
}

/// The resource of an exporter's provider: the given one, and the attributes that the exporter knows.
pub(crate) fn resource(
    given: Option<Resource>,
    service: &str,
    version: Option<&str>,
    labels: &[(String, String)],
) -> Resource {
    let version = version.map(|version| KeyValue::new("service.version", version.to_owned()));
    let labels = labels.iter().cloned().map(|(key, value)| KeyValue::new(key, value));
    given
        .map_or_else(Resource::builder_empty, |given| {
            attributes_of(Resource::builder_empty(), &given)
        })
        .with_attributes(labels)
        .with_attributes(version)
        .with_service_name(service.to_owned())
        .build()
}

/// Both resources as one. The attributes of `updating` replace those of the same keys.
pub(crate) fn merged(old: &Resource, updating: &Resource) -> Resource {
    attributes_of(attributes_of(Resource::builder_empty(), old), updating).build()
}

/// Adds the attributes and the schema URL of a resource. The SDK has no function for it.
fn attributes_of(builder: ResourceBuilder, resource: &Resource) -> ResourceBuilder {
    let attributes = resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let attributes: Vec<_> = attributes.collect();
    let builder = builder.with_attributes(attributes);
    match resource.schema_url() {
        Some(url) => builder.with_schema_url([], url.to_owned()),
        None => builder,
    }
}

const MIN_TIMEOUT: Duration = Duration::from_millis(1);

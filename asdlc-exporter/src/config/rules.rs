//! What values are allowed, for files and for the environment.

use crate::{families::label_key::check_label_key, redact};
use serde::{Deserialize, Deserializer, de};
use std::{collections::BTreeMap, fmt, marker::PhantomData};

pub(super) fn check_port(port: i64) -> Result<u16, String> {
    let port_number = u16::try_from(port).ok().filter(|port| *port > 0);
    port_number.ok_or_else(|| format!("`{port}` is not a port: allowed are 1 to 65535"))
}

pub(super) fn check_path(path: String) -> Result<String, String> {
    let visible = path.bytes().all(|byte| byte.is_ascii_graphic());
    if path.starts_with('/') && visible && !path.contains(['?', '#', '{', '}', '*']) {
        return Ok(path);
    }
    Err(format!(
        "`{}` is not a path: allowed is `/` and then visible ASCII characters without `?`, `#`, `{{`, `}}` and `*`",
        redact::text(&path)
    ))
}

pub(super) fn check_service(service: String) -> Result<String, String> {
    if service.is_empty() {
        return Err(
            "the name is empty: allowed is any other, it becomes the label `service`".into()
        );
    }
    Ok(service)
}

pub(super) fn check_namespace(namespace: String) -> Result<String, String> {
    if check_label_key(&namespace).is_ok() {
        return Ok(namespace);
    }
    Err(format!("`{}` is not a metric name prefix: {NAME}", redact::text(&namespace)))
}

pub(super) fn check_labels(
    labels: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    for key in labels.keys() {
        if check_label_key(key).is_err() {
            return Err(format!("`{}` is not a label name: {NAME}", redact::text(key)));
        }
        if RESERVED.contains(&key.as_str()) {
            return Err(format!(
                "label `{key}` is reserved: allowed are all but `service`, `environment`, `le` and `quantile`"
            ));
        }
    }
    Ok(labels)
}

pub(super) fn check_boundaries(
    boundaries: BTreeMap<String, Vec<f64>>,
) -> Result<BTreeMap<String, Vec<f64>>, String> {
    for (histogram, bounds) in &boundaries {
        let finite = bounds.iter().all(|bound| bound.is_finite());
        if bounds.is_empty() || !finite || !bounds.is_sorted_by(|a, b| a < b) {
            return Err(format!(
                "boundaries {bounds:?} of `{}`: allowed are finite numbers in ascending order, one at least",
                redact::text(histogram)
            ));
        }
    }
    Ok(boundaries)
}

pub(super) fn port<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    check_port(i64::deserialize(from)?).map_err(de::Error::custom)
}

pub(super) fn path<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    check_path(String::deserialize(from)?).map_err(de::Error::custom)
}

pub(super) fn service<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let service = Option::deserialize(from)?;
    service.map(check_service).transpose().map_err(de::Error::custom)
}

pub(super) fn namespace<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let namespace = Option::deserialize(from)?;
    namespace.map(check_namespace).transpose().map_err(de::Error::custom)
}

pub(super) fn labels<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    check_labels(from.deserialize_map(Once(PhantomData))?).map_err(de::Error::custom)
}

pub(super) fn boundaries<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, Vec<f64>>, D::Error> {
    check_boundaries(from.deserialize_map(Once(PhantomData))?).map_err(de::Error::custom)
}

/// A map in which each key stands once: YAML would take the last one in silence.
struct Once<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> de::Visitor<'de> for Once<V> {
    type Value = BTreeMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry::<String, V>()? {
            if map.contains_key(&key) {
                return Err(de::Error::custom(format_args!(
                    "`{}` is given twice",
                    redact::text(&key)
                )));
            }
            map.insert(key, value);
        }
        Ok(map)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }
}

/// The rule of [`check_label_key`], in words.
const NAME: &str =
    "allowed are ASCII letters, digits and `_`, no digit first, not empty, no `__` first";

const RESERVED: [&str; 4] = ["service", "environment", "le", "quantile"];

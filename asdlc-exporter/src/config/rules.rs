//! Checks the values of settings, from files and from the environment.

use crate::{
    boundaries::check_boundaries,
    families::labels::key::{check_constant_label_key, check_label_key},
    redact,
};
use serde::{Deserialize, Deserializer, de};
use std::{collections::BTreeMap, fmt, marker::PhantomData};

pub(super) fn check_port(port: i64) -> Result<u16, String> {
    let number = u16::try_from(port).ok().filter(|port| *port > 0);
    number.ok_or_else(|| format!("invalid port {port}: must be 1 to 65535"))
}

pub(super) fn check_path(path: String) -> Result<String, String> {
    let is_visible = path.bytes().all(|byte| byte.is_ascii_graphic());
    if path.starts_with('/') && is_visible && !path.contains(['?', '#', '{', '}', '*']) {
        return Ok(path);
    }
    Err(format!(
        "invalid path \"{}\": must start with / and have only visible ASCII characters except ?, #, {{, }} and *",
        redact::text(&path)
    ))
}

fn check_service(service: String) -> Result<String, String> {
    match service.is_empty() {
        true => Err("invalid service name \"\": must not be empty".to_owned()),
        false => Ok(service),
    }
}

pub(super) fn check_namespace(namespace: String) -> Result<String, String> {
    match check_label_key(&namespace) {
        Ok(()) => Ok(namespace),
        Err(rule) => Err(format!("invalid namespace \"{}\": {rule}", redact::text(&namespace))),
    }
}

pub(super) fn check_labels(
    labels: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    for key in labels.keys() {
        if RESERVED.contains(&key.as_str()) {
            return Err(format!(
                "invalid label key \"{key}\": must not be service, environment, le or quantile"
            ));
        }
        check_constant_label_key(key)
            .map_err(|rule| format!("invalid label key \"{}\": {rule}", redact::text(key)))?;
    }
    Ok(labels)
}

pub(super) fn check_boundaries_of(
    histograms: BTreeMap<String, Vec<f64>>,
) -> Result<BTreeMap<String, Vec<f64>>, String> {
    for (name, boundaries) in &histograms {
        check_boundaries(boundaries)
            .map_err(|problem| format!("histogram \"{}\": {problem}", redact::text(name)))?;
    }
    Ok(histograms)
}

// These functions are for `#[serde(deserialize_with)]`.

pub(super) fn port<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u16>, D::Error> {
    check_port(i64::deserialize(from)?).map(Some).map_err(de::Error::custom)
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
    check_labels(from.deserialize_map(UniqueKeys(PhantomData))?).map_err(de::Error::custom)
}

pub(super) fn boundaries<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, Vec<f64>>, D::Error> {
    check_boundaries_of(from.deserialize_map(UniqueKeys(PhantomData))?).map_err(de::Error::custom)
}

/// Refuses duplicate keys of a map. Without it, the last value of a duplicate key in YAML would silently
/// replace the others.
struct UniqueKeys<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> de::Visitor<'de> for UniqueKeys<V> {
    type Value = BTreeMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry::<String, V>()? {
            if map.contains_key(&key) {
                let key = redact::text(&key);
                return Err(de::Error::custom(format_args!("duplicate entry \"{key}\"")));
            }
            map.insert(key, value);
        }
        Ok(map)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }
}

/// Labels that the exporter or the format writes.
const RESERVED: [&str; 4] = ["service", "environment", "le", "quantile"];

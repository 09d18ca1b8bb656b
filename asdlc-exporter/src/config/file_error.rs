//! Removes secrets from the error messages of file parsers.

use crate::redact;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::fmt;

/// Removes the value from an error message of a parser or of a structure.
///
/// `keys` is the path to the value. `document` has the secrets of the file. A structure of a
/// service may repeat a value in its own message. If the message contains a secret of the file,
/// only its part about the allowed values is shown.
///
/// Without a document the secrets are unknown. Then only messages of serde about names and types,
/// and messages about the whole file, are shown.
pub(super) fn without_value(problem: &str, keys: &str, document: Option<&Document>) -> String {
    let problem = redact::text(&without_serde_value(problem));
    let is_secret = carries_a_secret(keys);
    let is_of_file = matches!(keys, "" | ".");
    let is_safe = |text: &str| {
        let Some(Document { secrets }) = document else { return is_of_file };
        // Shorter values occur in many words.
        let is_long = |secret: &str| secret.len() > if is_secret { 0 } else { 3 };
        !secrets.iter().any(|secret| is_long(secret) && text.contains(&**secret))
    };
    // These messages are about names, not about values.
    let about_fields = ["unknown field `", "missing field `", "duplicate field `"];
    // The value has been removed from these messages of serde.
    let about_types = ["invalid type: ", "invalid value: ", "unknown variant, expected "];
    let starts_with = |starts: &[&str]| starts.iter().any(|start| problem.starts_with(start));
    if starts_with(&about_fields)
        || document.is_none() && starts_with(&about_types)
        || is_safe(&problem)
    {
        return problem;
    }
    let rule =
        ["must ", "allowed ", "expected "].iter().filter_map(|word| problem.find(word)).min();
    match rule.map(|at| &problem[at..]) {
        Some(rule) if is_safe(rule) => rule.to_owned(),
        _ => "invalid value: it is not shown because it may be a secret".to_owned(),
    }
}

/// Replaces a value by its type: ``integer `7`, expected a string`` becomes `integer, expected a string`.
fn without_serde_value(problem: &str) -> String {
    for what in ["invalid type", "invalid value"] {
        let rest = problem.strip_prefix(what).and_then(|rest| rest.strip_prefix(": "));
        if let Some((value, expected)) = rest.and_then(|rest| rest.rsplit_once(", expected ")) {
            let found = TYPES.iter().find(|name| value.starts_with(**name)).unwrap_or(&"a value");
            return format!("{what}: {found}, expected {expected}");
        }
    }
    // The value may contain the same words: the last occurrence is that of serde.
    let variant = problem.strip_prefix("unknown variant `");
    match variant.and_then(|rest| rest.rsplit_once("`, expected ")) {
        Some((_, expected)) => format!("unknown variant, expected {expected}"),
        None => problem.to_owned(),
    }
}

/// The names of types in messages of serde.
const TYPES: [&str; 13] = [
    "boolean",
    "integer",
    "floating point",
    "character",
    "string",
    "byte array",
    "unit value",
    "Option value",
    "sequence",
    "map",
    "enum",
    "null",
    "datetime",
];

/// The values of a file whose keys suggest a secret.
#[derive(Default)]
pub(super) struct Document {
    secrets: Vec<String>,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut document = Self::default();
        from.deserialize_any(Scalars { document: &mut document, is_secret: false })?;
        Ok(document)
    }
}

fn carries_a_secret(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    redact::names_a_secret(key) || ["url", "uri", "connect"].iter().any(|word| lower.contains(word))
}

/// Collects the secrets of a part of a document.
struct Scalars<'a> {
    document: &'a mut Document,
    is_secret: bool,
}

impl Scalars<'_> {
    fn push(self, value: impl fmt::Display) {
        if self.is_secret {
            self.document.secrets.push(value.to_string());
        }
    }
}

impl<'de> de::DeserializeSeed<'de> for Scalars<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scalars<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.push(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.push(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.push(value);
        Ok(())
    }

    fn visit_i128<E>(self, value: i128) -> Result<(), E> {
        self.push(value);
        Ok(())
    }

    fn visit_u128<E>(self, value: u128) -> Result<(), E> {
        self.push(value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.push(value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.push(value);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (IgnoredAny, value) = tagged.variant()?;
        de::VariantAccess::newtype_variant_seed(value, self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let Self { document, is_secret } = self;
        while values.next_element_seed(Scalars { document, is_secret })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { document, is_secret } = self;
        while let Some(key) = entries.next_key::<String>()? {
            let is_secret = is_secret || carries_a_secret(&key);
            entries.next_value_seed(Scalars { document, is_secret })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // F-26
    #[test]
    fn the_value_is_removed_and_the_expectation_stays() {
        for (problem, expected) in [
            (
                "invalid type: integer `7`, expected a string",
                "invalid type: integer, expected a string",
            ),
            (
                "invalid type: string \"a, expected b\", expected u16",
                "invalid type: string, expected u16",
            ),
            ("invalid value: hunter2, expected a day", "invalid value: a value, expected a day"),
            ("unknown variant `a`, expected `on`", "unknown variant, expected `on`"),
            (
                "unknown variant `a`, expected one of `on`, `off`",
                "unknown variant, expected one of `on`, `off`",
            ),
            ("unknown field `prot`, expected `port`", "unknown field `prot`, expected `port`"),
            ("missing field `port`", "missing field `port`"),
        ] {
            assert_eq!(without_value(problem, "key", None), expected);
        }
    }
}

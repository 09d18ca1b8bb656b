//! `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.

use super::{error::EnvironmentError, variables::Environment};
use opentelemetry::KeyValue;
use opentelemetry_sdk::{Resource, resource::TelemetryResourceDetector};
use std::{env, iter::Copied, slice::Iter};

/// The resource of this process, from the variables `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
///
/// ```
/// use opentelemetry::KeyValue;
/// use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
///
/// # fn main() -> Result<(), asdlc_exporter::EnvironmentError> {
/// let provider = SdkMeterProvider::builder()
///     .with_resource(asdlc_exporter::resource_from_env()?)
///     // Attributes that the program knows better replace those of the environment.
///     .with_resource(
///         Resource::builder_empty().with_attribute(KeyValue::new("service.version", "1.2.3")).build(),
///     )
///     .build();
/// # Ok(()) }
/// ```
///
/// It has these attributes:
///
/// | key | value |
/// |---|---|
/// | `service.name` | `OTEL_SERVICE_NAME`, or else `service.name` of `OTEL_RESOURCE_ATTRIBUTES`, or else `unknown_service:` and the file name of the program |
/// | the other keys of `OTEL_RESOURCE_ATTRIBUTES` | their values, always as strings |
/// | `telemetry.sdk.name`, `telemetry.sdk.language`, `telemetry.sdk.version` | of the SDK, unless `OTEL_RESOURCE_ATTRIBUTES` has these keys |
///
/// `OTEL_RESOURCE_ATTRIBUTES` is `key1=value1,key2=value2`, as the OpenTelemetry specification defines it.
/// `,` and `=` in keys and values are written `%2C` and `%3D`, and `%` is written `%25`. Any other
/// character may be percent-encoded too, as UTF-8. White space around keys and values is removed, and then
/// they are decoded. Empty entries are ignored, so that a list may end in a comma. If a key occurs twice, the
/// last value is used. An empty variable, or an empty `service.name`, is the same as none.
///
/// The SDK's own detector (`Resource::builder`) differs: it does not decode values, skips entries that it
/// cannot read, and `service.name` of `OTEL_RESOURCE_ATTRIBUTES` replaces `OTEL_SERVICE_NAME`.
///
/// # Errors
///
/// When an entry of `OTEL_RESOURCE_ATTRIBUTES` is not `KEY=VALUE`, has an unencoded `=` in its value, or
/// has a `%` that is not followed by two hexadecimal digits, when its decoded text is not UTF-8, and when
/// one of the variables is not UTF-8.
pub fn resource_from_env() -> Result<Resource, EnvironmentError> {
    let ResourceVariables { service_name, attributes } =
        Environment::of_process().resource_variables()?;
    Ok(Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(attributes)
        .with_service_name(service_name.map_or_else(unknown_service, |(name, _)| name))
        .build())
}

/// What the environment says about the resource.
#[derive(Debug, PartialEq)]
pub(crate) struct ResourceVariables {
    /// The name, and the variable that has it.
    pub(crate) service_name: Option<(String, &'static str)>,
    /// All others. A key may occur more than once: the last value counts.
    pub(crate) attributes: Vec<KeyValue>,
}

impl Environment<'_> {
    pub(crate) fn resource_variables(self) -> Result<ResourceVariables, EnvironmentError> {
        let named = self.text(SERVICE_NAME)?;
        let text = self.text(RESOURCE_ATTRIBUTES)?.unwrap_or_default();
        let mut service_name = None;
        let mut attributes = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let invalid =
                |allowed| EnvironmentError::invalid(RESOURCE_ATTRIBUTES, "entry", entry, allowed);
            let (key, value) = attribute(entry).map_err(invalid)?;
            if key == "service.name" {
                service_name = Some(value).filter(|name| !name.is_empty());
            } else {
                attributes.push(KeyValue::new(key, value));
            }
        }
        let named = named.map(|name| (name, SERVICE_NAME));
        let service_name = service_name.map(|name| (name, RESOURCE_ATTRIBUTES));
        Ok(ResourceVariables { service_name: named.or(service_name), attributes })
    }
}

/// `Err` says what is allowed.
fn attribute(entry: &str) -> Result<(String, String), &'static str> {
    let (key, value) = entry.split_once('=').ok_or(PAIR)?;
    if value.contains('=') {
        return Err(PAIR);
    }
    let key = percent_decoded(key.trim())?;
    match key.is_empty() {
        true => Err(PAIR),
        false => Ok((key, percent_decoded(value.trim())?)),
    }
}

fn percent_decoded(text: &str) -> Result<String, &'static str> {
    let mut bytes = text.as_bytes().iter().copied();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => encoded_byte(&mut bytes).ok_or(ENCODED)?,
            byte => byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| DECODED)
}

fn encoded_byte(bytes: &mut Copied<Iter<'_, u8>>) -> Option<u8> {
    let mut digit = || char::from(bytes.next()?).to_digit(16);
    let (high, low) = (digit()?, digit()?);
    u8::try_from(high * 16 + low).ok()
}

/// What the specification demands if no name is given.
fn unknown_service() -> String {
    let program = env::current_exe().ok();
    let name = program.as_deref().and_then(|path| path.file_name()?.to_str());
    name.map_or_else(|| UNKNOWN.to_owned(), |name| format!("{UNKNOWN}:{name}"))
}

const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const UNKNOWN: &str = "unknown_service";

const PAIR: &str = "be KEY=VALUE, entries are separated by ',', and ',' and '=' in keys and values are written %2C and %3D";
const ENCODED: &str = "have two hexadecimal digits after each '%', and '%' itself is written %25";
const DECODED: &str = "be UTF-8 when it is decoded";

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn read(name: &str, attributes: &str) -> Result<ResourceVariables, String> {
        let lookup = |variable: &str| match variable {
            SERVICE_NAME => Some(OsString::from(name)),
            RESOURCE_ATTRIBUTES => Some(OsString::from(attributes)),
            _ => None,
        };
        Environment::new(&lookup).resource_variables().map_err(|error| error.to_string())
    }

    fn attributes(text: &str) -> Vec<(String, String)> {
        let found = read("", text).expect(text);
        assert_eq!(found.service_name, None, "{text}");
        let pair = |pair: KeyValue| (pair.key.to_string(), pair.value.to_string());
        found.attributes.into_iter().map(pair).collect()
    }

    // X-08, C-90
    #[test]
    fn attributes_are_decoded_as_the_specification_says() {
        let unset = Environment::new(&|_| None).resource_variables();
        let nothing = ResourceVariables { service_name: None, attributes: Vec::new() };
        assert_eq!(unset.expect("not set"), nothing);
        for (text, expected) in [
            ("", &[][..]),
            ("a=1", &[("a", "1")]),
            ("a=1,b=2", &[("a", "1"), ("b", "2")]),
            (" a = 1 ,\tb\t=\t2 3 ", &[("a", "1"), ("b", "2 3")]),
            ("a=", &[("a", "")]),
            // The end of a list, and a variable that is empty in a template.
            ("a=1,", &[("a", "1")]),
            (",, a=1,,b=2", &[("a", "1"), ("b", "2")]),
            (" , ", &[]),
            ("a=1%2C2%3d3", &[("a", "1,2=3")]),
            ("a%2Cb%3Dc=1", &[("a,b=c", "1")]),
            ("a=100%25,b=%2541", &[("a", "100%"), ("b", "%41")]),
            ("a=%20x%20", &[("a", " x ")]),
            ("a=x+y", &[("a", "x+y")]),
            ("a=Gr%C3%BC%c3%9fe,b=Grüße", &[("a", "Grüße"), ("b", "Grüße")]),
            ("a=%00%0A\"\\", &[("a", "\0\n\"\\")]),
            ("a=http://h:1/p?q#f;g", &[("a", "http://h:1/p?q#f;g")]),
            // All values are strings. The last value of a key counts, which the resource decides.
            ("a=true,a=1", &[("a", "true"), ("a", "1")]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
            assert_eq!(attributes(text), expected, "{text}");
        }
    }

    // X-08, C-90
    #[test]
    fn the_service_name_has_the_precedence_of_the_specification() {
        for (name, attributes, expected) in [
            ("", "", None),
            ("shop", "", Some("shop")),
            ("shop", "service.name=other", Some("shop")),
            ("", "service.name=other", Some("other")),
            ("", "service.name=a,service.name=b", Some("b")),
            ("", "service%2Ename=%C3%BC", Some("ü")),
            ("", "service.name=", None),
            // The name itself is not encoded.
            ("a=%2C,b", "", Some("a=%2C,b")),
        ] {
            let found = read(name, attributes).expect(attributes);
            let name_found = found.service_name.as_ref().map(|(name, _)| name.as_str());
            assert_eq!(name_found, expected, "{name} {attributes}");
            assert_eq!(found.attributes, [], "{name} {attributes}");
        }
    }

    // X-08
    #[test]
    fn a_wrong_entry_is_an_error_that_names_the_variable() {
        for (text, entry, allowed) in [
            ("a", "a", PAIR),
            ("a=1,b", "b", PAIR),
            ("a=1;b=2", "a=1;b=2", PAIR),
            ("a=1 b=2", "a=1 b=2", PAIR),
            ("a==", "a==", PAIR),
            ("=1", "=1", PAIR),
            (" =1", "=1", PAIR),
            ("a=1,b=%", "b=%", ENCODED),
            ("a=50%", "a=50%", ENCODED),
            ("a=%4", "a=%4", ENCODED),
            ("a=%4g", "a=%4g", ENCODED),
            ("a=%+1", "a=%+1", ENCODED),
            ("%=1", "%=1", ENCODED),
            ("a=%ff", "a=%ff", DECODED),
            ("a=%C3,b=%BC", "a=%C3", DECODED),
            ("%ff=1", "%ff=1", DECODED),
        ] {
            let expected = format!(
                "environment variable OTEL_RESOURCE_ATTRIBUTES: invalid entry \"{entry}\": must {allowed}"
            );
            assert_eq!(read("", text), Err(expected.clone()), "{text}");
            // It is an error too if the other variable has the name.
            assert_eq!(read("shop", text), Err(expected), "{text}");
        }
        assert_eq!(
            read("", "a").expect_err("no value"),
            "environment variable OTEL_RESOURCE_ATTRIBUTES: invalid entry \"a\": must be KEY=VALUE, entries are separated by ',', and ',' and '=' in keys and values are written %2C and %3D"
        );
    }

    // X-08, F-26
    #[test]
    fn an_error_has_no_secret_and_a_bounded_length() {
        for text in [
            "api.token=hunter2%",
            "password=hunter2=",
            "db=postgres://app:hunter2@db/x?a=b",
            "db=postgres%3A%2F%2Fapp%3Ahunter2%40db%",
        ] {
            let error = read("", text).expect_err(text);
            assert!(!error.contains("hunter2"), "{error}");
        }
        let error = read("", &"x".repeat(100_000)).expect_err("no value");
        assert!(error.len() < 1000, "{}", error.len());
    }
}

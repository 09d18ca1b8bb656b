//! "Metric Attributes".

use super::{Result, Served};
use opentelemetry::{Array, KeyValue, Value};

/// The labels of the gauge `seen` that was recorded with these attributes.
fn labels(attributes: &[KeyValue]) -> Result<Vec<(String, String)>> {
    let served = Served::new(|meter| meter.u64_gauge("seen").build().record(1, attributes))?;
    let sample = served.samples.into_iter().find(|sample| sample.name == "seen");
    Ok(sample.map(|sample| sample.labels).unwrap_or_default())
}

fn label(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

// C-45, C-46
#[test]
fn attributes_are_labels_and_values_that_are_no_strings_are_json() -> Result {
    for (value, expected) in [
        (Value::from("a \"b\" \\ \n"), "a \"b\" \\ \n"),
        (Value::from(true), "true"),
        (Value::from(42), "42"),
        (Value::from(0.5), "0.5"),
        (Value::from(f64::NEG_INFINITY), "-Infinity"),
        (Value::Array(Array::F64(vec![1.0, f64::NAN])), "[1,\"NaN\"]"),
        (Value::Array(Array::String(vec!["red".into(), "a\"b".into()])), r#"["red","a\"b"]"#),
    ] {
        assert_eq!(labels(&[KeyValue::new("key", value)])?, [label("key", expected)]);
    }
    Ok(())
}

// C-47, C-48
#[test]
fn keys_keep_their_characters_or_get_single_underscores() -> Result {
    for (key, expected) in [
        ("method", "method"),
        ("http.request.method", "http_request_method"),
        ("a..b", "a_b"),
        ("a__b", "a_b"),
        ("a:b", "a_b"),
    ] {
        assert_eq!(labels(&[KeyValue::new(key, "x")])?, [label(expected, "x")], "{key}");
    }
    Ok(())
}

// C-49
#[test]
fn values_of_keys_that_become_one_label_are_joined_in_the_order_of_the_keys() -> Result {
    let attributes = [("a_b", "3"), ("a.b", "2"), ("a-b", "1")];
    let attributes = attributes.map(|(key, value)| KeyValue::new(key, value));
    assert_eq!(labels(&attributes)?, [label("a_b", "1;2;3")]);
    // Of an attribute and the scope, whose name is `test`: `otel.` sorts before `otel_`.
    let scope_name = [KeyValue::new("otel.scope.name", "recorded")];
    assert_eq!(labels(&scope_name)?, [label("otel_scope_name", "recorded;test")]);
    Ok(())
}

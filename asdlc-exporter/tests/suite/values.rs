//! Numbers, label values and the ways to record them.

use crate::check::check;
use asdlc_exporter::Exporter;
use opentelemetry::{Array, KeyValue, StringValue, Value};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

//
#[test]
fn numbers_are_exact_and_short() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let floats = exporter.meter().f64_gauge("float").build();
    for (value, text) in [
        (1.0, "1"),
        (0.1, "0.1"),
        (-0.0, "-0"),
        (2.5e-8, "2.5e-8"),
        (123_456.789, "123456.789"),
        (1e300, "1e300"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
    ] {
        floats.record(value, &[]);
        let rendered = exporter.render()?;
        check(&rendered);
        assert!(
            rendered.contains(&format!("\nfloat{{service=\"shop\"}} {text}\n")),
            "{text}: {rendered}"
        );
    }
    // The SDK ignores an infinite measurement, but a sum can become infinite.
    let sum = exporter.meter().f64_up_down_counter("sum").build();
    sum.add(f64::MAX, &[]);
    sum.add(f64::MAX, &[]);
    assert!(exporter.render()?.contains("sum{service=\"shop\"} +Inf\n"));
    exporter.meter().u64_counter("unsigned").build().add(u64::MAX, &[]);
    exporter.meter().i64_gauge("signed").build().record(i64::MIN, &[]);
    let text = exporter.render()?;
    assert!(text.contains("unsigned_total{service=\"shop\"} 18446744073709551615\n"), "{text}");
    assert!(text.contains("signed{service=\"shop\"} -9223372036854775808\n"), "{text}");
    Ok(())
}

//
#[test]
fn label_values_are_parsed_as_they_were_recorded() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let gauge = exporter.meter().u64_gauge("seen").build();
    let long = "ä".repeat(512);
    for (value, expected) in [
        (Value::from("a \"b\" \\ \n \r\t\0 🦀 {},="), "a \"b\" \\ \n \r\t\0 🦀 {},="),
        (Value::from("\\"), "\\"),
        (Value::from(true), "true"),
        (Value::from(-7_i64), "-7"),
        (Value::from(0.5), "0.5"),
        (Value::Array(Array::String(vec![StringValue::from("x\ny")])), "[\"x\\ny\"]"),
        (Value::from(long.clone()), long.as_str()),
    ] {
        let at = expected.chars().take(8).collect::<String>();
        gauge.record(1, &[KeyValue::new("value", value)]);
        let samples = check(&exporter.render()?);
        assert!(samples.iter().any(|s| s.label("value") == Some(expected)), "{at:?}");
    }
    Ok(())
}

//
#[test]
fn keys_that_prometheus_rejects_are_replaced() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let keys = ["", "1st", "co:lon", "__name__", "le", "quantile", "é", "a-b", "\n"];
    let attributes: Vec<_> = keys.iter().map(|key| KeyValue::new(*key, "x")).collect();
    exporter.meter().u64_counter("orders").build().add(1, &attributes);
    exporter.meter().u64_histogram("wait").with_boundaries(vec![]).build().record(1, &attributes);
    let samples = check(&exporter.render()?);
    let keys = |name: &str| -> Vec<String> {
        let sample = samples.iter().find(|s| s.name == name).expect(name);
        sample.labels[1..].iter().map(|(key, _)| key.clone()).collect()
    };
    assert_eq!(
        keys("orders_total"),
        ["_", "_name_", "a_b", "co_lon", "key", "key_1st", "le", "quantile"],
        "`é` and LF are both `_`"
    );
    assert_eq!(
        keys("wait_bucket"),
        ["_", "_name_", "a_b", "co_lon", "exported_le", "key", "key_1st", "quantile", "le"]
    );
    Ok(())
}

/// With the feature of the API alone, bound measurements would be lost: the SDK's feature must be on.
#[test]
fn a_bound_counter_reaches_the_text() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let counter = exporter.meter().u64_counter("orders").build();
    counter.bind(&[KeyValue::new("a", "b")]).add(3);
    counter.add(4, &[KeyValue::new("a", "b")]);
    let text = exporter.render()?;
    assert!(text.contains("orders_total{service=\"shop\",a=\"b\"} 7\n"), "{text}");
    Ok(())
}

#[test]
fn a_histogram_without_boundaries_has_count_and_sum() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let histogram = exporter.meter().f64_histogram("wait").with_boundaries(vec![]).build();
    histogram.record(0.25, &[]);
    histogram.record(0.5, &[]);
    let text = exporter.render()?;
    check(&text);
    assert!(
        text.contains(
            "wait_bucket{service=\"shop\",le=\"+Inf\"} 2\nwait_sum{service=\"shop\"} 0.75\nwait_count{service=\"shop\"} 2\n"
        ),
        "{text}"
    );
    Ok(())
}

//! The settings of the builder, and what they add to every scrape.

use crate::check::check;
use asdlc_exporter::Exporter;
use opentelemetry::KeyValue;

#[test]
fn an_invalid_name_or_key_is_rejected_with_what_is_allowed() {
    let allowed = "must match [a-zA-Z_][a-zA-Z0-9_]*";
    for (namespace, labels, expected) in [
        (Some(""), [].as_slice(), format!("invalid namespace \"\": {allowed}")),
        (Some("9a"), &[], format!("invalid namespace \"9a\": {allowed}")),
        (Some("a:b"), &[], format!("invalid namespace \"a:b\": {allowed}")),
        (Some("__a"), &[], "invalid namespace \"__a\": must not start with __".into()),
        (Some("a\nb"), &[], format!("invalid namespace \"a\\nb\": {allowed}")),
        (None, &[""], format!("invalid label key \"\": {allowed}")),
        (None, &["1st"], format!("invalid label key \"1st\": {allowed}")),
        (None, &["co:lon"], format!("invalid label key \"co:lon\": {allowed}")),
        (None, &["__name__"], "invalid label key \"__name__\": must not start with __".into()),
        (None, &["réel"], format!("invalid label key \"réel\": {allowed}")),
        (
            None,
            &["service"],
            "invalid label key \"service\": must not be service, le or quantile".into(),
        ),
        (
            None,
            &["quantile"],
            "invalid label key \"quantile\": must not be service, le or quantile".into(),
        ),
        (None, &["zone", "zone"], "invalid label key \"zone\": must not be given twice".into()),
    ] {
        let mut builder = Exporter::builder("shop");
        if let Some(namespace) = namespace {
            builder = builder.with_namespace(namespace);
        }
        for key in labels {
            builder = builder.with_constant_label(*key, "x");
        }
        assert_eq!(builder.build().expect_err(&expected).to_string(), expected);
    }
    let error = Exporter::builder("").build().expect_err("no service");
    assert_eq!(error.to_string(), "missing service name: must not be empty");
}

// O-04, O-08
#[test]
fn service_info_has_the_version() -> Result<(), Box<dyn std::error::Error>> {
    let exporter =
        Exporter::builder("shop").with_namespace("asdlc").with_version("1.2.3").build()?;
    let text = exporter.render()?;
    assert!(text.contains("asdlc_service_info{service=\"shop\",version=\"1.2.3\"} 1\n"), "{text}");
    check(&text);

    let text = Exporter::builder("shop").build()?.render()?;
    assert!(!text.contains("service_info"), "there is no version: {text}");
    Ok(())
}

//
#[test]
fn uptime_increases_with_every_scrape() -> Result<(), Box<dyn std::error::Error>> {
    let exporter = Exporter::builder("shop").build()?;
    let uptime = || -> Result<f64, asdlc_exporter::ScrapeError> {
        let samples = check(&exporter.render()?);
        Ok(samples.iter().find(|s| s.name == "uptime_seconds").expect("uptime_seconds").value)
    };
    let first = uptime()?;
    assert!((0.0..60.0).contains(&first), "{first}");
    assert!(uptime()? > first);
    Ok(())
}

// A-09, O-08
#[test]
fn namespace_and_constant_labels_are_on_every_series() -> Result<(), Box<dyn std::error::Error>> {
    let exporter = Exporter::builder("a \"shop\"\\\n")
        .with_namespace("asdlc_")
        .with_constant_label("zone", "b")
        .with_constant_label("environment", "test")
        .with_version("1")
        .build()?;
    exporter.meter().u64_counter("orders").build().add(1, &[KeyValue::new("paid", true)]);
    exporter.meter().f64_histogram("wait").with_boundaries(vec![1.0]).build().record(0.5, &[]);
    for sample in check(&exporter.render()?) {
        assert!(
            sample.name.starts_with("asdlc_") && !sample.name.starts_with("asdlc__"),
            "{sample:?}"
        );
        let constant: Vec<_> =
            sample.labels.iter().take(3).map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            constant,
            [("service", "a \"shop\"\\\n"), ("zone", "b"), ("environment", "test")],
            "{sample:?}"
        );
    }
    Ok(())
}

//
#[test]
fn an_attribute_with_the_key_of_a_constant_label_is_served_as_exported()
-> Result<(), Box<dyn std::error::Error>> {
    let exporter = Exporter::builder("shop").with_constant_label("exported_zone", "z").build()?;
    exporter.meter().u64_counter("orders").build().add(
        1,
        &[
            KeyValue::new("service", "other"),
            KeyValue::new("exported.service", "third"),
            KeyValue::new("zone", "a"),
        ],
    );
    exporter.meter().u64_gauge("zones").build().record(1, &[KeyValue::new("exported-zone", "a")]);
    let text = exporter.render()?;
    check(&text);
    assert!(
        text.contains("orders_total{service=\"shop\",exported_zone=\"z\",exported_service=\"third;other\",zone=\"a\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("zones{service=\"shop\",exported_zone=\"z\",exported_exported_zone=\"a\"} 1"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_setting_out_of_range_is_rejected_with_what_is_allowed() {
    use std::time::Duration;
    let builder = || Exporter::builder("shop");
    let long = "x".repeat(1_025);
    for (builder, expected) in [
        (
            builder().with_scrape_timeout(Duration::ZERO),
            "invalid scrape timeout 0ns: must be at least 1ms".to_owned(),
        ),
        (
            builder().with_scrape_timeout(Duration::from_micros(999)),
            "invalid scrape timeout 999µs: must be at least 1ms".to_owned(),
        ),
        (
            builder().with_source_timeout(Duration::ZERO),
            "invalid source timeout 0ns: must be at least 1ms".to_owned(),
        ),
        (
            builder().with_max_scrapes_in_flight(0),
            "invalid maximum of scrapes in flight 0: must be at least 1".to_owned(),
        ),
        (builder().with_max_series(0), "invalid series limit 0: must be 1 to 10000000".to_owned()),
        (
            builder().with_max_series(usize::MAX),
            format!("invalid series limit {}: must be 1 to 10000000", usize::MAX),
        ),
        (
            builder().with_max_label_value_len(63),
            "invalid maximum length of label values 63: must be 64 to 4096".to_owned(),
        ),
        (
            builder().with_max_label_value_len(4_097),
            "invalid maximum length of label values 4097: must be 64 to 4096".to_owned(),
        ),
        (
            (0..40).fold(builder(), |builder, at| {
                builder.with_constant_label(format!("label_{at}"), &long[..1_024])
            }),
            "invalid constant labels of 41444 bytes: must have at most 32768 bytes together"
                .to_owned(),
        ),
        (
            Exporter::builder(long.as_str()),
            "invalid service name of 1025 bytes: must have at most 1024 bytes".to_owned(),
        ),
        (
            builder().with_constant_label("zone", long.as_str()),
            "invalid value of label \"zone\" of 1025 bytes: must have at most 1024 bytes"
                .to_owned(),
        ),
        (
            builder().with_constant_label("k".repeat(257), "x"),
            format!(
                "invalid label key \"{}…\" of 257 bytes: must have at most 256 bytes",
                "k".repeat(32)
            ),
        ),
        (
            builder().with_namespace("n".repeat(257)),
            format!(
                "invalid namespace \"{}…\" of 257 bytes: must have at most 256 bytes",
                "n".repeat(32)
            ),
        ),
    ] {
        let error = builder.build().expect_err(&expected);
        assert_eq!(error.to_string(), expected);
    }
}

// F-17b
#[test]
fn the_debug_form_of_an_error_has_its_message() {
    let error = Exporter::builder("shop").with_namespace("builder-example").build().unwrap_err();
    let message = "invalid namespace \"builder-example\": must match ";
    assert!(error.to_string().starts_with(message));
    for debug in [format!("{error:?}"), format!("{error:#?}")] {
        assert!(debug.contains(&error.to_string()), "{debug}");
    }
    let exporter = Exporter::builder("shop").build().expect("an exporter");
    exporter.shutdown().expect("the first shutdown");
    let error = exporter.render().unwrap_err();
    assert!(format!("{error:?}").contains("the meter provider is shut down"), "{error:?}");
}

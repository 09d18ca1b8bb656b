//! What the builder takes, and what it adds to every scrape.

use crate::check::check;
use asdlc_exporter::Exporter;
use opentelemetry::KeyValue;

#[test]
fn a_bad_setting_is_one_clear_error() {
    let allowed =
        "allowed are ASCII letters, digits and `_`, no digit first, not empty, no `__` first";
    for (namespace, labels, expected) in [
        (Some(""), [].as_slice(), format!("namespace `` is not a metric name prefix: {allowed}")),
        (Some("9a"), &[], format!("namespace `9a` is not a metric name prefix: {allowed}")),
        (Some("a:b"), &[], format!("namespace `a:b` is not a metric name prefix: {allowed}")),
        (Some("__a"), &[], format!("namespace `__a` is not a metric name prefix: {allowed}")),
        (Some("a\nb"), &[], format!("namespace `a\\nb` is not a metric name prefix: {allowed}")),
        (None, &[""], format!("constant label `` is not a label name: {allowed}")),
        (None, &["1st"], format!("constant label `1st` is not a label name: {allowed}")),
        (None, &["co:lon"], format!("constant label `co:lon` is not a label name: {allowed}")),
        (None, &["__name__"], format!("constant label `__name__` is not a label name: {allowed}")),
        (None, &["réel"], format!("constant label `réel` is not a label name: {allowed}")),
        (
            None,
            &["service"],
            "constant label `service` is reserved: `service`, `le` and `quantile` have a meaning of their own".into(),
        ),
        (
            None,
            &["quantile"],
            "constant label `quantile` is reserved: `service`, `le` and `quantile` have a meaning of their own".into(),
        ),
        (None, &["zone", "zone"], "constant label `zone` is given twice".into()),
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
    assert_eq!(
        error.to_string(),
        "the service name is empty: it becomes the label `service` of every series"
    );
}

// O-04, O-08
#[test]
fn service_info_tells_the_version() -> Result<(), Box<dyn std::error::Error>> {
    let exporter =
        Exporter::builder("shop").with_namespace("asdlc").with_version("1.2.3").build()?;
    let text = exporter.render()?;
    assert!(text.contains("asdlc_service_info{service=\"shop\",version=\"1.2.3\"} 1\n"), "{text}");
    check(&text);

    let text = Exporter::builder("shop").build()?.render()?;
    assert!(!text.contains("service_info"), "no version, nothing to tell: {text}");
    Ok(())
}

//
#[test]
fn uptime_moves_with_every_scrape() -> Result<(), Box<dyn std::error::Error>> {
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
fn an_attribute_with_the_key_of_a_constant_label_is_exported_beside_it()
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
fn a_setting_out_of_range_is_refused_with_what_is_allowed() {
    use std::time::Duration;
    let builder = || Exporter::builder("shop");
    let long = "x".repeat(1_025);
    for (builder, expected) in [
        (
            builder().with_scrape_timeout(Duration::ZERO),
            "scrape timeout 0ns: allowed is 1ms and more".to_owned(),
        ),
        (
            builder().with_scrape_timeout(Duration::from_micros(999)),
            "scrape timeout 999µs: allowed is 1ms and more".to_owned(),
        ),
        (
            builder().with_source_timeout(Duration::ZERO),
            "source timeout 0ns: allowed is 1ms and more".to_owned(),
        ),
        (
            builder().with_max_scrapes_in_flight(0),
            "0 scrapes in flight: allowed is 1 and more".to_owned(),
        ),
        (
            builder().with_cardinality_limit(0),
            "cardinality limit 0: allowed are 1 to 10000000".to_owned(),
        ),
        (
            builder().with_cardinality_limit(usize::MAX),
            format!("cardinality limit {}: allowed are 1 to 10000000", usize::MAX),
        ),
        (
            builder().with_max_label_value_len(63),
            "label values of up to 63 bytes: allowed are 64 to 4096".to_owned(),
        ),
        (
            builder().with_max_label_value_len(4_097),
            "label values of up to 4097 bytes: allowed are 64 to 4096".to_owned(),
        ),
        (
            (0..40).fold(builder(), |builder, at| {
                builder.with_constant_label(format!("label_{at}"), &long[..1_024])
            }),
            "the constant labels have 41444 bytes together: allowed are 32768".to_owned(),
        ),
        (
            Exporter::builder(long.as_str()),
            "the service name has 1025 bytes: allowed are 1024".to_owned(),
        ),
        (
            builder().with_constant_label("zone", long.as_str()),
            "the value of constant label `zone` has 1025 bytes: allowed are 1024".to_owned(),
        ),
        (
            builder().with_constant_label("k".repeat(257), "x"),
            format!("constant label `{}…` has 257 bytes: allowed are 256", "k".repeat(32)),
        ),
        (
            builder().with_namespace("n".repeat(257)),
            format!("namespace `{}…` has 257 bytes: allowed are 256", "n".repeat(32)),
        ),
    ] {
        let error = builder.build().expect_err(&expected);
        assert_eq!(error.to_string(), expected);
    }
}

// F-17b
#[test]
fn the_debug_of_an_error_has_its_sentence() {
    let error = Exporter::builder("shop").with_namespace("builder-example").build().unwrap_err();
    let sentence = "namespace `builder-example` is not a metric name prefix: ";
    assert!(error.to_string().starts_with(sentence));
    for debug in [format!("{error:?}"), format!("{error:#?}")] {
        assert!(debug.contains(&error.to_string()), "{debug}");
    }
    let exporter = Exporter::builder("shop").build().expect("an exporter");
    exporter.meter_provider().shutdown().expect("the first shutdown");
    let error = exporter.render().unwrap_err();
    assert!(format!("{error:?}").contains("the meter provider is shut down"), "{error:?}");
}

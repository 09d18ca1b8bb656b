//! What is served of scopes and of the resource, and the names of both translation strategies.

use crate::{check::check, check_open::check_open};
use asdlc_exporter::{
    Exporter, Format, MetricPolicy, PrometheusReader, ScopeLabels, TranslationStrategy,
};
use opentelemetry::{InstrumentationScope, KeyValue, metrics::MeterProvider as _};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn resource() -> Resource {
    let attributes = [KeyValue::new("service.name", "shop"), KeyValue::new("host.cpus", 8)];
    Resource::builder_empty().with_attributes(attributes).build()
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("payments")
        .with_version("1.2.3")
        .with_schema_url("https://opentelemetry.io/schemas/1.31.0")
        .with_attributes([KeyValue::new("library.mascot", "crab")])
        .build()
}

fn provider(reader: &PrometheusReader) -> SdkMeterProvider {
    SdkMeterProvider::builder().with_resource(resource()).with_reader(reader.clone()).build()
}

/// The samples in `text`, which is valid.
fn samples(text: &str) -> Vec<&str> {
    check(text);
    text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("uptime")).collect()
}

//
#[test]
fn a_reader_serves_target_info_and_scopes_by_default() -> Result {
    let reader = PrometheusReader::builder().with_namespace("asdlc").build()?;
    let provider = provider(&reader);
    provider.meter_with_scope(scope()).u64_counter("orders").build().add(1, &[]);
    let waits = provider.meter("plain").f64_histogram("wait").with_boundaries(vec![1.0]).build();
    waits.record(0.5, &[KeyValue::new("k", "v")]);
    assert_eq!(
        samples(&reader.render()?),
        [
            "asdlc_orders_total{otel_scope_library_mascot=\"crab\",otel_scope_name=\"payments\",otel_scope_schema_url=\"https://opentelemetry.io/schemas/1.31.0\",otel_scope_version=\"1.2.3\"} 1",
            "asdlc_wait_bucket{otel_scope_name=\"plain\",k=\"v\",le=\"1\"} 1",
            "asdlc_wait_bucket{otel_scope_name=\"plain\",k=\"v\",le=\"+Inf\"} 1",
            "asdlc_wait_sum{otel_scope_name=\"plain\",k=\"v\"} 0.5",
            "asdlc_wait_count{otel_scope_name=\"plain\",k=\"v\"} 1",
            "target_info{host_cpus=\"8\",service_name=\"shop\"} 1",
        ]
    );
    let text = reader.render_as(Format::OpenMetrics)?;
    check_open(&text);
    assert!(text.contains("# TYPE target info\n"), "{text}");
    Ok(())
}

//
#[test]
fn an_exporter_serves_them_on_request() -> Result {
    let record = |exporter: &Exporter| {
        exporter.meter_provider().meter_with_scope(scope()).u64_gauge("a").build().record(1, &[]);
    };
    let builder = || Exporter::builder("shop").with_resource(resource());
    let exporter = builder().build()?;
    record(&exporter);
    assert_eq!(samples(&exporter.render()?), ["a{service=\"shop\"} 1"]);

    let labels = ScopeLabels::ALL.without_attributes().without_schema_url().without_name();
    let exporter = builder().with_scope_labels(labels).with_target_info().build()?;
    record(&exporter);
    assert_eq!(
        samples(&exporter.render()?),
        [
            "a{service=\"shop\",otel_scope_version=\"1.2.3\"} 1",
            "target_info{service=\"shop\",host_cpus=\"8\",service_name=\"shop\"} 1",
        ]
    );
    Ok(())
}

//
#[test]
fn named_attributes_of_the_resource_are_labels() -> Result {
    let reader = PrometheusReader::builder()
        .with_resource_labels(["service.name"])
        .with_resource_labels(["service.name", "zone"])
        .with_scope_labels(ScopeLabels::NONE)
        .build()?;
    let provider = provider(&reader);
    let attributes = [KeyValue::new("service.name", "other")];
    provider.meter("a").u64_gauge("a").build().record(1, &attributes);
    let expected = [
        "a{service_name=\"shop\",exported_service_name=\"other\"} 1",
        "target_info{host_cpus=\"8\",service_name=\"shop\"} 1",
    ];
    assert_eq!(samples(&reader.render()?), expected);

    let reader = PrometheusReader::builder().without_target_info().build()?;
    let provider = self::provider(&reader);
    provider.meter("").u64_gauge("a").build().record(1, &[]);
    assert_eq!(samples(&reader.render()?), ["a 1"]);
    Ok(())
}

//
#[test]
fn a_policy_can_deny_target_info_and_does_not_have_to_allow_it() -> Result {
    for (policy, expected) in [
        (
            MetricPolicy::new().allow("a"),
            ["a 1", "target_info{host_cpus=\"8\",service_name=\"shop\"} 1"].as_slice(),
        ),
        (MetricPolicy::new().deny("target_*"), &["a 1"]),
    ] {
        let reader = PrometheusReader::builder()
            .with_policy(policy)
            .with_scope_labels(ScopeLabels::NONE)
            .build()?;
        let provider = provider(&reader);
        provider.meter("a").u64_gauge("a").build().record(1, &[]);
        assert_eq!(samples(&reader.render()?), expected);
    }
    Ok(())
}

//
#[test]
fn without_suffixes_the_name_is_that_of_the_instrument() -> Result {
    let strategy = TranslationStrategy::UnderscoreEscapingWithoutSuffixes;
    let exporter = Exporter::builder("shop").with_translation_strategy(strategy).build()?;
    let meter = exporter.meter();
    meter.u64_counter("http.sent").with_unit("By").build().add(1, &[]);
    meter.u64_counter("sent_bytes_total").with_unit("By").build().add(2, &[]);
    meter.f64_histogram("wait").with_unit("s").with_boundaries(vec![]).build().record(1.0, &[]);
    let text = exporter.render()?;
    let types: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("# TYPE ") && !line.contains(" uptime"))
        .collect();
    assert_eq!(
        types,
        ["# TYPE http_sent counter", "# TYPE sent_bytes_total counter", "# TYPE wait histogram"]
    );
    assert!(text.contains("http_sent{service=\"shop\"} 1\n"), "{text}");
    let text = exporter.render_as(Format::OpenMetrics)?;
    check_open(&text);
    for lines in [
        "# TYPE http_sent unknown\nhttp_sent{service=\"shop\"} 1\n",
        "# TYPE sent_bytes counter\n# UNIT sent_bytes bytes\nsent_bytes_total{service=\"shop\"} 2\n",
        "# TYPE wait histogram\nwait_bucket",
    ] {
        assert!(text.contains(lines), "{lines} in {text}");
    }
    Ok(())
}

//
#[test]
fn a_policy_and_the_strategy_agree_about_names() -> Result {
    let exporter = Exporter::builder("shop")
        .with_translation_strategy(TranslationStrategy::UnderscoreEscapingWithoutSuffixes)
        .with_policy(MetricPolicy::new().deny("wait"))
        .build()?;
    exporter.meter().f64_gauge("wait").with_unit("s").build().record(1.0, &[]);
    exporter.meter().f64_gauge("waits").with_unit("s").build().record(1.0, &[]);
    assert_eq!(samples(&exporter.render()?), ["waits{service=\"shop\"} 1"]);
    Ok(())
}

//
#[test]
fn labels_that_the_format_or_scopes_need_are_refused() {
    let error = |key: &str| {
        let builder = PrometheusReader::builder().with_resource_labels([key]);
        builder.build().expect_err(key).to_string()
    };
    assert_eq!(error("le"), "invalid resource label \"le\": the label must not be le or quantile");
    assert_eq!(
        error("otel.scope.name"),
        "invalid resource label \"otel.scope.name\": the label must not start with otel_scope_"
    );
    let error = Exporter::builder("shop").with_constant_label("otel_scope_x", "x").build();
    assert_eq!(
        error.expect_err("a reserved key").to_string(),
        "invalid label key \"otel_scope_x\": must not start with otel_scope_"
    );
}

//
#[cfg(feature = "prometheus")]
#[test]
fn a_registry_has_no_scope_and_its_scope_labels_merge_with_those_of_instruments() -> Result {
    use prometheus::{IntCounterVec, Opts, Registry};
    let registry = Registry::new();
    let counter =
        IntCounterVec::new(Opts::new("orders_total", "Orders."), &["otel_scope_name", "a__b"])?;
    counter.with_label_values(&["payments", ""]).inc_by(1);
    counter.with_label_values(&["", "x"]).inc_by(2);
    registry.register(Box::new(counter))?;
    let reader =
        PrometheusReader::builder().with_registry(registry).without_target_info().build()?;
    let provider = provider(&reader);
    let meter = provider.meter("payments");
    meter.u64_counter("orders").build().add(10, &[]);
    meter.u64_counter("orders").build().add(20, &[KeyValue::new("a__b", "x")]);
    assert_eq!(
        samples(&reader.render()?),
        [
            "orders_total{a__b=\"x\"} 2",
            "orders_total{otel_scope_name=\"payments\"} 11",
            "orders_total{otel_scope_name=\"payments\",a_b=\"x\"} 20",
        ]
    );
    Ok(())
}

//! The variables of OpenTelemetry, in the environment of a real process.

use crate::readers::Second;
use asdlc_exporter::{Exporter, PrometheusReader, ScrapeService, blocking, resource_from_env};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider as _},
};
use opentelemetry_sdk::{
    Resource,
    metrics::{SdkMeterProvider, Temporality, data::ResourceMetrics, reader::MetricReader as _},
    resource::TelemetryResourceDetector,
};
use std::{
    env,
    error::Error,
    fmt::Display,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Set for the process that a test starts.
const INSIDE: &str = "ASDLC_TEST_ENVIRONMENT";

fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Called by the process that a test starts: what [`run`] returns.
#[expect(clippy::print_stdout, reason = "the result of the process")]
fn report(result: impl Display) {
    // On a new line, because the test harness has already written a part of this one.
    println!("\n{BEGIN}{result}{END}");
}

/// Starts a process that runs this test, with these variables of OpenTelemetry and no others. Returns what
/// it reports.
fn run(test: &str, variables: &[(&str, &str)]) -> Result<String> {
    let mut command = Command::new(env::current_exe()?);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    let test = format!("environment::{test}");
    command.args([test.as_str(), "--exact", "--nocapture"]);
    let output = command.env(INSIDE, "1").envs(variables.iter().copied()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let reported = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    Ok(reported.ok_or_else(|| format!("{output:?}"))?.0.to_owned())
}

const BEGIN: &str = "<report>";
const END: &str = "</report>";

fn describe(resource: &Resource) -> String {
    let mut pairs: Vec<_> = resource.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.sort();
    pairs.join("\n")
}

//
#[test]
fn a_resource_has_the_attributes_of_the_environment() -> Result {
    let test = "a_resource_has_the_attributes_of_the_environment";
    if is_inside() {
        match resource_from_env() {
            Ok(resource) => report(describe(&resource)),
            Err(error) => report(format!("{}\n{error}", error.variable())),
        }
        return Ok(());
    }
    let sdk = describe(
        &Resource::builder_empty().with_detector(Box::new(TelemetryResourceDetector)).build(),
    );
    let expected = |name: &str, others: &str| format!("{others}service.name={name}\n{sdk}");
    let program = env::current_exe()?;
    let program = program.file_name().and_then(|name| name.to_str()).ok_or("a name")?;
    let unknown = format!("unknown_service:{program}");
    let (name, attributes) = ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES");
    for (variables, result) in [
        (&[][..], expected(&unknown, "")),
        (&[(name, ""), (attributes, "")], expected(&unknown, "")),
        (&[(attributes, "service.name=")], expected(&unknown, "")),
        (&[(name, "shop")], expected("shop", "")),
        (
            &[(name, "shop"), (attributes, "service.name=other,host.name=a%2Cb,host.name=h%201")],
            expected("shop", "host.name=h 1\n"),
        ),
        (&[(attributes, "a=,service.name=other")], expected("other", "a=\n")),
        (
            &[(name, "shop"), (attributes, "a=1,b")],
            "OTEL_RESOURCE_ATTRIBUTES\nenvironment variable OTEL_RESOURCE_ATTRIBUTES: invalid entry \"b\": must be KEY=VALUE, entries are separated by ',', and ',' and '=' in keys and values are written %2C and %3D".to_owned(),
        ),
    ] {
        assert_eq!(run(test, variables)?, result, "{variables:?}");
    }
    let with_own = run(test, &[(name, "shop"), (attributes, "telemetry.sdk.language=c")])?;
    assert!(with_own.contains("telemetry.sdk.language=c\n"), "{with_own}");
    Ok(())
}

// what the documentation of `resource_from_env` says about the SDK.
#[test]
fn the_detector_of_the_sdk_differs() -> Result {
    if is_inside() {
        report(describe(&Resource::builder().build()));
        return Ok(());
    }
    let text = run(
        "the_detector_of_the_sdk_differs",
        &[
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=1%2C2,skipped,service.name=other"),
        ],
    )?;
    assert!(text.starts_with("a=1%2C2\nservice.name=other\n"), "{text}");
    Ok(())
}

/// The label `service` of an exporter, and the resource that its additional reader gets.
fn exporter_from_env() -> Result<String> {
    let second = Second::new(Temporality::Cumulative);
    let updating = Resource::builder_empty().with_attribute(KeyValue::new("updated", "code"));
    let exporter = Exporter::builder_from_env("shop")?
        .with_version("1.2.3")
        .with_resource(updating.build())
        .with_reader(second.clone())
        .build()?;
    exporter.meter().u64_counter("orders").build().add(1, &[]);
    let text = exporter.render()?;
    let series = text.lines().find(|line| line.starts_with("orders_total"));
    Ok(format!("{}\n{}", series.ok_or("no orders")?, describe(second.read().resource())))
}

//
#[test]
fn an_exporter_has_the_name_and_the_attributes_of_the_environment() -> Result {
    let test = "an_exporter_has_the_name_and_the_attributes_of_the_environment";
    if is_inside() {
        report(exporter_from_env().unwrap_or_else(|error| error.to_string()));
        return Ok(());
    }
    let (name, attributes) = ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES");
    let expected = |name: &str, others: &str, updated: &str| {
        format!(
            "orders_total{{service=\"{name}\"}} 1\n{others}service.name={name}\nservice.version=1.2.3\n{updated}"
        )
    };
    let (code, long) = ("updated=code", "x".repeat(1025));
    for (variables, result) in [
        (&[][..], expected("shop", "", code)),
        (&[(name, "")], expected("shop", "", code)),
        (&[(name, "till 7")], expected("till 7", "", code)),
        (&[(attributes, "service.name=till%207")], expected("till 7", "", code)),
        (&[(name, "till"), (attributes, "service.name=other")], expected("till", "", code)),
        // The program knows its version, and its own attributes, better.
        (
            &[(attributes, "host.name=h,updated=environment,service.version=0")],
            expected("shop", "host.name=h\n", code),
        ),
        (
            &[("OTEL_SDK_DISABLED", "FALSE"), ("OTEL_METRICS_EXEMPLAR_FILTER", "Always_Off")],
            expected("shop", "", code),
        ),
        (
            &[("OTEL_SDK_DISABLED", "1")],
            "environment variable OTEL_SDK_DISABLED: invalid boolean \"1\": must be true or false".to_owned(),
        ),
        (
            &[("OTEL_METRICS_EXEMPLAR_FILTER", "on")],
            "environment variable OTEL_METRICS_EXEMPLAR_FILTER: invalid exemplar filter \"on\": must be always_on, always_off or trace_based".to_owned(),
        ),
        (
            &[(attributes, "a=%")],
            "environment variable OTEL_RESOURCE_ATTRIBUTES: invalid entry \"a=%\": must have two hexadecimal digits after each '%', and '%' itself is written %25".to_owned(),
        ),
        (
            &[(name, &long)],
            "environment variable OTEL_SERVICE_NAME: invalid service name of 1025 bytes: must have at most 1024 bytes".to_owned(),
        ),
        (
            &[(attributes, &format!("service.name={long}"))],
            "environment variable OTEL_RESOURCE_ATTRIBUTES: invalid service name of 1025 bytes: must have at most 1024 bytes".to_owned(),
        ),
    ] {
        assert_eq!(run(test, variables)?, result, "{variables:?}");
    }
    Ok(())
}

/// Creates a counter of 1, and a gauge that counts how often its callback runs.
fn record(meter: &Meter) -> Arc<AtomicU64> {
    meter.u64_counter("orders").build().add(1, &[]);
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    meter
        .u64_observable_gauge("open")
        .with_callback(move |observer| {
            observer.observe(counted.fetch_add(1, Ordering::Relaxed), &[]);
        })
        .build();
    runs
}

async fn scrape(service: ScrapeService) -> Result<(StatusCode, String)> {
    let (head, body) = service.oneshot(Request::new(String::new())).await?.into_parts();
    Ok((head.status, String::from_utf8(body.collect().await?.to_bytes().into())?))
}

const DISABLED: &str = "the SDK is disabled by the environment variable OTEL_SDK_DISABLED";

//
#[tokio::test]
async fn a_disabled_exporter_records_nothing_and_serves_a_503() -> Result {
    let test = "a_disabled_exporter_records_nothing_and_serves_a_503";
    if !is_inside() {
        assert_eq!(run(test, &[("OTEL_SDK_DISABLED", "True")])?, "as expected");
        return Ok(());
    }
    let (second, refreshed) = (Second::new(Temporality::Cumulative), Arc::new(AtomicU64::new(0)));
    let exporter = Exporter::builder_from_env("shop")?
        .with_self_metrics()
        .with_version("1.2.3")
        .with_reader(second.clone())
        .build()?;
    let counted = Arc::clone(&refreshed);
    exporter.add_source(
        "disk",
        blocking(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }),
    );
    let providers = [
        record(&exporter.meter()),
        record(&exporter.meter_provider().meter("database")),
        record(&exporter.sdk_meter_provider().meter("database")),
    ];
    let error = exporter.render().expect_err("it is disabled");
    assert!(error.is_disabled() && !error.is_shut_down(), "{error}");
    assert_eq!(error.to_string(), DISABLED);
    let expected = (StatusCode::SERVICE_UNAVAILABLE, format!("{DISABLED}\n"));
    for _ in 0..3 {
        assert_eq!(scrape(exporter.scrape_service()).await?, expected);
    }
    assert_eq!(refreshed.load(Ordering::Relaxed), 0, "a source ran");
    for runs in providers {
        assert_eq!(runs.load(Ordering::Relaxed), 0, "a callback ran");
    }
    // The additional reader is shut down. So a reader that pushes has ended its thread.
    second.collect(&mut ResourceMetrics::default()).expect_err("it is shut down");
    exporter.force_flush()?;
    exporter.shutdown()?;
    assert_eq!(scrape(exporter.scrape_service()).await?, expected);
    report("as expected");
    Ok(())
}

//
#[tokio::test]
async fn a_disabled_reader_serves_a_503_and_changes_nothing_else() -> Result {
    let test = "a_disabled_reader_serves_a_503_and_changes_nothing_else";
    if !is_inside() {
        assert_eq!(run(test, &[("OTEL_SDK_DISABLED", "true")])?, "as expected");
        let wrong = run(test, &[("OTEL_SDK_DISABLED", "yes")])?;
        assert_eq!(
            wrong,
            "environment variable OTEL_SDK_DISABLED: invalid boolean \"yes\": must be true or false"
        );
        return Ok(());
    }
    let builder = match PrometheusReader::builder_from_env() {
        Ok(builder) => builder,
        Err(error) => {
            report(error);
            return Ok(());
        }
    };
    let (prometheus, second) = (builder.build()?, Second::new(Temporality::Cumulative));
    let provider = SdkMeterProvider::builder()
        .with_reader(prometheus.clone())
        .with_reader(second.clone())
        .build();
    let runs = record(&provider.meter("database"));
    let error = prometheus.render().expect_err("it is disabled");
    assert!(error.is_disabled(), "{error}");
    let expected = (StatusCode::SERVICE_UNAVAILABLE, format!("{DISABLED}\n"));
    assert_eq!(scrape(prometheus.scrape_service()).await?, expected);
    assert_eq!(runs.load(Ordering::Relaxed), 0, "a callback ran");
    assert_eq!(second.integer("orders"), Some(1));
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    // A reader that was built without the environment does not read it.
    let without = PrometheusReader::builder().build()?;
    let provider = SdkMeterProvider::builder().with_reader(without.clone()).build();
    record(&provider.meter("database"));
    assert!(without.render()?.contains("orders_total"));
    report("as expected");
    Ok(())
}

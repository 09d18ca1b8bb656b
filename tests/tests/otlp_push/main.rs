//! OTLP push beside the pull: a real exporter, a real connection, and a receiver in the test.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use asdlc_exporter::{Exporter, StateGauge};
use asdlc_tests::example::{Example, without_variables};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::otlp::{self, Push, Receiver};
use asdlc_tests::program::library_example;
use asdlc_tests::wait::{DEADLINE, eventually, eventually_some};
use opentelemetry::KeyValue;
use opentelemetry_otlp::{MetricExporter, WithExportConfig};
use opentelemetry_proto::tonic::common::v1::KeyValue as Attribute;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, Temporality};
use tokio::runtime::Runtime;

//
#[test]
fn a_push_has_the_values_of_a_scrape() {
    let receiver = Receiver::start();
    let pushing = Pushing::to(&receiver, OFTEN);
    let meter = pushing.exporter.meter();
    let orders = meter.u64_counter("orders").build();
    orders.add(2, &[KeyValue::new("paid", true), KeyValue::new("area", 7)]);
    orders.bind(&[KeyValue::new("paid", false)]).add(3);
    meter.f64_counter("weight").with_unit("g").build().add(0.75, &[]);
    meter.i64_up_down_counter("balance").build().add(-4, &[]);
    meter.f64_gauge("load").build().record(0.25, &[]);
    meter.i64_observable_up_down_counter("open").with_callback(|o| o.observe(-6, &[])).build();
    meter.u64_observable_counter("seen").with_callback(|o| o.observe(11, &[])).build();
    StateGauge::new(&meter, "state", "1 to 4.", 1_u64).set(3);
    let wait = meter.f64_histogram("wait").with_unit("s").with_boundaries(vec![0.5, 1.0]).build();
    [0.25, 0.75, 0.5, 9.0].into_iter().for_each(|v| wait.record(v, &[KeyValue::new("of", "x")]));

    // Twice, because callbacks observe for both readers at each collection of either.
    for _ in 0..2 {
        let push = next_push(&receiver);
        assert_eq!(push.resource("service.name").as_deref(), Some("shop"));
        assert_eq!(push.resource("environment").as_deref(), Some("test"));
        assert_eq!(pushed(&push), scraped(&pushing.exposition()));
    }
}

//
#[test]
fn no_value_is_lost_or_doubled_while_the_receiver_is_down() {
    let mut receiver = Receiver::start();
    let pushing = Pushing::to(&receiver, OFTEN);
    let orders = pushing.exporter.meter().u64_counter("orders").build();
    let mut total = 0;
    let mut take = |paid| {
        total += 1;
        orders.add(1, &[KeyValue::new("paid", paid)]);
        total
    };
    for _ in 0..2 {
        for _ in 0..5 {
            take(true);
        }
        let before = take(false);
        assert!(
            eventually(DEADLINE, || orders_of(&receiver) == before),
            "{}",
            orders_of(&receiver)
        );

        receiver.stop();
        pushing.await_failures(1);
        let meanwhile = take(true);
        // Scrapes are not affected.
        assert_eq!(pushing.exposition().sum("orders_total"), meanwhile as f64);
        pushing.await_failures(1);
        let arrived = receiver.count();

        receiver.restart();
        assert!(eventually(DEADLINE, || receiver.count() > arrived), "pushes arrive again");
        // The first push after that includes what happened meanwhile.
        let back = receiver.all()[arrived].counter("orders").expect("a push has all metrics");
        assert_eq!(back.0, meanwhile);
    }
    let after = take(true);
    assert!(eventually(DEADLINE, || orders_of(&receiver) == after));
    assert_eq!(pushing.exposition().sum("orders_total"), after as f64);

    let counted: Vec<_> = receiver.all().iter().filter_map(|push| push.counter("orders")).collect();
    assert!(counted.is_sorted_by_key(|(value, _)| *value), "cumulative: {counted:?}");
    assert!(counted.iter().all(|(_, start)| *start == counted[0].1), "counted since one start");
}

//
#[test]
fn the_last_push_at_shutdown_has_all_values() {
    let receiver = Receiver::start();
    let pushing = Pushing::to(&receiver, Duration::from_secs(3600));
    pushing.exporter.meter().u64_counter("orders").build().add(3, &[]);
    assert_eq!(receiver.count(), 0);
    pushing.exporter.shutdown().expect("the receiver takes it");
    assert_eq!((receiver.count(), orders_of(&receiver)), (1, 3));
    pushing.exporter.render().expect_err("a scrape after the shutdown fails");
}

//
#[test]
fn the_example_is_scraped_and_pushes_when_it_stops() {
    let receiver = Receiver::start();
    let program = library_example("asdlc-exporter", "otlp_push", "serve");
    let mut command = without_variables(Command::new(program));
    command.env("LISTEN_ADDR", "127.0.0.1:0");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint());
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "3600000");
    let example = Example::spawn(command);
    let exposition = example.scrape();
    assert_eq!((exposition.sum("orders_total"), receiver.count()), (2.0, 0));
    example.process().interrupt();
    let finished = example.finish();
    assert!(finished.status.success(), "{finished:?}");
    let push = receiver.last().expect("the last push");
    assert_eq!(push.resource("environment").as_deref(), Some("example"));
    assert_eq!(pushed(&push), scraped(&exposition));
}

// X-06 X-08
#[test]
fn the_example_takes_its_name_its_address_and_attributes_from_the_environment() {
    let receiver = Receiver::start();
    let program = library_example("asdlc-exporter", "otlp_push", "serve");
    let mut command = without_variables(Command::new(program));
    command.env("OTEL_EXPORTER_PROMETHEUS_HOST", "localhost");
    command.env("OTEL_EXPORTER_PROMETHEUS_PORT", "0");
    command.env("OTEL_SERVICE_NAME", "till");
    command.env("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,host.name=a%2Cb");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint());
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "3600000");
    let example = Example::spawn(command);
    let exposition = example.scrape();
    let orders = exposition.all_samples().iter().find(|sample| sample.name == "orders_total");
    let service = ("service".to_owned(), "till".to_owned());
    assert!(orders.expect("orders are served").labels.contains(&service));
    example.process().interrupt();
    let finished = example.finish();
    assert!(finished.status.success(), "{finished:?}");
    let push = receiver.last().expect("the last push");
    assert_eq!(push.resource("service.name").as_deref(), Some("till"));
    assert_eq!(push.resource("host.name").as_deref(), Some("a,b"));
}

// X-06 X-08
#[test]
fn a_disabled_example_serves_a_503_and_pushes_nothing() {
    let receiver = Receiver::start();
    let program = library_example("asdlc-exporter", "otlp_push", "serve");
    let mut command = without_variables(Command::new(program));
    command.env("LISTEN_ADDR", "127.0.0.1:0");
    command.env("OTEL_SDK_DISABLED", "true");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint());
    // Without the variable, it would push all the time.
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "10");
    let example = Example::spawn(command);
    let response = example.scrape_response();
    assert_eq!(response.status(), 503);
    let text = "the SDK is disabled by the environment variable OTEL_SDK_DISABLED\n";
    assert_eq!(response.body(), text);
    example.process().interrupt();
    let finished = example.finish();
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(receiver.count(), 0);
}

const OFTEN: Duration = Duration::from_millis(20);

/// An exporter that is scraped and also pushes.
struct Pushing {
    exporter: Exporter,
    failures: Arc<AtomicU64>,
    // Runs the connection until the last push.
    _runtime: Runtime,
}

impl Pushing {
    fn to(receiver: &Receiver, interval: Duration) -> Self {
        let runtime = Runtime::new().expect("a runtime can be built");
        let otlp = runtime.block_on(async {
            MetricExporter::builder().with_tonic().with_endpoint(receiver.endpoint()).build()
        });
        let otlp = Counted { otlp: otlp.expect("a URI"), failures: Arc::default() };
        let failures = Arc::clone(&otlp.failures);
        let reader = PeriodicReader::builder(otlp).with_interval(interval).build();
        let exporter = Exporter::builder("shop")
            .with_version("1.2.3")
            .with_constant_label("environment", "test")
            .with_reader(reader)
            .build()
            .expect("the settings are valid");
        Self { exporter, failures, _runtime: runtime }
    }

    fn exposition(&self) -> Exposition {
        let text = self.exporter.render().expect("it renders");
        Exposition::parse(text.as_bytes()).expect("it renders valid text")
    }

    /// Waits until `more` further pushes have failed.
    fn await_failures(&self, more: u64) {
        let before = self.failures.load(Ordering::SeqCst);
        let failed = || self.failures.load(Ordering::SeqCst) >= before + more;
        assert!(eventually(DEADLINE, failed), "pushes without a receiver succeed");
    }
}

/// The OTLP exporter, with a counter of failures.
#[derive(Debug)]
struct Counted {
    otlp: MetricExporter,
    failures: Arc<AtomicU64>,
}

impl PushMetricExporter for Counted {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.otlp.export(metrics).await;
        self.failures.fetch_add(result.is_err().into(), Ordering::SeqCst);
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.otlp.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.otlp.temporality()
    }
}

/// A push that was certainly collected after this call.
fn next_push(receiver: &Receiver) -> Push {
    let before = receiver.count();
    let arrived = || (receiver.count() >= before + 2).then(|| receiver.last())?;
    eventually_some(DEADLINE, arrived).expect("pushes arrive")
}

fn orders_of(receiver: &Receiver) -> i64 {
    receiver.last().and_then(|push| push.counter("orders")).map_or(0, |(value, _)| value)
}

/// Samples by name and labels, without `uptime_seconds`.
type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

fn scraped(exposition: &Exposition) -> Samples {
    let samples = exposition.all_samples().iter().filter(|sample| sample.name != "uptime_seconds");
    samples
        .map(|sample| {
            let labels = sample.labels.iter().cloned();
            let own = labels.filter(|(key, _)| key != "service" && key != "environment");
            ((sample.name.clone(), own.collect()), sample.value)
        })
        .collect()
}

/// The samples of a scrape that correspond to this push.
fn pushed(push: &Push) -> Samples {
    let mut samples = Samples::new();
    for metric in push.metrics().filter(|metric| metric.name != "uptime") {
        let unit = match metric.unit.as_str() {
            "g" => "_grams",
            "s" => "_seconds",
            "" => "",
            other => panic!("no test has the unit {other}"),
        };
        let name = format!("{}{unit}", metric.name);
        let (points, suffix) = match metric.data.as_ref().expect("a metric has data") {
            Data::Sum(sum) if sum.is_monotonic => (&sum.data_points, "_total"),
            Data::Sum(sum) => (&sum.data_points, ""),
            Data::Gauge(gauge) => (&gauge.data_points, ""),
            Data::Histogram(histogram) => {
                for point in &histogram.data_points {
                    let mut insert = |suffix: &str, le: Option<String>, value: f64| {
                        let mut labels = labels(&point.attributes);
                        labels.extend(le.map(|le| ("le".to_owned(), le)));
                        samples.insert((format!("{name}{suffix}"), labels), value);
                    };
                    let mut bounds = point.explicit_bounds.iter();
                    let mut below = 0;
                    for count in &point.bucket_counts {
                        below += count;
                        let le = bounds.next().map_or("+Inf".to_owned(), ToString::to_string);
                        insert("_bucket", Some(le), below as f64);
                    }
                    insert("_count", None, point.count as f64);
                    insert("_sum", None, point.sum.expect("it has a sum"));
                }
                continue;
            }
            other => panic!("no test records {other:?}"),
        };
        for point in points {
            let value = match point.value.expect("a point has a value") {
                Value::AsInt(value) => value as f64,
                Value::AsDouble(value) => value,
            };
            samples.insert((format!("{name}{suffix}"), labels(&point.attributes)), value);
        }
    }
    samples
}

fn labels(attributes: &[Attribute]) -> BTreeMap<String, String> {
    attributes.iter().map(|attribute| (attribute.key.clone(), otlp::text(attribute))).collect()
}

//! Real servers that scrape protobuf. What they store is compared with what was recorded, value by value.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use asdlc_exporter::Exporter;
use asdlc_tests::client::Connection;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::in_process::Server;
use asdlc_tests::servers::{Generation, Prometheus, QueryApi, Target};
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use opentelemetry::KeyValue;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::generated::{Served, config, served};

//
#[test]
fn prometheus_2_stores_every_value_of_protobuf() {
    Bodies::generated().assert_stored_by(Generation::Stable);
}

//
#[test]
fn prometheus_3_stores_every_value_of_protobuf() {
    Bodies::generated().assert_stored_by(Generation::New);
}

/// Expositions in protobuf, served over HTTP. A client that does not ask for protobuf gets none.
struct Bodies {
    server: Server,
    /// By path: the samples that a server must store.
    recorded: BTreeMap<String, Samples>,
    /// By path: the values of each native histogram, by the label `at`.
    native: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
}

/// The bits of each value, by name and labels.
type Samples = BTreeMap<(String, Labels), u64>;
type Labels = BTreeMap<String, String>;

impl Bodies {
    fn generated() -> Self {
        let mut router = Router::new();
        let mut add = |path: &str, body: Vec<u8>| {
            let body = ([(CONTENT_TYPE, PROTOBUF)], Bytes::from(body));
            let serve = async move |headers: HeaderMap| {
                let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
                let is_asked = accept.is_some_and(|accept| accept.starts_with(ASKED));
                if is_asked { Ok(body) } else { Err(StatusCode::NOT_ACCEPTABLE) }
            };
            router = std::mem::take(&mut router).route(path, get(serve));
        };
        let mut recorded = BTreeMap::new();
        for (number, Served { text, protobuf, .. }) in served(48).into_iter().enumerate() {
            let path = format!("/recorded/{number}");
            add(&path, protobuf);
            recorded.insert(path, expected(&text));
        }
        let mut native = BTreeMap::new();
        for (number, series) in generated_native(16).into_iter().enumerate() {
            let path = format!("/native/{number}");
            add(&path, native_protobuf(&series));
            let by_label = |(at, values)| (format!("{at:03}"), values);
            native.insert(path, series.into_iter().enumerate().map(by_label).collect());
        }
        Self { server: Server::axum(router), recorded, native }
    }

    #[track_caller]
    fn assert_stored_by(&self, generation: Generation) {
        let paths: Vec<_> = self.recorded.keys().chain(self.native.keys()).cloned().collect();
        let builder = Prometheus::builder(generation).with_native_histograms().with_paths(&paths);
        let prometheus = builder.scraping(self.server.address());
        for target in prometheus.targets(paths.len()) {
            assert_eq!(target, Target::up());
        }
        for (path, expected) in &self.recorded {
            let stored = || Stored::of(prometheus.address(), path);
            assert!(eventually(DEADLINE, || stored().len() >= expected.len()), "{path}");
            let stored: Samples = stored().into_iter().map(|stored| stored.sample(path)).collect();
            let differences: Vec<_> = stored
                .iter()
                .filter(|(series, bits)| expected.get(series) != Some(bits))
                .chain(expected.iter().filter(|(series, _)| !stored.contains_key(series)))
                .collect();
            assert!(differences.is_empty(), "{path}: {differences:#?}");
        }
        for (path, expected) in &self.native {
            let stored = || Stored::of(prometheus.address(), path);
            let is_there = || stored().iter().filter(|stored| stored.is_native()).count();
            assert!(
                eventually(DEADLINE, || is_there() == expected.len()),
                "{path}: {}",
                is_there()
            );
            for stored in stored().into_iter().filter(Stored::is_native) {
                stored.assert_has(&expected[&stored.labels["at"]]);
            }
        }
    }
}

/// A series that a server has stored.
#[derive(Debug)]
struct Stored {
    labels: Labels,
    /// `value` or `histogram` of the query API.
    result: Value,
}

impl Stored {
    /// Those that were scraped from this path.
    fn of(server: SocketAddr, path: &str) -> Vec<Self> {
        let query: String = format!("{{path=\"{path}\",__name__!~\"up|scrape_.*|.*{UPTIME}\"}}")
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        let response = Connection::open(server).get(&format!("/api/v1/query?query={query}"));
        assert_eq!(response.status(), StatusCode::OK, "{:?}", response.body());
        let body: Value = serde_json::from_slice(response.body()).expect("JSON");
        let results = body["data"]["result"].as_array().expect("a vector").iter();
        let stored = |result: &Value| Self {
            labels: serde_json::from_value(result["metric"].clone()).expect("labels"),
            result: result.clone(),
        };
        results.map(stored).collect()
    }

    fn is_native(&self) -> bool {
        self.result.get("histogram").is_some()
    }

    fn sample(self, path: &str) -> ((String, Labels), u64) {
        let Self { mut labels, result } = self;
        assert_eq!(labels.remove("path").as_deref(), Some(path));
        for label in ["job", "instance"] {
            assert!(labels.remove(label).is_some(), "{result}");
        }
        let name = labels.remove("__name__").expect("a name");
        let value = number(&result["value"][1]);
        ((name.clone(), with_number(&name, labels)), bits(value))
    }

    /// Checks that a native histogram has these values: each of them is in a bucket, and nothing else is.
    #[track_caller]
    fn assert_has(&self, values: &[f64]) {
        let histogram = &self.result["histogram"][1];
        assert_eq!(number(&histogram["count"]), values.len() as f64, "{self:?}");
        let sum = values.iter().fold(0.0, |sum, value| sum + value);
        assert_eq!(number(&histogram["sum"]), sum, "{self:?}");
        let mut left = values.to_vec();
        let buckets = histogram["buckets"].as_array().map(Vec::as_slice).unwrap_or_default();
        for bucket in buckets {
            let [lower, upper, count] = [1, 2, 3].map(|at| number(&bucket[at]));
            let is_in = |value: f64| match bucket[0].as_i64() {
                Some(0) => lower < value && value <= upper,
                Some(1) => lower <= value && value < upper,
                Some(3) => lower <= value && value <= upper,
                other => panic!("{other:?} in {self:?}"),
            };
            let before = left.len();
            left.retain(|value| !is_in(*value));
            assert_eq!((before - left.len()) as f64, count, "{bucket} of {self:?}");
            // 2^(2^-8), unless the values are so far apart that there would be more than 160 buckets.
            assert!(lower == 0.0 || upper == 0.0 || before > left.len(), "{bucket} of {self:?}");
        }
        assert!(left.is_empty(), "{left:?} are in no bucket of {self:?}");
    }
}

/// The samples of a text of the same values.
fn expected(text: &str) -> Samples {
    let exposition = Exposition::parse_unconventional(text.as_bytes()).expect("valid text");
    let samples = exposition.all_samples().iter().filter(|sample| !sample.name.ends_with(UPTIME));
    samples
        .map(|sample| {
            let labels = sample.labels.iter().cloned().collect();
            let labels = with_number(&sample.name, labels);
            ((sample.name.clone(), labels), bits(sample.value))
        })
        .collect()
}

/// Boundaries of buckets in one form: servers write `1.0` for `1`.
fn with_number(name: &str, mut labels: Labels) -> Labels {
    if name.ends_with("_bucket")
        && let Some(le) = labels.get_mut("le")
        && let Ok(number) = le.parse::<f64>()
    {
        *le = number.to_string();
    }
    labels
}

fn number(value: &Value) -> f64 {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no number"));
    text.parse().unwrap_or_else(|_| panic!("{value} is no number"))
}

/// All NaN have the same.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

fn native_protobuf(series: &[Vec<f64>]) -> Vec<u8> {
    let exporter = Exporter::builder("under-test").with_native_histograms(["wait_seconds"]).build();
    let exporter = exporter.expect("the settings are valid");
    let wait = exporter.meter().f64_histogram("wait").with_unit("s").build();
    for (at, values) in series.iter().enumerate() {
        let wait = wait.bind(&[KeyValue::new("at", format!("{at:03}"))]);
        values.iter().for_each(|value| wait.record(*value));
    }
    exporter.render_protobuf().expect("it renders")
}

/// The values of native histograms. Some have none.
fn generated_native(default: u32) -> Vec<Vec<Vec<f64>>> {
    let config = config(default);
    let cases = config.cases;
    let mut runner = TestRunner::new(config);
    let strategy = vec(native_values(), 1..8);
    let mut next = || strategy.new_tree(&mut runner).expect("nothing is rejected").current();
    (0..cases).map(|_| next()).collect()
}

fn native_values() -> impl Strategy<Value = Vec<f64>> {
    let odd = [0.0, -0.0, 1.0, 2.0, 0.25, f64::MIN_POSITIVE, 1e-300, 1e300, -1.0, -0.3];
    prop_oneof![
        1 => Just(Vec::new()),
        1 => vec(Just(0.0), 1..5),
        3 => vec(0.001..0.002, 1..200),
        3 => vec((-7.0..3.0).prop_map(|power| 10_f64.powf(power)), 1..300),
        2 => vec(-5.0..5.0, 1..100),
        2 => vec(prop_oneof![select(odd.to_vec()), 1e-6..1e6], 1..50),
    ]
}

const PROTOBUF: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                        encoding=delimited; escaping=underscores";
/// How a server that reads native histograms begins its `Accept`.
const ASKED: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
/// The metric that changes between two collections, without its namespace.
const UPTIME: &str = "uptime_seconds";

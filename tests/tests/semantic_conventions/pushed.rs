//! What arrives at an OTLP receiver.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use asdlc_tests::otlp::{Push, Receiver};
use asdlc_tests::wait::{DEADLINE, eventually};
use opentelemetry_otlp::{MetricExporter, WithExportConfig};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric as Pushed};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use tokio::runtime::Runtime;
use tower_asdlc_metrics::{Conventions, SEMANTIC_SCHEMA_URL};

use super::Setup;
use super::clients::send_all;
use super::expected::{Addresses, expected};
use super::servers::Servers;
use super::specification::{Level, Metric};
use super::typed::{Attributes, Series, Typed, series};

const OPT_IN: Setup = Setup { conventions: Conventions::OpenTelemetry, has_opt_in: true };
const DEFAULT: Setup = Setup { conventions: Conventions::OpenTelemetry, has_opt_in: false };

// X-10 X-11
#[test]
fn each_request_has_the_attributes_of_the_specification_with_their_types() {
    for setup in [OPT_IN, DEFAULT] {
        let Traffic { pushed, expected, .. } = Traffic::run(setup);
        let names: Vec<_> = pushed.keys().collect();
        assert_eq!(names, expected.keys().collect::<Vec<_>>());
        for (name, expected) in &expected {
            let pushed = series(&pushed[name]);
            let missing: Vec<_> =
                expected.iter().filter(|(of, n)| pushed.get(*of) != Some(n)).collect();
            let more: Vec<_> =
                pushed.iter().filter(|(of, n)| expected.get(*of) != Some(n)).collect();
            assert_eq!((missing, more), (vec![], vec![]), "{name}");
        }
    }
}

// X-10 X-11
#[test]
fn instruments_and_attributes_are_those_of_the_specification() {
    let specification = Metric::all();
    for setup in [OPT_IN, DEFAULT] {
        let mut pushed = Traffic::run(setup).pushed;
        for metric in &specification {
            let is_on = setup.has_opt_in || metric.level == Level::Recommended;
            let pushed = pushed.remove(&metric.name);
            assert_eq!(pushed.is_some(), is_on, "{}", metric.name);
            if let Some(pushed) = pushed {
                assert_instrument(metric, &pushed);
                assert_attributes(metric, &series(&pushed), setup);
            }
        }
        assert!(pushed.is_empty(), "not in the specification: {:?}", pushed.keys());
    }
}

// X-09 X-10 X-11
#[test]
fn the_scope_is_the_crate_with_the_schema_of_the_conventions() {
    let push = Traffic::run(DEFAULT).push;
    let [scope] = push.scopes().collect::<Vec<_>>()[..] else {
        panic!("both layers have one scope")
    };
    assert_eq!(scope.schema_url, SEMANTIC_SCHEMA_URL);
    let scope = scope.scope.as_ref().expect("it has a name");
    assert_eq!(scope.name, "tower-asdlc-metrics");
    // All crates of the workspace have one version.
    assert_eq!(scope.version, env!("CARGO_PKG_VERSION"));
    assert!(scope.attributes.is_empty());
}

fn assert_instrument(metric: &Metric, pushed: &Pushed) {
    let Metric { name, instrument, unit, description, .. } = metric;
    assert_eq!((&pushed.unit, &pushed.description), (unit, description), "{name}");
    let (kind, temporality) = match pushed.data.as_ref().expect("a metric has data") {
        Data::Histogram(histogram) => {
            for point in &histogram.data_points {
                // The specification has no boundaries for sizes.
                let boundaries = if unit == "s" { &SECONDS[..] } else { &BYTES };
                assert_eq!(point.explicit_bounds, boundaries, "{name}");
            }
            ("Histogram", histogram.aggregation_temporality())
        }
        Data::Sum(sum) if !sum.is_monotonic => ("UpDownCounter", sum.aggregation_temporality()),
        other => panic!("{name} is {other:?}"),
    };
    assert_eq!((kind, temporality), (&**instrument, AggregationTemporality::Cumulative), "{name}");
}

/// Checks the keys, the types and the requirement levels.
fn assert_attributes(metric: &Metric, series: &Series, setup: Setup) {
    let name = &metric.name;
    for attributes in series.keys() {
        for (key, value) in attributes {
            let attribute = metric.attribute(key);
            let attribute = attribute.unwrap_or_else(|| panic!("{name} must not have {key}"));
            assert_eq!(value.kind(), attribute.kind, "{key} of {name}");
        }
        for attribute in &metric.attributes {
            let is_recorded = attributes.contains_key(&attribute.key);
            let is_excepted = attribute.key == "server.port" && is_other_host(attributes);
            if attribute.level == Level::Required && !is_excepted {
                assert!(is_recorded, "{name} must have {}: {attributes:?}", attribute.key);
            }
            if attribute.level == Level::OptIn && !setup.has_opt_in {
                assert!(!is_recorded, "{} of {name} is opt-in", attribute.key);
            }
        }
    }
    let recorded: BTreeSet<_> =
        series.keys().flat_map(Attributes::keys).map(|key| &**key).collect();
    let is_on = |level| setup.has_opt_in || level != Level::OptIn;
    let expected = metric
        .attributes
        .iter()
        .filter(|attribute| !attribute.is_left_out && is_on(attribute.level));
    // The client of the default has no `url.template`.
    assert_eq!(recorded, expected.map(|attribute| &*attribute.key).collect(), "{name}");
}

/// Beyond the list of hosts there is no port.
fn is_other_host(attributes: &Attributes) -> bool {
    attributes.get("server.address") == Some(&Typed::from("_OTHER"))
}

/// The requests of `clients`, and what both sides have pushed after all of them had ended.
struct Traffic {
    push: Push,
    pushed: BTreeMap<String, Pushed>,
    expected: BTreeMap<String, Series>,
}

impl Traffic {
    fn run(setup: Setup) -> Self {
        let receiver = Receiver::start();
        let runtime = Runtime::new().expect("a runtime can be built");
        let otlp = runtime.block_on(async {
            MetricExporter::builder().with_tonic().with_endpoint(receiver.endpoint()).build()
        });
        let reader = PeriodicReader::builder(otlp.expect("a URI")).with_interval(NEVER).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let servers = Servers::start(&provider, setup);
        let closed = runtime.block_on(send_all(&provider, setup, &servers));
        let expected =
            expected(setup, &Addresses { http: servers.http, grpc: servers.grpc, closed });

        let count = |series: &Series| series.values().sum::<i64>();
        let wanted = expected.values().map(count).sum::<i64>();
        // A server may record the end of a request a moment after its client.
        let arrived = eventually(DEADLINE, || {
            provider.force_flush().expect("the receiver takes it");
            let push = receiver.last().expect("it has arrived");
            let metrics: Vec<_> = push.metrics().map(series).collect();
            let active =
                push.metrics().zip(&metrics).filter(|(metric, _)| metric.unit == "{request}");
            let is_idle = active.flat_map(|(_, series)| series.values()).all(|active| *active == 0);
            is_idle && metrics.iter().map(count).sum::<i64>() >= wanted
        });
        let push = receiver.last().expect("it has arrived");
        let pushed = push.metrics().map(|metric| (metric.name.clone(), metric.clone())).collect();
        assert!(arrived, "not all requests are recorded: {pushed:#?}");
        Self { push, pushed, expected }
    }
}

const NEVER: Duration = Duration::from_secs(3600);

/// The boundaries of the specification.
const SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

const BYTES: [f64; 9] =
    [256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0];

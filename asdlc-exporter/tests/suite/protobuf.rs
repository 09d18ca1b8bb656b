//! The protobuf format: the same families, series and values as in the text of the same collection.

use crate::{
    arbitrary::{Record, key_values, record, scope, scope_labels, text, value},
    check::{Sample, check},
    client_model::io::prometheus::client::{Metric, MetricFamily, MetricType},
};
use asdlc_exporter::{Exporter, PrometheusReader};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use opentelemetry::{KeyValue, metrics::MeterProvider as _};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
use proptest::{collection::vec, prelude::*};
use prost::Message as _;
use std::collections::{BTreeMap, HashSet};
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The families of an exposition.
///
/// # Panics
///
/// When the exposition is not valid.
pub(crate) fn families(bytes: &[u8]) -> Vec<MetricFamily> {
    let mut rest = bytes;
    let mut families = Vec::new();
    while !rest.is_empty() {
        let family = MetricFamily::decode_length_delimited(&mut rest).expect("a family");
        assert!(!family.metric.is_empty(), "{} has no series", family.name());
        families.push(family);
    }
    let encoded: Vec<u8> =
        families.iter().flat_map(MetricFamily::encode_length_delimited_to_vec).collect();
    assert_eq!(encoded, bytes, "not the shortest form");
    let names: HashSet<_> = families.iter().map(MetricFamily::name).collect();
    assert_eq!(names.len(), families.len(), "a family is there twice");
    families
}

/// The samples that a server makes of a family, in the order of the text format.
fn samples(family: &MetricFamily) -> Vec<Sample> {
    family.metric.iter().flat_map(|metric| series_samples(family, metric)).collect()
}

fn series_samples(family: &MetricFamily, metric: &Metric) -> Vec<Sample> {
    let name = family.name();
    let labels: Vec<_> = metric
        .label
        .iter()
        .map(|label| (label.name().to_owned(), label.value().to_owned()))
        .collect();
    let mut all = Vec::new();
    let mut add = |suffix: &str, label: Option<(&str, f64)>, value: f64| {
        let mut labels = labels.clone();
        let number =
            |value: f64| if value.is_infinite() { "+Inf".into() } else { value.to_string() };
        labels.extend(label.map(|(key, value)| (key.to_owned(), number(value))));
        all.push(Sample { name: name.to_owned() + suffix, labels, value });
    };
    let Metric { gauge, counter, summary, untyped, histogram, .. } = metric;
    let values = [
        gauge.is_some(),
        counter.is_some(),
        summary.is_some(),
        untyped.is_some(),
        histogram.is_some(),
    ];
    assert_eq!(values.into_iter().filter(|is_there| *is_there).count(), 1, "{name}");
    match family.r#type() {
        MetricType::Counter => add("", None, counter.as_ref().expect("a counter").value()),
        MetricType::Gauge => add("", None, gauge.as_ref().expect("a gauge").value()),
        MetricType::Untyped => add("", None, untyped.as_ref().expect("untyped").value()),
        MetricType::Summary => {
            let summary = summary.as_ref().expect("a summary");
            for quantile in &summary.quantile {
                add("", Some(("quantile", quantile.quantile())), quantile.value());
            }
            add("_sum", None, summary.sample_sum());
            add("_count", None, summary.sample_count() as f64);
        }
        MetricType::Histogram => {
            let histogram = histogram.as_ref().expect("a histogram");
            for bucket in &histogram.bucket {
                let count = bucket.cumulative_count() as f64;
                add("_bucket", Some(("le", bucket.upper_bound())), count);
            }
            let count = histogram.sample_count() as f64;
            add("_bucket", Some(("le", f64::INFINITY)), count);
            add("_sum", None, histogram.sample_sum());
            add("_count", None, count);
        }
        MetricType::GaugeHistogram => panic!("{name}: this crate has none"),
    }
    all
}

/// Checks that both have the same.
fn assert_same(protobuf: &[u8], text: &str, text_samples: &[Sample]) {
    let families = families(protobuf);
    let ours: Vec<_> = families.iter().flat_map(samples).collect();
    // NaN is not equal to itself.
    assert_eq!(format!("{ours:#?}"), format!("{text_samples:#?}"));
    let kinds: BTreeMap<_, _> = text
        .split('\n')
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name, kind.to_uppercase()))
        .collect();
    let helps: BTreeMap<_, _> = text
        .split('\n')
        .filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '))
        .map(|(name, help)| (name, crate::check::unescape(help, "\\n")))
        .collect();
    assert_eq!(families.len(), kinds.len());
    for family in &families {
        assert_eq!(family.r#type().as_str_name(), kinds[family.name()]);
        assert_eq!(family.help(), helps[family.name()]);
    }
}

fn provider(reader: &PrometheusReader) -> SdkMeterProvider {
    let resource = Resource::builder_empty().with_attribute(KeyValue::new("host.cpus", 8)).build();
    SdkMeterProvider::builder().with_resource(resource).with_reader(reader.clone()).build()
}

//
#[test]
fn a_counter_has_the_name_that_prometheus_gives_it() -> Result {
    let exporter = Exporter::builder("shop").with_namespace("asdlc").build()?;
    let meter = exporter.meter();
    let orders = meter.f64_counter("orders").with_unit("s").with_description("Orders.");
    orders.build().add(0.5, &[KeyValue::new("shop", "a \"b\" \\ \n")]);
    let families = families(&exporter.render_protobuf()?);
    let family = families.iter().find(|f| f.name() == "asdlc_orders_seconds_total").expect("it");
    assert_eq!(
        (family.r#type(), family.help(), family.unit()),
        (MetricType::Counter, "Orders.", "seconds")
    );
    let [metric] = family.metric.as_slice() else { panic!("{family:?}") };
    let labels: Vec<_> = metric.label.iter().map(|label| (label.name(), label.value())).collect();
    assert_eq!(labels, [("service", "shop"), ("shop", "a \"b\" \\ \n")]);
    Ok(())
}

//
#[test]
fn a_sum_that_may_fall_is_served_too() -> Result {
    let reader = PrometheusReader::builder().build()?;
    let provider = provider(&reader);
    let meter = provider.meter("shop");
    meter.f64_histogram("cold").with_boundaries(vec![-1.0, 1.0]).build().record(-3.0, &[]);
    let families = families(&reader.render_protobuf()?);
    let cold = families.iter().find(|family| family.name() == "cold").expect("the histogram");
    let histogram = cold.metric[0].histogram.as_ref().expect("its value");
    assert_eq!((histogram.sample_count(), histogram.sample_sum()), (1, -3.0));
    Ok(())
}

//
#[tokio::test]
async fn the_service_answers_in_protobuf() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    exporter.meter().u64_counter("orders").build().add(1, &[]);
    for (uri, names) in [
        ("/", &["orders_total", "uptime_seconds"][..]),
        ("/?name[]=orders_total", &["orders_total"]),
        ("/?name[]=spam", &[]),
    ] {
        let request = Request::builder().uri(uri).header("accept", PROMETHEUS_3_5).body(())?;
        let (head, body) = exporter.scrape_service().oneshot(request).await?.into_parts();
        assert_eq!(head.status, StatusCode::OK);
        assert_eq!(
            head.headers["content-type"],
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
             encoding=delimited; escaping=underscores"
        );
        let families = families(&body.collect().await?.to_bytes());
        assert_eq!(families.iter().map(MetricFamily::name).collect::<Vec<_>>(), names, "{uri}");
    }
    Ok(())
}

/// What Prometheus 3.5 accepts if it reads native histograms.
const PROMETHEUS_3_5: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
     q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1";

//
#[test]
fn after_a_shutdown_there_is_no_exposition() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    exporter.shutdown()?;
    assert!(exporter.render_protobuf().is_err());
    Ok(())
}

proptest! {
    // `.ci/weekly` sets `PROPTEST_CASES`.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    //
    #[test]
    fn protobuf_has_what_the_text_has(
        records in vec((record(), 0..2_usize), 1..12),
        scopes in vec(scope(), 2),
        resource in vec((text(), value()), 0..3),
        scope_labels in scope_labels(),
        constant in text(),
    ) {
        let reader = PrometheusReader::builder()
            .with_constant_label("zone", constant)
            .with_scope_labels(scope_labels)
            .build()?;
        let resource = Resource::builder_empty().with_attributes(key_values(resource)).build();
        let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(reader.clone()).build();
        // The SDK or the exporter may refuse all the others.
        provider.meter("anchor").u64_gauge("anchor").build().record(1, &[]);
        for (record, at) in &records {
            Record::record(record, &provider.meter_with_scope(scopes[*at].clone()));
        }
        let text = reader.render()?;
        assert_same(&reader.render_protobuf()?, &text, &check(&text));
    }
}

//! "Resource Attributes".

use super::{Result, Served};
use asdlc_exporter::{PrometheusReader, PrometheusReaderBuilder, ScopeLabels};
use opentelemetry::{Array, KeyValue, Value, metrics::MeterProvider as _};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};

fn resource() -> Resource {
    Resource::builder_empty()
        .with_service_name("shop")
        .with_attribute(KeyValue::new("k8s.pod.name", "shop-1"))
        .with_attribute(KeyValue::new("replicas", 3))
        .with_attribute(KeyValue::new("zones", Value::Array(Array::I64(vec![1, 2]))))
        .build()
}

fn served(resource: Resource, reader: PrometheusReaderBuilder) -> Result<Served> {
    let provider = SdkMeterProvider::builder().with_resource(resource);
    Served::of(provider, reader.with_scope_labels(ScopeLabels::NONE), |provider| {
        for scope in ["a", "b"] {
            provider.meter(scope).u64_counter("orders").build().add(1, &[]);
        }
    })
}

// C-02, C-54, C-56, C-57, C-58, C-67, C-80
#[test]
fn target_info_has_the_attributes_of_the_resource_and_no_other_label() -> Result {
    let target =
        r#"target_info{k8s_pod_name="shop-1",replicas="3",service_name="shop",zones="[1,2]"} 1"#;
    let served_text = served(resource(), PrometheusReader::builder().with_namespace("shop"))?;
    assert!(served_text.has("# TYPE target_info gauge"), "{}", served_text.text);
    assert!(served_text.has(target), "{}", served_text.text);
    assert_eq!(served_text.count("target_info"), 1);
    assert!(served_text.has_open("# TYPE target info"), "{}", served_text.open_metrics);
    assert!(served_text.has_open(target), "{}", served_text.open_metrics);
    for without in [
        served(Resource::builder_empty().build(), PrometheusReader::builder())?,
        served(resource(), PrometheusReader::builder().without_target_info())?,
    ] {
        assert_eq!(without.count("target_info"), 0, "{}", without.text);
    }
    Ok(())
}

// C-55, C-72, C-73, C-74
#[test]
fn only_named_resource_attributes_become_labels() -> Result {
    let default = served(resource(), PrometheusReader::builder())?;
    assert!(default.has("orders_total 2"), "{}", default.text);
    let named =
        PrometheusReader::builder().with_resource_labels(["service.name", "replicas", "none"]);
    let named = served(resource(), named)?;
    let orders = named.samples.iter().find(|sample| sample.name == "orders_total");
    let mut labels = orders.map(|sample| sample.labels.clone()).unwrap_or_default();
    labels.sort();
    let expected = [("replicas", "3"), ("service_name", "shop")];
    assert_eq!(labels, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let target = named.samples.iter().find(|sample| sample.name == "target_info");
    for key in ["k8s_pod_name", "replicas", "service_name", "zones"] {
        assert!(target.is_some_and(|sample| sample.label(key).is_some()), "{key}: {}", named.text);
    }
    Ok(())
}

//! Tests of what is served of scopes and of the resource.

use crate::{
    collect::reader::Reader,
    exposition::{
        format::{Format, Output},
        render::{Collected, Query, RenderSettings, Renderer},
    },
    families::labels::{
        constant::ConstantLabels, resource::ResourceSettings, scope_labels::ScopeLabels,
    },
};
use opentelemetry::{InstrumentationScope, KeyValue, metrics::MeterProvider as _};
use opentelemetry_sdk::{
    Resource,
    metrics::{SdkMeterProvider, data::ResourceMetrics, reader::MetricReader as _},
};

fn collect(resource: Resource, record: impl FnOnce(&SdkMeterProvider)) -> ResourceMetrics {
    let reader = Reader::default();
    let provider =
        SdkMeterProvider::builder().with_resource(resource).with_reader(reader.clone()).build();
    record(&provider);
    let mut metrics = ResourceMetrics::default();
    reader.collect(&mut metrics).unwrap();
    metrics
}

fn empty() -> Resource {
    Resource::builder_empty().build()
}

fn with_scopes(scope_labels: ScopeLabels) -> Renderer {
    Renderer::new(RenderSettings { scope_labels, ..RenderSettings::default() })
}

fn render(renderer: &mut Renderer, recorded: &ResourceMetrics, format: Format) -> String {
    let collected = Collected::now(recorded);
    let query = Query::all(format.into());
    renderer.render(collected, &query, Vec::new(), None).unwrap().into_text()
}

fn samples(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

fn scope(name: &'static str, attributes: &[(&'static str, &'static str)]) -> InstrumentationScope {
    let attributes = attributes.iter().map(|(key, value)| KeyValue::new(*key, *value));
    InstrumentationScope::builder(name).with_attributes(attributes).build()
}

// X-09
#[test]
fn series_of_different_scopes_are_not_merged_unless_their_labels_are_the_same() {
    let metrics = collect(empty(), |provider| {
        for (version, by) in [("1", 1), ("2", 10)] {
            let scope = InstrumentationScope::builder("lib").with_version(version);
            let meter = provider.meter_with_scope(scope.with_schema_url("http://s").build());
            meter.u64_counter("a").build().add(by, &[KeyValue::new("k", "v")]);
            meter.u64_counter("a").build().add(by, &[]);
        }
    });
    let mut all = with_scopes(ScopeLabels::ALL);
    // The second text is written with the order and the layouts of the first.
    for _ in 0..2 {
        let one = |version, key, by| {
            format!(
                "a_total{{otel_scope_name=\"lib\",otel_scope_schema_url=\"http://s\",otel_scope_version=\"{version}\"{key}}} {by}"
            )
        };
        assert_eq!(
            samples(&render(&mut all, &metrics, Format::Text)),
            [one(1, "", 1), one(1, ",k=\"v\"", 1), one(2, "", 10), one(2, ",k=\"v\"", 10)]
        );
    }
    for (labels, expected) in [
        (ScopeLabels::NONE, ["a_total 11", "a_total{k=\"v\"} 11"]),
        (
            ScopeLabels::ALL.without_version().without_schema_url(),
            ["a_total{otel_scope_name=\"lib\"} 11", "a_total{otel_scope_name=\"lib\",k=\"v\"} 11"],
        ),
    ] {
        let text = render(&mut with_scopes(labels), &metrics, Format::Text);
        assert_eq!(samples(&text), expected);
    }
}

// X-09
#[test]
fn attributes_of_scopes_are_labels_and_never_replace_the_name() {
    let metrics = collect(empty(), |provider| {
        let scope = scope("", &[("name", "x"), ("schema.url", "x"), ("a.b", "1"), ("a_b", "2")]);
        provider.meter_with_scope(scope).u64_gauge("a").build().record(1, &[]);
    });
    let text = |labels| render(&mut with_scopes(labels), &metrics, Format::Text);
    assert_eq!(samples(&text(ScopeLabels::ALL)), ["a{otel_scope_a_b=\"1;2\"} 1"]);
    assert_eq!(samples(&text(ScopeLabels::ALL.without_attributes())), ["a 1"]);
}

// X-09: the same labels from the scope, from the point and from both are one series.
#[test]
fn attributes_of_points_that_are_scope_labels_are_joined() {
    let record = |provider: &SdkMeterProvider, scope, attributes: &[(&'static str, &str)], by| {
        let attributes: Vec<_> = attributes
            .iter()
            .map(|(key, value)| KeyValue::new(*key, (*value).to_owned()))
            .collect();
        provider.meter_with_scope(scope).u64_counter("a").build().add(by, &attributes);
    };
    let metrics = collect(empty(), |provider| {
        record(provider, scope("lib", &[("x", "1")]), &[], 1);
        record(provider, scope("lib", &[]), &[("otel.scope.x", "1")], 10);
        record(provider, scope("", &[]), &[("otel_scope_x", "1"), ("otel_scope_name", "lib")], 100);
        record(provider, scope("lib", &[("x", "2")]), &[("otel.scope.x", "1"), ("k", "v")], 1);
        record(provider, scope("lib", &[]), &[("otel.scope.name", "mine"), ("z", "")], 1);
    });
    let text = render(&mut with_scopes(ScopeLabels::ALL), &metrics, Format::Text);
    assert_eq!(
        samples(&text),
        [
            "a_total{otel_scope_name=\"lib\",otel_scope_x=\"1\"} 111",
            "a_total{otel_scope_name=\"lib\",otel_scope_x=\"1;2\",k=\"v\"} 1",
            "a_total{otel_scope_name=\"mine;lib\"} 1",
        ]
    );
    let text = render(&mut with_scopes(ScopeLabels::NONE), &metrics, Format::Text);
    assert!(text.contains("a_total{k=\"v\",otel_scope_x=\"1\"} 1\n"), "{text}");
}

// X-09
#[test]
fn one_name_with_two_types_in_two_scopes_is_a_conflict() {
    let metrics = collect(empty(), |provider| {
        provider.meter("a").u64_gauge("jobs").build().record(1, &[]);
        provider.meter("b").f64_histogram("jobs").build().record(1.0, &[]);
    });
    let mut renderer = with_scopes(ScopeLabels::ALL);
    let text = render(&mut renderer, &metrics, Format::Text);
    assert_eq!(samples(&text), ["jobs{otel_scope_name=\"a\"} 1"]);
    assert_eq!(renderer.take_warnings().len(), 1);
}

fn resource() -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "shop"),
            KeyValue::new("zone", "eu"),
            KeyValue::new("env", "prod"),
            KeyValue::new("replicas", 3),
            KeyValue::new("none", ""),
        ])
        .build()
}

fn with_resource(labels: &[&str], has_target_info: bool) -> Renderer {
    let constant = [("zone", "eu"), ("env", "test")];
    let constant = constant.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let labels = labels.iter().map(|key| (*key).to_owned()).collect();
    Renderer::new(RenderSettings {
        constant: ConstantLabels::new(constant),
        resource: ResourceSettings { labels, has_target_info },
        ..RenderSettings::default()
    })
}

// X-09
#[test]
fn target_info_has_the_attributes_of_the_resource() {
    let metrics = collect(resource(), |provider| {
        let meter = provider.meter("a");
        meter.u64_gauge("a").build().record(1, &[]);
        meter.u64_gauge("z").build().record(1, &[]);
        // Its name is taken.
        meter.u64_gauge("target_info").build().record(7, &[]);
    });
    let mut renderer = with_resource(&["service.name"], true);
    let labels =
        "zone=\"eu\",env=\"test\",exported_env=\"prod\",replicas=\"3\",service_name=\"shop\"";
    let constant = "zone=\"eu\",env=\"test\",service_name=\"shop\"";
    let expected = [
        "# HELP a ".to_owned(),
        "# TYPE a gauge".to_owned(),
        format!("a{{{constant}}} 1"),
        "# HELP target_info Target metadata.".to_owned(),
        "# TYPE target_info gauge".to_owned(),
        format!("target_info{{{labels}}} 1"),
        "# HELP z ".to_owned(),
        "# TYPE z gauge".to_owned(),
        format!("z{{{constant}}} 1"),
    ];
    for _ in 0..2 {
        let text = render(&mut renderer, &metrics, Format::Text);
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
    let text = render(&mut renderer, &metrics, Format::OpenMetrics);
    let info = format!("# TYPE target info\ntarget_info{{{labels}}} 1\n");
    assert!(text.contains(&info), "{text}");
    let warnings: Vec<_> = renderer.take_warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "the gauge `target_info` is not served, because its name conflicts with the gauge `target_info`, \
             which was collected first: rename one of them"
        ]
    );
}

// X-09
#[test]
fn without_attributes_there_is_no_target_info() {
    let record = |provider: &SdkMeterProvider| {
        provider.meter("a").u64_gauge("target_info").build().record(7, &[]);
    };
    let metrics = collect(empty(), record);
    let constant = "zone=\"eu\",env=\"test\"";
    for has_target_info in [true, false] {
        let text = render(&mut with_resource(&[], has_target_info), &metrics, Format::Text);
        assert_eq!(samples(&text), [format!("target_info{{{constant}}} 7")]);
    }
    // What is not collected does not hide that nothing was collected.
    let metrics = collect(resource(), |_| ());
    let collected = Collected::now(&metrics);
    let mut renderer = with_resource(&[], true);
    assert_eq!(renderer.render(collected, &Query::all(Output::TEXT), Vec::new(), None), None);
}

// X-09
#[test]
fn a_family_target_leaves_target_info_its_whole_name() {
    let metrics = collect(resource(), |provider| {
        provider.meter("a").u64_gauge("target").build().record(7, &[]);
    });
    let text = render(&mut with_resource(&[], true), &metrics, Format::OpenMetrics);
    assert!(text.contains("# TYPE target gauge\n"), "{text}");
    assert!(text.contains("# TYPE target_info gauge\n"), "{text}");
}

// X-09
#[test]
fn named_attributes_of_the_resource_are_labels_of_every_series() {
    let metrics = collect(resource(), |provider| {
        let attributes = [KeyValue::new("service.name", "other"), KeyValue::new("replicas", 4)];
        provider.meter("a").u64_gauge("a").build().record(1, &attributes);
    });
    let keys = ["service.name", "env", "none", "unknown", "replicas"];
    let mut renderer = with_resource(&keys, false);
    for _ in 0..2 {
        assert_eq!(
            samples(&render(&mut renderer, &metrics, Format::Text)),
            [
                "a{zone=\"eu\",env=\"test\",replicas=\"3\",service_name=\"shop\",exported_replicas=\"4\",exported_service_name=\"other\"} 1"
            ]
        );
    }
    let warnings: Vec<_> = renderer.take_warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["the resource attribute `env` is not a label: `env` is a constant label"]
    );
}

// F-16, X-09
#[test]
fn long_labels_of_scopes_and_resources_are_truncated_with_a_warning() {
    let long: &'static str = "\"".repeat(100_000).leak();
    let resource = Resource::builder_empty().with_attribute(KeyValue::new("long", long)).build();
    let metrics = collect(resource, |provider| {
        let scope = scope(long, &[("a", long)]);
        provider.meter_with_scope(scope).u64_gauge("a").build().record(1, &[]);
    });
    let mut renderer = Renderer::new(RenderSettings {
        scope_labels: ScopeLabels::ALL,
        resource: ResourceSettings { labels: vec!["long".to_owned()], has_target_info: true },
        ..RenderSettings::default()
    });
    let text = render(&mut renderer, &metrics, Format::Text);
    assert_eq!(text.lines().filter(|line| line.len() > 10_000).count(), 0);
    let warnings: Vec<_> = renderer.take_warnings().iter().map(ToString::to_string).collect();
    assert!(warnings[0].starts_with("labels of resource attributes"), "{warnings:?}");
    assert!(warnings[1].starts_with("labels of `a`"), "{warnings:?}");
    assert!(warnings[2].starts_with("labels of `target_info`"), "{warnings:?}");
}

// X-05, X-09
#[test]
fn a_long_attribute_key_does_not_repeat_the_key_of_a_resource_label() {
    // As a label it begins with `key_` and is too long.
    let key: &'static str = ("1".to_owned() + &"x".repeat(255)).leak();
    let resource = Resource::builder_empty().with_attribute(KeyValue::new(key, "r")).build();
    let metrics = collect(resource, |provider| {
        let gauge = provider.meter("a").u64_gauge("a").build();
        gauge.record(1, &[KeyValue::new(key, "p")]);
    });
    let text = render(&mut with_resource(&[key], false), &metrics, Format::Text);
    let [line] = samples(&text)[..] else { panic!("{text}") };
    let keys: Vec<_> =
        line.split(['{', ',']).filter_map(|it| Some(it.split_once("=\"")?.0)).collect();
    let [_, _, of_resource, of_point] = keys[..] else { panic!("{keys:?}") };
    assert!(of_resource.starts_with("key_1xxx"), "{of_resource}");
    assert!(of_point.starts_with("exported_key_1xxx"), "{of_point}");
    assert_eq!([of_resource.len(), of_point.len()], [256; 2]);
}

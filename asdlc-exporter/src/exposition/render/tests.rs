use super::*;
use crate::collect::reader::Reader;
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider as _},
};
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, SdkMeterProvider, Stream,
    data::{AggregatedMetrics, MetricData, ScopeMetrics},
    reader::MetricReader as _,
};
use prometheus::{Registry, TextEncoder};

fn renderer() -> Renderer {
    Renderer::new(RenderSettings::default())
}

fn text(renderer: &mut Renderer, recorded: &ResourceMetrics) -> Option<String> {
    let collected = Collected::now(recorded);
    let rendered = renderer.render(collected, &Query::all(Output::TEXT), Vec::new(), None);
    rendered.map(Rendered::into_text)
}

/// The metrics that the reader collects after `record`, and the text that opentelemetry-prometheus
/// writes.
fn collect(
    view: impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static,
    record: impl FnOnce(&Meter),
) -> (ResourceMetrics, String) {
    let registry = Registry::new();
    let bridge = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .without_target_info()
        .scope_info_enabled(false)
        .build()
        .unwrap();
    let reader = Reader::default();
    let provider = SdkMeterProvider::builder()
        .with_reader(reader.clone())
        .with_reader(bridge)
        .with_view(view)
        .build();
    record(&provider.meter("test"));
    let mut metrics = ResourceMetrics::default();
    reader.collect(&mut metrics).unwrap();
    (metrics, TextEncoder::new().encode_to_string(&registry.gather()).unwrap())
}

#[test]
fn valid_metrics_are_written_as_opentelemetry_prometheus_writes_them() {
    let (metrics, expected) = collect(
        |_| None,
        |meter| {
            let orders = meter.u64_counter("orders.taken").with_description("Back\\slash").build();
            for (paid, shop) in [(true, "a"), (false, "a"), (true, "b \"quoted\"\n")] {
                orders.add(1, &[KeyValue::new("shop", shop), KeyValue::new("paid", paid)]);
            }
            let wait = meter
                .f64_histogram("wait")
                .with_unit("s")
                .with_description("Waiting.")
                .with_boundaries(vec![0.005, 0.5, 1.0, 10.0])
                .build();
            for seconds in [0.001, 0.25, 0.75, 20.0] {
                wait.record(seconds, &[KeyValue::new("shop", "a")]);
            }
            wait.record(1.0, &[]);
            let size = meter.u64_histogram("size").with_unit("By").with_description("Size.");
            size.with_boundaries(vec![]).build().record(12, &[]);
            let level = meter.i64_up_down_counter("level").with_description("Level.").build();
            level.add(-7, &[KeyValue::new("zone", 1)]);
            meter.f64_gauge("load").with_description("Load.").build().record(0.75, &[]);
        },
    );
    assert_eq!(text(&mut renderer(), &metrics).unwrap(), expected);
}

//
#[test]
fn each_histogram_has_its_own_boundaries() {
    let (metrics, expected) = collect(
        |_| None,
        |meter| {
            let histograms = [
                ("a", vec![1.0, 2.0, 3.0]),
                ("b", vec![1.0, 4.0]),
                ("c", vec![]),
                ("d", vec![0.5, 4.0]),
                // As many as the one before.
                ("e", vec![0.25, 1.0]),
            ];
            for (name, boundaries) in histograms {
                let histogram = meter.f64_histogram(name).with_description("Of this name.");
                let histogram = histogram.with_boundaries(boundaries).build();
                for (shop, values) in [("x", &[0.75, 1.5, 3.5, 5.0][..]), ("y", &[0.375, 3.5])] {
                    let labels = [KeyValue::new("shop", shop)];
                    values.iter().for_each(|value| histogram.record(*value, &labels));
                }
            }
        },
    );
    assert_eq!(text(&mut renderer(), &metrics).unwrap(), expected);
}

#[test]
fn an_exponential_histogram_has_classic_buckets() {
    let (metrics, _) = collect(
        |_| {
            let aggregation = Aggregation::Base2ExponentialHistogram {
                max_size: 160,
                max_scale: 20,
                record_min_max: true,
            };
            Stream::builder().with_aggregation(aggregation).build().ok()
        },
        |meter| {
            let wait = meter.f64_histogram("wait").build();
            [0.5, 1.5, 100.0].into_iter().for_each(|seconds| wait.record(seconds, &[]));
        },
    );
    let text = text(&mut renderer(), &metrics).unwrap();
    for line in ["0.25\"} 0", "1\"} 1", "64\"} 2", "256\"} 3", "+Inf\"} 3"] {
        assert!(text.contains(&format!("wait_bucket{{le=\"{line}\n")), "{line} in {text}");
    }
    assert!(text.ends_with("wait_sum 102\nwait_count 3\n"), "{text}");
}

#[test]
fn a_key_can_be_reserved_in_one_family_and_not_in_the_next() {
    let (metrics, _) = collect(
        |_| None,
        |meter| {
            let labels = [KeyValue::new("le", "x")];
            meter.u64_counter("a").build().add(1, &labels);
            meter.f64_histogram("b").with_boundaries(vec![]).build().record(1.0, &labels);
            meter.u64_counter("c").build().add(1, &labels);
        },
    );
    let text = text(&mut renderer(), &metrics).unwrap();
    for line in ["a_total{le=\"x\"} 1", "b_count{exported_le=\"x\"} 1", "c_total{le=\"x\"} 1"] {
        assert!(text.lines().any(|l| l == line), "{line} in {text}");
    }
}

// X-05, C-09
#[test]
fn a_conflict_is_reported_once() {
    let (metrics, _) = collect(
        |_| None,
        |meter| {
            meter.u64_gauge("jobs").build().record(1, &[]);
            meter.f64_histogram("jobs").build().record(1.0, &[]);
            meter.u64_gauge("wait_sum").build().record(1, &[]);
            meter.f64_histogram("wait").build().record(1.0, &[]);
        },
    );
    let mut renderer = renderer();
    let first = text(&mut renderer, &metrics).unwrap();
    let warnings: Vec<_> = renderer.take_warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "the histogram `jobs` is not served, because its name conflicts with the gauge `jobs`, \
             which was collected first: rename one of them",
            "the histogram `wait` is not served, because its name conflicts with the gauge \
             `wait_sum`, which was collected first: rename one of them",
        ]
    );
    assert_eq!(text(&mut renderer, &metrics).unwrap(), first);
    assert!(renderer.take_warnings().is_empty());
}

// X-09, C-09
#[test]
fn a_second_help_text_or_unit_is_reported_once_and_its_points_are_served() {
    let (metrics, _) = collect(
        |_| None,
        |meter| {
            let counter = |name, help| {
                meter.u64_counter(name).with_description(help).build().add(1, &[]);
            };
            counter("orders", "Taken.");
            counter("orders_total", "Orders.");
            counter("jobs", "Done.");
            counter("jobs_total", "");
            meter.f64_gauge("wait").with_unit("s").build().record(1.0, &[]);
            meter.f64_gauge("wait_seconds").build().record(1.0, &[]);
            meter.f64_gauge("size_bytes_seconds").with_unit("By").build().record(1.0, &[]);
            meter.f64_gauge("size_bytes").with_unit("s").build().record(2.0, &[]);
        },
    );
    let mut renderer = renderer();
    let first = text(&mut renderer, &metrics).unwrap();
    for line in ["# HELP orders_total Taken.", "orders_total 2", "size_bytes_seconds 2"] {
        assert!(first.lines().any(|l| l == line), "{line} in {first}");
    }
    let warnings: Vec<_> = renderer.take_warnings().iter().map(ToString::to_string).collect();
    let warning = |name| {
        format!("`{name}` was recorded with several help texts or units: the first are served")
    };
    assert_eq!(warnings, [warning("orders_total"), warning("size_bytes_seconds")]);
    assert_eq!(text(&mut renderer, &metrics).unwrap(), first);
    assert!(renderer.take_warnings().is_empty());
}

//
#[test]
fn an_overflow_is_reported_once() {
    let (metrics, _) = collect(
        |_| Stream::builder().with_cardinality_limit(1).build().ok(),
        |meter| {
            for name in ["a", "b"] {
                let counter = meter.u64_counter(name).build();
                (0..3).for_each(|at| counter.add(1, &[KeyValue::new("at", at)]));
            }
            meter.u64_counter("c").build().add(1, &[]);
        },
    );
    let mut renderer = renderer();
    for expected in [&["a_total", "b_total"][..], &[]] {
        text(&mut renderer, &metrics).unwrap();
        let warnings = renderer.take_warnings();
        let overflowing: Vec<_> = warnings
            .iter()
            .filter_map(|warning| match warning {
                FamilyWarning::Overflow(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(overflowing, expected);
        assert_eq!(warnings.len(), expected.len());
    }
}

//
#[test]
fn a_large_family_is_written_in_the_order_of_the_sdk_and_points_of_one_series_are_added() {
    const SERIES: i64 = 2_500;
    let (metrics, _) = collect(
        |_| Stream::builder().with_cardinality_limit(10_000).build().ok(),
        |meter| {
            let (own, shared) =
                (meter.u64_counter("own").build(), meter.u64_counter("shared").build());
            for at in 0..SERIES {
                own.add(1, &[KeyValue::new("at", at)]);
                // Both values are the same text.
                shared.add(1, &[KeyValue::new("at", at)]);
                shared.add(2, &[KeyValue::new("at", at.to_string())]);
            }
        },
    );
    let metric =
        metrics.scope_metrics().flat_map(ScopeMetrics::metrics).find(|it| it.name() == "own");
    let AggregatedMetrics::U64(MetricData::Sum(own)) = metric.unwrap().data() else { panic!() };
    let mut expected: Vec<String> = own
        .data_points()
        .map(|point| format!("own_total{{at=\"{}\"}} 1", point.attributes().next().unwrap().value))
        .collect();
    assert!(!expected.is_sorted(), "the test would not notice if it were sorted");
    let mut shared: Vec<_> =
        (0..SERIES).map(|at| format!("shared_total{{at=\"{at}\"}} 3")).collect();
    shared.sort();
    expected.extend(shared);
    let mut renderer = renderer();
    // The first scrapes write their labels, and later ones compare them.
    for scrape in 0..5 {
        let text = text(&mut renderer, &metrics).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines, expected, "scrape {scrape}");
    }
}

//
#[test]
fn self_metrics_alone_are_no_text() {
    let (own, _) =
        collect(|_| None, |meter| meter.u64_counter("exporter_response").build().add(1, &[]));
    let recorded = ResourceMetrics::default();
    let collected = Collected { own: Some(&own), ..Collected::now(&recorded) };
    let text = |renderer: &mut Renderer| {
        let rendered = renderer.render(collected, &Query::all(Output::TEXT), Vec::new(), None);
        rendered.map(Rendered::into_text)
    };
    assert_eq!(text(&mut renderer()), None);
    let settings = RenderSettings { may_be_empty: true, ..RenderSettings::default() };
    assert!(text(&mut Renderer::new(settings)).unwrap().contains("exporter_response_total 1"));
}

//
#[test]
fn without_metrics_there_is_no_text() {
    assert_eq!(text(&mut renderer(), &ResourceMetrics::default()), None);
}

//! Each value that text has is stored by each Prometheus in each format.

use std::collections::BTreeMap;

use asdlc_exporter::Exporter;
use asdlc_tests::exposition::{Exposition, Sample};
use asdlc_tests::servers::{Generation, QueryApi, StoredHistogram};
use asdlc_tests::wait::{DEADLINE, eventually_some};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};

use super::scrapers::{self, Asked, Scraper};
use super::served::{PATH, Served};

//
#[test]
fn every_value_is_stored_by_both_generations_in_every_format() {
    let exporter = exporter();
    let served = Served::start(&exporter);
    let exposition = served.exposition();
    for scraper in scrapers::start(&[(served.address(), PATH, "shop")], "") {
        for asked in scraper.jobs {
            assert_stores_all(&scraper, *asked, &exposition, false);
            assert!(served.answers(asked.answer) > 0, "{asked:?}");
        }
    }
}

//
#[test]
fn prometheus_3_stores_native_and_classic_buckets_from_one_protobuf_exposition() {
    let exporter = exporter();
    let served = Served::start(&exporter);
    let exposition = served.exposition();
    let settings = "always_scrape_classic_histograms: true";
    for scraper in scrapers::start(&[(served.address(), PATH, "shop")], settings) {
        for asked in scraper.jobs.iter().filter(|_| scraper.generation == Generation::New) {
            assert_stores_all(&scraper, *asked, &exposition, true);
            assert!(served.answers(asked.answer) > 0, "{asked:?}");
        }
    }
}

/// Instruments of each kind, labels with values that have to be escaped, and values that are not usual.
fn exporter() -> Exporter {
    let exporter = Exporter::builder("shop")
        .with_target_info()
        .with_version("1.2.3")
        .with_native_histograms(["native_*"])
        .build()
        .expect("valid settings");
    record(&exporter.meter_provider().meter("shop"));
    exporter
}

fn record(meter: &Meter) {
    let counter = meter.u64_counter("orders").with_description("a\\b\n\"c\" — ü").build();
    let float_counter = meter.f64_counter("spent").with_unit("s").build();
    let gauge = meter.f64_gauge("level").build();
    let up_down = meter.i64_up_down_counter("queue").build();
    let classic = meter.f64_histogram("classic.wait").with_unit("s");
    let classic = classic.with_boundaries(vec![0.001, 0.1, 1.0, 2.5, 1e9]).build();
    let native = meter.f64_histogram("native.wait").with_unit("s").build();
    let sizes = meter.u64_histogram("native.size").with_unit("By").build();
    for (number, value) in HOSTILE.into_iter().enumerate() {
        let labels = [KeyValue::new("value", value)];
        let number = number as u64;
        counter.add((1 << 53) - number, &labels);
        float_counter.add(0.1 * number as f64, &labels);
        gauge.record([1e-300, f64::NAN, f64::INFINITY, -0.5][number as usize % 4], &labels);
        up_down.add(-1 - number as i64, &labels);
        for step in 0..=number {
            classic.record(0.03 * step as f64, &labels);
            native.record(0.0007 * 1.7_f64.powi(step as i32), &labels);
            sizes.record(step * 3_000, &labels);
        }
    }
    // Zero, negative values and a wide range.
    for value in [0.0, -3.0, -0.25, 1e-9, 7.0, 1e9] {
        native.record(value, &[KeyValue::new("value", "wide")]);
    }
}

const HOSTILE: [&str; 9] = [
    "plain",
    "back\\slash",
    "quote\"d",
    "two\nlines",
    "\\n",
    "üñî ☃ 🦀",
    "{a=\"b\",le=\"1\"} 1 # EOF",
    " , spaces  and\ttabs ",
    "a rather long value, a rather long value, a rather long value, a rather long value, a rather long value, a rather long value, more",
];

#[track_caller]
fn assert_stores_all(scraper: &Scraper, asked: Asked, exposition: &Exposition, has_classic: bool) {
    let Scraper { prometheus, generation, .. } = scraper;
    let what = format!("{generation:?}, {}", asked.job);
    let is_native = |sample: &Sample| asked.is_protobuf() && sample.name.starts_with("native_");
    let expected: BTreeMap<_, _> = exposition
        .all_samples()
        .iter()
        .filter(|sample| has_classic || !is_native(sample))
        .map(|sample| (key(&sample.name, sample.labels.iter().cloned()), sample.value))
        .collect();
    assert!(expected.len() > 100, "{what}: {}", expected.len());

    let selector = format!("{{job=\"{}\",__name__!~\"up|scrape_.*\"}}", asked.job);
    let native_count = if asked.is_protobuf() { 2 * HOSTILE.len() + 1 } else { 0 };
    let all = eventually_some(DEADLINE, || {
        let all = prometheus.stored_series(&selector);
        (all.len() >= expected.len() + native_count).then_some(all)
    });
    let stored = prometheus.stored_series(&selector).len();
    assert!(all.is_some(), "{what}: {stored} of {} + {native_count}", expected.len());

    let stored: BTreeMap<_, _> = prometheus
        .float_samples(&selector)
        .into_iter()
        .map(|(mut labels, value)| {
            for added in ["job", "instance", "program"] {
                labels.remove(added).expect("the server adds it");
            }
            let name = labels.remove("__name__").expect("a name");
            (key(&name, labels.into_iter()), value)
        })
        .collect();
    for (key, value) in &expected {
        let stored = stored.get(key);
        let is_equal = stored.is_some_and(|it| it.to_bits() == value.to_bits());
        let are_nan = value.is_nan() && stored.is_some_and(|it| it.is_nan());
        // It is not the same twice.
        let is_uptime = key.0 == "uptime_seconds" && stored.is_some_and(|it| it >= value);
        assert!(
            is_equal || are_nan || is_uptime,
            "{what}: {key:?} is {stored:?} instead of {value}"
        );
    }
    assert_eq!(stored.len(), expected.len(), "{what}");
    let native = prometheus.native_histograms(&selector);
    assert_eq!(native.len(), native_count, "{what}");
    for (labels, histogram) in native {
        assert_equals_classic(exposition, &labels["__name__"], &labels["value"], &histogram);
    }
}

/// Checks that the native histogram has exactly the observations of the classic buckets of the text.
#[track_caller]
fn assert_equals_classic(
    exposition: &Exposition,
    name: &str,
    value: &str,
    histogram: &StoredHistogram,
) {
    let labels = [("value", value)];
    let sample = |suffix: &str| exposition.value(&format!("{name}_{suffix}"), &labels);
    assert_eq!(sample("count"), Some(histogram.count), "{name} {value}");
    assert_eq!(sample("sum"), Some(histogram.sum), "{name} {value}");
    let buckets = format!("{name}_bucket");
    let mut compared = 0;
    for bucket in exposition.samples(&buckets).filter(|bucket| bucket.has(&labels)) {
        let bound: f64 = bucket.label("le").and_then(|le| le.parse().ok()).expect("a bound");
        assert_eq!(histogram.count_up_to(bound), bucket.value, "{name} {value} {bound}");
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}

/// The name and the labels of a series. The same `le` can be written in several ways, so it is a number here.
fn key(
    name: &str,
    labels: impl Iterator<Item = (String, String)>,
) -> (String, BTreeMap<String, String>) {
    let number = |le: &str| format!("{:e}", le.parse::<f64>().expect("a bound"));
    let labels = labels.map(|(key, value)| {
        let value = if key == "le" { number(&value) } else { value };
        (key, value)
    });
    (name.to_owned(), labels.collect())
}

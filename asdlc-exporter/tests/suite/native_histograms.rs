//! Histograms that are recorded in the buckets of native histograms.

use crate::{check::check, logged::logged};
use asdlc_exporter::{Exporter, NativeHistograms, PrometheusReader};
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider as _},
};
use opentelemetry_sdk::metrics::{Aggregation, Instrument, SdkMeterProvider, Stream};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn record(meter: &Meter) {
    let duration = meter.f64_histogram("http.request.duration").with_unit("s");
    let duration = duration.with_boundaries(vec![0.1, 1.0]).build();
    [0.0, 0.3, 0.5, 0.51, 70.0]
        .iter()
        .for_each(|seconds| duration.record(*seconds, &[KeyValue::new("route", "/a")]));
    meter.u64_histogram("size").with_boundaries(vec![10.0]).build().record(64, &[]);
}

/// The boundaries and counts of the buckets of this family.
fn buckets(text: &str, family: &str) -> Vec<(String, f64)> {
    let name = format!("{family}_bucket");
    let bound = |labels: &[(String, String)]| {
        labels.iter().find(|(key, _)| key == "le").map(|(_, value)| value.clone())
    };
    check(text)
        .iter()
        .filter(|sample| sample.name == name)
        .filter_map(|sample| Some((bound(&sample.labels)?, sample.value)))
        .collect()
}

fn assert_native(text: &str, family: &str) {
    let buckets = buckets(text, family);
    assert_eq!(buckets.len(), 18, "{text}");
    for (bound, count) in
        [("0.0009765625", 1.0), ("0.25", 1.0), ("0.5", 3.0), ("1", 4.0), ("64", 4.0), ("+Inf", 5.0)]
    {
        assert!(buckets.contains(&(bound.to_owned(), count)), "{bound}: {count} in {buckets:?}");
    }
}

//
#[test]
fn an_exporter_records_the_chosen_histograms_as_native_ones() -> Result {
    // The last one matches the name of the instrument, with `_` for its invalid characters.
    for patterns in [["http_request_duration_seconds"], ["*_duration*"], ["http_request_duration"]]
    {
        let exporter = Exporter::builder("shop").with_native_histograms(patterns).build()?;
        record(&exporter.meter());
        let text = exporter.render()?;
        assert_native(&text, "http_request_duration_seconds");
        assert_eq!(buckets(&text, "size"), [("10".to_owned(), 0.0), ("+Inf".to_owned(), 1.0)]);
    }
    Ok(())
}

//
#[test]
fn policy_series_limit_and_views_hold_for_native_histograms_too() -> Result {
    let exporter = Exporter::builder("shop")
        .with_native_histograms(["*"])
        .with_max_series(2)
        .with_view(|instrument: &Instrument| {
            let boundaries = vec![64.0];
            let buckets =
                Aggregation::ExplicitBucketHistogram { boundaries, record_min_max: false };
            let stream = || Stream::builder().with_aggregation(buckets).build().ok();
            (instrument.name() == "size").then(stream).flatten()
        })
        .build()?;
    record(&exporter.meter());
    let wait = exporter.meter().f64_histogram("wait").build();
    (0..3).for_each(|at| wait.record(1.0, &[KeyValue::new("at", at)]));
    let mut text = String::new();
    let warnings = logged(|| text = exporter.render().expect("text"));
    assert_native(&text, "http_request_duration_seconds");
    assert_eq!(buckets(&text, "size"), [("64".to_owned(), 1.0), ("+Inf".to_owned(), 1.0)]);
    assert!(
        text.contains("wait_count{service=\"shop\",otel_metric_overflow=\"true\"} 1\n"),
        "{text}"
    );
    assert!(
        warnings.iter().any(|it| it.starts_with("`size` is not a native histogram")),
        "{warnings:?}"
    );
    Ok(())
}

//
#[test]
fn a_provider_of_the_user_needs_the_view_of_the_reader() -> Result {
    let reader = || PrometheusReader::builder().with_native_histograms(["http_*"]).build();
    let prometheus = reader()?;
    let provider = SdkMeterProvider::builder()
        .with_reader(prometheus.clone())
        .with_view(prometheus.native_histogram_view())
        .build();
    record(&provider.meter("test"));
    assert_native(&prometheus.render()?, "http_request_duration_seconds");

    let prometheus = reader()?;
    let provider = SdkMeterProvider::builder().with_reader(prometheus.clone()).build();
    record(&provider.meter("test"));
    let mut text = String::new();
    let warnings = logged(|| (0..2).for_each(|_| text = prometheus.render().expect("text")));
    assert_eq!(buckets(&text, "http_request_duration_seconds").len(), 3);
    assert_eq!(
        warnings,
        [
            "`http_request_duration_seconds` is not a native histogram, because its meter provider records it in other \
          buckets: add the view of PrometheusReader::native_histogram_view to your provider, or use \
          Base2ExponentialHistogram in your own view of this instrument"
        ]
    );
    Ok(())
}

//
#[test]
fn the_scale_and_the_buckets_have_limits() {
    let native = || NativeHistograms::new(["*"]);
    let build = |native| Exporter::builder("shop").with_native_histograms(native).build();
    for (native, expected) in [
        (
            native().with_max_scale(9),
            "invalid maximum scale of native histograms 9: must be -4 to 8",
        ),
        (
            native().with_max_scale(-5),
            "invalid maximum scale of native histograms -5: must be -4 to 8",
        ),
        (
            native().with_max_buckets(3),
            "invalid maximum of buckets of native histograms 3: must be 4 to 10000",
        ),
        (
            native().with_max_buckets(10_001),
            "invalid maximum of buckets of native histograms 10001: must be 4 to 10000",
        ),
    ] {
        assert_eq!(build(native).expect_err(expected).to_string(), expected);
    }
    assert!(build(native().with_max_scale(-4).with_max_buckets(4)).is_ok());
    assert!(build(native().with_max_scale(8).with_max_buckets(10_000)).is_ok());
}

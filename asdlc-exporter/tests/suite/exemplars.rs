//! Exemplars: a measurement within a sampled span is served with its trace.

mod sinks;

use crate::logged::logged;
use asdlc_exporter::{ExemplarFilter, Exporter, ExporterBuilder, Format, PrometheusReader};
use http::{Request, Version};
use http_body_util::BodyExt as _;
use opentelemetry::{
    Context, Key, KeyValue,
    metrics::MeterProvider as _,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::metrics::{Aggregation, Instrument, SdkMeterProvider, Stream};
use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::runtime::Builder;
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Runs within a span with the trace id `trace`.
fn within(trace: u128, flags: TraceFlags, run: impl FnOnce()) {
    let (trace, span) = (TraceId::from(trace), SpanId::from(trace as u64 + 1));
    let span = SpanContext::new(trace, span, flags, false, TraceState::NONE);
    let _guard = Context::new().with_remote_span_context(span).attach();
    run();
}

/// Runs within a sampled span.
fn sampled(trace: u128, run: impl FnOnce()) {
    within(trace, TraceFlags::SAMPLED, run);
}

/// The samples with exemplars: name and labels, trace id, value and time.
fn exemplars(text: &str) -> Vec<(String, u128, f64, f64)> {
    let read = |line: &str| {
        let (sample, exemplar) = line.split_once(" # {")?;
        let (series, _) = sample.rsplit_once(' ')?;
        let (labels, numbers) = exemplar.split_once("} ")?;
        let trace = labels.strip_prefix("trace_id=\"").map_or("0", |rest| &rest[..32]);
        let (value, time) = numbers.split_once(' ')?;
        let trace = u128::from_str_radix(trace, 16).ok()?;
        Some((series.to_owned(), trace, value.parse().ok()?, time.parse().ok()?))
    };
    text.lines().filter_map(read).collect()
}

fn served(exporter: &Exporter) -> Result<Vec<(String, u128, f64)>> {
    let text = exporter.render_as(Format::OpenMetrics)?;
    Ok(exemplars(&text)
        .into_iter()
        .map(|(series, trace, value, _)| (series, trace, value))
        .collect())
}

fn builder() -> ExporterBuilder {
    Exporter::builder("shop").without_service_label()
}

/// The answer to a scrape of `OpenMetrics` by this version of HTTP.
fn answer(exporter: &Exporter, version: Version) -> Result<(Option<u64>, String)> {
    let request = Request::builder().version(version).header("accept", OPEN_METRICS).body(())?;
    let runtime = Builder::new_current_thread().build()?;
    let Ok(response) = runtime.block_on(exporter.scrape_service().oneshot(request));
    let length = response.headers().get("content-length");
    let length = length.map(|length| length.to_str()).transpose()?;
    let length = length.map(str::parse).transpose()?;
    let bytes = runtime.block_on(response.into_body().collect())?.to_bytes();
    Ok((length, String::from_utf8(bytes.to_vec())?))
}

const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";

//
#[test]
fn a_large_exposition_with_a_length_has_no_exemplars() -> Result {
    let exporter = builder().with_exemplars().with_max_series(20_000).build()?;
    let orders = exporter.meter().u64_counter("orders").build();
    sampled(1, || orders.add(1, &[]));
    exporter.render()?;
    sampled(2, || orders.add(1, &[]));
    let (length, small) = answer(&exporter, Version::HTTP_10)?;
    assert_eq!(length, Some(small.len() as u64));
    assert_eq!(exemplars(&small).len(), 1);
    let long = "x".repeat(200);
    for at in 0..10_000 {
        orders.add(1, &[KeyValue::new("at", format!("{at}{long}"))]);
    }
    let (length, text) = answer(&exporter, Version::HTTP_11)?;
    assert_eq!((length, exemplars(&text).len()), (None, 1));
    // A new exemplar between the two passes would change the length.
    let (length, text) = answer(&exporter, Version::HTTP_10)?;
    assert_eq!((length, exemplars(&text).len()), (Some(text.len() as u64), 0));
    Ok(())
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

// X-15, C-01, C-32, C-33, C-39, C-50, C-51, C-52
#[test]
fn each_bucket_and_each_counter_has_the_newest_measurement_of_a_sampled_span() -> Result {
    let exporter = builder().with_exemplars().build()?;
    let meter = exporter.meter();
    let wait = meter.f64_histogram("wait").with_boundaries(vec![1.0, 10.0]).build();
    let orders = meter.u64_counter("orders").build();
    let attributes = [KeyValue::new("at", "a"), KeyValue::new("n", 1)];
    let (bound_wait, bound_orders) = (wait.bind(&attributes), orders.bind(&attributes));
    let before = seconds();
    sampled(1, || {
        wait.record(0.5, &attributes);
        orders.add(2, &attributes);
    });
    sampled(2, || bound_wait.record(20.0));
    // The same attributes in another order.
    let [at, n] = attributes.clone();
    sampled(3, || wait.record(0.75, &[n, at]));
    sampled(4, || bound_orders.add(5));
    within(5, TraceFlags::default(), || {
        wait.record(0.8, &attributes);
        bound_orders.add(1);
    });
    wait.record(0.9, &attributes);
    sampled(6, || wait.record(5.0, &[]));
    let after = seconds();
    let text = exporter.render_as(Format::OpenMetrics)?;
    let mut found = exemplars(&text);
    assert!(found.iter().all(|(.., time)| (before - 0.001..=after).contains(time)), "{found:?}");
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let found: Vec<_> =
        found.iter().map(|(series, trace, value, _)| (&**series, *trace, *value)).collect();
    assert_eq!(
        found,
        [
            ("orders_total{at=\"a\",n=\"1\"}", 4, 5.0),
            ("wait_bucket{at=\"a\",n=\"1\",le=\"+Inf\"}", 2, 20.0),
            ("wait_bucket{at=\"a\",n=\"1\",le=\"1.0\"}", 3, 0.75),
            ("wait_bucket{le=\"10.0\"}", 6, 5.0),
        ],
        "{text}"
    );
    assert!(text.contains("span_id=\"0000000000000005\""), "{text}");
    assert!(!exporter.render()?.contains(" # {"), "the text format 0.0.4 has none");
    Ok(())
}

//
#[test]
fn without_the_setting_there_are_no_exemplars() -> Result {
    for builder in [builder(), builder().with_exemplar_filter(ExemplarFilter::AlwaysOff)] {
        let exporter = builder.build()?;
        sampled(1, || exporter.meter().u64_counter("orders").build().add(1, &[]));
        assert_eq!(served(&exporter)?, []);
    }
    Ok(())
}

//
#[test]
fn with_always_on_a_measurement_outside_of_a_sampled_span_has_no_trace() -> Result {
    let exporter = builder().with_exemplar_filter(ExemplarFilter::AlwaysOn).build()?;
    let orders = exporter.meter().u64_counter("orders").build();
    within(1, TraceFlags::default(), || orders.add(3, &[]));
    assert_eq!(served(&exporter)?, [("orders_total".to_owned(), 0, 3.0)]);
    sampled(2, || orders.add(4, &[]));
    assert_eq!(served(&exporter)?, [("orders_total".to_owned(), 2, 4.0)]);
    Ok(())
}

// Prometheus would store it again with another time.
#[test]
fn an_exemplar_has_the_same_time_in_every_scrape() -> Result {
    let exporter = builder().with_exemplars().build()?;
    let orders = exporter.meter().u64_counter("orders").build();
    sampled(1, || orders.add(1, &[]));
    let first = exemplars(&exporter.render_as(Format::OpenMetrics)?);
    assert_eq!(first.len(), 1);
    for _ in 0..100 {
        assert_eq!(exemplars(&exporter.render_as(Format::OpenMetrics)?), first);
    }
    Ok(())
}

//
#[test]
fn an_old_exemplar_is_not_served() -> Result {
    let max_age = Duration::from_secs(1);
    let exporter = builder().with_exemplars().with_exemplar_max_age(max_age).build()?;
    let orders = exporter.meter().u64_counter("orders").build();
    sampled(1, || orders.add(1, &[]));
    let expires = SystemTime::now() + max_age;
    assert_eq!(served(&exporter)?.len(), 1);
    while SystemTime::now() <= expires {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(served(&exporter)?, []);
    sampled(2, || orders.add(1, &[]));
    assert_eq!(served(&exporter)?.len(), 1);
    let error = builder().with_exemplar_max_age(Duration::from_millis(999)).build().unwrap_err();
    let message = "invalid maximum age of exemplars 999ms: must be at least 1s";
    assert_eq!(error.to_string(), message);
    Ok(())
}

//
#[test]
fn buckets_of_views_and_of_native_histograms_have_their_own_exemplars() -> Result {
    let exporter = builder()
        .with_exemplars()
        .with_native_histograms(["wait_seconds"])
        .with_view(|instrument: &Instrument| {
            let boundaries = vec![64.0, 65.0];
            let buckets =
                Aggregation::ExplicitBucketHistogram { boundaries, record_min_max: false };
            let stream = || Stream::builder().with_aggregation(buckets).build().ok();
            (instrument.name() == "size").then(stream).flatten()
        })
        .build()?;
    let meter = exporter.meter();
    let size = meter.u64_histogram("size").with_boundaries(vec![1.0]).build();
    let wait = meter.f64_histogram("wait").with_unit("s").build();
    // The boundaries are known from the first scrape on.
    size.record(1, &[]);
    exporter.render_as(Format::OpenMetrics)?;
    for (trace, value) in (1..).zip([64, 65, 66, 66]) {
        sampled(trace, || size.record(value, &[]));
    }
    sampled(8, || wait.record(0.3, &[]));
    sampled(9, || wait.record(3.0, &[]));
    let mut found = served(&exporter)?;
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let found: Vec<_> =
        found.iter().map(|(series, trace, value)| (&**series, *trace, *value)).collect();
    assert_eq!(
        found,
        [
            ("size_bucket{le=\"+Inf\"}", 4, 66.0),
            ("size_bucket{le=\"64.0\"}", 1, 64.0),
            ("size_bucket{le=\"65.0\"}", 2, 65.0),
            ("wait_seconds_bucket{le=\"0.5\"}", 8, 0.3),
            ("wait_seconds_bucket{le=\"4.0\"}", 9, 3.0),
        ]
    );
    Ok(())
}

//
#[test]
fn a_series_beyond_the_limit_gives_its_exemplar_to_the_overflow_series() -> Result {
    let exporter = builder().with_exemplars().with_max_series(2).build()?;
    let orders = exporter.meter().u64_counter("orders").build();
    for n in 0..4_i64 {
        sampled(n as u128 + 1, || orders.add(1, &[KeyValue::new("n", n)]));
    }
    let found = served(&exporter)?;
    let of = |part: &str| found.iter().find(|(series, ..)| series.contains(part)).map(|it| it.1);
    assert_eq!(of("otel_metric_overflow=\"true\""), Some(4), "{found:?}");
    assert_eq!((of("n=\"0\""), of("n=\"1\"")), (Some(1), Some(2)), "{found:?}");
    Ok(())
}

/// An exporter whose series of `orders` have only these keys, and at most `max_series`.
fn with_view(keys: &'static [&'static str], max_series: usize) -> Result<Exporter> {
    let view = move |instrument: &Instrument| {
        let keys = keys.iter().map(|key| Key::from_static_str(key));
        let stream = Stream::builder().with_allowed_attribute_keys(keys);
        let stream = stream.with_cardinality_limit(max_series);
        (instrument.name() == "orders").then(|| stream.build().ok()).flatten()
    };
    Ok(builder().with_exemplars().with_view(view).build()?)
}

// only measurements that the SDK has counted in the overflow series are its exemplars.
#[test]
fn the_overflow_series_has_no_exemplar_of_a_series_whose_attributes_a_view_removes() -> Result {
    let exporter = with_view(&["n"], 2)?;
    let orders = exporter.meter().u64_counter("orders").build();
    // Counted in the series 0 and 1.
    for n in 0..2_i64 {
        let attributes = [KeyValue::new("n", n), KeyValue::new("user", "ann")];
        sampled(n as u128 + 1, || orders.add(1, &attributes));
    }
    // Counted in the overflow series, outside of any span.
    orders.add(1, &[KeyValue::new("n", 2)]);
    for _ in 0..2 {
        assert_eq!(served(&exporter)?, []);
    }
    let text = exporter.render_as(Format::OpenMetrics)?;
    assert!(text.contains("orders_total{otel_metric_overflow=\"true\"} 1\n"), "{text}");
    // It is sure that the SDK has counted this one there.
    sampled(3, || orders.add(1, &[KeyValue::new("n", 3)]));
    let overflow = "orders_total{otel_metric_overflow=\"true\"}".to_owned();
    assert_eq!(served(&exporter)?, [(overflow, 3, 1.0)]);
    Ok(())
}

//
#[test]
fn a_series_that_has_a_point_is_not_shown_as_overflow_beyond_the_limit_of_exemplars() -> Result {
    // More than have exemplars of their own.
    let exporter = builder().with_exemplars().with_max_series(2_100).build()?;
    let orders = exporter.meter().u64_counter("orders").build();
    for n in 0..2_200_i64 {
        sampled(n as u128 + 1, || orders.add(1, &[KeyValue::new("n", n)]));
    }
    // The last series with a point is measured again.
    sampled(10_000, || orders.add(1, &[KeyValue::new("n", 2_099)]));
    let found = served(&exporter)?;
    let of = |part: &str| found.iter().find(|(series, ..)| series.contains(part)).map(|it| it.1);
    assert_eq!((of("n=\"0\""), of("n=\"1999\"")), (Some(1), Some(2_000)));
    assert_eq!(of("n=\"2099\""), Some(10_000), "the newest of those that share a set");
    assert_eq!(of("otel_metric_overflow"), None, "its exemplar was replaced");
    sampled(10_001, || orders.add(1, &[KeyValue::new("n", 2_199)]));
    let found = served(&exporter)?;
    let of = |part: &str| found.iter().find(|(series, ..)| series.contains(part)).map(|it| it.1);
    assert_eq!((of("otel_metric_overflow"), of("n=\"2099\"")), (Some(10_001), None));
    // Of a series with a key that no point has.
    sampled(10_002, || orders.add(1, &[KeyValue::new("user", 1)]));
    let found = served(&exporter)?;
    assert!(!found.iter().any(|(series, ..)| series.contains("otel_metric_overflow")), "{found:?}");
    Ok(())
}

// the SDK keeps both instruments, and warns about them. They have one name here, so their exemplars are together.
#[test]
fn the_overflow_series_of_another_instrument_has_no_exemplar_of_a_series_with_a_point() -> Result {
    let exporter = builder().with_exemplars().with_max_series(2).build()?;
    let meter = exporter.meter();
    let (first, second) =
        (meter.u64_counter("orders").build(), meter.f64_counter("orders").build());
    sampled(1, || first.add(1, &[KeyValue::new("n", 0)]));
    for n in 10..13_i64 {
        second.add(1.0, &[KeyValue::new("n", n)]);
    }
    let text = exporter.render_as(Format::OpenMetrics)?;
    assert!(text.contains("otel_metric_overflow"), "{text}");
    assert_eq!(served(&exporter)?, [("orders_total{n=\"0\"}".to_owned(), 1, 1.0)]);
    Ok(())
}

//
#[test]
fn attributes_that_are_not_sure_are_no_exemplar_of_the_overflow_series() -> Result {
    let exporter = builder().with_exemplars().with_max_series(2).build()?;
    let orders = exporter.meter().u64_counter("orders").build();
    for n in 0..3_i64 {
        orders.add(1, &[KeyValue::new("n", n)]);
    }
    // The SDK counts the first of these in the series 0 or 1, and has no limit for a series without attributes.
    let twice = [KeyValue::new("n", 0), KeyValue::new("n", 1)];
    sampled(1, || orders.add(1, &twice));
    sampled(2, || orders.add(1, &[]));
    assert_eq!(served(&exporter)?, [("orders_total".to_owned(), 2, 1.0)]);
    Ok(())
}

//
#[test]
fn a_series_without_the_attributes_that_a_view_removes_has_exemplars_from_the_second_scrape_on()
-> Result {
    let exporter = with_view(&["n", "zone"], 10)?;
    let orders = exporter.meter().u64_counter("orders").build();
    let attributes = |n: i64, user: i64| [KeyValue::new("user", user), KeyValue::new("n", n)];
    sampled(1, || orders.add(1, &attributes(0, 7)));
    sampled(2, || orders.add(2, &attributes(1, 7)));
    sampled(3, || orders.add(3, &attributes(1, 8)));
    // Whether a view has removed attributes, or whether they were collected too early, is known at the second scrape.
    assert_eq!(served(&exporter)?, []);
    let series = |n: i64| format!("orders_total{{n=\"{n}\"}}");
    let mut found = served(&exporter)?;
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, [(series(0), 1, 1.0), (series(1), 3, 3.0)]);
    // All attributes are removed.
    sampled(4, || orders.add(4, &[KeyValue::new("user", 9)]));
    assert_eq!(served(&exporter)?.len(), 2);
    let found = served(&exporter)?;
    assert!(found.contains(&("orders_total".to_owned(), 4, 4.0)), "{found:?}");
    Ok(())
}

//
#[test]
fn a_reader_serves_the_exemplars_of_the_meters_that_it_guards() -> Result {
    let prometheus = PrometheusReader::builder().with_exemplars().build()?;
    let provider = SdkMeterProvider::builder().with_reader(prometheus.clone()).build();
    let guarded = prometheus.guard(provider.clone());
    let names = [("guarded", guarded.meter("app")), ("unguarded", provider.meter("app"))];
    for (name, meter) in names {
        sampled(1, || meter.f64_counter(name).build().add(0.5, &[]));
    }
    let log = logged(|| _ = prometheus.render_as(Format::OpenMetrics));
    assert_eq!(log, Vec::<String>::new());
    let text = prometheus.render_as(Format::OpenMetrics)?;
    let found = exemplars(&text);
    assert_eq!(found.len(), 1, "{text}");
    assert!(found[0].0.starts_with("guarded_total"), "{text}");
    Ok(())
}

//
#[test]
fn a_warning_says_that_no_meter_records_exemplars() -> Result {
    let prometheus = PrometheusReader::builder().with_exemplars().build()?;
    let provider = SdkMeterProvider::builder().with_reader(prometheus.clone()).build();
    provider.meter("app").u64_counter("orders").build().add(1, &[]);
    let log = logged(|| {
        (0..2).for_each(|_| _ = prometheus.render_as(Format::OpenMetrics));
    });
    let is_warning = |message: &&String| message.contains("no exemplars are recorded");
    assert_eq!(log.iter().filter(is_warning).count(), 1, "{log:?}");
    Ok(())
}

// the SDK does not count these values.
#[test]
fn a_value_that_is_not_finite_is_no_exemplar() -> Result {
    let exporter = builder().with_exemplars().build()?;
    let meter = exporter.meter();
    let wait = meter.f64_histogram("wait").with_boundaries(vec![1.0]).build();
    let weight = meter.f64_counter("weight").build();
    sampled(1, || {
        wait.record(7.0, &[]);
        weight.add(0.5, &[]);
    });
    for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        sampled(2, || {
            wait.record(value, &[]);
            weight.add(value, &[]);
        });
    }
    let mut found = served(&exporter)?;
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let infinite = "wait_bucket{le=\"+Inf\"}".to_owned();
    assert_eq!(found, [(infinite, 1, 7.0), ("weight_total".to_owned(), 1, 0.5)]);
    Ok(())
}

// X-15, C-26, C-34
#[test]
fn a_gauge_has_no_exemplar() -> Result {
    let exporter = builder().with_exemplars().build()?;
    let meter = exporter.meter();
    sampled(1, || {
        meter.f64_gauge("load").build().record(1.0, &[]);
        meter.i64_up_down_counter("queue").build().add(1, &[]);
        meter.u64_counter("orders").build().add(1, &[]);
    });
    assert_eq!(served(&exporter)?, [("orders_total".to_owned(), 1, 1.0)]);
    Ok(())
}

//! "Gauges", "Sums" and "Histograms".

use super::{Result, Served};
use crate::{
    client_model::{
        google::protobuf::Timestamp,
        io::prometheus::client::{BucketSpan, LabelPair},
    },
    protobuf::families,
};
use asdlc_exporter::{Format, PrometheusReader, ScopeLabels};
use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, MeterProvider as _},
};
use opentelemetry_sdk::metrics::{Aggregation, Instrument, SdkMeterProvider, Stream};
use std::time::SystemTime;

// C-24, C-27, C-28, C-71
#[test]
fn each_instrument_has_the_type_of_its_points() -> Result {
    let observed = |o: &dyn AsyncInstrument<u64>| o.observe(5, &[]);
    let served = Served::new(|meter| {
        meter.u64_counter("a").build().add(5, &[]);
        meter.f64_counter("b").build().add(5.0, &[]);
        meter.u64_observable_counter("c").with_callback(observed).build();
        meter.i64_up_down_counter("d").build().add(5, &[]);
        meter.f64_up_down_counter("e").build().add(5.0, &[]);
        meter.i64_observable_up_down_counter("f").with_callback(|o| o.observe(5, &[])).build();
        meter.i64_gauge("g").build().record(5, &[]);
        meter.f64_gauge("h").build().record(5.0, &[]);
        meter.u64_observable_gauge("i").with_callback(observed).build();
    })?;
    for counter in ["a_total", "b_total", "c_total"] {
        assert!(served.has(&format!("# TYPE {counter} counter")), "{}", served.text);
        assert!(served.has(&format!("{counter} 5")), "{}", served.text);
    }
    for gauge in ["d", "e", "f", "g", "h", "i"] {
        assert!(served.has(&format!("# TYPE {gauge} gauge")), "{}", served.text);
        assert!(served.has(&format!("{gauge} 5")), "{}", served.text);
    }
    Ok(())
}

// C-30
#[test]
fn a_counter_ends_in_total_once() -> Result {
    let served = Served::new(|meter| {
        meter.u64_counter("orders").build().add(1, &[]);
        meter.u64_counter("jobs_total").build().add(1, &[]);
        meter.u64_gauge("workers_total").build().record(1, &[]);
    })?;
    for line in ["orders_total 1", "jobs_total 1", "workers_total 1"] {
        assert!(served.has(line), "{line}: {}", served.text);
    }
    Ok(())
}

// C-35, C-36
#[test]
fn a_histogram_has_cumulative_buckets_count_and_sum() -> Result {
    let served = Served::new(|meter| {
        let wait = meter.f64_histogram("wait").with_boundaries(vec![0.5, 1.0, 2.0]).build();
        [0.5, 0.75, 5.0].into_iter().for_each(|seconds| wait.record(seconds, &[]));
    })?;
    let (_, family) = served.text.split_once("# TYPE wait ").unwrap_or_default();
    let expected = [
        "histogram",
        "wait_bucket{le=\"0.5\"} 1",
        "wait_bucket{le=\"1\"} 2",
        "wait_bucket{le=\"2\"} 2",
        "wait_bucket{le=\"+Inf\"} 3",
        "wait_sum 6.25",
        "wait_count 3",
    ];
    assert_eq!(family.lines().collect::<Vec<_>>(), expected);
    Ok(())
}

/// A reader of values that are recorded as an exponential histogram.
fn exponential(max_scale: i8, values: &[f64]) -> Result<(PrometheusReader, SdkMeterProvider)> {
    let view = move |_: &Instrument| {
        let (max_size, record_min_max) = (160, true);
        let aggregation =
            Aggregation::Base2ExponentialHistogram { max_size, max_scale, record_min_max };
        Stream::builder().with_aggregation(aggregation).build().ok()
    };
    let reader = PrometheusReader::builder().without_target_info();
    let reader = reader.with_scope_labels(ScopeLabels::NONE).build()?;
    let provider = SdkMeterProvider::builder().with_view(view).with_reader(reader.clone()).build();
    let wait = provider.meter("test").f64_histogram("wait").build();
    values.iter().for_each(|seconds| wait.record(*seconds, &[]));
    Ok((reader, provider))
}

// C-04
#[test]
fn an_exponential_histogram_has_classic_buckets_in_text() -> Result {
    let (reader, _provider) = exponential(8, &[0.5, 1.5, 100.0])?;
    let text = reader.render()?;
    for line in ["0.25\"} 0", "1\"} 1", "64\"} 2", "256\"} 3", "+Inf\"} 3"] {
        assert!(text.contains(&format!("\nwait_bucket{{le=\"{line}\n")), "{line} in {text}");
    }
    assert!(text.ends_with("wait_sum 102\nwait_count 3\n"), "{text}");
    Ok(())
}

// C-41
#[test]
fn an_exponential_histogram_is_a_native_histogram_in_protobuf() -> Result {
    // Scales above 8 become 8.
    for (max_scale, schema) in [(20, 8), (8, 8), (3, 3), (0, 0)] {
        let (reader, _provider) = exponential(max_scale, &[0.0, 1.0, 1.0, 1.001, -1.0])?;
        let families = families(&reader.render_protobuf()?);
        let histogram = families[0].metric[0].histogram.as_ref().expect("a histogram");
        assert_eq!((histogram.sample_count(), histogram.sample_sum()), (5, 2.001));
        assert_eq!((histogram.schema(), histogram.zero_count()), (schema, 1));
        // The zero bucket has only zeros.
        assert_eq!((histogram.zero_threshold, histogram.zero_threshold()), (Some(0.0), 0.0));
        // OpenTelemetry's bucket -1 ends at 1. Prometheus numbers buckets by their ends.
        let spans = |spans: &[BucketSpan]| {
            spans.iter().map(|span| (span.offset(), span.length())).collect::<Vec<_>>()
        };
        assert_eq!(spans(&histogram.positive_span), [(0, 2)]);
        assert_eq!(histogram.positive_delta, [2, -1]);
        assert_eq!(spans(&histogram.negative_span), [(0, 1)]);
        assert_eq!(histogram.negative_delta, [1]);
        assert!(histogram.created_timestamp.is_some());
    }
    Ok(())
}

// X-13, C-31, C-38
#[test]
fn counters_and_histograms_have_a_start_and_gauges_have_none() -> Result {
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map(|it| it.as_nanos());
    let began = now()?;
    let reader = PrometheusReader::builder().with_created_lines().build()?;
    let built = now()?;
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    let meter = provider.meter("test");
    let jobs = meter.u64_counter("jobs").build();
    jobs.add(1, &[]);
    meter.f64_histogram("wait").build().record(1.0, &[]);
    meter.u64_gauge("size").build().record(1, &[]);
    let starts = || -> Result<Vec<(String, u128)>> {
        let mut starts = Vec::new();
        for family in families(&reader.render_protobuf()?) {
            for metric in &family.metric {
                let counter = metric.counter.as_ref().and_then(|it| it.created_timestamp);
                let start = metric.histogram.as_ref().map_or(counter, |it| it.created_timestamp);
                let Some(Timestamp { seconds, nanos }) = start else { continue };
                let labels = metric.label.iter().filter(|label| label.name() == "is");
                let is: String = labels.map(LabelPair::value).collect();
                let start = u128::try_from(seconds)? * 1_000_000_000 + u128::try_from(nanos)?;
                starts.push((format!("{}{is}", family.name()), start));
            }
        }
        Ok(starts)
    };
    let first = starts()?;
    assert!(first.iter().map(|(name, _)| name.as_str()).eq(["jobs_total", "wait"]), "{first:?}");
    assert!(first.iter().all(|(_, start)| (began..=built).contains(start)), "{first:?}");
    // Later series start later, and the known ones never move.
    jobs.add(5, &[KeyValue::new("is", "b")]);
    let second = starts()?;
    assert_eq!([&second[0], &second[2]], [&first[0], &first[1]]);
    assert_eq!(second[1].0, "jobs_totalb");
    // OpenMetrics has the same starts.
    let open_metrics = reader.render_as(Format::OpenMetrics)?;
    for (name, start) in second {
        let (seconds, nanos) = (start / 1_000_000_000, start % 1_000_000_000);
        let text = format!("{seconds}.{nanos:09}");
        let name = name.split_once("_total").map_or(name.as_str(), |(name, _)| name);
        let line = |line: &str| {
            let value = line.split(' ').next_back().unwrap_or_default();
            line.starts_with(&format!("{name}_created{{"))
                && text.trim_end_matches('0').starts_with(value.trim_end_matches('0'))
        };
        assert!(open_metrics.lines().any(line), "{name} {text}: {open_metrics}");
    }
    Ok(())
}

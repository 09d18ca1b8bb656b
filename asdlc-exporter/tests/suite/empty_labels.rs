//! An empty label value is no label: series that differ only in one are one series.

use crate::{
    check::{Sample, check},
    check_open::check_open,
};
use asdlc_exporter::{Exporter, Format};
use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, MeterProvider as _},
};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The samples of both formats, which are the same.
fn samples(exporter: &Exporter) -> Result<Vec<Sample>> {
    let text = check(&exporter.render()?);
    let open = check_open(&exporter.render_as(Format::OpenMetrics)?);
    let of = |samples: &[Sample]| {
        let still = samples.iter().filter(|s| s.name != "uptime_seconds");
        let with_no_boundary = still.filter(|s| s.label("le").is_none());
        with_no_boundary.cloned().collect::<Vec<_>>()
    };
    assert_eq!(of(&text), of(&open));
    Ok(text)
}

/// Labels without `service`, and values.
fn of<'a>(samples: &'a [Sample], name: &str) -> Vec<(Vec<(&'a str, &'a str)>, f64)> {
    let mine = samples.iter().filter(|s| s.name == name);
    let labels = |s: &'a Sample| {
        let labels = s.labels.iter().filter(|(key, _)| key != "service");
        labels.map(|(key, value)| (key.as_str(), value.as_str())).collect()
    };
    mine.map(|s| (labels(s), s.value)).collect()
}

fn queue(value: &'static str) -> [KeyValue; 1] {
    [KeyValue::new("queue", value)]
}

// F-13
#[test]
fn a_counter_with_an_empty_label_and_without_it_is_one_series() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let jobs = exporter.meter().u64_counter("jobs").build();
    jobs.add(5, &[]);
    jobs.add(3, &queue(""));
    jobs.add(1, &queue("mail"));
    let samples = samples(&exporter)?;
    assert_eq!(of(&samples, "jobs_total"), [(vec![], 8.0), (vec![("queue", "mail")], 1.0)]);
    Ok(())
}

// F-13, neighbours: every other instrument.
#[test]
fn every_instrument_merges_series_that_differ_in_an_empty_label() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let meter = exporter.meter();
    let (float, up_down) =
        (meter.f64_counter("floats").build(), meter.i64_up_down_counter("open").build());
    let (wait, size) = (
        meter.f64_histogram("wait").with_boundaries(vec![1.0, 2.0]).build(),
        meter.u64_histogram("size").with_boundaries(vec![10.0]).build(),
    );
    let gauge = meter.i64_gauge("level").build();
    for labels in [&[][..], &queue("")] {
        float.add(0.5, labels);
        up_down.add(-2, labels);
        wait.record(1.5, labels);
        size.record(7, labels);
        gauge.record(4, labels);
    }
    let twice = |observer: &dyn AsyncInstrument<u64>| {
        observer.observe(2, &[]);
        observer.observe(3, &queue(""));
    };
    meter.u64_observable_counter("read").with_callback(twice).build();
    meter.u64_observable_gauge("free").with_callback(twice).build();
    meter
        .i64_observable_up_down_counter("lag")
        .with_callback(|observer| {
            observer.observe(2, &[]);
            observer.observe(-3, &queue(""));
        })
        .build();
    let samples = samples(&exporter)?;
    for (name, value) in [
        ("floats_total", 1.0),
        ("open", -4.0),
        ("wait_count", 2.0),
        ("wait_sum", 3.0),
        ("size_count", 2.0),
        ("size_sum", 14.0),
        ("level", 4.0),
        ("read_total", 5.0),
        ("free", 3.0),
        ("lag", -1.0),
    ] {
        assert_eq!(of(&samples, name), [(vec![], value)], "{name}");
    }
    assert_eq!(
        of(&samples, "wait_bucket"),
        [(vec![("le", "1")], 0.0), (vec![("le", "2")], 2.0), (vec![("le", "+Inf")], 2.0)]
    );
    Ok(())
}

// F-13, a neighbour: the greatest gauge value is served, in whatever order the SDK returns them.
#[test]
fn which_of_two_gauge_values_is_served_is_not_random() -> Result {
    for _ in 0..16 {
        let exporter = Exporter::builder("shop").build()?;
        let level = exporter.meter().f64_gauge("level").build();
        for zone in ["x", "y", "z"] {
            level.record(9.0, &[KeyValue::new("zone", zone), KeyValue::new("queue", "")]);
            level.record(4.0, &[KeyValue::new("zone", zone)]);
        }
        let samples = samples(&exporter)?;
        let of = of(&samples, "level");
        assert_eq!(of.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [9.0; 3]);
    }
    Ok(())
}

// F-13
#[test]
fn an_empty_constant_label_is_no_label_and_does_not_reserve_its_key() -> Result {
    let exporter = Exporter::builder("shop")
        .with_constant_label("environment", "")
        .with_constant_label("zone", "z")
        .with_constant_label("region", "")
        .with_version("")
        .build()?;
    let jobs = exporter.meter().u64_counter("jobs").build();
    jobs.add(1, &[KeyValue::new("environment", "test")]);
    jobs.add(2, &[KeyValue::new("environment", ""), KeyValue::new("zone", "")]);
    let samples = samples(&exporter)?;
    assert_eq!(
        of(&samples, "jobs_total"),
        [(vec![("zone", "z")], 2.0), (vec![("zone", "z"), ("environment", "test")], 1.0)]
    );
    assert_eq!(of(&samples, "service_info"), [(vec![("zone", "z")], 1.0)]);
    Ok(())
}

// F-13
#[cfg(feature = "prometheus")]
#[test]
fn a_registry_merges_series_that_differ_in_an_empty_label() -> Result {
    use asdlc_exporter::prometheus::{
        HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    };
    let registry = Registry::new();
    let opts = |name: &str| Opts::new(name, "Help.");
    let hits = IntCounterVec::new(opts("hits_total"), &["cache", "shard"])?;
    let held = IntGaugeVec::new(opts("held"), &["cache"])?;
    let takes =
        HistogramVec::new(HistogramOpts::new("takes", "Help.").buckets(vec![1.0]), &["a", "b"])?;
    registry.register(Box::new(hits.clone()))?;
    registry.register(Box::new(held.clone()))?;
    registry.register(Box::new(takes.clone()))?;
    hits.with_label_values(&["", "1"]).inc_by(2);
    hits.with_label_values(&["l2", ""]).inc_by(3);
    held.with_label_values(&[""]).set(4);
    takes.with_label_values(&["", "x"]).observe(0.5);
    let exporter = Exporter::builder("shop").with_registry(registry).build()?;
    // The same names, recorded: one family.
    let recorded = exporter.meter().u64_counter("hits").build();
    recorded.add(10, &[KeyValue::new("shard", "1")]);
    recorded.add(20, &[KeyValue::new("cache", "l2")]);
    let samples = samples(&exporter)?;
    assert_eq!(of(&samples, "held"), [(vec![], 4.0)]);
    assert_eq!(of(&samples, "takes_count"), [(vec![("b", "x")], 1.0)]);
    assert_eq!(
        of(&samples, "hits_total"),
        [(vec![("cache", "l2")], 23.0), (vec![("shard", "1")], 12.0)]
    );
    Ok(())
}

// F-13, a neighbour: keys that become one label.
#[test]
fn an_empty_value_is_left_out_of_a_joined_one() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let jobs = exporter.meter().u64_counter("jobs").build();
    let (dot, line) =
        (|v: &'static str| KeyValue::new("a.b", v), |v: &'static str| KeyValue::new("a_b", v));
    jobs.add(1, &[dot("x"), line("")]);
    jobs.add(2, &[dot(""), line("x")]);
    jobs.add(4, &[line("x")]);
    jobs.add(8, &[dot(""), line("")]);
    jobs.add(16, &[]);
    jobs.add(32, &[dot("x"), line("y")]);
    let samples = samples(&exporter)?;
    assert_eq!(
        of(&samples, "jobs_total"),
        [(vec![], 24.0), (vec![("a_b", "x")], 7.0), (vec![("a_b", "x;y")], 32.0)]
    );
    Ok(())
}

// F-13, neighbours: several scopes; an empty value that comes and goes.
#[test]
fn series_are_merged_across_scopes_and_scrapes() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let other = exporter.meter_provider().meter("other");
    let (ours, theirs) =
        (exporter.meter().u64_counter("jobs").build(), other.f64_counter("jobs").build());
    for round in 1..=4 {
        ours.add(1, &[KeyValue::new("a", ""), KeyValue::new("b", "x")]);
        theirs.add(1.0, &[KeyValue::new("b", "x"), KeyValue::new("c", "")]);
        if round % 2 == 0 {
            ours.add(
                1,
                &[KeyValue::new("b", "x"), KeyValue::new("d", round), KeyValue::new("c", "")],
            );
        }
        let samples = samples(&exporter)?;
        let jobs = of(&samples, "jobs_total");
        assert_eq!(jobs[0], (vec![("b", "x")], f64::from(2 * round as i32)), "{jobs:?}");
        assert_eq!(jobs.len() as i64, 1 + round / 2);
    }
    Ok(())
}

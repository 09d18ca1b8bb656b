//! Families across scopes, number types, kinds and help texts.

use crate::check::check;
use asdlc_exporter::Exporter;
use opentelemetry::{KeyValue, metrics::MeterProvider as _};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// The lines of one family.
fn family(text: &str, name: &str) -> Vec<String> {
    check(text);
    text.lines()
        .skip_while(|line| !line.starts_with(&format!("# HELP {name} ")))
        .take_while(|line| {
            !line.starts_with("# HELP ") || line.starts_with(&format!("# HELP {name} "))
        })
        .map(|line| line.replace("service=\"shop\",", "").replace("{service=\"shop\"}", ""))
        .collect()
}

//
#[test]
fn counters_of_one_name_in_two_scopes_and_number_types_add_up() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let other = exporter.meter_provider().meter("warehouse");
    exporter.meter().u64_counter("orders").with_description("Taken.").build().add(2, &[]);
    exporter.meter().f64_counter("orders").build().add(0.5, &[]);
    other.u64_counter("orders_total").build().add(3, &[]);
    other.u64_counter("orders_total").build().add(4, &[KeyValue::new("a", "b")]);
    // The first help text stays, also if the SDK later returns another one first.
    for _ in 0..2 {
        assert_eq!(
            family(&exporter.render()?, "orders_total"),
            [
                "# HELP orders_total Taken.",
                "# TYPE orders_total counter",
                "orders_total 5.5",
                "orders_total{a=\"b\"} 4"
            ]
        );
    }
    Ok(())
}

//
#[test]
fn attribute_sets_that_become_the_same_labels_are_one_series() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let meter = exporter.meter();
    let counter = meter.u64_counter("orders").build();
    counter.add(1, &[KeyValue::new("a.b", "x")]);
    counter.add(10, &[KeyValue::new("a_b", "x")]);
    counter.add(100, &[KeyValue::new("n", 1)]);
    counter.add(1_000, &[KeyValue::new("n", "1")]);
    counter.add(10_000, &[KeyValue::new("a_b", "x"), KeyValue::new("a.b", "y")]);
    let gauge = meter.i64_gauge("level").build();
    gauge.record(7, &[KeyValue::new("a.b", "x")]);
    gauge.record(7, &[KeyValue::new("a_b", "x")]);
    let text = exporter.render()?;
    assert_eq!(
        family(&text, "orders_total")[2..],
        [
            "orders_total{a_b=\"x\"} 11",
            "orders_total{a_b=\"y;x\"} 10000",
            "orders_total{n=\"1\"} 1100"
        ]
    );
    assert_eq!(family(&text, "level")[2..], ["level{a_b=\"x\"} 7"]);
    Ok(())
}

//
#[test]
fn histograms_merge_to_the_boundaries_they_share() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let other = exporter.meter_provider().meter("warehouse");
    let wide = exporter.meter().f64_histogram("wait").with_boundaries(vec![1.0, 2.0, 5.0]).build();
    let narrow = other.u64_histogram("wait").with_boundaries(vec![2.0, 3.0, 5.0]).build();
    [0.5, 1.5, 4.0, 9.0].into_iter().for_each(|v| wide.record(v, &[]));
    [1, 3, 4].into_iter().for_each(|v| narrow.record(v, &[]));
    assert_eq!(
        family(&exporter.render()?, "wait")[2..],
        [
            "wait_bucket{le=\"2\"} 3",
            "wait_bucket{le=\"5\"} 6",
            "wait_bucket{le=\"+Inf\"} 7",
            "wait_sum 23",
            "wait_count 7",
        ]
    );
    Ok(())
}

//
#[test]
fn a_name_keeps_its_first_kind() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let other = exporter.meter_provider().meter("a scope that sorts before");
    exporter.meter().i64_up_down_counter("jobs").build().add(1, &[]);
    assert_eq!(family(&exporter.render()?, "jobs")[1..], ["# TYPE jobs gauge", "jobs 1"]);
    other.f64_histogram("jobs").build().record(1.0, &[]);
    other.f64_up_down_counter("jobs").build().add(-3.0, &[]);
    assert_eq!(
        family(&exporter.render()?, "jobs")[1..],
        ["# TYPE jobs gauge", "jobs -2"],
        "same kind: merged"
    );
    Ok(())
}

//
#[test]
fn which_of_two_new_conflicting_metrics_is_served_is_not_random() -> Result {
    for _ in 0..16 {
        let exporter = Exporter::builder("shop").build()?;
        let scope = |name| exporter.meter_provider().meter(name);
        scope("b").f64_histogram("jobs").build().record(1.0, &[]);
        scope("a").u64_gauge("jobs").build().record(1, &[]);
        assert_eq!(family(&exporter.render()?, "jobs")[1..], ["# TYPE jobs gauge", "jobs 1"]);
    }
    Ok(())
}

//
#[test]
fn samples_of_a_histogram_never_have_names_of_another_family() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let meter = exporter.meter();
    meter.f64_histogram("wait").build().record(1.0, &[]);
    meter.u64_gauge("wait_count").build().record(99, &[]);
    meter.u64_gauge("size_sum").build().record(99, &[]);
    meter.f64_histogram("size").build().record(1.0, &[]);
    let samples = check(&exporter.render()?);
    let values =
        |name: &str| samples.iter().filter(|s| s.name == name).map(|s| s.value).collect::<Vec<_>>();
    assert_eq!(values("wait_count"), [1.0]);
    assert_eq!(values("size_sum"), [99.0]);
    assert!(values("size_count").is_empty(), "the later metric is dropped as a whole");
    Ok(())
}

// D-01, X-05
#[test]
fn every_family_has_help_and_type_in_one_line_each() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let meter = exporter.meter();
    meter.u64_counter("plain").build().add(1, &[]);
    meter.u64_counter("odd").with_description("a \\ back\nslash \"quoted\"").build().add(1, &[]);
    let text = exporter.render()?;
    assert_eq!(
        family(&text, "plain_total"),
        ["# HELP plain_total ", "# TYPE plain_total counter", "plain_total 1"]
    );
    assert_eq!(family(&text, "odd_total")[0], "# HELP odd_total a \\\\ back\\nslash \"quoted\"");
    Ok(())
}

#[test]
fn families_and_series_are_sorted() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let meter = exporter.meter();
    for name in ["b", "c", "a"] {
        let gauge = meter.u64_gauge(name).build();
        for zone in ["y", "z", "x"] {
            gauge.record(1, &[KeyValue::new("zone", zone), KeyValue::new("area", "1")]);
        }
    }
    let series: Vec<_> = check(&exporter.render()?)
        .into_iter()
        .filter(|s| s.name.len() == 1)
        .map(|s| format!("{} {:?}", s.name, &s.labels[1..]))
        .collect();
    assert_eq!(series.len(), 9);
    assert!(series.is_sorted(), "{series:?}");
    assert!(series[0].starts_with("a [(\"area\", \"1\"), (\"zone\", \"x\")"), "{series:?}");
    Ok(())
}

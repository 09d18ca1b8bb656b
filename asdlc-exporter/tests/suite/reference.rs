//! The text is that of opentelemetry-prometheus, where that crate writes valid text.

use crate::check::check;
use asdlc_exporter::Exporter;
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider as _},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

// O-08, D-01, X-05
#[test]
fn the_text_is_that_of_opentelemetry_prometheus_line_for_line() -> Result {
    for namespace in [None, Some("asdlc")] {
        let registry = Registry::new();
        let mut oracle = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_target_info()
            .scope_info_enabled(false);
        let mut ours = Exporter::builder("shop");
        if let Some(namespace) = namespace {
            oracle = oracle.with_namespace(namespace);
            ours = ours.with_namespace(namespace);
        }
        let provider = SdkMeterProvider::builder().with_reader(oracle.build()?).build();
        let ours = ours.build()?;
        record(&provider.meter("shop"));
        record(&ours.meter());
        // Once more, after some series have changed.
        for _ in 0..2 {
            let expected = TextEncoder::new().encode_to_string(&registry.gather())?;
            let text = ours.render()?;
            check(&text);
            let text = without_what_we_add(&text);
            assert_eq!(text.lines().collect::<Vec<_>>(), expected.lines().collect::<Vec<_>>());
            assert!(text.lines().count() > 80, "{text}");
        }
    }
    Ok(())
}

/// A difference, how to record it, the samples of that crate and ours.
type Case = (&'static str, fn(&Meter), &'static [&'static str], &'static [&'static str]);

// O-08, X-05
#[test]
fn where_the_text_differs_it_is_intended() -> Result {
    let cases: [Case; 8] = [
        (
            "a suffix that the name has",
            |meter| meter.u64_counter("orders_total").build().add(1, &[]),
            &["orders_total_total 1"],
            &["orders_total 1"],
        ),
        (
            "a unit that the name has",
            |meter| meter.f64_gauge("age_seconds").with_unit("s").build().record(1.0, &[]),
            &["age_seconds_seconds 1"],
            &["age_seconds 1"],
        ),
        (
            "a unit that says what is counted",
            |meter| meter.u64_counter("calls").with_unit("1").build().add(1, &[]),
            &["calls_ratio_total 1"],
            &["calls_total 1"],
        ),
        (
            "runs of invalid characters",
            |meter| meter.u64_gauge("a..b").build().record(1, &[]),
            &["a__b 1"],
            &["a_b 1"],
        ),
        (
            "keys that Prometheus refuses",
            |meter| meter.u64_gauge("a").build().record(1, &[KeyValue::new("1st", "x")]),
            &["a{1st=\"x\"} 1"],
            &["a{key_1st=\"x\"} 1"],
        ),
        (
            "series that become one",
            |meter| {
                let counter = meter.u64_counter("a").build();
                counter.add(1, &[KeyValue::new("n", 1)]);
                counter.add(2, &[KeyValue::new("n", "1")]);
            },
            &["a_total{n=\"1\"} 1", "a_total{n=\"1\"} 2"],
            &["a_total{n=\"1\"} 3"],
        ),
        (
            "large numbers",
            |meter| meter.f64_gauge("a").build().record(1e21, &[]),
            &["a 1000000000000000000000"],
            &["a 1e21"],
        ),
        (
            "integers beyond those of a float",
            |meter| meter.u64_counter("a").build().add(u64::MAX, &[]),
            &["a_total 18446744073709552000"],
            &["a_total 18446744073709551615"],
        ),
    ];
    for (what, record, theirs, expected) in cases {
        let registry = Registry::new();
        let oracle = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_target_info()
            .scope_info_enabled(false);
        let provider = SdkMeterProvider::builder().with_reader(oracle.build()?).build();
        let ours = Exporter::builder("shop").build()?;
        record(&provider.meter("shop"));
        record(&ours.meter());
        let samples = |text: &str| {
            let mut lines: Vec<_> =
                text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(
            samples(&TextEncoder::new().encode_to_string(&registry.gather())?),
            theirs,
            "{what}"
        );
        assert_eq!(samples(&without_what_we_add(&ours.render()?)), expected, "{what}");
    }
    Ok(())
}

/// Instruments of each kind, with names and labels that follow the conventions.
fn record(meter: &Meter) {
    let orders = meter.u64_counter("orders").with_description("Orders taken.").build();
    for (paid, area, by) in [(true, 7, 2), (false, 7, 3), (true, 8, u64::from(u32::MAX))] {
        orders.add(by, &[KeyValue::new("paid", paid), KeyValue::new("area", area)]);
    }
    let cpu = meter.f64_counter("cpu.time").with_unit("s").with_description("CPU time.").build();
    for (mode, by) in [("user", 0.125), ("system", 1234.5678), ("a \"b\" \\ c\nd", 0.0)] {
        cpu.add(by, &[KeyValue::new("mode", mode)]);
    }
    let open = meter.i64_up_down_counter("open").with_description("Open.").build();
    open.add(5, &[]);
    open.add(-7, &[]);
    let balance = meter.f64_up_down_counter("balance").with_description("Balance.").build();
    balance.add(-0.5, &[KeyValue::new("share", 0.25)]);
    let level = meter.i64_gauge("level").with_unit("%").with_description("Level.").build();
    level.record(-3, &[]);
    let load = meter.f64_gauge("load").with_description("A \\ backslash\nand a line.").build();
    load.record(0.75, &[]);
    let keys = [KeyValue::new("a.b", "x"), KeyValue::new("a_b", "y")];
    meter.u64_gauge("joined.keys").with_description("Two are one.").build().record(1, &keys);
    meter.u64_gauge("used").with_unit("1").with_description("Used.").build().record(1, &[]);

    let observed = |o: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
        o.observe(11, &[KeyValue::new("at", "x")]);
        o.observe(12, &[KeyValue::new("at", "y")]);
    };
    let read = meter.u64_observable_counter("read").with_unit("By").with_description("Read.");
    read.with_callback(observed).build();
    let free = meter.u64_observable_gauge("free").with_unit("MiBy").with_description("Free.");
    free.with_callback(observed).build();
    let queued = meter.i64_observable_up_down_counter("queued").with_description("Queued.");
    queued.with_callback(|o| o.observe(-6, &[])).build();
    let heat = meter.f64_observable_gauge("heat").with_unit("Cel").with_description("Heat.");
    heat.with_callback(|o| o.observe(36.6, &[])).build();

    let wait = meter.f64_histogram("wait").with_unit("s").with_description("Waited.");
    let wait = wait.with_boundaries(vec![0.005, 0.25, 1.0, 2.5, 10.0]).build();
    for (value, route) in [(0.005, "/a"), (0.3, "/a"), (11.0, "/a"), (1.0, "/b"), (0.0, "/b")] {
        wait.record(value, &[KeyValue::new("route", route), KeyValue::new("code", 200)]);
    }
    let size = meter.u64_histogram("size").with_unit("By").with_description("Sizes.").build();
    [0, 5, 6, 10_000, 10_001].into_iter().for_each(|value| size.record(value, &[]));
    let rate = meter.f64_histogram("rate").with_unit("By/s").with_description("Rates.");
    rate.with_boundaries(vec![]).build().record(7.5, &[]);
}

/// The exporter's own family, and the label of all families.
fn without_what_we_add(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("uptime_seconds"));
    let plain = |line: &str| {
        line.replacen("{service=\"shop\"}", "", 1).replacen("{service=\"shop\",", "{", 1) + "\n"
    };
    lines.map(plain).collect()
}

//! Numbers in `OpenMetrics`, compared with another implementation.

use asdlc_exporter::{Exporter, Format};
use asdlc_tests::servers::PythonParsers;
use opentelemetry::KeyValue;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::generated::config;

// F-17
#[test]
fn floats_are_written_as_python_writes_them() {
    let mut runner = TestRunner::new(config(1));
    let mut values: Vec<f64> = (-12..=9).map(|power| 10_f64.powi(power)).collect();
    values.extend((0..=10_000).map(|thousandths| f64::from(thousandths) / 1000.0));
    let random = prop_oneof![
        any::<f64>().prop_map(f64::abs),
        (0.0..1e10),
        (0_u32..1 << 30).prop_map(f64::from),
        (-20_i32..10, 1_u32..100_000).prop_map(|(power, n)| f64::from(n) * 10_f64.powi(power)),
    ];
    for _ in 0..10_000 {
        values.push(random.new_tree(&mut runner).expect("a number").current());
    }
    // From 1e10 to 1e16 Python writes three digits in the exponent, `1e+010`. Go, and this crate, write two.
    values.retain(|value| !(1e10..1e16).contains(value) && value.is_finite());
    let expected = PythonParsers::start().floats(&values);

    let exporter = Exporter::builder("shop")
        .with_max_series(values.len() + 1)
        .build()
        .expect("the settings are valid");
    let gauge = exporter.meter().f64_gauge("number").build();
    for (at, value) in values.iter().enumerate() {
        gauge.record(*value, &[KeyValue::new("at", at as i64)]);
    }
    let text = exporter.render_as(Format::OpenMetrics).expect("it renders");
    let mut seen = 0;
    for line in text.lines().filter_map(|line| line.strip_prefix("number{service=\"shop\",at=\"")) {
        let (at, written) = line.split_once("\"} ").expect("a value");
        let at: usize = at.parse().expect("a number");
        assert_eq!(written, expected[at], "{:e}", values[at]);
        seen += 1;
    }
    assert_eq!(seen, values.len());
}

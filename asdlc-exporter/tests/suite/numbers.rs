//! Numbers in `OpenMetrics`, as its specification says ("Canonical Numbers").

use crate::check_open::check_open;
use asdlc_exporter::{Exporter, Format};
use opentelemetry::KeyValue;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

// F-17
#[test]
fn boundaries_and_values_are_canonical() -> Result {
    let table = [
        (0.0, "0.0"),
        (1e-10, "1e-10"),
        (1e-9, "1e-09"),
        (1.5e-7, "1.5e-07"),
        (1e-5, "1e-05"),
        (0.00012, "0.00012"),
        (0.0001, "0.0001"),
        (0.001, "0.001"),
        (0.1, "0.1"),
        (0.999, "0.999"),
        (1.0, "1.0"),
        (1.7, "1.7"),
        (10.0, "10.0"),
        (100_000.0, "100000.0"),
        (123_456.5, "123456.5"),
        (999_999.9, "999999.9"),
        (1e6, "1e+06"),
        (1_048_576.0, "1.048576e+06"),
        (1_234_567.5, "1.2345675e+06"),
        (1e10, "1e+10"),
        (1e16, "1e+16"),
        (1e100, "1e+100"),
        (f64::MAX, "1.7976931348623157e+308"),
    ];
    let exporter = Exporter::builder("shop").build()?;
    let boundaries: Vec<_> = table.iter().map(|(value, _)| *value).collect();
    let mut sorted = boundaries.clone();
    sorted.sort_by(f64::total_cmp);
    let wait = exporter.meter().f64_histogram("wait").with_boundaries(sorted).build();
    wait.record(1.0, &[]);
    let level = exporter.meter().f64_gauge("level").build();
    for value in boundaries {
        level.record(value, &[KeyValue::new("at", format!("{value:e}"))]);
        level.record(-value, &[KeyValue::new("at", format!("-{value:e}"))]);
    }
    exporter.meter().u64_counter("jobs").build().add(1_048_576, &[]);
    let text = exporter.render_as(Format::OpenMetrics)?;
    check_open(&text);
    let has = |line: String| assert!(text.lines().any(|l| l == line), "{line} in {text}");
    for (value, expected) in table {
        has(format!(
            "wait_bucket{{service=\"shop\",le=\"{expected}\"}} {}",
            u8::from(value >= 1.0)
        ));
        has(format!("level{{service=\"shop\",at=\"{value:e}\"}} {expected}"));
        has(format!("level{{service=\"shop\",at=\"-{value:e}\"}} -{expected}"));
    }
    has("wait_sum{service=\"shop\"} 1.0".into());
    // F-17, a neighbour: integers have all their digits.
    has("wait_count{service=\"shop\"} 1".into());
    has("jobs_total{service=\"shop\"} 1048576".into());
    Ok(())
}

// F-17, a neighbour: quantiles, and the values of a registry, which has floats only.
#[cfg(feature = "prometheus")]
#[test]
fn values_of_a_registry_are_canonical_too() -> Result {
    use asdlc_exporter::prometheus::{Counter, Registry, core::Collector, core::Desc, proto};
    struct Summed;
    impl Collector for Summed {
        fn desc(&self) -> Vec<&Desc> {
            Vec::new()
        }
        fn collect(&self) -> Vec<proto::MetricFamily> {
            let quantile = |quantile, value| {
                let mut it = proto::Quantile::default();
                it.set_quantile(quantile);
                it.set_value(value);
                it
            };
            let mut summary = proto::Summary::default();
            summary.set_sample_count(3);
            summary.set_sample_sum(2e6);
            summary.set_quantile(vec![quantile(0.5, 1e-9), quantile(1.0, 1e6)]);
            let mut metric = proto::Metric::default();
            metric.set_summary(summary);
            let mut family = proto::MetricFamily::default();
            family.set_name("summed".into());
            family.set_field_type(proto::MetricType::SUMMARY);
            family.set_metric(vec![metric]);
            vec![family]
        }
    }
    let registry = Registry::new();
    let bytes = Counter::new("bytes_total", "Bytes.")?;
    bytes.inc_by(1_048_576.0);
    registry.register(Box::new(bytes))?;
    registry.register(Box::new(Summed))?;
    let exporter = Exporter::builder("shop").with_registry(registry).build()?;
    let text = exporter.render_as(Format::OpenMetrics)?;
    check_open(&text);
    for line in [
        "bytes_total{service=\"shop\"} 1.048576e+06",
        "summed{service=\"shop\",quantile=\"0.5\"} 1e-09",
        "summed{service=\"shop\",quantile=\"1.0\"} 1e+06",
        "summed_sum{service=\"shop\"} 2e+06",
        "summed_count{service=\"shop\"} 3",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in {text}");
    }
    Ok(())
}

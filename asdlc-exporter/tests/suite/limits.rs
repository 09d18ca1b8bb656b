//! The series limit.

use crate::check::check;
use asdlc_exporter::Exporter;
use opentelemetry::KeyValue;

//
#[test]
fn label_sets_beyond_the_limit_become_one_series() -> Result<(), Box<dyn std::error::Error>> {
    for (limit, expected) in [(None, 2_000), (Some(1), 1), (Some(3), 3), (Some(3_000), 2_500)] {
        let mut builder = Exporter::builder("shop");
        if let Some(limit) = limit {
            builder = builder.with_max_series(limit);
        }
        let exporter = builder.build()?;
        let histogram = exporter.meter().u64_histogram("sizes").with_boundaries(vec![7.0]).build();
        for at in 0..2_500 {
            histogram.record(1, &[KeyValue::new("at", at)]);
        }
        let samples = check(&exporter.render()?);
        let counts: Vec<_> = samples.iter().filter(|s| s.name == "sizes_count").collect();
        let overflow = counts.iter().find(|s| s.label("otel_metric_overflow") == Some("true"));
        assert_eq!(counts.len() - usize::from(overflow.is_some()), expected, "{limit:?}");
        assert_eq!(overflow.map_or(0.0, |s| s.value), 2_500.0 - expected as f64);
        let bounds = samples.iter().filter(|s| s.label("le") == Some("7")).count();
        assert_eq!(bounds, counts.len(), "the instrument keeps its own boundaries");
    }
    Ok(())
}

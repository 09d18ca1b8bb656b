//! Long texts are truncated, because a scraper drops the whole target if one line is too long.

use crate::{
    check::{Sample, check},
    check_open::check_open,
};
use asdlc_exporter::{Exporter, Format};
use opentelemetry::KeyValue;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// vmagent drops a target with a longer line.
const LONGEST_LINE: usize = 256 * 1024;

/// The samples of both formats. Checks that every scraper accepts their lines.
fn samples(exporter: &Exporter) -> Result<Vec<Sample>> {
    let open = exporter.render_as(Format::OpenMetrics)?;
    check_open(&open);
    let text = exporter.render()?;
    for line in text.lines().chain(open.lines()) {
        let begin: String = line.chars().take(80).collect();
        assert!(line.len() < LONGEST_LINE, "{} bytes: {begin}…", line.len());
    }
    Ok(check(&text))
}

fn named<'a>(samples: &'a [Sample], name: &str) -> Vec<&'a Sample> {
    samples.iter().filter(|s| s.name == name).collect()
}

// F-16
#[test]
fn a_label_value_of_a_mebibyte_is_truncated() -> Result {
    let exporter = Exporter::builder("shop").with_self_metrics().build()?;
    let jobs = exporter.meter().u64_counter("jobs").build();
    let long = "é".repeat(512 * 1024);
    let others = [long.clone() + "1", long.clone() + "2"];
    jobs.add(1, &[KeyValue::new("query", long)]);
    others.iter().for_each(|value| jobs.add(1, &[KeyValue::new("query", value.clone())]));
    jobs.add(1, &[KeyValue::new("query", "x".repeat(1024))]);
    jobs.add(1, &[KeyValue::new("query", "\"".repeat(1024))]);
    let first = samples(&exporter)?;
    let jobs = named(&first, "jobs_total");
    // Values with the same beginning stay different.
    assert_eq!(jobs.len(), 5, "{jobs:?}");
    let values: Vec<_> = jobs.iter().filter_map(|s| s.label("query")).collect();
    assert!(values.iter().all(|value| value.len() <= 1024), "{values:?}");
    assert!(values.iter().any(|value| *value == "x".repeat(1024)), "what fits is left alone");
    assert!(values.iter().any(|value| *value == "\"".repeat(1024)), "what fits is left alone");
    assert_eq!(values.iter().filter(|value| value.starts_with("éé")).count(), 3);
    // The next scrape has the same series, and the number of truncated labels.
    let second = samples(&exporter)?;
    assert_eq!(named(&second, "jobs_total"), jobs);
    assert_eq!(named(&second, "exporter_truncated_labels")[0].value, 3.0);
    Ok(())
}

// F-16, neighbours: many labels, long keys, long values that are not strings.
#[test]
fn no_label_set_is_too_long() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let jobs = exporter.meter().u64_counter("jobs").build();
    let many: Vec<_> = (0..1_000)
        .map(|at| KeyValue::new(format!("{at:04}{}", "k".repeat(300)), "\"".repeat(3_000)))
        .collect();
    jobs.add(1, &many);
    jobs.add(2, &many[..999]);
    let keys = ["k".repeat(100_000), "k".repeat(100_001)];
    keys.iter().for_each(|key| jobs.add(4, &[KeyValue::new(key.clone(), "x")]));
    let array = opentelemetry::Array::from(vec![1_i64; 500_000]);
    jobs.add(8, &[KeyValue::new("array", opentelemetry::Value::Array(array))]);
    let samples = samples(&exporter)?;
    let jobs = named(&samples, "jobs_total");
    assert_eq!(jobs.iter().map(|s| s.value).sum::<f64>(), 19.0, "nothing is lost");
    assert_eq!(jobs.len(), 4, "the labels that are left out made the first two one series");
    assert!(
        jobs.iter()
            .flat_map(|s| &s.labels)
            .all(|(key, value)| key.len() <= 256 && value.len() <= 1024)
    );
    Ok(())
}

// F-16, neighbours: help texts, names, a registry.
#[cfg(feature = "prometheus")]
#[test]
fn no_help_text_and_no_name_is_too_long() -> Result {
    use asdlc_exporter::prometheus::{IntGauge, IntGaugeVec, Opts, Registry};
    let registry = Registry::new();
    let gauge = IntGauge::new("n".repeat(300_000), "Long.")?;
    let labelled = IntGaugeVec::new(Opts::new("labelled", "h".repeat(300_000)), &["a"])?;
    registry.register(Box::new(gauge.clone()))?;
    registry.register(Box::new(labelled.clone()))?;
    gauge.set(1);
    labelled.with_label_values(&["v".repeat(300_000).as_str()]).set(2);
    let exporter = Exporter::builder("shop").with_registry(registry).build()?;
    let help = "é".repeat(300_000);
    exporter.meter().u64_counter("jobs").with_description(help).build().add(1, &[]);
    let samples = samples(&exporter)?;
    assert_eq!(named(&samples, "jobs_total")[0].value, 1.0);
    assert_eq!(named(&samples, "labelled")[0].value, 2.0);
    assert!(samples.iter().all(|s| s.name.len() <= 512));
    Ok(())
}

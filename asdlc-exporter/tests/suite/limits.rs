//! The series limit.

use crate::check::check;
use asdlc_exporter::{Exporter, Format};
use http_body_util::BodyExt as _;
use opentelemetry::KeyValue;
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

// X-03
#[test]
fn label_sets_beyond_the_limit_become_one_series() -> Result {
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

// X-04: each metric that overflows is named, and only these.
#[tokio::test]
async fn a_family_that_has_reached_a_series_limit_is_named() -> Result {
    let builder = Exporter::builder("shop").with_namespace("asdlc").with_self_metrics();
    let exporter = builder.with_max_series(3).build()?;
    let named = |text: &str| {
        let samples = check(text);
        let families = samples.iter().filter(|s| s.name == "asdlc_exporter_overflowing");
        families
            .map(|s| {
                assert_eq!(s.value, 1.0);
                s.label("metric").unwrap_or_default().to_owned()
            })
            .collect::<Vec<_>>()
    };
    let many = exporter.meter().u64_counter("many").build();
    let wide = exporter.meter().f64_histogram("wide").with_unit("s").build();
    let few = exporter.meter().u64_counter("few").build();
    for at in 0..3 {
        let labels = [KeyValue::new("at", at)];
        many.add(1, &labels);
        few.add(1, &labels);
        wide.record(1.0, &labels);
    }
    exporter.render()?;
    assert_eq!(named(&exporter.render()?), [""; 0], "the limit is reached but not exceeded");
    many.add(1, &[KeyValue::new("at", 3)]);
    exporter.render()?;
    assert_eq!(named(&exporter.render()?), ["asdlc_many_total"]);
    // A scrape with a filter finds it too.
    wide.record(1.0, &[KeyValue::new("at", 3)]);
    let request = http::Request::builder().uri("/?name[]=asdlc_wide_seconds").body(())?;
    exporter.scrape_service().oneshot(request).await?.into_body().collect().await?;
    let both = ["asdlc_many_total", "asdlc_wide_seconds"];
    assert_eq!(named(&exporter.render()?), both);
    let open = exporter.render_as(Format::OpenMetrics)?;
    let expected = r#"exporter_overflowing{service="shop",metric="asdlc_many_total"} 1"#;
    assert!(open.contains(expected), "{open}");
    Ok(())
}

// X-04: a layer marks its overflow series beside other labels, and a registry may come from another
// exporter of the SDK.
#[test]
fn an_overflow_series_may_have_other_labels() -> Result {
    let exporter = Exporter::builder("shop").with_self_metrics().build()?;
    let labels =
        [KeyValue::new("endpoint", "_OVERFLOW"), KeyValue::new("otel.metric.overflow", true)];
    let requests = exporter.meter().u64_counter("http_requests").build();
    for at in 0..5 {
        requests.add(1, &[KeyValue::new("endpoint", at)]);
    }
    requests.add(1, &labels);
    exporter.render()?;
    let text = exporter.render()?;
    let expected = "exporter_overflowing{service=\"shop\",metric=\"http_requests_total\"} 1\n";
    assert!(text.contains(expected), "{text}");
    Ok(())
}

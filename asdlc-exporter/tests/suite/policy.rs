//! The policy: which families are served.

use crate::check::check;
use asdlc_exporter::{Exporter, Format, MetricPolicy};
use opentelemetry::KeyValue;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn operational() -> MetricPolicy {
    MetricPolicy::new()
        .deny("*breach_count*")
        .deny("halt_state")
        .deny("dissent_*")
        .deny("witness_coverage*")
        .deny("override_frequency")
}

//
#[cfg(feature = "prometheus")]
#[test]
fn denied_families_are_never_served_whoever_records_them() -> Result {
    use opentelemetry::metrics::MeterProvider as _;
    use prometheus::{IntGauge, Registry};
    let registry = Registry::new();
    for name in ["dissent_health", "jobs", "halt_state"] {
        let gauge = IntGauge::new(name, "x")?;
        registry.register(Box::new(gauge))?;
    }
    let exporter = Exporter::builder("api")
        .with_constant_label("environment", "test")
        .with_policy(operational())
        .with_registry(registry)
        .build()?;
    for meter in [exporter.meter(), exporter.meter_provider().meter("other")] {
        meter.u64_counter("breach_count").build().add(1, &[]);
        meter.u64_counter("daily.breach_count.open").build().add(1, &[]);
        meter.i64_up_down_counter("halt_state").build().add(1, &[]);
        meter.f64_histogram("halt.state").with_unit("s").build().record(1.0, &[]);
        meter.f64_gauge("dissent_ratio").build().record(0.5, &[]);
        meter.f64_histogram("witness_coverage").build().record(0.5, &[]);
        meter
            .u64_observable_gauge("override_frequency")
            .with_callback(|o| o.observe(1, &[]))
            .build();
        meter.u64_counter("http_requests").build().add(1, &[]);
    }
    for format in [Format::Text, Format::OpenMetrics] {
        let text = exporter.render_as(format)?;
        for denied in ["breach", "halt", "dissent", "witness", "override"] {
            assert!(!text.contains(denied), "{denied}: {text}");
        }
        assert!(text.contains("http_requests_total{service=\"api\",environment=\"test\"} 2\n"));
        assert!(text.contains("jobs{"), "{text}");
    }
    Ok(())
}

//
#[test]
fn with_allow_patterns_only_matching_and_own_families_are_served() -> Result {
    let policy = MetricPolicy::new().allow("asdlc_http_*").allow("storage_operations");
    let exporter = Exporter::builder("api")
        .with_namespace("asdlc")
        .with_version("1")
        .with_policy(policy)
        .build()?;
    for name in ["http.requests", "storage_operations", "storage_operations_failed", "https"] {
        exporter.meter().u64_counter(name).build().add(1, &[]);
    }
    let mut names: Vec<_> = check(&exporter.render()?).into_iter().map(|s| s.name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "asdlc_http_requests_total",
            "asdlc_service_info",
            "asdlc_storage_operations_total",
            "asdlc_uptime_seconds"
        ]
    );
    Ok(())
}

//
#[test]
fn a_denied_instrument_records_nothing_bound_or_not() -> Result {
    let exporter = Exporter::builder("api").with_policy(operational()).build()?;
    let allocations = |name: &'static str| {
        let counter = exporter.meter().u64_counter(name).build();
        counter.bind(&[KeyValue::new("a", "b")]).add(1);
        // A new series allocates memory, unless nothing is recorded.
        allocation_counter::measure(|| counter.add(1, &[KeyValue::new("c", "d")])).count_total
    };
    assert_eq!(allocations("breach_count"), 0);
    assert!(allocations("jobs") > 0);
    let names: Vec<_> = check(&exporter.render()?).into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["jobs_total", "jobs_total", "uptime_seconds"]);
    Ok(())
}

//
#[cfg(feature = "prometheus")]
#[test]
fn a_denied_metric_does_not_take_the_name_of_another() -> Result {
    use prometheus::{IntGauge, Registry};
    let registry = Registry::new();
    registry.register(Box::new(IntGauge::new("halt_state_seconds", "x")?))?;
    let exporter = Exporter::builder("api")
        .with_policy(MetricPolicy::new().deny("halt_state"))
        .with_registry(registry)
        .build()?;
    // The instrument is denied by its own name. The registered gauge has another name.
    exporter.meter().f64_histogram("halt_state").with_unit("s").build().record(1.0, &[]);
    assert!(exporter.render()?.contains("halt_state_seconds{service=\"api\"} 0\n"));
    Ok(())
}

//
#[test]
fn a_policy_that_denies_everything_still_gives_a_text() -> Result {
    let exporter = Exporter::builder("api").with_policy(MetricPolicy::new().deny("*")).build()?;
    exporter.meter().u64_counter("orders").build().add(1, &[]);
    assert_eq!(exporter.render()?, "# There are no such metrics.\n");
    assert_eq!(exporter.render_as(Format::OpenMetrics)?, "# EOF\n");
    exporter.shutdown()?;
    assert!(exporter.render().expect_err("shut down").is_shut_down());
    Ok(())
}

//
#[test]
fn a_denied_uptime_of_any_strategy_makes_an_exporter_without_metrics_valid() -> Result {
    use asdlc_exporter::TranslationStrategy;
    for (strategy, denied, served) in [
        (TranslationStrategy::UnderscoreEscapingWithSuffixes, "uptime_seconds", "uptime_seconds"),
        (TranslationStrategy::UnderscoreEscapingWithoutSuffixes, "uptime", "uptime"),
    ] {
        let builder = || Exporter::builder("api").with_translation_strategy(strategy);
        assert!(builder().build()?.render()?.contains(&format!("\n{served}{{")));
        let policy = MetricPolicy::new().deny(denied);
        assert_eq!(
            builder().with_policy(policy).build()?.render()?,
            "# There are no such metrics.\n"
        );
    }
    Ok(())
}

//! `OpenMetrics` 1.0.

use crate::{
    check::{Sample, check},
    check_open::check_open,
};
use asdlc_exporter::{Exporter, Format};
use opentelemetry::{KeyValue, metrics::MeterProvider as _};
use std::collections::HashSet;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

// X-04
#[test]
fn the_types_have_their_names_units_and_values() -> Result {
    let exporter =
        Exporter::builder("shop").with_namespace("asdlc").with_version("1.2.3").build()?;
    let meter = exporter.meter();
    let orders = meter.u64_counter("orders").with_description("A \"b\" \\ c\nd").build();
    orders.add(1, &[KeyValue::new("a", "\"")]);
    meter.f64_counter("cpu").with_unit("s").build().add(0.5, &[]);
    meter.u64_gauge("level").build().record(2, &[]);
    meter.u64_gauge("seconds_spent").with_unit("s").build().record(2, &[]);
    let wait = meter.f64_histogram("wait").with_unit("s");
    wait.with_boundaries(vec![0.0, 0.5, 1.0, 1e16]).build().record(1.0, &[]);
    let cold = meter.f64_histogram("cold").with_unit("Cel");
    cold.with_boundaries(vec![-1.0, 1.0]).build().record(-3.0, &[]);
    let text = exporter.render_as(Format::OpenMetrics)?;
    check_open(&text);
    let (known, uptime) = text.split_once("# HELP asdlc_uptime_seconds ").expect("uptime");
    let expected = [
        r"# HELP asdlc_cold_celsius ",
        r"# TYPE asdlc_cold_celsius histogram",
        r"# UNIT asdlc_cold_celsius celsius",
        r#"asdlc_cold_celsius_bucket{service="shop",le="-1.0"} 1"#,
        r#"asdlc_cold_celsius_bucket{service="shop",le="1.0"} 1"#,
        r#"asdlc_cold_celsius_bucket{service="shop",le="+Inf"} 1"#,
        r"# HELP asdlc_cpu_seconds ",
        r"# TYPE asdlc_cpu_seconds counter",
        r"# UNIT asdlc_cpu_seconds seconds",
        r#"asdlc_cpu_seconds_total{service="shop"} 0.5"#,
        r"# HELP asdlc_level ",
        r"# TYPE asdlc_level gauge",
        r#"asdlc_level{service="shop"} 2"#,
        r#"# HELP asdlc_orders A \"b\" \\ c\nd"#,
        r"# TYPE asdlc_orders counter",
        r#"asdlc_orders_total{service="shop",a="\""} 1"#,
        r"# HELP asdlc_seconds_spent ",
        r"# TYPE asdlc_seconds_spent gauge",
        r#"asdlc_seconds_spent{service="shop"} 2"#,
        r"# HELP asdlc_service Always 1. The label has the version of the service.",
        r"# TYPE asdlc_service info",
        r#"asdlc_service_info{service="shop",version="1.2.3"} 1"#,
    ];
    let lines: Vec<_> = known.lines().collect();
    assert_eq!(lines, expected);
    assert!(
        uptime.contains("# TYPE asdlc_uptime_seconds gauge\n# UNIT asdlc_uptime_seconds seconds\n")
    );
    assert!(
        uptime.contains("asdlc_wait_seconds_bucket{service=\"shop\",le=\"1e+16\"} 1\n"),
        "{uptime}"
    );
    assert!(uptime.contains("asdlc_wait_seconds_sum{service=\"shop\"} 1.0\n"), "{uptime}");
    Ok(())
}

// X-04, X-05
#[test]
fn a_counter_whose_base_is_another_family_is_of_type_unknown() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let meter = exporter.meter();
    for name in ["jobs", "lines_created", "build", "pages_count"] {
        meter.u64_gauge(name).build().record(1, &[]);
    }
    for name in ["jobs", "lines", "waits_sum", "files", "files_created", "_total"] {
        meter.u64_counter(name).build().add(2, &[]);
    }
    meter.f64_histogram("waits").with_boundaries(vec![]).build().record(1.0, &[]);
    meter.u64_gauge("build_info").build().record(1, &[]);
    meter.u64_gauge("run_info").build().record(2, &[]);
    let text = exporter.render_as(Format::OpenMetrics)?;
    check_open(&text);
    for line in [
        "# TYPE jobs gauge\njobs{",
        "# TYPE jobs_total unknown\njobs_total{",
        "# TYPE lines_total unknown\nlines_total{",
        "# TYPE waits_sum_total unknown\nwaits_sum_total{",
        "# TYPE files counter\nfiles_total{",
        "# TYPE files_created_total unknown\nfiles_created_total{",
        // Its base name would be empty, which Python's parser refuses.
        "# TYPE _ counter\n__total{",
        "# TYPE build_info gauge\nbuild_info{",
        "# TYPE run_info gauge\nrun_info{",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // Each sample has the name and value that it has in the other format.
    let names = |samples: Vec<Sample>| samples.into_iter().map(|s| s.name).collect::<HashSet<_>>();
    assert_eq!(names(check_open(&text)), names(check(&exporter.render()?)));
    Ok(())
}

// X-05
#[test]
fn an_info_has_no_unit() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let gauge = exporter.meter().u64_gauge("boot_seconds_info").with_unit("s").build();
    gauge.record(1, &[]);
    let text = exporter.render_as(Format::OpenMetrics)?;
    check_open(&text);
    assert!(text.contains("# TYPE boot_seconds info\nboot_seconds_info{"), "{text}");
    // Another value makes it a gauge. Its name does not end with the unit.
    gauge.record(2, &[]);
    let text = exporter.render_as(Format::OpenMetrics)?;
    check_open(&text);
    assert!(text.contains("# TYPE boot_seconds_info gauge\nboot_seconds_info{"), "{text}");
    Ok(())
}

// X-04, X-05
#[test]
fn negative_values_are_not_served_as_a_counter() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let meter = exporter.meter_provider().meter("other");
    meter.f64_observable_counter("sinks").with_callback(|o| o.observe(-1.0, &[])).build();
    meter.f64_histogram("debts").with_boundaries(vec![1.0]).build().record(-5.0, &[]);
    let text = exporter.render_as(Format::OpenMetrics)?;
    check_open(&text);
    assert!(
        text.contains("# TYPE sinks_total unknown\nsinks_total{service=\"shop\"} -1.0\n"),
        "{text}"
    );
    assert!(text.contains("debts_bucket{") && !text.contains("debts_sum"), "{text}");
    Ok(())
}

#[test]
#[should_panic = "is there twice"]
fn the_checker_finds_reserved_names() {
    check_open(
        "# HELP a \n# TYPE a counter\na_total 1\n# HELP a_created \n# TYPE a_created gauge\na_created 1\n# EOF\n",
    );
}

#[test]
#[should_panic = "a sum that may fall"]
fn the_checker_finds_the_sum_of_negative_buckets() {
    check_open(
        "# HELP a \n# TYPE a histogram\na_bucket{le=\"-1.0\"} 1\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n# EOF\n",
    );
}

//! Series that have not changed for some time are no longer served.

use crate::{check::check, check_open::check_open};
use asdlc_exporter::{Exporter, Format, IdleTimeout};
use http::Request;
use http_body_util::BodyExt as _;
use opentelemetry::KeyValue;
use std::{
    thread,
    time::{Duration, Instant},
};
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The text, as soon as it has no series of the family.
fn without(exporter: &Exporter, family: &str) -> Result<String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let text = exporter.render()?;
        if !check(&text).iter().any(|sample| sample.name == family) {
            return Ok(text);
        }
        assert!(Instant::now() < deadline, "{family} is never hidden");
        thread::yield_now();
    }
}

//
#[tokio::test]
async fn an_idle_series_is_hidden_from_every_scrape_and_starts_again() -> Result {
    let began = Instant::now();
    let idle = IdleTimeout::new(Duration::from_secs(1)).with_gauges("queue_*").without("kept");
    let builder = Exporter::builder("shop").with_namespace("asdlc").with_version("1");
    let exporter = builder.with_self_metrics().with_idle_timeout(idle).build()?;
    let meter = exporter.meter();
    let jobs = meter.u64_counter("jobs").with_description("Jobs.").build();
    jobs.add(5, &[KeyValue::new("is", "idle")]);
    meter.u64_counter("kept").build().add(1, &[]);
    meter.u64_gauge("queue_length").build().record(3, &[]);
    meter.u64_gauge("level").build().record(3, &[]);
    let wait = meter.f64_histogram("wait").with_unit("s").with_boundaries(vec![1.0]).build();
    wait.record(0.5, &[]);
    let first = exporter.render()?;
    let line = "asdlc_jobs_total{service=\"shop\",is=\"idle\"}";
    assert!(first.contains(&format!("{line} 5\n")), "{first}");

    let text = without(&exporter, "asdlc_jobs_total")?;
    assert!(began.elapsed() >= Duration::from_secs(1));
    for gone in ["asdlc_jobs_total", "asdlc_queue_length", "asdlc_wait_seconds"] {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
    let kept =
        ["asdlc_kept_total{", "asdlc_level{", "asdlc_service_info{", "asdlc_uptime_seconds{"];
    // The exporter's own counters are there, although they are 0.
    let own = [
        "asdlc_exporter_callback_panics_total{",
        "requests_total{service=\"shop\",code=\"503\"} 0",
    ];
    for kept in kept.into_iter().chain(own) {
        assert!(text.contains(kept), "no {kept} in {text}");
    }
    // The number of series is that of the scrape before.
    let series = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter(|line| !line.contains("le=") && !line.contains("_sum{")).count()
    };
    let next = exporter.render()?;
    let samples = check(&next);
    let counted = samples.iter().find(|sample| sample.name == "asdlc_exporter_series");
    assert_eq!(counted.map(|sample| sample.value), Some(series(&text) as f64), "{text}");

    for _ in 0..10 {
        let added = Instant::now();
        jobs.add(2, &[KeyValue::new("is", "idle")]);
        wait.record(7.0, &[]);
        let open = exporter.render_as(Format::OpenMetrics)?;
        check_open(&open);
        let request = Request::builder().uri("/?name[]=asdlc_jobs_total").body(())?;
        let filtered =
            exporter.scrape_service().oneshot(request).await?.into_body().collect().await?;
        let filtered = String::from_utf8(filtered.to_bytes().into())?;
        let whole = exporter.render()?;
        // On a slow machine it may be idle again.
        if added.elapsed() >= Duration::from_secs(1) {
            without(&exporter, "asdlc_jobs_total")?;
            continue;
        }
        for text in [&open, &filtered, &whole] {
            assert!(text.contains(&format!("{line} 2\n")), "{text}");
        }
        for (name, value) in [("sum", "7.0"), ("count", "1")] {
            let expected = format!("asdlc_wait_seconds_{name}{{service=\"shop\"}} {value}\n");
            assert!(open.contains(&expected), "{open}");
        }
        assert!(
            open.contains("asdlc_wait_seconds_bucket{service=\"shop\",le=\"1.0\"} 0\n"),
            "{open}"
        );
        return Ok(());
    }
    panic!("three scrapes always took more than a second");
}

//
#[test]
fn without_a_timeout_nothing_is_hidden_and_a_short_one_is_refused() -> Result {
    for timeout in [Duration::ZERO, Duration::from_millis(999)] {
        let error = Exporter::builder("shop").with_idle_timeout(timeout).build().unwrap_err();
        let expected = format!("invalid idle timeout {timeout:?}: must be at least 1s");
        assert_eq!(error.to_string(), expected);
    }
    // The longest timeout is never reached.
    for timeout in [Duration::from_secs(1), Duration::MAX] {
        let exporter = Exporter::builder("shop").with_idle_timeout(timeout).build()?;
        exporter.meter().u64_counter("jobs").build().add(1, &[]);
        assert!(exporter.render()?.contains("jobs_total{service=\"shop\"} 1\n"));
    }
    Ok(())
}

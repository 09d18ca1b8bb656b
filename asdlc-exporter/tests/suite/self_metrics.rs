//! The exporter's metrics about itself.

use crate::{
    check::{Sample, check},
    gate::Gate,
};
use asdlc_exporter::{Exporter, blocking};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use std::{
    pin::Pin,
    task::{Context, Waker},
};
use tower::{Service as _, ServiceExt as _};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

async fn scrape(exporter: &Exporter, method: Method, uri: &str) -> Result<String> {
    let request = Request::builder().method(method).uri(uri).body(())?;
    let response = exporter.scrape_service().oneshot(request).await?;
    Ok(String::from_utf8(response.into_body().collect().await?.to_bytes().into())?)
}

fn value(samples: &[Sample], name: &str, code: Option<&str>) -> f64 {
    let found = samples.iter().find(|s| s.name == name && s.label("code") == code);
    found.unwrap_or_else(|| panic!("{name}")).value
}

//
#[tokio::test]
async fn scrapes_are_counted_by_code_and_measured() -> Result {
    let exporter = Exporter::builder("shop").with_namespace("asdlc").with_self_metrics().build()?;
    let requests = "asdlc_promhttp_metric_handler_requests_total";
    let first = scrape(&exporter, Method::GET, "/").await?;
    let samples = check(&first);
    // The first scrape is still in flight while its text is written.
    assert_eq!(value(&samples, requests, Some("200")), 0.0);
    assert_eq!(value(&samples, requests, Some("503")), 0.0);
    assert_eq!(value(&samples, "asdlc_promhttp_metric_handler_requests_in_flight", None), 1.0);
    let head = scrape(&exporter, Method::HEAD, "/").await?;
    scrape(&exporter, Method::PUT, "/").await?;
    let selected = scrape(&exporter, Method::GET, "/?name[]=x").await?;
    let jobs = exporter.meter().u64_gauge("jobs").build();
    let conflict = exporter.meter().u64_histogram("jobs").build();
    jobs.record(1, &[]);
    conflict.record(1, &[]);
    let second = scrape(&exporter, Method::GET, "/").await?;
    let samples = check(&second);
    assert_eq!(value(&samples, requests, Some("200")), 3.0, "PUT does not count");
    assert_eq!(value(&samples, "asdlc_exporter_scrape_duration_seconds_count", None), 3.0);
    assert_eq!(
        value(&samples, "asdlc_exporter_response_bytes_total", None),
        (first.len() + head.len() + selected.len()) as f64
    );
    assert_eq!(value(&samples, "asdlc_exporter_dropped_metrics", None), 0.0);
    let third = check(&exporter.render()?);
    assert_eq!(value(&third, "asdlc_exporter_dropped_metrics", None), 1.0);
    assert_eq!(value(&third, "asdlc_promhttp_metric_handler_requests_in_flight", None), 0.0);
    let lines = |name: &str| second.lines().filter(|l| l.starts_with(name)).count();
    let series = lines("asdlc_") - lines("asdlc_exporter_scrape_duration_seconds_") + 1;
    assert_eq!(value(&third, "asdlc_exporter_series", None), series as f64);
    Ok(())
}

//
#[tokio::test]
async fn scrapes_that_fail_are_counted() -> Result {
    let exporter =
        Exporter::builder("shop").with_self_metrics().with_max_scrapes_in_flight(1).build()?;
    let gate = Gate::in_callback(&exporter.meter());
    let first = tokio::spawn(exporter.scrape_service().oneshot(Request::new(())));
    let waits = gate.clone();
    tokio::task::spawn_blocking(move || waits.wait_until_entered(1)).await?;
    assert_eq!(
        scrape(&exporter, Method::GET, "/").await?,
        "too many scrapes are waiting already\n"
    );
    gate.open();
    first.await??;
    let samples = check(&exporter.render()?);
    let requests = "promhttp_metric_handler_requests_total";
    assert_eq!(value(&samples, requests, Some("503")), 1.0);
    assert_eq!(value(&samples, "promhttp_metric_handler_requests_in_flight", None), 0.0);
    Ok(())
}

//
#[test]
fn a_dropped_scrape_is_no_longer_in_flight() -> Result {
    let exporter = Exporter::builder("shop").with_self_metrics().build()?;
    // The scrape waits for the source. `render` continues when the source is late.
    let gate = Gate::default();
    let inside = gate.clone();
    exporter.add_source("gated", blocking(move || inside.pass()));
    let in_flight = || -> Result<f64> {
        let samples = check(&exporter.render()?);
        Ok(value(&samples, "promhttp_metric_handler_requests_in_flight", None))
    };
    let mut future = exporter.scrape_service().call(Request::new(()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
    assert_eq!(in_flight()?, 1.0);
    drop(future);
    assert_eq!(in_flight()?, 0.0);
    gate.open();
    Ok(())
}

#[test]
fn self_metrics_are_off_by_default() -> Result {
    let text = Exporter::builder("shop").build()?.render()?;
    assert!(!text.contains("promhttp") && !text.contains("exporter_"), "{text}");
    Ok(())
}

//! A client with a short timeout does not change the responses to other clients.

use crate::{
    check::{Sample, check},
    gate::Gate,
    queue::finish,
};
use asdlc_exporter::{Exporter, ScrapeFuture, Source};
use http::{Method, Request, StatusCode};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Waker},
};
use tower::Service as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A healthy source that runs until its gate opens, and counts its calls.
#[derive(Clone, Default)]
struct Slow {
    gate: Gate,
    refreshed: Arc<AtomicU64>,
    missed: Arc<AtomicU64>,
}

impl Source for Slow {
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.gate.pass();
        self.refreshed.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {})
    }

    fn missed(&self) {
        self.missed.fetch_add(1, Ordering::SeqCst);
    }
}

/// An exporter with a slow source that stays within its own time limit during a test.
fn slow() -> Result<(Exporter, Slow)> {
    let exporter = Exporter::builder("shop")
        .with_scrape_timeout(std::time::Duration::from_secs(600))
        .with_source_timeout(std::time::Duration::from_secs(60))
        .with_self_metrics()
        .build()?;
    let source = Slow::default();
    let refreshed = Arc::clone(&source.refreshed);
    exporter
        .meter()
        .u64_observable_gauge("refreshed")
        .with_callback(move |observer| observer.observe(refreshed.load(Ordering::SeqCst), &[]))
        .build();
    exporter.add_source("slow", source.clone());
    Ok((exporter, source))
}

fn request(
    exporter: &Exporter,
    method: Method,
    uri: &str,
    timeouts: &[&str],
) -> Result<ScrapeFuture> {
    let mut request = Request::builder().method(method).uri(uri);
    for timeout in timeouts {
        request = request.header("x-prometheus-scrape-timeout-seconds", *timeout);
    }
    Ok(exporter.scrape_service().call(request.body(())?))
}

/// A scrape that has been polled and waits.
fn waiting(exporter: &Exporter, timeouts: &[&str]) -> Result<ScrapeFuture> {
    let mut future = request(exporter, Method::GET, "/metrics", timeouts)?;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
    Ok(future)
}

fn fresh(future: ScrapeFuture) -> Result<Vec<Sample>> {
    let (status, text) = finish(future);
    assert_eq!(status, StatusCode::OK, "{text}");
    Ok(check(&text))
}

fn value(samples: &[Sample], name: &str) -> Option<f64> {
    samples.iter().find(|s| s.name == name).map(|s| s.value)
}

// F-12
#[test]
fn a_short_timeout_does_not_make_a_healthy_source_look_down() -> Result {
    // F-12, neighbours: HEAD, a filter.
    for (method, uri) in
        [(Method::GET, "/"), (Method::HEAD, "/"), (Method::GET, "/?name[]=refreshed")]
    {
        let (exporter, source) = slow()?;
        let long = waiting(&exporter, &["500"])?;
        source.gate.wait_until_entered(1);
        let (status, _) = finish(request(&exporter, method.clone(), uri, &["0.02"])?);
        assert!([200, 503].contains(&status.as_u16()), "{status}");
        source.gate.open();
        let samples = fresh(long)?;
        assert_eq!(
            (value(&samples, "exporter_source_up"), value(&samples, "refreshed")),
            (Some(1.0), Some(1.0)),
            "{method} {uri}"
        );
        assert_eq!(source.missed.load(Ordering::SeqCst), 0, "{method} {uri}");
    }
    Ok(())
}

// F-12, a neighbour: both clients wait for the same collection, after another one.
#[test]
fn a_short_timeout_in_the_same_collection_does_not_shorten_a_long_one() -> Result {
    let (exporter, source) = slow()?;
    let first = waiting(&exporter, &["500"])?;
    source.gate.wait_until_entered(1);
    let long = waiting(&exporter, &["500"])?;
    // Its timeout ends after the second collection has begun.
    let short = waiting(&exporter, &["2"])?;
    source.gate.admit(1);
    let first = fresh(first)?;
    assert_eq!(value(&first, "exporter_source_up"), Some(1.0));
    finish(short);
    source.gate.open();
    let samples = fresh(long)?;
    assert_eq!(value(&samples, "exporter_source_up"), Some(1.0));
    assert_eq!(source.missed.load(Ordering::SeqCst), 0);
    Ok(())
}

// F-12, a neighbour: there is no other client. The next client must not see the source as down.
#[test]
fn a_short_timeout_alone_does_not_end_the_run_of_a_source() -> Result {
    let (exporter, source) = slow()?;
    let (_, text) = finish(request(&exporter, Method::GET, "/", &["0.2"])?);
    assert!(!text.contains("exporter_source_up{service=\"shop\",source=\"slow\"} 0"), "{text}");
    source.gate.wait_until_entered(1);
    source.gate.open();
    let samples = fresh(request(&exporter, Method::GET, "/", &[])?)?;
    assert_eq!(value(&samples, "exporter_source_up"), Some(1.0));
    assert_eq!(source.missed.load(Ordering::SeqCst), 0);
    Ok(())
}

// F-12, a neighbour: the client disconnects.
#[test]
fn a_client_that_disconnects_changes_nothing() -> Result {
    let (exporter, source) = slow()?;
    let long = waiting(&exporter, &["500"])?;
    source.gate.wait_until_entered(1);
    let mut short = request(&exporter, Method::GET, "/metrics", &["0.02"])?;
    // F-35, a neighbour: it waits, or its timeout has ended already if the machine is busy.
    let _ = Pin::new(&mut short).poll(&mut Context::from_waker(Waker::noop()));
    drop(short);
    // A later scrape that ends: any effect of the first one has happened by then.
    let (status, _) = finish(request(&exporter, Method::GET, "/", &["0.5"])?);
    assert!([200, 503].contains(&status.as_u16()), "{status}");
    source.gate.open();
    assert_eq!(value(&fresh(long)?, "exporter_source_up"), Some(1.0));
    assert_eq!(source.missed.load(Ordering::SeqCst), 0);
    Ok(())
}

// F-12, a neighbour: `render` waits as long as the source may run.
#[test]
fn a_short_timeout_does_not_shorten_a_render() -> Result {
    let (exporter, source) = slow()?;
    std::thread::scope(|scope| {
        let short = waiting(&exporter, &["2"])?;
        source.gate.wait_until_entered(1);
        let render = scope.spawn(|| exporter.render());
        finish(short);
        source.gate.open();
        let samples = check(&render.join().expect("no panic")?);
        assert_eq!(value(&samples, "exporter_source_up"), Some(1.0));
        assert_eq!(source.missed.load(Ordering::SeqCst), 0);
        Ok(())
    })
}

// F-12
#[test]
fn invalid_timeouts_are_ignored() -> Result {
    let (exporter, source) = slow()?;
    source.gate.open();
    for timeouts in [
        &["0"][..],
        &["-1"],
        &["NaN"],
        &["1e300"],
        &["inf"],
        &["1e-300"],
        &["0.0000001"],
        &[""],
        &["ten"],
        &["0", "-1"],
        &["nonsense", "10"],
        &["0, 10"],
    ] {
        let samples = fresh(request(&exporter, Method::GET, "/", timeouts)?)?;
        assert_eq!(value(&samples, "exporter_source_up"), Some(1.0), "{timeouts:?}");
    }
    Ok(())
}

// F-12, a neighbour: no scrape waits at the time limit of the source.
#[test]
fn a_source_is_late_even_if_no_scrape_waits() -> Result {
    const LIMIT: std::time::Duration = std::time::Duration::from_millis(50);
    let exporter = Exporter::builder("shop").with_source_timeout(LIMIT).build()?;
    let source = Slow::default();
    exporter.add_source("slow", source.clone());
    finish(request(&exporter, Method::GET, "/", &["0.02"])?);
    source.gate.wait_until_entered(1);
    std::thread::sleep(LIMIT);
    source.gate.open();
    while source.refreshed.load(Ordering::SeqCst) < 1 {
        std::thread::yield_now();
    }
    finish(request(&exporter, Method::GET, "/", &[])?);
    assert!(source.missed.load(Ordering::SeqCst) >= 1, "it ended after its time limit");
    Ok(())
}

//! Scrapes that arrive at the same time, wait too long, or are too many.

use crate::{check::check, gate::Gate};
use asdlc_exporter::{Exporter, ExporterBuilder, ScrapeBody, ScrapeFuture};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use std::{
    pin::pin,
    sync::{Arc, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};
use tower::Service as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Drives a future on this thread: no runtime, no timer.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        assert!(Instant::now() < deadline, "the future was never woken");
        thread::park_timeout(Duration::from_secs(30));
    }
}

fn scrape(exporter: &Exporter, timeout: Option<&str>) -> ScrapeFuture {
    let mut request = Request::builder();
    if let Some(timeout) = timeout {
        request = request.header("X-Prometheus-Scrape-Timeout-Seconds", timeout);
    }
    exporter.scrape_service().call(request.body(()).expect("a request"))
}

/// A scrape that has been polled and waits.
fn waiting(exporter: &Exporter) -> ScrapeFuture {
    let mut future = scrape(exporter, None);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(std::pin::Pin::new(&mut future).poll(&mut cx).is_pending());
    future
}

pub(crate) fn finish(future: ScrapeFuture) -> (StatusCode, String) {
    let Ok(response) = block_on(future);
    let (head, body) = Response::<ScrapeBody>::into_parts(response);
    let bytes = block_on(body.collect()).expect("a body").to_bytes();
    (head.status, String::from_utf8(bytes.into()).expect("text"))
}

fn gated(builder: ExporterBuilder) -> Result<(Exporter, Gate)> {
    let exporter = builder.build()?;
    let gate = Gate::in_callback(&exporter.meter());
    Ok((exporter, gate))
}

//
#[test]
fn scrapes_that_wait_share_one_collection_that_begins_after_they_arrived() -> Result {
    let (exporter, gate) = gated(Exporter::builder("shop"))?;
    let orders = exporter.meter().u64_counter("orders").build();
    orders.add(1, &[]);
    let first = waiting(&exporter);
    gate.wait_until_entered(1);
    // The first collection cannot end before the gate opens. These scrapes arrive after its begin.
    orders.add(1, &[]);
    let others: Vec<_> = (0..50).map(|_| waiting(&exporter)).collect();
    gate.open();
    let (status, text) = finish(first);
    assert_eq!(status, StatusCode::OK);
    check(&text);
    let texts: Vec<_> = others.into_iter().map(finish).collect();
    for (status, text) in &texts {
        assert_eq!(*status, StatusCode::OK);
        assert!(text.contains("orders_total{service=\"shop\"} 2\n"), "{text}");
        assert_eq!(*text, texts[0].1, "two collections would have two uptimes");
    }
    check(&texts[0].1);
    assert_eq!(gate.entered(), 2);
    Ok(())
}

//
#[test]
fn one_scrape_too_many_is_a_503_at_once() -> Result {
    let (exporter, gate) = gated(Exporter::builder("shop").with_max_scrapes_in_flight(2))?;
    let first = waiting(&exporter);
    gate.wait_until_entered(1);
    let second = waiting(&exporter);
    let full = (StatusCode::SERVICE_UNAVAILABLE, "too many scrapes are waiting already\n".into());
    assert_eq!(finish(scrape(&exporter, None)), full);
    drop(second);
    let third = waiting(&exporter);
    assert_eq!(finish(scrape(&exporter, None)), full);
    gate.open();
    for answered in [first, third] {
        assert_eq!(finish(answered).0, StatusCode::OK);
    }
    assert_eq!(finish(scrape(&exporter, None)).0, StatusCode::OK);
    Ok(())
}

//
#[test]
fn a_hanging_callback_is_a_503_in_time_and_later_scrapes_succeed() -> Result {
    let (exporter, gate) = gated(Exporter::builder("shop"))?;
    let late =
        (StatusCode::SERVICE_UNAVAILABLE, "the metrics were not collected in time\n".to_owned());
    let mut in_time = 0;
    // The second collection does not even begin. F-35, a neighbour: on a busy machine one or two may be late, not all.
    for _ in 0..10 {
        let start = Instant::now();
        assert_eq!(finish(scrape(&exporter, Some("0.5"))), late);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(400), "{took:?}");
        in_time += usize::from(took < Duration::from_millis(500));
        if in_time == 2 {
            break;
        }
    }
    assert_eq!(in_time, 2);
    assert_eq!(gate.entered(), 1);
    gate.open();
    let (status, text) = finish(scrape(&exporter, Some("10")));
    assert_eq!(status, StatusCode::OK);
    assert!(check(&text).iter().any(|s| s.name == "gated"));
    Ok(())
}

//
#[test]
fn the_configured_timeout_applies_if_the_scraper_allows_more() -> Result {
    let (exporter, gate) =
        gated(Exporter::builder("shop").with_scrape_timeout(Duration::from_millis(50)))?;
    for allowed in [None, Some("3600"), Some("nonsense")] {
        let start = Instant::now();
        assert_eq!(finish(scrape(&exporter, allowed)).0, StatusCode::SERVICE_UNAVAILABLE);
        assert!(start.elapsed() >= Duration::from_millis(50));
    }
    gate.open();
    let endless = Exporter::builder("shop").with_scrape_timeout(Duration::MAX).build()?;
    assert_eq!(finish(scrape(&endless, None)).0, StatusCode::OK);
    Ok(())
}

// A-08, D-04
#[tokio::test]
async fn a_slow_collection_does_not_block_the_server_thread() -> Result {
    let (exporter, gate) = gated(Exporter::builder("shop"))?;
    let scrape = tokio::spawn(scrape(&exporter, None));
    let waits = gate.clone();
    // The runtime has no other thread to poll the scrape.
    tokio::task::spawn_blocking(move || waits.wait_until_entered(1)).await?;
    assert!(!scrape.is_finished());
    gate.open();
    assert_eq!(scrape.await??.status(), StatusCode::OK);
    Ok(())
}

// D-04
#[test]
fn a_hundred_scrapes_take_less_than_five_seconds() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(finish(scrape(&exporter, None)).0, StatusCode::OK);
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    Ok(())
}

// F-35, a neighbour: the test does not depend on how far the collection is at the first poll.
#[test]
fn a_scrape_outlives_the_exporter_and_the_threads_do_not() -> Result {
    let (exporter, gate) = gated(Exporter::builder("shop"))?;
    // The callback lives as long as the provider. Dropping it closes the channel.
    let (inside, ended) = mpsc::channel::<()>();
    let meter = exporter.meter();
    let gauge = meter.u64_observable_gauge("alive").with_callback(move |observer| {
        let _inside = &inside;
        observer.observe(1, &[]);
    });
    gauge.build();
    drop(meter);
    let future = waiting(&exporter);
    gate.wait_until_entered(1);
    drop(exporter);
    gate.open();
    assert!(finish(future).1.contains("alive{service=\"shop\"} 1\n"));
    let end = ended.recv_timeout(Duration::from_secs(60));
    assert_eq!(end, Err(mpsc::RecvTimeoutError::Disconnected), "the exporter is still alive");
    Ok(())
}

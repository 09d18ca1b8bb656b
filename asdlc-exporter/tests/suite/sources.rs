//! Sources: they are refreshed before each collection.

use crate::{check::check, gate::Gate};
use asdlc_exporter::{Exporter, ExporterBuilder, blocking};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use std::{
    future::pending,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn exporter(builder: ExporterBuilder) -> Result<(Exporter, Arc<AtomicU64>)> {
    let exporter = builder.with_self_metrics().build()?;
    let value = Arc::new(AtomicU64::new(0));
    let read = value.clone();
    exporter
        .meter()
        .u64_observable_gauge("value")
        .with_callback(move |observer| observer.observe(read.load(Ordering::SeqCst), &[]))
        .build();
    Ok((exporter, value))
}

fn up(text: &str, source: &str) -> f64 {
    let samples = check(text);
    let found = samples
        .iter()
        .find(|s| s.name == "exporter_source_up" && s.label("source") == Some(source));
    found.unwrap_or_else(|| panic!("{source}: {text}")).value
}

// O-06, X-04
#[tokio::test]
async fn sources_run_before_each_collection_and_at_the_same_time() -> Result {
    let (exporter, value) =
        exporter(Exporter::builder("shop").with_source_timeout(Duration::from_secs(20)))?;
    // If they did not run at the same time, each would wait for the other until it is late.
    let barrier = Arc::new(Barrier::new(2));
    let other = barrier.clone();
    exporter.add_source(
        "blocks",
        blocking(move || {
            other.wait();
        }),
    );
    let runtime = tokio::runtime::Handle::current();
    exporter.add_source("async", move || {
        barrier.wait();
        // The task runs on the runtime.
        let task = runtime.spawn(async { tokio::time::sleep(Duration::from_millis(1)).await });
        let value = value.clone();
        async move {
            task.await.expect("it runs");
            value.fetch_add(1, Ordering::SeqCst);
        }
    });
    for n in 1..=3 {
        let response = exporter.scrape_service().oneshot(Request::new(())).await?;
        assert_eq!(response.status(), StatusCode::OK);
        let text = String::from_utf8(response.into_body().collect().await?.to_bytes().into())?;
        assert!(text.contains(&format!("value{{service=\"shop\"}} {n}\n")), "{text}");
        assert_eq!((up(&text, "blocks"), up(&text, "async")), (1.0, 1.0));
    }
    Ok(())
}

//
#[test]
fn a_source_that_panics_affects_only_its_own_values() -> Result {
    let (exporter, value) = exporter(Exporter::builder("shop"))?;
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = is_broken.clone();
    exporter.add_source(
        "broken",
        blocking(move || {
            assert!(!broken.load(Ordering::SeqCst), "a source of user code");
        }),
    );
    exporter.add_source("counts", move || {
        value.fetch_add(1, Ordering::SeqCst);
        async {}
    });
    for (n, expected) in [(1, 0.0), (2, 0.0), (3, 1.0)] {
        is_broken.store(n < 3, Ordering::SeqCst);
        let text = exporter.render()?;
        assert!(text.contains(&format!("value{{service=\"shop\"}} {n}\n")), "{text}");
        assert_eq!((up(&text, "broken"), up(&text, "counts")), (expected, 1.0));
    }
    Ok(())
}

// O-06, X-05
#[test]
fn a_source_that_blocks_is_not_started_again_until_it_returns() -> Result {
    let (exporter, value) =
        exporter(Exporter::builder("shop").with_source_timeout(Duration::from_millis(50)))?;
    let gate = Gate::default();
    let inside = gate.clone();
    exporter.add_source(
        "hangs",
        blocking(move || {
            value.fetch_add(1, Ordering::SeqCst);
            inside.pass();
        }),
    );
    for _ in 0..3 {
        let start = Instant::now();
        let text = exporter.render()?;
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(text.contains("value{service=\"shop\"} 1\n"), "{text}");
        assert_eq!(up(&text, "hangs"), 0.0);
    }
    gate.open();
    // It runs again after it has returned. A render before that does not wait for it.
    let deadline = Instant::now() + Duration::from_secs(20);
    while gate.entered() < 2 {
        assert!(Instant::now() < deadline, "it never runs again");
        exporter.render()?;
    }
    assert_eq!(up(&exporter.render()?, "hangs"), 1.0);
    Ok(())
}

// O-06, X-05
#[test]
fn a_future_that_hangs_is_dropped() -> Result {
    struct Dropped(mpsc::Sender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            // The test may have ended.
            let _ = self.0.send(());
        }
    }
    let (exporter, _) =
        exporter(Exporter::builder("shop").with_source_timeout(Duration::from_millis(20)))?;
    let (drops, is_dropped) = mpsc::channel();
    exporter.add_source("hangs", move || {
        let dropped = Dropped(drops.clone());
        async move {
            pending::<()>().await;
            drop(dropped);
        }
    });
    assert_eq!(up(&exporter.render()?, "hangs"), 0.0);
    is_dropped.recv_timeout(Duration::from_secs(20))?;
    Ok(())
}

//
#[tokio::test]
async fn a_hanging_source_leaves_time_for_the_response() -> Result {
    let (exporter, _) =
        exporter(Exporter::builder("shop").with_source_timeout(Duration::from_secs(3600)))?;
    exporter.add_source("hangs", pending::<()>);
    let request = Request::builder().header("x-prometheus-scrape-timeout-seconds", "1").body(())?;
    let response = exporter.scrape_service().oneshot(request).await?;
    assert_eq!(response.status(), StatusCode::OK);
    Ok(())
}

// O-06
#[test]
fn two_renders_at_once_each_have_a_whole_run_of_the_sources() -> Result {
    let (exporter, _) =
        exporter(Exporter::builder("shop").with_source_timeout(Duration::from_secs(60)))?;
    let gate = Gate::default();
    let inside = gate.clone();
    exporter.add_source("slow", blocking(move || inside.pass()));
    thread::scope(|scope| {
        let first = scope.spawn(|| exporter.render());
        gate.wait_until_entered(1);
        // It waits for the run in progress, and then for its own.
        let second = scope.spawn(|| exporter.render());
        gate.admit(1);
        assert_eq!(up(&first.join().expect("no panic")?, "slow"), 1.0);
        gate.wait_until_entered(2);
        assert!(!second.is_finished());
        gate.open();
        assert_eq!(up(&second.join().expect("no panic")?, "slow"), 1.0);
        assert_eq!(gate.entered(), 2);
        Ok(())
    })
}

// F-12, X-04, X-05
#[tokio::test]
async fn a_scraper_with_a_short_timeout_does_not_wait_for_the_source_of_a_slow_scraper() -> Result {
    let hour = Duration::from_secs(3600);
    let (exporter, _) =
        exporter(Exporter::builder("shop").with_scrape_timeout(hour).with_source_timeout(hour))?;
    let (started, has_started) = tokio::sync::oneshot::channel();
    let started = Mutex::new(Some(started));
    exporter.add_source("hangs", move || {
        if let Some(started) = started.lock().expect("no panic").take() {
            // The test may have ended.
            let _ = started.send(());
        }
        pending::<()>()
    });
    let slow = tokio::spawn(exporter.scrape_service().oneshot(Request::new(())));
    has_started.await?;
    let request = Request::builder().header("x-prometheus-scrape-timeout-seconds", "1").body(())?;
    let short = exporter.scrape_service().oneshot(request).await?;
    assert_eq!(short.status(), StatusCode::OK);
    let text = String::from_utf8(short.into_body().collect().await?.to_bytes().into())?;
    assert!(!text.contains("exporter_source_up"), "the run has not ended: {text}");
    assert!(!slow.is_finished(), "the slow scraper continues to wait");
    slow.abort();
    Ok(())
}

// O-06
#[test]
fn missed_is_called_before_the_callbacks_of_each_scrape() -> Result {
    struct Stale(Arc<AtomicU64>, AtomicU64);
    impl asdlc_exporter::Source for Stale {
        fn refresh(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            match self.1.fetch_add(1, Ordering::SeqCst) {
                0 => Box::pin(async { self.0.store(1, Ordering::SeqCst) }),
                1 => panic!("no values"),
                _ => Box::pin(pending()),
            }
        }

        fn missed(&self) {
            self.0.fetch_add(10, Ordering::SeqCst);
            assert!(self.0.load(Ordering::SeqCst) < 20, "a panic here has no effect");
        }
    }
    let (exporter, value) =
        exporter(Exporter::builder("shop").with_source_timeout(Duration::from_secs(1)))?;
    exporter.add_source("stale", Stale(value, AtomicU64::new(0)));
    for expected in [1, 11, 21] {
        let text = exporter.render()?;
        assert!(text.contains(&format!("value{{service=\"shop\"}} {expected}\n")), "{text}");
    }
    Ok(())
}

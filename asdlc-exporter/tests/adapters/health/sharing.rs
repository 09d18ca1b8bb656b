//! When checks run: concurrency, cache, single flight, drain. Time is paused, so assertions are exact.

use super::{Result, ready};
use asdlc_exporter::health::{Dependency, Readiness};
use http::StatusCode;
use std::{
    future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{self, Instant, sleep},
};

/// Healthy after a while; counts its checks.
fn slow(name: &str, millis: u64) -> (Dependency, Arc<AtomicU64>) {
    let checks = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&checks);
    let check = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            sleep(Duration::from_millis(millis)).await;
            Ok::<_, &str>(())
        }
    };
    let dependency = Dependency::critical(name, check).with_timeout(Duration::from_millis(900));
    (dependency, checks)
}

//
#[tokio::test(start_paused = true)]
async fn checks_run_concurrently_and_the_response_arrives_within_a_second() -> Result {
    let mut builder = Readiness::builder();
    for name in ["a", "b", "c", "d", "e"] {
        let hung = Dependency::critical(name, future::pending::<std::result::Result<(), &str>>);
        builder = builder.with_dependency(hung.with_timeout(Duration::from_millis(900)));
    }
    let (quick, _) = slow("quick", 300);
    let service = builder.with_dependency(quick).build()?.service();
    let start = Instant::now();
    let (status, body) = ready(&service).await;
    let elapsed = start.elapsed();
    assert!(
        (Duration::from_millis(900)..Duration::from_millis(910)).contains(&elapsed),
        "{elapsed:?}"
    );
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let quick = &body["dependencies"][5];
    assert_eq!(quick["healthy"], true);
    let latency = quick["latency_ms"].as_f64().ok_or("latency_ms")?;
    assert!((300.0..310.0).contains(&latency), "its own time, not that of the slowest: {latency}");
    Ok(())
}

//
#[tokio::test(start_paused = true)]
async fn each_dependency_has_its_own_timeout() -> Result {
    let (early, _) = slow("early", 200);
    let (late, _) = slow("late", 200);
    let service = Readiness::builder()
        .with_dependency(slow("slowest", 700).0)
        .with_dependency(early.with_timeout(Duration::from_millis(100)))
        .with_dependency(late.with_timeout(Duration::from_millis(300)))
        .build()?
        .service();
    let (_, body) = ready(&service).await;
    let healthy: Vec<_> = (0..3).map(|at| body["dependencies"][at]["healthy"] == true).collect();
    assert_eq!(healthy, [true, false, true], "{body}");
    Ok(())
}

//
#[tokio::test(start_paused = true)]
async fn a_thousand_callers_share_one_check_in_a_period() -> Result {
    let (database, checks) = slow("database", 100);
    let readiness = Readiness::builder()
        .with_dependency(database)
        .with_cache_period(Duration::from_secs(2))
        .build()?;
    for period in 1..=3 {
        let mut callers = JoinSet::new();
        for caller in 0..1_000_u64 {
            let service = readiness.service();
            callers.spawn(async move {
                sleep(Duration::from_millis(caller)).await;
                ready(&service).await.0
            });
        }
        let responses = callers.join_all().await;
        assert!(
            responses.len() == 1_000 && responses.iter().all(|status| *status == StatusCode::OK)
        );
        assert_eq!(checks.load(Ordering::Relaxed), period);
        time::advance(Duration::from_secs(2)).await;
    }
    Ok(())
}

//
#[tokio::test(start_paused = true)]
async fn a_report_is_used_for_its_cache_period_only() -> Result {
    let (database, checks) = slow("database", 100);
    let service = Readiness::builder().with_dependency(database).build()?.service();
    time::advance(Duration::from_secs(60)).await;
    assert_eq!(checks.load(Ordering::Relaxed), 0, "there was no request");
    ready(&service).await;
    time::advance(Duration::from_millis(998)).await;
    ready(&service).await;
    assert_eq!(checks.load(Ordering::Relaxed), 1, "within the cache period");
    time::advance(Duration::from_millis(3)).await;
    ready(&service).await;
    assert_eq!(checks.load(Ordering::Relaxed), 2, "after the cache period");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_disconnects_does_not_affect_others() -> Result {
    let (database, checks) = slow("database", 100);
    let service = Readiness::builder().with_dependency(database).build()?.service();
    let disconnected = time::timeout(Duration::from_millis(50), ready(&service)).await;
    assert!(disconnected.is_err(), "the client disconnects before the response");
    let start = Instant::now();
    assert_eq!(ready(&service).await.0, StatusCode::OK);
    assert!(
        start.elapsed() < Duration::from_millis(60),
        "the response to the same check: {:?}",
        start.elapsed()
    );
    assert_eq!(checks.load(Ordering::Relaxed), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn draining_is_reported_at_once_without_checks() -> Result {
    let (database, checks) = slow("database", 100);
    let readiness = Readiness::builder().with_dependency(database).build()?;
    let service = readiness.service();
    let waiting = tokio::spawn({
        let service = service.clone();
        async move { ready(&service).await }
    });
    sleep(Duration::from_millis(10)).await;
    assert!(!readiness.is_draining());
    readiness.drain();
    assert!(readiness.is_draining());
    for response in [ready(&service).await, waiting.await?] {
        assert_eq!((response.0.as_u16(), &response.1["status"]), (503, &"draining".into()));
    }
    time::advance(Duration::from_secs(5)).await;
    ready(&service).await;
    assert_eq!(checks.load(Ordering::Relaxed), 1);
    Ok(())
}

#[test]
fn readiness_works_on_another_runtime_after_the_first_one_stopped() -> Result {
    let (database, checks) = slow("database", 100);
    let service = Readiness::builder().with_dependency(database).build()?.service();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime()?.block_on(async {
        let first = time::timeout(Duration::from_millis(1), ready(&service)).await;
        assert!(first.is_err(), "the runtime stops during the check");
    });
    assert_eq!(runtime()?.block_on(ready(&service)).0, StatusCode::OK);
    assert_eq!(checks.load(Ordering::Relaxed), 2);
    Ok(())
}

//! Checks that misbehave, and secrets in their errors.

use super::{Result, ready};
use crate::logged;
use asdlc_exporter::health::{Check, CheckFuture, Dependency, Readiness};
use http::StatusCode;
use std::{
    future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};
use tokio::{sync::watch, time};

struct PanicsImmediately;

impl Check for PanicsImmediately {
    fn check(&self) -> CheckFuture<'_> {
        panic!("secret")
    }
}

//
#[tokio::test]
async fn a_panic_affects_only_its_own_dependency() -> Result {
    let service = Readiness::builder()
        .with_dependency(Dependency::optional("immediately", PanicsImmediately))
        .with_dependency(Dependency::optional("later", || async {
            tokio::task::yield_now().await;
            if true { panic!("secret") } else { Ok::<_, &str>(()) }
        }))
        .with_dependency(Dependency::critical("good", || future::ready(Ok::<_, &str>(()))))
        .build()?
        .service();
    let (status, body) = ready(&service).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let reasons: Vec<_> = (0..3).map(|at| body["dependencies"][at]["reason"].as_str()).collect();
    assert_eq!(reasons, [Some("panicked"), Some("panicked"), None]);
    assert!(!body.to_string().contains("secret"), "{body}");
    Ok(())
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_check_that_blocks_its_thread_is_a_timeout_and_not_started_twice() -> Result {
    let (unblock, blocked) = mpsc::channel::<()>();
    let (blocked, checks) = (Arc::new(Mutex::new(blocked)), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&checks);
    let check = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let blocked = Arc::clone(&blocked);
        async move { blocked.lock().map_err(|_| "lock")?.recv().map_err(|_| "gone") }
    };
    // This dependency is checked in every round. Its count shows that a new round has started.
    let (periods, mut seen) = (watch::Sender::new(0), 0);
    let mut period = periods.subscribe();
    let counts = move || {
        periods.send_modify(|periods| *periods += 1);
        future::ready(Ok::<_, &str>(()))
    };
    let service = Readiness::builder()
        .with_dependency(
            Dependency::critical("blocks", check).with_timeout(Duration::from_millis(50)),
        )
        .with_dependency(Dependency::optional("counts", counts))
        .build()?
        .service();
    let cloned = service.clone();
    // Readiness responds although a thread is blocked.
    while seen < 2 {
        let cloned = cloned.clone();
        let (status, body) = tokio::spawn(async move { ready(&cloned).await }).await?;
        assert_eq!((status.as_u16(), &body["dependencies"][0]["reason"]), (503, &"timeout".into()));
        // The report is cached: requests are repeated until there is a new check.
        drop(time::timeout(Duration::from_millis(20), period.changed()).await);
        seen = *period.borrow_and_update();
    }
    assert_eq!(checks.load(Ordering::SeqCst), 1, "the first check has not ended");
    // The first message lets the first check end, the others are for the checks after it.
    for _ in 0..100 {
        unblock.send(())?;
    }
    let healthy = async {
        while ready(&service).await.0 != StatusCode::OK {
            time::sleep(Duration::from_millis(100)).await;
        }
    };
    time::timeout(Duration::from_secs(30), healthy).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_the_check() -> Result {
    struct Ended(Arc<AtomicBool>);
    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let ended = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ended);
    let check = move || {
        let ended = Ended(Arc::clone(&flag));
        async move {
            let _ended = ended;
            future::pending::<std::result::Result<(), &str>>().await
        }
    };
    let service = Readiness::builder()
        .with_dependency(Dependency::critical("hung", check))
        .build()?
        .service();
    ready(&service).await;
    tokio::task::yield_now().await;
    assert!(ended.load(Ordering::SeqCst), "the future of the check was not dropped");
    Ok(())
}

//
#[tokio::test(start_paused = true)]
async fn a_response_has_no_secrets_and_a_change_is_logged_once() -> Result {
    logged();
    let healthy = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&healthy);
    let check = move || {
        let healthy = switch.load(Ordering::Relaxed);
        let error = "cannot connect to postgres://app:hunter2@db.internal:5432/orders: refused";
        future::ready(if healthy { Ok(()) } else { Err(error) })
    };
    let service = Readiness::builder()
        .with_dependency(Dependency::critical("database", check))
        .build()?
        .service();
    for _ in 0..3 {
        let (status, body) = ready(&service).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let body = body.to_string();
        for secret in ["hunter2", "app", "db.internal", "5432", "postgres"] {
            assert!(!body.contains(secret), "{secret} in {body}");
        }
        time::advance(Duration::from_secs(2)).await;
    }
    assert_eq!(
        logged(),
        [
            "WARN dependency \"database\" is not healthy: cannot connect to postgres://***@db.internal:5432/orders: refused"
        ]
    );
    healthy.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(ready(&service).await.0, StatusCode::OK);
        time::advance(Duration::from_secs(2)).await;
    }
    assert_eq!(logged(), ["INFO dependency \"database\" is healthy again"]);
    Ok(())
}

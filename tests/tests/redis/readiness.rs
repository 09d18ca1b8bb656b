//! The probe as a dependency of readiness, through the readiness service.

use asdlc_exporter::health::{Dependency, Readiness};
use asdlc_exporter::redis::RedisProbe;
use asdlc_tests::servers::Redis;
use asdlc_tests::wait::DEADLINE;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use crate::{exporter, scrape};

// A-06
#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_ready_while_redis_is_up_and_its_password_is_not_shown() {
    let mut redis = Redis::start_with(&["--requirepass", "open-sesame"]);
    let exporter = exporter();
    let url = format!("redis://:open-sesame@{}", redis.address());
    let probe = RedisProbe::open(&url).expect("the URL is valid").register(&exporter);
    let readiness = Readiness::builder()
        .with_dependency(Dependency::critical("redis", probe))
        .build()
        .expect("the settings are valid");

    await_status(&readiness, StatusCode::OK).await;
    redis.kill();
    let body = await_status(&readiness, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(body.contains(r#""name":"redis""#) && !body.contains("sesame"), "{body}");
    // The metrics count what the check found.
    let seen = scrape(&exporter);
    assert!(seen.value("redis_connection_errors_total", &[("error_type", "refused")]) > Some(1.0));
    redis.restart();
    await_status(&readiness, StatusCode::OK).await;
}

/// Sends requests until a response has this status: reports are cached for a second.
async fn await_status(readiness: &Readiness, expected: StatusCode) -> String {
    let end = Instant::now() + DEADLINE;
    loop {
        let request = Request::new(Empty::<bytes::Bytes>::new());
        let response = readiness.service().oneshot(request).await.expect("a response");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        if status == expected {
            return body;
        }
        assert!(Instant::now() < end, "{status}: {body}");
        sleep(std::time::Duration::from_millis(20)).await;
    }
}

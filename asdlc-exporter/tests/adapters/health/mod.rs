//! Liveness and readiness, over real connections where that matters, and with paused time where time matters.

mod isolation;
mod server;
mod settings;
mod sharing;

use self::server::serve;
use crate::http1::{ask, get, reserved};
use asdlc_exporter::health::{
    Dependency, HttpCheck, LivenessService, Readiness, ReadinessService, TcpCheck,
};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::{convert::Infallible, error::Error, net::SocketAddr, time::Duration};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// A response of the service itself, without a connection.
async fn ready(service: &ReadinessService) -> (StatusCode, Value) {
    let response = service.clone().oneshot(Request::new(())).await.expect("infallible");
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("infallible").to_bytes();
    (head.status, serde_json::from_slice(&body).expect("JSON"))
}

/// A dependency that responds with this HTTP status.
async fn http(status: u16) -> Result<SocketAddr> {
    let response = tower::service_fn(move |_| async move {
        let response = http::Response::builder().status(status);
        Ok::<_, Infallible>(response.body("a body".into()).expect("a status"))
    });
    Ok(serve(response).await?)
}

// A-05, A-06
#[tokio::test]
async fn liveness_does_not_depend_on_dependencies() -> Result {
    let (_reserved, closed) = reserved()?;
    let readiness = Readiness::builder()
        .with_dependency(Dependency::critical("database", TcpCheck::new(closed.to_string())?))
        .with_dependency(Dependency::critical(
            "event_store",
            HttpCheck::new(&format!("http://{closed}/"))?,
        ))
        .build()?;
    let (live, ready) = (serve(LivenessService::new()).await?, serve(readiness.service()).await?);

    let response = get(ready, "/v1/ready").await?;
    assert_eq!((response.status, &response.json()["status"]), (503, &"not_ready".into()));

    let mut last = -1.0;
    for _ in 0..3 {
        let response = get(live, "/v1/health").await?;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let body = response.json();
        assert_eq!(body["status"], "ok");
        let uptime = body["uptime_seconds"].as_f64().ok_or("uptime_seconds")?;
        assert!((0.0..60.0).contains(&uptime) && uptime >= last, "{uptime} after {last}");
        last = uptime;
    }
    Ok(())
}

// A-06
#[tokio::test]
async fn each_dependency_is_checked() -> Result {
    let database = TcpListener::bind("127.0.0.1:0").await?;
    let (good, bad) = (http(204).await?, http(500).await?);
    let address = database.local_addr()?.to_string();
    let readiness = Readiness::builder()
        .with_dependency(Dependency::critical("database", TcpCheck::new(&*address)?))
        .with_dependency(Dependency::critical(
            "event_store",
            HttpCheck::new(&format!("http://{good}/a?b=c"))?,
        ))
        .with_dependency(Dependency::optional("search", HttpCheck::new(&format!("http://{bad}"))?))
        .build()?;
    let response = get(serve(readiness.service()).await?, "/v1/ready").await?;
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    let mut body = response.json();
    assert!(body["uptime_seconds"].as_f64().is_some(), "{body}");
    for dependency in body["dependencies"].as_array_mut().ok_or("a list")? {
        let latency = dependency["latency_ms"].take().as_f64().ok_or("latency_ms")?;
        assert!(0.0 < latency && latency < 500.0, "{latency}");
    }
    let expected: Value = serde_json::from_str(
        r#"[
            {"name": "database", "critical": true, "healthy": true, "latency_ms": null},
            {"name": "event_store", "critical": true, "healthy": true, "latency_ms": null},
            {"name": "search", "critical": false, "healthy": false, "latency_ms": null, "reason": "failed"}
        ]"#,
    )?;
    assert_eq!((&body["status"], &body["dependencies"]), (&"ready".into(), &expected));

    // After the database has stopped.
    drop(database);
    let readiness = Readiness::builder()
        .with_dependency(Dependency::critical("database", TcpCheck::new(address)?))
        .with_dependency(Dependency::critical(
            "event_store",
            HttpCheck::new(&format!("http://{good}/"))?,
        ))
        .build()?;
    let response = get(serve(readiness.service()).await?, "/v1/ready").await?;
    let body = response.json();
    assert_eq!(
        (response.status, &body["dependencies"][0]["healthy"]),
        (503, &false.into()),
        "{body}"
    );
    assert_eq!(body["dependencies"][1]["healthy"], true);
    Ok(())
}

// A-06
#[tokio::test]
async fn a_listener_that_never_responds_is_a_timeout() -> Result {
    let hung = TcpListener::bind("127.0.0.1:0").await?;
    let check = HttpCheck::new(&format!("http://{}/", hung.local_addr()?))?;
    let readiness = Readiness::builder()
        .with_dependency(
            Dependency::critical("hung", check).with_timeout(Duration::from_millis(100)),
        )
        .with_dependency(Dependency::critical(
            "good",
            HttpCheck::new(&format!("http://{}/", http(200).await?))?,
        ))
        .build()?;
    let (status, body) = ready(&readiness.service()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let dependencies = &body["dependencies"];
    assert_eq!(dependencies[0]["reason"], "timeout");
    assert!(dependencies[0]["latency_ms"].as_f64() >= Some(100.0), "{body}");
    assert_eq!(dependencies[1]["healthy"], true, "{body}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_does_not_speak_http_is_not_healthy() -> Result {
    use tokio::io::AsyncWriteExt as _;
    for speech in [
        "",
        "+PONG\r\n",
        "HTTP/1.1 3",
        "HTTP/1.1 302 Found\r\n\r\n",
        "HTTP/1.1 2xx\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let check = HttpCheck::new(&format!("http://{}/", listener.local_addr()?))?;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            stream.write_all(speech.as_bytes()).await
        });
        let readiness =
            Readiness::builder().with_dependency(Dependency::critical("it", check)).build()?;
        let (status, body) = ready(&readiness.service()).await;
        assert_eq!(
            (status.as_u16(), &body["dependencies"][0]["reason"]),
            (503, &"failed".into()),
            "{speech}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn health_json_is_sent_on_request() -> Result {
    let readiness = |critical: bool, optional: bool| -> Result<ReadinessService> {
        let check = |healthy: bool| move || async move { if healthy { Ok(()) } else { Err("no") } };
        let builder = Readiness::builder()
            .with_dependency(Dependency::critical("database", check(critical)))
            .with_dependency(Dependency::optional("search", check(optional)));
        Ok(builder.build()?.service())
    };
    for (critical, optional, status, word, database, search) in [
        (true, true, 200, "pass", "pass", "pass"),
        (true, false, 200, "warn", "pass", "warn"),
        (false, true, 503, "fail", "fail", "pass"),
    ] {
        let address = serve(readiness(critical, optional)?).await?;
        let response = ask(address, "GET", "/", "accept: application/health+json\r\n").await?;
        assert_eq!(
            (response.status, response.header("content-type")),
            (status, Some("application/health+json"))
        );
        let body = response.json();
        assert_eq!(body["status"], word, "{body}");
        let checks = &body["checks"];
        assert_eq!(checks["database:responseTime"][0]["status"], database, "{body}");
        assert_eq!(checks["search:responseTime"][0]["status"], search, "{body}");
        assert!(checks["uptime"][0]["observedValue"].as_f64().is_some(), "{body}");
    }
    let live = serve(LivenessService::new()).await?;
    let response = ask(live, "GET", "/", "accept: application/health+json\r\n").await?;
    assert_eq!((response.status, &response.json()["status"]), (200, &"pass".into()));
    Ok(())
}

#[tokio::test]
async fn head_has_no_body_and_other_methods_are_refused() -> Result {
    let readiness = Readiness::builder()
        .with_dependency(Dependency::critical("it", || async { Err("no") }))
        .build()?;
    // hyper removes the body on a connection, but not every server does.
    let head = Request::builder().method("HEAD").body(())?;
    let response = readiness.service().oneshot(head).await?;
    assert_eq!(response.into_body().collect().await?.to_bytes(), "");
    for (address, status) in
        [(serve(LivenessService::new()).await?, 200), (serve(readiness.service()).await?, 503)]
    {
        let response = ask(address, "HEAD", "/", "").await?;
        assert_eq!((response.status, response.body.as_str()), (status, ""));
        let length: usize = response.header("content-length").ok_or("content-length")?.parse()?;
        assert!(length > 30, "{length}");
        for method in ["POST", "DELETE", "OPTIONS"] {
            let response = ask(address, method, "/%22x%22", "").await?;
            assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD")));
            assert_eq!(response.body, "only GET and HEAD\n");
        }
    }
    Ok(())
}

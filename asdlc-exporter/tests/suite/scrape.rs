//! The HTTP responses.

use crate::check::check;
use asdlc_exporter::{Exporter, ScrapeService};
use axum::Router;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, MeterProvider as _},
};
use std::{error::Error, thread};
use tower::{Service, ServiceExt as _};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

async fn send(service: &ScrapeService, method: Method) -> Result<(StatusCode, HeaderMap, String)> {
    let request =
        Request::builder().method(method).uri("/any?where=%22").body("ignored".to_owned())?;
    let (head, body) = service.clone().oneshot(request).await?.into_parts();
    Ok((head.status, head.headers, String::from_utf8(body.collect().await?.to_bytes().into())?))
}

// O-01
#[tokio::test]
async fn get_returns_valid_text_from_the_start() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let (status, headers, text) = send(&exporter.scrape_service(), Method::GET).await?;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(headers["content-length"], text.len().to_string());
    assert!(!check(&text).is_empty());
    Ok(())
}

//
#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    // The length of this text does not change. With the uptime it would.
    exporter.shutdown()?;
    let service = exporter.scrape_service();
    let (status, headers, body) = send(&service, Method::HEAD).await?;
    assert_eq!(body, "");
    assert_eq!((status, headers), {
        let (status, headers, _) = send(&service, Method::GET).await?;
        (status, headers)
    });

    let exporter = Exporter::builder("shop").build()?;
    let (status, headers, body) = send(&exporter.scrape_service(), Method::HEAD).await?;
    assert_eq!((status, body.as_str()), (StatusCode::OK, ""));
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(headers["content-length"].to_str()?.parse::<usize>()? > 100);
    Ok(())
}

//
#[tokio::test]
async fn other_methods_are_a_405_with_allow() -> Result {
    let service = Exporter::builder("shop").build()?.scrape_service();
    for method in
        [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::from_bytes(b"SPAM")?]
    {
        let (status, headers, body) = send(&service, method.clone()).await?;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(headers["allow"], "GET, HEAD");
        assert!(
            !body.contains(method.as_str()) && !body.contains("where"),
            "nothing of the request is repeated: {body}"
        );
    }
    Ok(())
}

//
#[tokio::test]
async fn a_provider_that_is_shut_down_is_a_503() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    exporter.render()?;
    exporter.shutdown()?;
    for _ in 0..2 {
        let (status, headers, body) = send(&exporter.scrape_service(), Method::GET).await?;
        assert_eq!(
            (status, body.as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "the meter provider is shut down\n")
        );
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    }
    assert!(exporter.render().expect_err("shut down").is_shut_down());
    Ok(())
}

//
#[tokio::test]
async fn a_callback_that_panics_affects_only_its_own_metric() -> Result {
    let exporter = Exporter::builder("shop").with_self_metrics().build()?;
    let others = exporter.meter_provider().meter("others");
    for (at, meter) in [exporter.meter(), others].into_iter().enumerate() {
        let broken = move |_: &dyn AsyncInstrument<u64>| panic!("secret");
        meter.u64_observable_gauge("broken").with_callback(broken).build();
        meter.u64_observable_counter("broken_counter").with_callback(broken).build();
        meter
            .f64_observable_up_down_counter("half")
            .with_unit("s")
            .with_description("Half.")
            .with_callback(move |observer| {
                observer.observe(at as f64, &[KeyValue::new("at", at as i64)]);
                panic!("secret");
            })
            .build();
        meter.u64_counter("orders").build().add(1, &[]);
    }
    for n in 1..=3 {
        let (status, _, body) = send(&exporter.scrape_service(), Method::GET).await?;
        assert_eq!(status, StatusCode::OK);
        check(&body);
        for line in [
            "# HELP half_seconds Half.\n# TYPE half_seconds gauge\nhalf_seconds{service=\"shop\",at=\"0\"} 0\nhalf_seconds{service=\"shop\",at=\"1\"} 1\n",
            "orders_total{service=\"shop\"} 2\n",
            "uptime_seconds{",
        ] {
            assert!(body.contains(line), "{body}");
        }
        assert!(!body.contains("broken") && !body.contains("secret"), "{body}");
        let panics = format!("exporter_callback_panics_total{{service=\"shop\"}} {}\n", 6 * n);
        assert!(body.contains(&panics), "{body}");
    }
    Ok(())
}

//
#[tokio::test]
async fn a_callback_that_panics_on_a_meter_of_the_sdk_is_a_503_and_never_an_empty_200() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    exporter
        .sdk_meter_provider()
        .meter("bare")
        .u64_observable_gauge("broken")
        .with_callback(|_| panic!("secret"))
        .build();
    for _ in 0..3 {
        let (status, _, body) = send(&exporter.scrape_service(), Method::GET).await?;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            body,
            "a metric callback panicked: no metrics can be collected until a restart\n"
        );
        assert!(exporter.render().expect_err("panicked").is_callback_panic());
    }
    Ok(())
}

// O-01, A-01
#[tokio::test]
async fn it_mounts_in_axum_and_outlives_the_exporter() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let orders = exporter.meter().u64_counter("orders").build();
    let mut app: Router = Router::new().route_service("/v1/metrics", exporter.scrape_service());
    drop(exporter);
    orders.add(1, &[]);
    for (path, expected) in [("/v1/metrics", StatusCode::OK), ("/metrics", StatusCode::NOT_FOUND)] {
        let request = Request::builder().uri(path).body(axum::body::Body::empty())?;
        let response = Service::call(&mut app, request).await?;
        assert_eq!(response.status(), expected);
        let text = String::from_utf8(response.into_body().collect().await?.to_bytes().into())?;
        assert_eq!(text.contains("orders_total{service=\"shop\"} 1\n"), expected == StatusCode::OK);
    }
    Ok(())
}

#[test]
fn the_service_and_its_future_are_send() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn moved<T: Send + 'static>() {}
    shared::<Exporter>();
    shared::<ScrapeService>();
    moved::<asdlc_exporter::ScrapeFuture>();
}

// A-08, O-02
#[test]
fn concurrent_scrapes_are_complete_and_counters_never_decrease() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let counter = exporter.meter().u64_counter("orders").build();
    let histogram = exporter.meter().f64_histogram("wait").with_boundaries(vec![1.0, 2.0]).build();
    counter.add(1, &[KeyValue::new("worker", 0)]);
    thread::scope(|scope| {
        for worker in 0..2_i64 {
            let (counter, histogram) = (&counter, &histogram);
            scope.spawn(move || {
                for at in 0..2_000_i32 {
                    counter.add(1, &[KeyValue::new("worker", worker)]);
                    histogram.record(f64::from(at % 3), &[KeyValue::new("worker", worker)]);
                }
            });
        }
        let scrapers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = 0.0;
                    for _ in 0..50 {
                        let samples = check(&exporter.render().expect("a scrape"));
                        let now: f64 = samples
                            .iter()
                            .filter(|s| s.name == "orders_total")
                            .map(|s| s.value)
                            .sum();
                        assert!(now >= last, "{now} after {last}");
                        last = now;
                    }
                })
            })
            .collect();
        scrapers.into_iter().for_each(|scraper| scraper.join().expect("scraper"));
    });
    let samples = check(&exporter.render()?);
    let total =
        |name: &str| samples.iter().filter(|s| s.name == name).map(|s| s.value).sum::<f64>();
    assert_eq!((total("orders_total"), total("wait_count")), (4_001.0, 4_000.0));
    Ok(())
}

//! The reader in somebody else's meter provider.

use crate::{check::check, readers::Second};
use asdlc_exporter::{Exporter, GuardedMeterProvider, MetricPolicy, PrometheusReader};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider as _},
};
use opentelemetry_sdk::{
    Resource,
    metrics::{
        Aggregation, Instrument, SdkMeterProvider, Stream, Temporality, data::ResourceMetrics,
    },
};
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The scope and the name of each metric, sorted.
fn names(metrics: &ResourceMetrics) -> Vec<String> {
    let names = metrics.scope_metrics().flat_map(|scope| {
        let name = scope.scope().name().to_owned();
        scope.metrics().map(move |metric| format!("{name}/{}", metric.name()))
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn take_orders(meter: &Meter) {
    let orders = meter.u64_counter("orders").with_description("Orders taken.").build();
    orders.add(3, &[KeyValue::new("paid", true), KeyValue::new("customer", 4711)]);
    orders.add(4, &[KeyValue::new("paid", true), KeyValue::new("customer", 42)]);
    meter.f64_histogram("wait").with_unit("s").build().record(0.2, &[]);
    meter.u64_gauge("halt_state").build().record(1, &[]);
}

/// A view that renames a histogram and gives it boundaries.
fn renamed(instrument: &Instrument) -> Option<Stream> {
    let buckets = || Aggregation::ExplicitBucketHistogram {
        boundaries: vec![0.1, 1.0],
        record_min_max: false,
    };
    let stream = || Stream::builder().with_name("queue_wait").with_aggregation(buckets());
    (instrument.name() == "wait").then(|| stream().build().ok()).flatten()
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|l| l == line)
}

async fn scrape(reader: &PrometheusReader) -> Result<(StatusCode, String)> {
    let response = reader.scrape_service().oneshot(Request::new(())).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8(body.to_vec())?))
}

// X-08
#[test]
fn two_readers_with_different_policies_serve_one_provider_beside_a_third() -> Result {
    let public = PrometheusReader::builder()
        .with_namespace("shop")
        .with_policy(MetricPolicy::new().deny("halt_state"))
        .with_self_metrics()
        .build()?;
    let internal = PrometheusReader::builder()
        .with_constant_label("service", "checkout")
        .with_policy(MetricPolicy::new().allow("halt_*"))
        .build()?;
    let other = Second::new(Temporality::Cumulative);
    let provider = SdkMeterProvider::builder()
        .with_resource(Resource::builder_empty().with_service_name("checkout").build())
        .with_view(renamed)
        .with_reader(public.clone())
        .with_reader(internal.clone())
        .with_reader(other.clone())
        .build();
    take_orders(&provider.meter("orders"));

    let text = public.render()?;
    check(&text);
    assert!(text.contains("# TYPE shop_queue_wait_seconds histogram\n"), "{text}");
    assert!(text.contains("shop_orders_total{") && text.contains("shop_promhttp_"), "{text}");
    assert!(!text.contains("halt") && !text.contains("service="), "{text}");
    assert!(!text.contains("uptime"), "{text}");

    let text = internal.render()?;
    check(&text);
    assert!(text.contains("halt_state{service=\"checkout\""), "{text}");
    assert!(!text.contains("orders_total") && !text.contains("queue_wait"), "{text}");

    assert_eq!(names(&other.read()), ["orders/halt_state", "orders/orders", "orders/queue_wait"]);
    assert_eq!(other.read().resource().len(), 1);
    Ok(())
}

// X-08
#[tokio::test]
async fn the_reader_does_not_keep_the_provider_alive() -> Result {
    let reader = PrometheusReader::builder().build()?;
    let message =
        "the reader belongs to no meter provider: add it with MeterProviderBuilder::with_reader";
    assert_eq!(reader.render().unwrap_err().to_string(), message);
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    take_orders(&provider.meter("orders"));
    assert_eq!(scrape(&reader).await?.0, StatusCode::OK);
    drop(provider);
    let error = reader.render().unwrap_err();
    assert!(error.is_shut_down(), "{error}");
    let (status, body) = scrape(&reader).await?;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, "the meter provider is shut down\n");
    Ok(())
}

// X-08
#[test]
fn a_reader_stays_with_its_first_provider() -> Result {
    let reader = PrometheusReader::builder().build()?;
    let first = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    let second = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    first.meter("a").u64_counter("first").build().add(1, &[]);
    second.meter("b").u64_counter("second").build().add(1, &[]);
    let text = reader.render()?;
    assert!(text.contains("first_total") && !text.contains("second_total"), "{text}");
    Ok(())
}

// X-05
#[tokio::test]
async fn a_panicking_callback_costs_its_own_metric_if_its_meter_is_guarded() -> Result {
    let reader = PrometheusReader::builder().with_self_metrics().build()?;
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    for (name, guarded) in [
        ("counted", reader.guard(provider.clone())),
        ("alone", GuardedMeterProvider::new(provider.clone())),
    ] {
        let meter = guarded.meter(name);
        meter.u64_observable_gauge("broken").with_callback(|_| panic!("broken")).build();
        take_orders(&meter);
    }
    let (status, _) = scrape(&reader).await?;
    let (again, text) = scrape(&reader).await?;
    assert_eq!((status, again), (StatusCode::OK, StatusCode::OK));
    check(&text);
    assert!(text.contains("orders_total{") && !text.contains("broken"), "{text}");
    let panics = text.lines().find(|l| l.starts_with("exporter_callback_panics_total"));
    assert!(panics.is_some_and(|line| line.ends_with(" 2")), "{text}");

    // A meter of the provider itself: the SDK cannot collect any more, and the response says so.
    provider.meter("x").u64_observable_gauge("fatal").with_callback(|_| panic!("fatal")).build();
    for _ in 0..2 {
        let (status, body) = scrape(&reader).await?;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.starts_with("a metric callback panicked"), "{body}");
    }
    assert!(reader.render().unwrap_err().is_callback_panic());
    Ok(())
}

// X-08
#[test]
fn an_exporter_takes_views_and_a_resource() -> Result {
    let other = Second::new(Temporality::Cumulative);
    let without_customer = |instrument: &Instrument| {
        let keys = [opentelemetry::Key::new("paid")];
        let stream = || Stream::builder().with_allowed_attribute_keys(keys).build().ok();
        (instrument.name() == "orders").then(stream).flatten()
    };
    let exporter = Exporter::builder("shop")
        .with_policy(MetricPolicy::new().deny("halt_state").deny("*secret*"))
        .with_view(renamed)
        .with_view(without_customer)
        // A view cannot bring back what the policy denies.
        .with_view(|i| {
            let stream = || Stream::builder().with_name("harmless").build().ok();
            (i.name() == "halt_state").then(stream).flatten()
        })
        // And it cannot give a name that the policy denies.
        .with_view(|i| {
            let stream = || Stream::builder().with_name("secret").build().ok();
            (i.name() == "open").then(stream).flatten()
        })
        .with_resource(
            Resource::builder_empty()
                .with_attributes([KeyValue::new("host", "a"), KeyValue::new("service.name", "x")])
                .build(),
        )
        .with_max_series(1_000)
        .with_reader(other.clone())
        .build()?;
    take_orders(&exporter.meter());
    exporter.meter().u64_gauge("open").build().record(1, &[]);
    let text = exporter.render()?;
    check(&text);
    assert!(has(&text, r#"orders_total{service="shop",paid="true"} 7"#), "{text}");
    assert!(has(&text, r#"queue_wait_seconds_bucket{service="shop",le="1"} 1"#), "{text}");
    assert!(!["halt", "harmless", "secret"].iter().any(|name| text.contains(name)), "{text}");
    let of_shop = ["shop/orders", "shop/queue_wait", "shop/secret"];
    let is_uptime = |name: &String| name == "asdlc-exporter/uptime";
    let recorded = names(&other.read());
    assert!(recorded.iter().any(is_uptime), "{recorded:?}");
    assert!(recorded.iter().filter(|name| !is_uptime(name)).eq(&of_shop), "{recorded:?}");
    let metrics = other.read();
    let resource: Vec<_> =
        metrics.resource().iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(resource.len(), 2, "{resource:?}");
    for attribute in ["host=a", "service.name=shop"] {
        assert!(resource.iter().any(|a| a == attribute), "{resource:?}");
    }
    Ok(())
}

// X-08
#[test]
fn the_service_label_is_a_choice() -> Result {
    let exporter = Exporter::builder("shop").without_service_label().build()?;
    take_orders(&exporter.meter());
    let text = exporter.render()?;
    check(&text);
    assert!(!text.contains("service="), "{text}");
    let builder = || Exporter::builder("shop").with_constant_label("service", "other");
    assert_eq!(
        builder().build().unwrap_err().to_string(),
        "invalid label key \"service\": must not be service, le or quantile"
    );
    let text = builder().without_service_label().build()?.render()?;
    assert!(text.contains("uptime_seconds{service=\"other\"}"), "{text}");
    let error = PrometheusReader::builder().with_constant_label("le", "x").build().unwrap_err();
    assert_eq!(error.to_string(), "invalid label key \"le\": must not be le or quantile");
    Ok(())
}

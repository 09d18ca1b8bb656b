//! The reader in a provider that is used in unusual ways: concurrently, with views that collide, and beside readers that fail.

use crate::{check::check, readers::Second};
use asdlc_exporter::{PrometheusReader, ScrapeService};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use opentelemetry::{
    InstrumentationScope, KeyValue,
    metrics::{AsyncInstrument, Counter, MeterProvider as _},
};
use opentelemetry_sdk::{
    Resource,
    metrics::{
        Instrument, SdkMeterProvider, Stream, Temporality, data::ResourceMetrics,
        reader::MetricReader as _,
    },
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use std::thread;
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

async fn get(service: ScrapeService, uri: &str) -> Result<(StatusCode, String)> {
    let response = service.oneshot(Request::get(uri).body(())?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8(body.to_vec())?))
}

fn total(text: &str, name: &str) -> f64 {
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

//
#[test]
fn the_end_of_a_second_provider_does_not_end_the_reader() -> Result {
    let reader = PrometheusReader::builder().build()?;
    let first = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    let second = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    first.meter("a").u64_counter("first").build().add(1, &[]);
    drop(second);
    assert!(reader.render()?.contains("first_total"));
    drop(first);
    assert!(reader.render().unwrap_err().is_shut_down());
    Ok(())
}

//
#[test]
fn after_the_first_provider_the_reader_is_shut_down_even_if_there_is_a_second() -> Result {
    let reader = PrometheusReader::builder().build()?;
    let first = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    let _second = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    drop(first);
    let error = reader.render().unwrap_err();
    assert!(error.is_shut_down(), "{error}");
    Ok(())
}

// X-08 X-05
#[test]
fn scopes_made_by_many_threads_during_scrapes_of_two_readers_are_all_served() -> Result {
    const THREADS: u64 = 64;
    const SCOPES: u64 = 20;
    let readers = [PrometheusReader::builder().build()?, PrometheusReader::builder().build()?];
    let delta = Second::new(Temporality::Delta);
    let few = |_: &Instrument| Stream::builder().with_cardinality_limit(10).build().ok();
    let provider = SdkMeterProvider::builder()
        .with_view(few)
        .with_reader(readers[0].clone())
        .with_reader(delta.clone())
        .with_reader(readers[1].clone())
        .build();
    let is_done = AtomicBool::new(false);
    thread::scope(|threads| {
        let scraping = |reader: &PrometheusReader| {
            let mut last = 0.0;
            while !is_done.load(Ordering::Relaxed) {
                let text = reader.render().expect("the provider runs");
                if text.contains("jobs") {
                    check(&text);
                }
                let now = total(&text, "jobs_total");
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
        };
        let (first, second) = (&readers[0], &readers[1]);
        threads.spawn(move || scraping(first));
        threads.spawn(move || scraping(second));
        threads.spawn(|| {
            let mut metrics = ResourceMetrics::default();
            while !is_done.load(Ordering::Relaxed) {
                delta.collect(&mut metrics).expect("the provider runs");
            }
        });
        let recording: Vec<_> = (0..THREADS)
            .map(|thread| {
                let provider = &provider;
                threads.spawn(move || {
                    for at in 0..SCOPES {
                        let attributes = [KeyValue::new("at", at as i64)];
                        let scope = InstrumentationScope::builder(format!("thread {thread}"))
                            .with_attributes(attributes);
                        let meter = provider.meter_with_scope(scope.build());
                        meter.u64_counter("jobs").build().add(1, &[]);
                    }
                })
            })
            .collect();
        let ended = recording.into_iter().all(|thread| thread.join().is_ok());
        is_done.store(true, Ordering::Relaxed);
        assert!(ended);
    });
    for reader in &readers {
        let text = reader.render()?;
        check(&text);
        let series = text.lines().filter(|line| line.starts_with("jobs_total{")).count();
        assert_eq!((series as u64, total(&text, "jobs_total")), (1280, 1280.0));
    }
    Ok(())
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_shut_down_during_scrapes_gives_whole_responses_or_503() -> Result {
    for round in 0..20 {
        let reader = PrometheusReader::builder().build()?;
        let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
        let meter = provider.meter("a");
        let slow = |it: &dyn AsyncInstrument<u64>| {
            thread::yield_now();
            it.observe(1, &[]);
        };
        meter.u64_observable_counter("slow").with_callback(slow).build();
        meter.u64_counter("orders").build().add(1, &[]);
        let scrapes: Vec<_> = (0..8)
            .map(|_| {
                let service = reader.scrape_service();
                tokio::spawn(async move {
                    get(service, "/metrics").await.map_err(|error| error.to_string())
                })
            })
            .collect();
        if round % 2 == 0 {
            provider.shutdown()?;
        }
        drop(provider);
        drop(reader);
        for scrape in scrapes {
            let (status, body) = scrape.await??;
            match status {
                StatusCode::OK => {
                    check(&body);
                    assert!(body.contains("orders_total{"), "{body}");
                }
                status => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}"),
            }
        }
    }
    Ok(())
}

// X-05 X-08
#[test]
fn a_callback_that_panics_in_the_collection_of_another_reader_leaves_this_one_alone() -> Result {
    let reader = PrometheusReader::builder().build()?;
    let other = Second::new(Temporality::Cumulative);
    let provider =
        SdkMeterProvider::builder().with_reader(other.clone()).with_reader(reader.clone()).build();
    let panics = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&panics);
    let meter = provider.meter("a");
    meter
        .u64_observable_gauge("level")
        .with_callback(move |it| {
            assert!(!shared.load(Ordering::Relaxed), "only for the other reader");
            it.observe(7, &[]);
        })
        .build();
    panics.store(true, Ordering::Relaxed);
    let mut metrics = ResourceMetrics::default();
    assert!(catch_unwind(AssertUnwindSafe(|| other.collect(&mut metrics))).is_err());
    panics.store(false, Ordering::Relaxed);
    // Also what is created later.
    meter.u64_counter("late").build().add(1, &[]);
    provider.meter("b").u64_counter("later").build().add(1, &[]);
    let text = reader.render()?;
    check(&text);
    for line in [
        "level{otel_scope_name=\"a\"} 7",
        "late_total{otel_scope_name=\"a\"} 1",
        "later_total{otel_scope_name=\"b\"} 1",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in {text}");
    }
    Ok(())
}

// X-05 X-08
#[test]
fn views_that_give_two_instruments_one_name_leave_the_text_valid() -> Result {
    let rename = |instrument: &Instrument| {
        let is_ours = ["a", "b", "wait", "level"].contains(&instrument.name());
        let stream = || Stream::builder().with_name("same").build().ok();
        is_ours.then(stream).flatten()
    };
    // A second view that matches: the instrument has two streams.
    let both = |instrument: &Instrument| {
        let stream = || Stream::builder().with_name("same").with_unit("s").build().ok();
        (instrument.name() == "a").then(stream).flatten()
    };
    let reader = PrometheusReader::builder().build()?;
    let provider = SdkMeterProvider::builder()
        .with_view(rename)
        .with_view(both)
        .with_reader(reader.clone())
        .build();
    let meter = provider.meter("m");
    meter.u64_counter("a").build().add(1, &[]);
    meter.f64_counter("b").build().add(2.0, &[]);
    meter.f64_histogram("wait").build().record(1.0, &[]);
    meter.u64_gauge("level").build().record(1, &[]);
    for _ in 0..3 {
        let text = reader.render()?;
        check(&text);
        assert!(text.contains("same"), "{text}");
    }
    Ok(())
}

// X-04 X-09
#[tokio::test]
async fn target_info_can_be_requested_and_filtered_out() -> Result {
    let reader = PrometheusReader::builder().with_constant_label("zone", "eu").build()?;
    let provider = SdkMeterProvider::builder()
        .with_resource(Resource::builder_empty().with_service_name("shop").build())
        .with_reader(reader.clone())
        .build();
    provider.meter("a").u64_counter("orders").build().add(1, &[]);
    let (status, only) = get(reader.scrape_service(), "/metrics?name[]=target_info").await?;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        only,
        "# HELP target_info Target metadata.\n# TYPE target_info gauge\ntarget_info{zone=\"eu\",service_name=\"shop\"} 1\n"
    );
    let (_, orders) = get(reader.scrape_service(), "/metrics?name[]=orders_total").await?;
    assert!(orders.contains("orders_total{") && !orders.contains("target_info"), "{orders}");
    let (_, both) =
        get(reader.scrape_service(), "/metrics?name[]=target_info&name[]=orders_total").await?;
    check(&both);
    assert!(both.contains("target_info") && both.contains("orders_total"), "{both}");
    Ok(())
}

//
#[test]
fn a_source_that_owns_a_meter_makes_instruments_between_collections() -> Result {
    let reader = PrometheusReader::builder().with_self_metrics().build()?;
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    let (meter, runs) = (provider.meter("source"), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&runs);
    reader.add_source("maker", move || {
        let (meter, run) = (meter.clone(), counted.fetch_add(1, Ordering::Relaxed));
        async move {
            let counter: Counter<u64> = meter.u64_counter(format!("made{run}")).build();
            counter.add(1, &[]);
        }
    });
    for run in 0..3 {
        let text = reader.render()?;
        check(&text);
        assert!(text.contains(&format!("made{run}_total{{")), "{text}");
    }
    drop(provider);
    assert!(reader.render().unwrap_err().is_shut_down());
    Ok(())
}

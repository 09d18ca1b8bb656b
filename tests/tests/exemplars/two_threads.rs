//! A million measurements of two threads: each exemplar is one of them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use asdlc_exporter::{Exporter, Format};
use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceFlags, TraceState};
use opentelemetry::{Context, SpanId, TraceId};
use tokio::runtime::Builder;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};

/// When a request was sent and when its response had ended, in nanoseconds since 1970.
type Time = (u64, u64);

//
#[test]
fn each_exemplar_of_a_million_requests_is_one_of_them() {
    let exporter = Exporter::builder("shop").with_exemplars().build().expect("valid");
    let metrics = HttpMetricsLayer::builder(FixedEndpoint("/")).build(&exporter);
    let metrics = metrics.expect("the settings are valid");
    // Each value says which trace recorded it.
    let meter = exporter.meter();
    let sizes = meter.f64_histogram("size");
    let sizes = sizes.with_boundaries((0..20).map(|at| f64::from(1_u32 << at)).collect()).build();
    let sizes = sizes.bind(&[]);

    let is_done = &AtomicBool::new(false);
    let times = &Mutex::new(BTreeMap::<u128, Time>::new());
    let found = thread::scope(|scope| {
        let scraper = scope.spawn(|| {
            let mut found = Vec::new();
            while !is_done.load(Ordering::Acquire) {
                found.extend(exemplars(&exporter));
                thread::sleep(Duration::from_millis(50));
            }
            found.extend(exemplars(&exporter));
            found
        });
        let threads: Vec<_> = (0..2_u64)
            .map(|thread| {
                let (metrics, sizes) = (metrics.clone(), sizes.clone());
                scope.spawn(move || {
                    let service = metrics.layer(service_fn(respond));
                    let runtime = Builder::new_current_thread().build().expect("a runtime");
                    let mut rng = Rng::with_seed(thread);
                    let mut own = Vec::new();
                    for step in 0..REQUESTS {
                        let number = 2 * step + thread + 1;
                        let is_sampled = rng.u8(..4) == 0;
                        let span = span(number, is_sampled);
                        let mut request = Request::new(Full::<Bytes>::default());
                        request.extensions_mut().insert(span.clone());
                        let start = now();
                        let response = runtime.block_on(service.clone().oneshot(request));
                        let body = response.expect("it is infallible").into_body();
                        _ = runtime.block_on(body.collect());
                        let _guard = Context::new().with_remote_span_context(span).attach();
                        sizes.record(size(number.into()));
                        if is_sampled {
                            own.push((u128::from(number), (start, now())));
                        }
                    }
                    times.lock().expect("no panic").extend(own);
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        is_done.store(true, Ordering::Release);
        scraper.join().expect("no panic")
    });

    let times = times.lock().expect("no panic");
    assert!(found.len() > 100, "{} exemplars", found.len());
    for Found { series, bounds, trace, value, time } in &found {
        let (start, end) =
            times.get(trace).unwrap_or_else(|| panic!("{trace} was not sampled: {series}"));
        if let Some((lower, upper)) = bounds {
            assert!(lower < value && value <= upper, "{value} is not in {series}");
        }
        // OpenMetrics has the time in nanoseconds.
        assert!((start..=end).contains(&time), "{series}: {time} is not within {start} to {end}");
        if series.starts_with("size") {
            assert_eq!(*value, size(*trace), "{series}");
        } else if bounds.is_some() {
            assert!(
                *value <= (end - start) as f64 / 1e9,
                "{value} s is longer than {start} to {end}"
            );
        }
    }
    let count = |name: &str| found.iter().filter(|found| found.series.starts_with(name)).count();
    for name in ["size_bucket", "http_request_duration_seconds_bucket", "http_requests_total"] {
        assert!(count(name) > 0, "{name} has no exemplar");
    }
}

async fn respond(_: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("a body")))
}

/// A span of a trace with this number.
fn span(number: u64, is_sampled: bool) -> SpanContext {
    let flags = if is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    SpanContext::new(
        TraceId::from(u128::from(number)),
        SpanId::from(number),
        flags,
        true,
        TraceState::NONE,
    )
}

/// What a trace records.
fn size(trace: u128) -> f64 {
    (trace % (1 << 20)) as f64
}

#[derive(Debug)]
struct Found {
    series: String,
    /// Of its bucket: the boundary below, and its own. `None` for a counter.
    bounds: Option<(f64, f64)>,
    trace: u128,
    value: f64,
    time: u64,
}

/// The exemplars of a scrape.
fn exemplars(exporter: &Exporter) -> Vec<Found> {
    let text = exporter.render_as(Format::OpenMetrics).expect("it is valid");
    let mut found = Vec::new();
    let mut below = f64::NEG_INFINITY;
    for line in text.lines() {
        let (sample, exemplar) = line.split_once(" # ").unwrap_or((line, ""));
        let (series, _) = sample.rsplit_once(' ').unwrap_or_default();
        let bound = series.split_once("le=\"").and_then(|(_, rest)| rest.split_once('"'));
        let bound = bound.map(|(bound, _)| bound.parse::<f64>().expect("a boundary"));
        if let Some((labels, numbers)) = exemplar.split_once("} ") {
            let trace = labels.split('"').nth(1).expect("a trace id");
            let trace = u128::from_str_radix(trace, 16).expect("32 digits");
            let (value, time) = numbers.split_once(' ').expect("a value and a time");
            let (seconds, rest) = time.split_once('.').unwrap_or((time, ""));
            let time = format!("{seconds}{rest:0<9}").parse().expect("a time");
            let value = value.parse().expect("a number");
            let bounds = bound.map(|bound| (below, bound));
            found.push(Found { series: series.to_owned(), bounds, trace, value, time });
        }
        below = bound.filter(|bound| bound.is_finite()).unwrap_or(f64::NEG_INFINITY);
    }
    found
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64
}

/// Of each thread.
const REQUESTS: u64 = 500_000;

//! The metrics of Tokio runtimes: of busy and idle ones, and of ones whose workers are all blocked.

use crate::{families, logged, value_of, values};
use asdlc_exporter::{Exporter, PrometheusReader, runtime::RuntimeMetrics};
use http_body_util::BodyExt as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use std::{
    error::Error,
    hint,
    sync::{
        Arc, Barrier, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Handle, Runtime};
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const DELAY: &str = "runtime_scheduling_delay_seconds";

fn runtime(workers: usize) -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(workers).enable_all().build()?)
}

fn observed(runtime: &Runtime) -> Result<Exporter> {
    let exporter = Exporter::builder("shop").with_self_metrics().build()?;
    RuntimeMetrics::new("main", runtime.handle().clone()).register(&exporter)?;
    Ok(exporter)
}

/// The value of the runtime `main`.
fn main_value(exporter: &Exporter, family: &str) -> f64 {
    value_of(exporter, family, "runtime=main")
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// Scrapes until the value of the runtime `main` is as expected.
fn eventually(exporter: &Exporter, family: &str, expected: impl Fn(f64) -> bool) {
    let start = Instant::now();
    loop {
        let value = main_value(exporter, family);
        if expected(value) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{family} is still {value}");
        thread::yield_now();
    }
}

/// Tasks that block their workers until this is dropped.
struct Blocked(Arc<(Mutex<bool>, Condvar)>);

impl Blocked {
    /// Returns when as many workers are blocked.
    fn workers(runtime: &Handle, workers: usize) -> Self {
        let blocked = Self(Arc::default());
        let (send, started) = mpsc::channel();
        for _ in 0..workers {
            let (release, send) = (Arc::clone(&blocked.0), send.clone());
            runtime.spawn(async move {
                send.send(()).expect("the test waits");
                Self::wait(&release);
            });
        }
        for _ in 0..workers {
            started.recv_timeout(Duration::from_secs(60)).expect("the task runs");
        }
        blocked
    }

    fn wait((is_free, freed): &(Mutex<bool>, Condvar)) {
        let is_free = is_free.lock().expect("no panic");
        drop(freed.wait_while(is_free, |is_free| !*is_free).expect("no panic"));
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        let (is_free, freed) = &*self.0;
        *is_free.lock().expect("no panic") = true;
        freed.notify_all();
    }
}

//
#[test]
fn a_scrape_has_the_numbers_of_the_runtime() -> Result {
    let runtime = runtime(3)?;
    let exporter = observed(&runtime)?;
    assert_eq!(main_value(&exporter, "runtime_workers"), 3.0);
    eventually(&exporter, "runtime_parked_workers", |workers| workers == 3.0);
    assert_eq!(main_value(&exporter, "runtime_alive_tasks"), 0.0, "without the probe");
    assert_eq!(main_value(&exporter, "runtime_global_queue_depth"), 0.0);
    let delay = main_value(&exporter, DELAY);
    assert!(delay > 0.0, "{delay}");

    let parks = main_value(&exporter, "runtime_parks_total");
    let (started, end) = (Arc::new(Barrier::new(3)), Arc::new(AtomicBool::new(false)));
    for _ in 0..2 {
        let (started, end) = (Arc::clone(&started), Arc::clone(&end));
        runtime.spawn(async move {
            started.wait();
            while !end.load(Ordering::Relaxed) {
                hint::spin_loop();
            }
        });
    }
    runtime.spawn(std::future::pending::<()>());
    started.wait();
    let busy_since = Instant::now();
    assert_eq!(main_value(&exporter, "runtime_alive_tasks"), 3.0);
    eventually(&exporter, "runtime_parked_workers", |workers| workers == 1.0);
    let busy = main_value(&exporter, "runtime_busy_seconds_total");
    thread::sleep(Duration::from_millis(20));
    let worked = busy_since.elapsed();
    end.store(true, Ordering::Relaxed);
    // The workers add their time when they park.
    eventually(&exporter, "runtime_busy_seconds_total", |now| now >= busy + 2.0 * seconds(worked));
    eventually(&exporter, "runtime_parks_total", |now| now >= parks + 2.0);
    eventually(&exporter, "runtime_alive_tasks", |tasks| tasks == 1.0);
    Ok(())
}

//
#[test]
fn a_blocked_runtime_shows_how_long_a_new_task_has_waited() -> Result {
    let runtime = runtime(2)?;
    let exporter = observed(&runtime)?;
    let blocked = Blocked::workers(runtime.handle(), 2);
    let first = main_value(&exporter, DELAY);
    let after_first = Instant::now();
    assert!(first >= 0.1, "the scrape waited for {first} s");
    assert_eq!(main_value(&exporter, "runtime_parked_workers"), 0.0);
    assert_eq!(main_value(&exporter, "runtime_alive_tasks"), 2.0, "without the probe");
    assert_eq!(main_value(&exporter, "runtime_global_queue_depth"), 1.0, "the probe");

    // It grows from scrape to scrape, and no scrape spawns another task.
    let mut last = first;
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(5));
        let waited = after_first.elapsed();
        let delay = main_value(&exporter, DELAY);
        assert!(delay >= first + seconds(waited) && delay > last, "{delay} after {waited:?}");
        last = delay;
    }
    assert_eq!(runtime.metrics().num_alive_tasks(), 3, "two blocked tasks and one probe");
    assert_eq!(value_of(&exporter, "exporter_source_up", "source=runtime"), 1.0);

    drop(blocked);
    // A scrape after it serves the whole delay, and the next ones the delays of their own tasks.
    eventually(&exporter, DELAY, |delay| delay < first);
    eventually(&exporter, "runtime_alive_tasks", |tasks| tasks == 0.0);
    Ok(())
}

//
#[test]
fn a_delay_that_ends_between_two_scrapes_is_served() -> Result {
    let runtime = runtime(1)?;
    let exporter = observed(&runtime)?;
    let blocked = Blocked::workers(runtime.handle(), 1);
    let first = main_value(&exporter, DELAY);
    let since = Instant::now();
    thread::sleep(Duration::from_millis(50));
    let waited = since.elapsed();
    drop(blocked);
    let start = Instant::now();
    while runtime.metrics().num_alive_tasks() > 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "the tasks do not end");
        thread::yield_now();
    }
    let served = main_value(&exporter, DELAY);
    assert!(served >= first + seconds(waited), "{served} after {first} and {waited:?}");
    Ok(())
}

//
#[test]
fn a_blocked_current_thread_runtime_shows() -> Result {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let exporter = observed(&runtime)?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let driver = thread::spawn(move || runtime.block_on(stopped));
    eventually(&exporter, DELAY, |delay| delay < 0.1);
    assert_eq!(main_value(&exporter, "runtime_workers"), 1.0);

    let blocked = Blocked::workers(&handle, 1);
    let first = main_value(&exporter, DELAY);
    assert!(first >= 0.1, "{first}");
    let since = Instant::now();
    thread::sleep(Duration::from_millis(20));
    let waited = since.elapsed();
    let second = main_value(&exporter, DELAY);
    assert!(second >= first + seconds(waited), "{second} after {first} and {waited:?}");

    drop(blocked);
    eventually(&exporter, DELAY, |delay| delay < first);
    drop(stop);
    driver.join().expect("no panic").expect_err("the sender was dropped");
    Ok(())
}

//
#[cfg(feature = "serve")]
#[test]
fn the_standalone_server_on_its_own_runtime_serves_while_the_other_is_blocked() -> Result {
    let work = runtime(2)?;
    let scrapes = runtime(1)?;
    let exporter = Exporter::builder("shop").build()?;
    RuntimeMetrics::new("work", work.handle().clone())
        .with_runtime("scrapes", scrapes.handle().clone())
        .register(&exporter)?;
    let server = asdlc_exporter::serve::Server::builder()
        .with_address(([127, 0, 0, 1], 0).into())
        .with_route("/metrics", exporter.scrape_service());
    let server = scrapes.block_on(server.start())?;
    let scrape = || -> Result<[f64; 2]> {
        let client = Builder::new_current_thread().enable_all().build()?;
        let response = client.block_on(crate::http1::get(server.address(), "/metrics"))?;
        assert_eq!(response.status, 200, "{response:?}");
        let samples = crate::check::check(&response.body);
        Ok(["work", "scrapes"].map(|name| {
            let found =
                samples.iter().find(|s| s.name == DELAY && s.label("runtime") == Some(name));
            found.expect(name).value
        }))
    };
    let blocked = Blocked::workers(work.handle(), 2);
    let [first, healthy] = scrape()?;
    assert!(first >= 0.1 && healthy < first, "{first} and {healthy}");
    let since = Instant::now();
    thread::sleep(Duration::from_millis(20));
    let waited = since.elapsed();
    let [second, healthy] = scrape()?;
    assert!(second >= first + seconds(waited), "{second} after {first} and {waited:?}");
    assert!(healthy < second, "{healthy}");
    drop(blocked);
    Ok(())
}

//
#[tokio::test(flavor = "current_thread")]
async fn the_scrape_service_does_not_block_the_runtime_that_it_measures() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    // Longer than this test may take.
    RuntimeMetrics::new("main", Handle::current())
        .with_timeout(Duration::from_millis(900))
        .register(&exporter)?;
    // A machine that is busy with other tests may stop this thread for a while.
    for _ in 0..20 {
        let response = exporter.scrape_service().oneshot(http::Request::new(())).await?;
        let text = String::from_utf8(response.into_body().collect().await?.to_bytes().into())?;
        let samples = crate::check::check(&text);
        let delay = samples.iter().find(|sample| sample.name == DELAY).expect("it is there").value;
        if delay < 0.9 {
            return Ok(());
        }
    }
    panic!("each scrape waited for 900 ms");
}

//
#[test]
fn the_series_of_a_runtime_end_when_it_is_shut_down() -> Result {
    logged();
    let (first, second) = (runtime(1)?, runtime(1)?);
    let current = Builder::new_current_thread().build()?;
    let exporter = Exporter::builder("shop").with_self_metrics().build()?;
    RuntimeMetrics::new("first", first.handle().clone())
        .with_runtime("second", second.handle().clone())
        .with_runtime("current", current.handle().clone())
        .with_timeout(Duration::from_millis(1))
        .register(&exporter)?;
    let all: Vec<_> =
        families(&exporter).into_iter().filter(|name| name.starts_with("runtime_")).collect();
    assert_eq!(all.len(), 7, "{all:?}");
    let labels = |family: &str| -> Vec<_> {
        values(&exporter, family).into_iter().map(|(labels, _)| labels).collect()
    };
    let [one, two, three] = ["runtime=first", "runtime=second", "runtime=current"];
    for (end, left) in [
        (None, &[three, one, two][..]),
        (Some(Box::new(move || drop(first)) as Box<dyn FnOnce()>), &[three, two]),
        (Some(Box::new(move || drop(current))), &[two]),
        (Some(Box::new(move || second.shutdown_background())), &[]),
    ] {
        if let Some(end) = end {
            end();
        }
        // `shutdown_background` does not wait for the workers.
        let start = Instant::now();
        while labels(DELAY) != left {
            assert!(start.elapsed() < Duration::from_secs(60), "not {left:?}");
        }
        for family in &all {
            assert_eq!(labels(family), left, "{family}");
        }
    }
    assert_eq!(value_of(&exporter, "exporter_source_up", "source=runtime"), 1.0);
    assert_eq!(value_of(&exporter, "exporter_callback_panics_total", ""), 0.0);
    assert_eq!(logged(), [""; 0]);
    Ok(())
}

//
#[test]
fn a_runtime_that_is_shut_down_while_it_is_blocked_does_not_stop_the_scrape() -> Result {
    let runtime = runtime(1)?;
    let exporter = observed(&runtime)?;
    let blocked = Blocked::workers(runtime.handle(), 1);
    assert!(main_value(&exporter, DELAY) >= 0.1);
    runtime.shutdown_background();
    assert!(main_value(&exporter, DELAY) >= 0.1, "its task still waits");
    drop(blocked);
    let start = Instant::now();
    while !values(&exporter, DELAY).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "the series do not end");
        thread::yield_now();
    }
    Ok(())
}

//
#[test]
fn a_source_timeout_below_the_probe_timeout_changes_no_value() -> Result {
    let runtime = runtime(1)?;
    let exporter = Exporter::builder("shop")
        .with_source_timeout(Duration::from_millis(10))
        .with_self_metrics()
        .build()?;
    RuntimeMetrics::new("main", runtime.handle().clone())
        .with_timeout(Duration::from_millis(900))
        .register(&exporter)?;
    let _blocked = Blocked::workers(runtime.handle(), 1);
    let first = main_value(&exporter, DELAY);
    assert!(first >= 0.01, "{first}");
    let since = Instant::now();
    thread::sleep(Duration::from_millis(20));
    let waited = since.elapsed();
    assert_eq!(value_of(&exporter, "exporter_source_up", "source=runtime"), 0.0);
    let second = main_value(&exporter, DELAY);
    assert!(second >= first + seconds(waited), "{second} after {first} and {waited:?}");
    Ok(())
}

//
#[test]
fn a_meter_provider_with_a_reader_has_the_same_metrics() -> Result {
    let runtime = runtime(1)?;
    let prometheus = PrometheusReader::builder().build()?;
    let provider = SdkMeterProvider::builder().with_reader(prometheus.clone()).build();
    RuntimeMetrics::new("main", runtime.handle().clone()).register_with(&provider, &prometheus)?;
    let text = prometheus.render()?;
    let samples = crate::check::check(&text);
    let delay = samples.iter().find(|sample| sample.name == DELAY).expect("it is there");
    assert_eq!(delay.label("runtime"), Some("main"));
    Ok(())
}

//
#[test]
fn wrong_names_and_timeouts_are_refused_and_create_nothing() -> Result {
    let runtime = Builder::new_current_thread().build()?;
    let new = |name: &str| RuntimeMetrics::new(name, runtime.handle().clone());
    let long = "x".repeat(65);
    let rule = "must be 1 to 64 ASCII letters, digits, '_', '-', '.' and ':'";
    let timeout = |timeout| new("main").with_timeout(timeout);
    for (metrics, message) in [
        (new(""), format!("invalid runtime name \"\": {rule}")),
        (new("a b"), format!("invalid runtime name \"a b\": {rule}")),
        (new(&long), format!("invalid runtime name {long:?}: {rule}")),
        (
            new("a")
                .with_runtime("b", runtime.handle().clone())
                .with_runtime("a", runtime.handle().clone()),
            "duplicate runtime name \"a\"".to_owned(),
        ),
        (
            timeout(Duration::ZERO),
            "invalid runtime probe timeout 0ns: must be 1ms to 900ms".to_owned(),
        ),
        (
            timeout(Duration::from_millis(901)),
            "invalid runtime probe timeout 901ms: must be 1ms to 900ms".to_owned(),
        ),
    ] {
        let exporter = Exporter::builder("shop").build()?;
        let error = metrics.register(&exporter).expect_err("it is refused");
        assert_eq!(error.to_string(), message);
        assert_eq!(format!("{error:?}"), format!("RuntimeSetupError({message})"));
        assert_eq!(families(&exporter), ["uptime_seconds"]);
    }
    Ok(())
}

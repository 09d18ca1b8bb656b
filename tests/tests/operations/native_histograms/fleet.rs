//! Services with native histograms, with classic ones, and with both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use asdlc_exporter::Exporter;
use asdlc_tests::in_process::Server;
use asdlc_tests::servers::{Generation, Prometheus, QueryApi};
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use http::header::ACCEPT;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};
use serde_json::{Value, json};
use tower::util::MapRequestLayer;

/// Services with one process or two, which all have the same number of requests.
pub(super) struct Fleet(Vec<(Process, f64)>);

impl Fleet {
    pub(super) fn start() -> Self {
        let processes = [
            ("native", Kind::Native, FAST),
            ("classic", Kind::Classic, FAST),
            ("old-is-slow", Kind::Native, FAST),
            ("old-is-slow", Kind::Classic, SLOW),
            ("new-is-slow", Kind::Native, SLOW),
            ("new-is-slow", Kind::Classic, FAST),
        ];
        Self(
            processes
                .map(|(name, kind, seconds)| (Process::start(name, kind, seconds), seconds))
                .into(),
        )
    }

    pub(super) fn drive(&self) {
        self.0.iter().for_each(|(process, seconds)| process.record(*seconds, 10, true));
    }

    /// One job with all processes. A Prometheus that can store classic buckets beside native ones has a second one.
    pub(super) fn jobs(&self, generation: Generation) -> Vec<Value> {
        let all: Vec<_> = self.0.iter().map(|(process, _)| process).collect();
        let mut jobs = vec![job("shop", &all)];
        if generation == Generation::New {
            let mut both = job("with-classic", &all[..1]);
            both["always_scrape_classic_histograms"] = json!(true);
            jobs.push(both);
        }
        jobs
    }

    #[track_caller]
    pub(super) fn assert_becomes(
        &self,
        prometheus: &Prometheus,
        query: &str,
        is_expected: impl Fn(f64) -> bool,
    ) {
        let mut last = None;
        let becomes = eventually(DEADLINE, || {
            self.drive();
            last = prometheus.query(query);
            last.is_some_and(&is_expected)
        });
        assert!(becomes, "{query} is {last:?}");
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Native,
    Classic,
}

/// A process that records requests in both conventions.
pub(super) struct Process {
    server: Server,
    recorded: AtomicU64,
    /// Otherwise it responds to each scrape with text.
    speaks_protobuf: Arc<AtomicBool>,
    requests: Counter<u64>,
    failed: Counter<u64>,
    duration: Histogram<f64>,
    opentelemetry: Histogram<f64>,
    redis: Histogram<f64>,
    tasks: Histogram<f64>,
}

impl Process {
    pub(super) fn start(service: &str, kind: Kind, seconds: f64) -> Self {
        let builder = Exporter::builder(service);
        let exporter = match kind {
            Kind::Native => builder.with_native_histograms(["*_seconds"]).build(),
            Kind::Classic => builder.build(),
        };
        let exporter = exporter.expect("valid settings");
        let speaks_protobuf = Arc::new(AtomicBool::new(true));
        let speaks = Arc::clone(&speaks_protobuf);
        let negotiate = MapRequestLayer::new(move |mut request: axum::extract::Request| {
            if !speaks.load(Ordering::Relaxed) {
                request.headers_mut().remove(ACCEPT);
            }
            request
        });
        let router = Router::new().route_service("/metrics", exporter.scrape_service());
        let server = Server::axum(router.layer(negotiate));
        let meter = exporter.meter();
        let this = Self {
            server,
            recorded: AtomicU64::new(0),
            speaks_protobuf,
            requests: meter.u64_counter("http.requests").build(),
            failed: meter.u64_counter("http.requests.failed").build(),
            duration: in_seconds(&meter, "http.request.duration"),
            opentelemetry: in_seconds(&meter, "http.server.request.duration"),
            redis: in_seconds(&meter, "redis.latency"),
            tasks: in_seconds(&meter, "task.duration"),
        };
        // `rate` counts from the second value of a series.
        this.record(seconds, 1, true);
        this
    }

    /// From now on, it responds with text or with what the scraper prefers.
    pub(super) fn speak_protobuf(&self, speaks: bool) {
        self.speaks_protobuf.store(speaks, Ordering::Relaxed);
    }

    /// How many requests it has recorded.
    pub(super) fn recorded(&self) -> f64 {
        self.recorded.load(Ordering::Relaxed) as f64
    }

    /// Records ten `times` requests. Some of them fail.
    pub(super) fn record(&self, seconds: f64, times: u64, some_fail: bool) {
        self.recorded.fetch_add(10 * times, Ordering::Relaxed);
        for at in 0..10 * times {
            let fails = some_fail && at % 10 == 0;
            let status = if fails { "503" } else { "200" };
            let labels = [KeyValue::new("endpoint", "/items"), KeyValue::new("method", "GET")];
            self.requests.add(1, &with(&labels, "status", status));
            let mut named = vec![
                KeyValue::new("http.route", "/items"),
                KeyValue::new("http.request.method", "GET"),
                KeyValue::new("http.response.status_code", status),
            ];
            if fails {
                self.failed.add(1, &with(&labels, "error_type", "server_error"));
                named.push(KeyValue::new("error.type", "503"));
            }
            self.duration.record(seconds, &labels);
            self.opentelemetry.record(seconds, &named);
            self.redis.record(seconds, &[KeyValue::new("operation", "GET")]);
            self.tasks.record(seconds, &[]);
        }
    }
}

fn with(labels: &[KeyValue], key: &'static str, value: &'static str) -> Vec<KeyValue> {
    labels.iter().cloned().chain([KeyValue::new(key, value)]).collect()
}

fn in_seconds(meter: &Meter, name: &'static str) -> Histogram<f64> {
    let boundaries = vec![0.1, 0.5, 1.0];
    meter.f64_histogram(name).with_unit("s").with_boundaries(boundaries).build()
}

/// A scrape job.
pub(super) fn job(name: &str, processes: &[&Process]) -> Value {
    let targets: Vec<_> = processes.iter().map(|process| process.server.address()).collect();
    json!({ "job_name": name, "honor_labels": true, "static_configs": [{ "targets": targets }] })
}

pub(super) const FAST: f64 = 0.3;
pub(super) const SLOW: f64 = 0.8;
/// The share of requests that fail.
pub(super) const ERRORS: f64 = 0.1;

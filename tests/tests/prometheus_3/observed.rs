//! What a server does with the expositions of a program.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asdlc_exporter::{Exporter, ExporterBuilder, TranslationStrategy};
use asdlc_tests::client::Connection;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::in_process;
use asdlc_tests::servers::{Generation, Prometheus, QueryApi, VictoriaMetrics};
use asdlc_tests::wait::{DEADLINE, eventually, eventually_some};
use axum::Router;
use http::HeaderValue;
use http::header::{ACCEPT, CONTENT_TYPE};
use opentelemetry::metrics::MeterProvider;
use tower::ServiceBuilder;

use super::counted::increase;

/// A server that scrapes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Server {
    Prometheus(Generation),
    VictoriaMetrics(Generation),
}

/// What it did.
#[derive(Debug)]
pub(crate) struct Observed {
    /// The format that it was given because of what it asked for.
    pub(crate) asks_for: String,
    capabilities: Vec<&'static str>,
}

impl Observed {
    /// What a server can be capable of.
    pub(crate) const CAPABILITIES: [&str; 9] = [
        READS_TEXT_0,
        READS_TEXT_1,
        READS_OPEN_METRICS,
        READS_PROTOBUF,
        STORES_NATIVE,
        STORES_BOTH,
        READS_STARTS,
        READS_CREATED,
        KEEPS_UTF8,
    ];

    /// Starts a program and the server with these options.
    pub(crate) fn of(server: Server, options: &[String]) -> Self {
        let program = Program::start();
        match server {
            Server::Prometheus(generation) => {
                let builder = Prometheus::builder(generation).with_interval(INTERVAL);
                let builder = options.iter().fold(builder, |builder, option| {
                    if let Some(feature) = option.strip_prefix("--enable-feature=") {
                        return builder.with_feature(feature);
                    }
                    let (key, value) = option.split_once(": ").expect("a setting");
                    builder.with_setting(key, value)
                });
                let prometheus = builder.with_paths(&program.paths()).scraping(program.address());
                assert_eq!(prometheus.unknown_features(), [""; 0], "{server:?}");
                program.observe(&prometheus, || {})
            }
            Server::VictoriaMetrics(generation) => {
                assert!(options.is_empty(), "{server:?}: {options:?}");
                let builder = VictoriaMetrics::builder(generation).with_interval(INTERVAL);
                let started = builder.with_paths(&program.paths()).scraping(program.address());
                program.observe(&started, || started.flush())
            }
        }
    }

    pub(crate) fn has(&self, capability: &str) -> bool {
        self.capabilities.contains(&capability)
    }
}

/// Exporters of this process, and how often each path was answered.
struct Program {
    server: in_process::Server,
    exporters: [Exporter; 3],
    answers: Arc<Mutex<BTreeMap<&'static str, Vec<String>>>>,
}

impl Program {
    fn start() -> Self {
        let exporter = |set: fn(ExporterBuilder) -> ExporterBuilder| {
            let builder = Exporter::builder("shop").with_native_histograms(["native_*"]);
            let exporter = set(builder.with_target_info()).build().expect("valid settings");
            let meter = exporter.meter_provider().meter("shop");
            meter.u64_counter("http.requests").build().add(3, &[]);
            meter.f64_gauge("load").build().record(0.25, &[]);
            meter.f64_histogram("native.wait").with_unit("s").build().record(0.3, &[]);
            meter.f64_histogram("classic.wait").with_unit("s").build().record(0.3, &[]);
            exporter
        };
        let plain = exporter(|builder| builder);
        let created = exporter(ExporterBuilder::with_created_lines);
        let utf8 = exporter(|builder| {
            builder.with_translation_strategy(TranslationStrategy::NoUTF8EscapingWithSuffixes)
        });
        let answers = Arc::<Mutex<BTreeMap<_, Vec<_>>>>::default();
        let mut router = Router::new();
        for (path, exporter, accept) in [
            (ASKED, &plain, None),
            (TEXT_0, &plain, Some("text/plain;version=0.0.4")),
            (TEXT_1, &plain, Some("text/plain;version=1.0.0")),
            (OPEN_METRICS, &plain, Some("application/openmetrics-text;version=1.0.0")),
            (CREATED, &created, Some("application/openmetrics-text;version=1.0.0")),
            (UTF8, &utf8, None),
        ] {
            let counted = Arc::clone(&answers);
            let service = ServiceBuilder::new()
                .map_request(move |mut request: http::Request<_>| {
                    if let Some(accept) = accept {
                        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
                    }
                    request
                })
                .map_response(move |response: http::Response<_>| {
                    let content_type = response.headers()[CONTENT_TYPE].to_str().expect("ASCII");
                    // Not one that is too late for a busy server.
                    if response.status().is_success() {
                        let mut answers = counted.lock().expect("no holder panics");
                        answers.entry(path).or_default().push(content_type.to_owned());
                    }
                    response
                })
                .service(exporter.scrape_service());
            router = router.route_service(path, service);
        }
        let server = in_process::Server::axum(router);
        Self { server, exporters: [plain, created, utf8], answers }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn paths(&self) -> Vec<String> {
        [ASKED, TEXT_0, TEXT_1, OPEN_METRICS, CREATED, UTF8].map(str::to_owned).to_vec()
    }

    /// Waits until each path was answered this many times more.
    #[track_caller]
    fn await_answers(&self, count: usize) {
        let answered = || -> Vec<usize> {
            let answers = self.answers.lock().expect("no holder panics");
            let paths = [ASKED, TEXT_0, TEXT_1, OPEN_METRICS, CREATED, UTF8];
            paths.iter().map(|path| answers.get(path).map_or(0, Vec::len)).collect()
        };
        let before = answered();
        let enough = || answered().iter().zip(&before).all(|(now, before)| now - before >= count);
        assert!(eventually(DEADLINE, enough), "it is not scraped: {:?}", answered());
    }

    /// `flush` makes what was stored visible.
    fn observe(&self, server: &impl QueryApi, flush: impl Fn()) -> Observed {
        // The start of a series is up to two seconds before its first scrape.
        self.await_answers(8);
        for exporter in &self.exporters {
            exporter.meter_provider().meter("shop").u64_counter("errors").build().add(5, &[]);
        }
        self.await_answers(4);
        flush();

        let asked = self.answers.lock().expect("no holder panics")[ASKED].clone();
        let asks_for = NAMES.iter().find(|(_, beginning)| asked[0].starts_with(beginning));
        let body = Connection::open(self.address()).get(TEXT_0).into_body();
        let samples = Exposition::parse(&body).expect("it is valid").all_samples().len() as f64;
        let reads = |path: &str| {
            let stored = format!("count({{path=\"{path}\",__name__!~\"up|scrape_.*\"}})");
            // Expositions before the last ones had fewer series.
            eventually(DEADLINE, || {
                flush();
                server.query(&format!("up{{path=\"{path}\"}}")) == Some(1.0)
                    && server.query(&stored) == Some(samples)
                    && requests_of(server, path) == Some(3.0)
            })
        };
        // All that was ever stored, because a scrape of a busy machine can fail.
        let stored = |series: &str, path: &str| {
            flush();
            let selector = format!("{{__name__=\"{series}\",path=\"{path}\"}}[5m]");
            server.stored_samples(&selector)
        };
        let is_stored = |series: &str, path: &str| !stored(series, path).is_empty();
        let counts = |path: &str| {
            let found = eventually_some(DEADLINE, || stored("errors_total", path).pop());
            increase(&found.expect("it is stored").samples) == 5.0
        };
        let is_protobuf = asked.iter().all(|it| it.starts_with("application/vnd.google.protobuf"));
        let is_native = stored("native_wait_seconds", ASKED).iter().any(|series| series.is_native);
        let is_classic = is_stored("native_wait_seconds_bucket", ASKED);
        let mut names = Vec::new();
        let has_name = eventually(DEADLINE, || {
            names = vec!["http.requests_total", "http_requests_total"];
            names.retain(|name| is_stored(name, UTF8));
            !names.is_empty()
        });
        assert!(has_name && names.len() == 1, "a server has one of the two names: {names:?}");
        let capabilities = [
            (READS_TEXT_0, reads(TEXT_0)),
            (READS_TEXT_1, reads(TEXT_1)),
            (READS_OPEN_METRICS, reads(OPEN_METRICS)),
            (READS_PROTOBUF, is_protobuf && is_stored("http_requests_total", ASKED)),
            (STORES_NATIVE, is_native),
            (STORES_BOTH, is_native && is_classic),
            (READS_STARTS, counts(ASKED)),
            (READS_CREATED, counts(CREATED)),
            (KEEPS_UTF8, names == ["http.requests_total"]),
        ];
        let capabilities = capabilities.into_iter().filter(|(_, has)| *has).map(|(name, _)| name);
        Observed {
            asks_for: asks_for.map_or("?", |(name, _)| name).to_owned(),
            capabilities: capabilities.collect(),
        }
    }
}

fn requests_of(server: &impl QueryApi, path: &str) -> Option<f64> {
    server.query(&format!("http_requests_total{{path=\"{path}\"}}"))
}

const READS_TEXT_0: &str = "reads text 0.0.4";
const READS_TEXT_1: &str = "reads text 1.0.0";
const READS_OPEN_METRICS: &str = "reads OpenMetrics 1.0.0";
const READS_PROTOBUF: &str = "asks for protobuf, and reads it";
const STORES_NATIVE: &str = "stores native histograms";
const STORES_BOTH: &str = "stores the classic buckets of native histograms, too";
const READS_STARTS: &str = "reads start times in the format that it asks for";
const READS_CREATED: &str = "reads start times in `_created` lines";
const KEEPS_UTF8: &str = "asks for UTF-8 names, and stores them";

const ASKED: &str = "/metrics";
const TEXT_0: &str = "/text-0.0.4";
const TEXT_1: &str = "/text-1.0.0";
const OPEN_METRICS: &str = "/open-metrics";
const CREATED: &str = "/created";
const UTF8: &str = "/utf-8";

/// Of formats, with the beginning of their `Content-Type`.
const NAMES: [(&str, &str); 4] = [
    ("text 0.0.4", "text/plain; version=0.0.4"),
    ("text 1.0.0", "text/plain; version=1.0.0"),
    ("OpenMetrics 1.0.0", "application/openmetrics-text; version=1.0.0"),
    ("protobuf", "application/vnd.google.protobuf"),
];
const INTERVAL: Duration = Duration::from_millis(500);

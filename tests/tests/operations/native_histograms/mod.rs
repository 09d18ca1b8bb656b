//! Prometheus of both generations evaluates the rules and answers the panels for services with native histograms, for services with
//! classic ones, and while a service changes from one to the other.

mod fleet;

use asdlc_tests::client::Connection;
use asdlc_tests::servers::{Generation, Prometheus, QueryApi, VictoriaMetrics};
use asdlc_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use self::fleet::{ERRORS, FAST, Fleet, Kind, Process, SLOW, job};
use super::dashboards::{dashboards, dashboards_in};
use super::files::{read, repository};
use super::monitoring_files::{DASHBOARDS, Written};
use super::programs::{Backends, PROGRAMS};
use super::rules::{Convention, rules_in};

// S-03 X-12
#[test]
fn the_stable_prometheus_reads_native_and_classic_histograms_of_one_service() {
    Convention::ALL.into_iter().for_each(|convention| assert_reads(Generation::Stable, convention));
}

// S-03 X-12
#[test]
fn the_new_prometheus_reads_native_and_classic_histograms_of_one_service() {
    Convention::ALL.into_iter().for_each(|convention| assert_reads(Generation::New, convention));
}

#[track_caller]
fn assert_reads(generation: Generation, convention: Convention) {
    let fleet = Fleet::start();
    let monitored = Monitored::start(generation, convention, &fleet.jobs(generation));
    let is_near =
        |expected: f64, error: f64| move |value: f64| (value / expected - 1.0).abs() < error;
    // Classic ones are interpolated in the buckets 0.1 to 0.5 and 0.5 to 1. Of the processes of one service, the slower ones count.
    let mut expected = vec![
        ("shop", "native", FAST, NATIVE_ERROR),
        ("shop", "classic", 0.496, CLASSIC_ERROR),
        ("shop", "old-is-slow", 0.995, CLASSIC_ERROR),
        ("shop", "new-is-slow", SLOW, NATIVE_ERROR),
    ];
    if generation == Generation::New {
        expected.push(("with-classic", "native", FAST, NATIVE_ERROR));
    }
    for (job, service, seconds, error) in &expected {
        for name in [
            "service:http_request_duration_seconds:p99",
            "service_endpoint:http_request_duration_seconds:p99",
            "service_operation:redis_latency_seconds:p99",
        ] {
            let query = format!("{name}{{job=\"{job}\",service=\"{service}\"}}");
            fleet.assert_becomes(&monitored.prometheus, &query, is_near(*seconds, *error));
        }
        let errors = format!(
            "service:http_requests_errors:ratio_rate5m{{job=\"{job}\",service=\"{service}\"}}"
        );
        fleet.assert_becomes(&monitored.prometheus, &errors, is_near(ERRORS, 0.05));
    }
    // Each process has as many requests as the others. They are counted once, native or classic.
    let requests = |job: &str, service: &str| {
        format!(
            "sum(service_endpoint_status:http_requests:rate5m{{job=\"{job}\",service=\"{service}\"}})"
        )
    };
    for (job, service, ..) in &expected {
        let ratio = format!("{} / {}", requests(job, service), requests("shop", "classic"));
        let processes = if service.ends_with("slow") { 2.0 } else { 1.0 };
        fleet.assert_becomes(&monitored.prometheus, &ratio, is_near(processes, 0.2));
    }
    for (title, query) in monitored.panels("native") {
        let has_data = eventually(DEADLINE, || {
            fleet.drive();
            let samples = monitored.prometheus.samples(&query);
            samples.iter().any(|(_, value)| value.is_finite())
        });
        assert!(has_data, "{generation:?}: {title}: no data for\n{query}");
    }
    monitored.assert_rules_are_evaluated();
}

// S-03 X-12
#[test]
fn neither_requests_nor_errors_jump_when_the_stable_prometheus_gets_native_histograms() {
    assert_continues(Generation::Stable);
}

// S-03 X-12
#[test]
fn neither_requests_nor_errors_jump_when_the_new_prometheus_gets_native_histograms() {
    assert_continues(Generation::New);
}

#[track_caller]
fn assert_continues(generation: Generation) {
    let process = Process::start("shop", Kind::Native, FAST);
    process.speak_protobuf(false);
    let jobs = [job("shop", &[&process])];
    let monitored = Monitored::start(generation, Convention::OpenTelemetry, &jobs);
    let prometheus = &monitored.prometheus;
    let recorded = "service:http_requests:rate5m";
    let rate = monitored.expression(recorded);
    let ratio = monitored.expression("service:http_requests_errors:ratio_rate5m");
    // The recorded rate is up to a second older.
    let ratio = ratio.replace(recorded, &format!("({rate})"));
    let text = "http_server_request_duration_seconds_count";
    let scraped = eventually(DEADLINE, || {
        process.record(FAST, 10, true);
        prometheus.query(&format!("max(count_over_time({text}[5m]))")) > Some(10.0)
    });
    assert!(scraped, "{generation:?} stores no classic series");
    let all_scraped = eventually(DEADLINE, || {
        prometheus.query(&format!("sum({text})")) == Some(process.recorded())
    });
    assert!(
        all_scraped,
        "{generation:?} has {:?} requests",
        prometheus.query(&format!("sum({text})"))
    );
    let before = prometheus.query(&rate).expect("requests are counted");
    let errors = prometheus.query(&ratio).expect("errors are counted");
    assert!((errors / ERRORS - 1.0).abs() < 0.05, "{errors}");

    process.speak_protobuf(true);
    let native = "histogram_count(sum(rate(http_server_request_duration_seconds[5m])))";
    let is_native = eventually(DEADLINE, || prometheus.query(native).is_some());
    assert!(is_native, "{generation:?} stores no native histogram");
    assert_eq!(prometheus.series(text), [], "{generation:?} still has classic series");
    // As many requests as before, and no error among them.
    process.record(FAST, (before * WINDOW / 10.0) as u64, false);
    let has_grown =
        eventually(DEADLINE, || prometheus.query(native).is_some_and(|rate| rate > 0.9 * before));
    assert!(has_grown, "{:?}, not {before}", prometheus.query(native));
    // Asked in one query, because rates change with the time of the query.
    let classic =
        prometheus.query(&format!("sum({rate}) - {native}")).expect("requests are counted");
    assert!((classic / before - 1.0).abs() < 0.2, "{classic}, {before} before");
    let errors =
        prometheus.query(&format!("sum(({ratio}) * ({rate}))")).expect("errors are counted");
    assert!((errors / (ERRORS * before) - 1.0).abs() < 0.2, "{errors}, of {before} before");
    let errors = prometheus.query(&ratio).expect("errors are counted");
    assert!(errors < 0.75 * ERRORS, "{errors}, {ERRORS} before");
}

// S-03 X-12
#[test]
fn the_queries_of_the_documentation_work_where_it_says() {
    let process = Process::start("shop", Kind::Native, FAST);
    let config = json!({
        "global": { "scrape_interval": "1s", "scrape_timeout": "1s" },
        "scrape_configs": [job("shop", &[&process])],
    });
    let servers = Generation::ALL.map(|generation| {
        let builder = Prometheus::builder(generation);
        let [classic, native] = [builder.clone(), builder.with_native_histograms()]
            .map(|builder| builder.configured(&config.to_string(), &[]));
        (classic, native, VictoriaMetrics::builder(generation).empty())
    });
    let rows = documented();
    assert_eq!(rows.len(), 4);
    for [classic, native, in_victoria_metrics] in rows {
        for (with_classic, with_native, victoria_metrics) in &servers {
            for (prometheus, query) in [(with_classic, &classic), (with_native, &native)] {
                let has_data = eventually(DEADLINE, || {
                    process.record(FAST, 1, true);
                    prometheus.query(query).is_some_and(f64::is_finite)
                });
                assert!(has_data, "{query}");
            }
            assert!(victoria_metrics.accepts(&classic), "{classic}");
            let is_documented = in_victoria_metrics.contains("VictoriaMetrics");
            // `histogram_fraction` is known to one generation, for histograms of its own.
            if !native.starts_with("histogram_fraction") {
                assert_eq!(victoria_metrics.accepts(&native), is_documented, "{native}");
            }
        }
    }
}

// S-03 X-12
#[test]
fn the_tasks_of_the_orchestrator_are_a_native_histogram_beside_classic_ones() {
    let backends = Backends::start();
    let orchestrator = PROGRAMS[0].start_without_redis(&backends);
    let panels = dashboards().into_iter().flat_map(|dashboard| dashboard.queries());
    let panels: Vec<_> =
        panels.filter(|(title, _)| title.contains("\"Duration of tasks\"")).collect();
    assert_eq!(panels.len(), 3);
    for generation in Generation::ALL {
        let builder = Prometheus::builder(generation).with_native_histograms();
        let prometheus = builder.scraping(orchestrator.example.address());
        let tasks = || orchestrator.scrape().value("asdlc_task_duration_seconds_count", &[]);
        let mut last = None;
        let counted = eventually(DEADLINE, || {
            last = prometheus.query("histogram_count(asdlc_task_duration_seconds)");
            last.is_some() && last == tasks()
        });
        assert!(counted, "{generation:?}: {last:?} tasks, not {:?}", tasks());
        assert_eq!(prometheus.series("asdlc_task_duration_seconds_bucket"), []);
        assert_ne!(prometheus.series("asdlc_http_request_duration_seconds_bucket"), []);
        for (title, query) in &panels {
            let has_data = eventually(DEADLINE, || {
                orchestrator.drive();
                prometheus.query(query).is_some_and(f64::is_finite)
            });
            assert!(has_data, "{generation:?}: {title}: no data for\n{query}");
        }
    }
}

/// The table of queries: classic, native, and the servers that have the functions of the latter.
fn documented() -> Vec<[String; 3]> {
    let document = read(&repository("docs/scrape-config.md"));
    let rows = document.lines().skip_while(|line| !line.starts_with("| | classic | native |"));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        // A query is a cell's first code.
        let query = |cell: &str| {
            let query = cell.split('`').nth(1).expect("a query");
            query.replace("x_seconds", "http_request_duration_seconds")
        };
        [query(cells[2]), query(cells[3]), cells[4].to_owned()]
    })
    .collect()
}

/// A Prometheus that stores native histograms and evaluates the rules for Prometheus every second.
struct Monitored {
    convention: Convention,
    prometheus: Prometheus,
    written: Written,
}

impl Monitored {
    fn start(generation: Generation, convention: Convention, jobs: &[Value]) -> Self {
        let arguments = ["--server", "prometheus", "--convention", convention.argument()];
        let written = Written::with(&arguments);
        let seconds = "1s";
        let config = json!({
            "global": {
                "scrape_interval": seconds,
                "scrape_timeout": seconds,
                "evaluation_interval": seconds,
            },
            "rule_files": ["recording.yml", "alerts.yml"],
            "scrape_configs": jobs,
        });
        let rules = written.path().join(convention.directory());
        let files = ["recording.yml", "alerts.yml"].map(|name| (name, read(&rules.join(name))));
        let files = [(files[0].0, &files[0].1[..]), (files[1].0, &files[1].1[..])];
        let builder = Prometheus::builder(generation).with_native_histograms();
        let prometheus = builder.configured(&config.to_string(), &files);
        Self { convention, prometheus, written }
    }

    /// The expression of a recording rule.
    fn expression(&self, name: &str) -> String {
        let rules = rules_in(&self.written.path().join(self.convention.directory()));
        let rule = rules.iter().find(|rule| rule["record"] == name).expect("the rule exists");
        rule["expr"].as_str().expect("an expression").to_owned()
    }

    /// The queries of all panels that read a histogram of these services, with the titles of the panels.
    fn panels(&self, services: &str) -> Vec<(String, String)> {
        let of_convention = match self.convention {
            Convention::Prometheus => "http_request_duration_seconds",
            Convention::OpenTelemetry => "_duration_seconds",
        };
        let dashboards = dashboards_in(&self.written.path().join(DASHBOARDS)).into_iter();
        let queries = dashboards.flat_map(|dashboard| dashboard.queries_of(services));
        let reads = |query: &str| {
            [of_convention, "task_duration_seconds", "redis_latency_seconds"]
                .iter()
                .any(|name| query.contains(name))
        };
        let queries: Vec<_> = queries.filter(|(_, query)| reads(query)).collect();
        assert!(queries.len() > 10, "{}", queries.len());
        queries
    }

    /// Checks that no rule failed at its last evaluation.
    #[track_caller]
    fn assert_rules_are_evaluated(&self) {
        let response = Connection::open(self.prometheus.address()).get("/api/v1/rules");
        let response: Value = serde_json::from_slice(response.body()).expect("JSON");
        let groups = response["data"]["groups"].as_array().expect("groups");
        let rules: Vec<_> =
            groups.iter().flat_map(|it| it["rules"].as_array().expect("rules")).collect();
        assert!(rules.len() > 30, "{}", rules.len());
        for rule in rules {
            assert_eq!(rule["health"], "ok", "{}: {}", rule["name"], rule["lastError"]);
        }
        let discarded = |line: &&String| line.contains("Rule evaluation result discarded");
        assert_eq!(self.prometheus.process().stderr().iter().find(discarded), None);
    }
}

/// The relative width of a bucket at scale 8 is 0.27 %.
const NATIVE_ERROR: f64 = 0.003;
const CLASSIC_ERROR: f64 = 1e-6;
/// Of the recorded rates, in seconds.
const WINDOW: f64 = 300.0;

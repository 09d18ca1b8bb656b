//! The responses of `/api/v1/metrics`.

use std::fs;
use std::process::Command;
use std::time::UNIX_EPOCH;

use asdlc_tests::example::{Example, assert_counts_uptime};
use asdlc_tests::exposition::{Exposition, Kind};
use asdlc_tests::program::program;
use asdlc_tests::wait::{DEADLINE, eventually};
use http::header;

use super::program::{METRICS, Watched};

// D-01 D-03
#[test]
fn a_scrape_is_valid_text_and_every_family_has_help_and_type() {
    let watched = Watched::start("");
    watched.status();
    let response = watched.daemon.connect().get(METRICS);
    assert_eq!(response.status(), 200);
    let content_type = &response.headers()[header::CONTENT_TYPE];
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    let scrape = Exposition::parse(response.body()).expect("it is valid");
    let expected = [
        ("palingenesis_build_info", Kind::Gauge),
        ("palingenesis_daemon_state", Kind::Gauge),
        ("palingenesis_http_request_duration_seconds", Kind::Histogram),
        ("palingenesis_http_requests_failed_total", Kind::Counter),
        ("palingenesis_http_requests_in_flight", Kind::Gauge),
        ("palingenesis_http_requests_total", Kind::Counter),
        ("palingenesis_info", Kind::Gauge),
        ("palingenesis_uptime_seconds", Kind::Gauge),
    ];
    // No request has failed, so the family of failed requests may be absent.
    for (name, kind) in expected.iter().filter(|(name, _)| !name.ends_with("failed_total")) {
        assert_eq!(scrape.family(name).expect(name).kind, Some(*kind), "{name}");
    }
    for family in scrape.families() {
        assert!(expected.iter().any(|(name, _)| *name == family.name), "{family:?}");
        assert!(family.kind.is_some(), "{family:?}");
        assert!(family.help.as_deref().is_some_and(|help| !help.is_empty()), "{family:?}");
    }
    let state = scrape.family("palingenesis_daemon_state").and_then(|family| family.help.clone());
    assert!(
        state.is_some_and(|help| help.contains("1 monitoring, 2 paused, 3 waiting, 4 resuming"))
    );
}

// D-03
#[test]
fn build_info_has_the_version_and_the_commit() {
    let daemon = Example::start("daemon");
    let scrape = daemon.scrape_at(METRICS);
    let version = env!("CARGO_PKG_VERSION");
    let one = |name: &str| {
        let samples: Vec<_> = scrape.samples(name).collect();
        assert_eq!(samples.len(), 1, "{samples:?}");
        assert_eq!(samples[0].value, 1.0);
        assert_eq!(samples[0].label("version"), Some(version), "{samples:?}");
        samples[0].clone()
    };
    let info = one("palingenesis_info");
    assert_eq!(info.label("commit"), None);
    let build = one("palingenesis_build_info");
    assert_eq!(build.label("commit"), Some(&*commit()));
    assert!(scrape.family("palingenesis_service_info").is_none());
}

/// The commit, as the build script of the daemon found it.
// F-35, a neighbour: there may be newer commits since the build.
fn commit() -> String {
    let given = std::env::var("COMMIT").ok().filter(|commit| !commit.is_empty());
    let built = fs::metadata(program("daemon")).and_then(|file| file.modified());
    let built = built.expect("it is a file").duration_since(UNIX_EPOCH).expect("it is after 1970");
    // Not every clone has a reflog of HEAD.
    let heads = [format!("HEAD@{{{}}}", built.as_secs()), "HEAD".to_owned()];
    let git = |head: &String| {
        let commit = Command::new("git").args(["rev-parse", "--short=12", head]).output().ok()?;
        let text = String::from_utf8_lossy(&commit.stdout).trim().to_owned();
        commit.status.success().then_some(text)
    };
    given.or_else(|| heads.iter().find_map(git)).unwrap_or_else(|| "unknown".to_owned())
}

// D-03
#[test]
fn uptime_counts_the_seconds_since_the_start() {
    let uptime = |daemon: &Example| {
        let scrape = daemon.scrape_at(METRICS);
        scrape.value("palingenesis_uptime_seconds", &[]).expect("the gauge exists")
    };
    assert_counts_uptime(|| Example::start("daemon"), uptime);
}

// D-02
#[test]
fn with_metrics_disabled_the_path_is_404_and_the_rest_works() {
    let watched = Watched::start("[otel]\nmetrics_enabled = false");
    assert_eq!(watched.daemon.connect().get(METRICS).status(), 404);
    assert_eq!(watched.daemon.connect().get("/metrics").status(), 404);
    assert_eq!(watched.status()["state"], "monitoring");
    assert_eq!(watched.post("/api/v1/pause")["state"], "paused");
}

// D-02
#[test]
fn metrics_are_enabled_by_default() {
    for configuration in ["", "[otel]", "[otel]\nmetrics_enabled = true"] {
        let watched = Watched::start(configuration);
        assert_eq!(watched.daemon.connect().get(METRICS).status(), 200, "{configuration}");
    }
}

// D-01
#[test]
fn requests_are_counted_by_route_and_scrapes_are_not() {
    let watched = Watched::start("");
    for _ in 0..3 {
        watched.status();
    }
    watched.post("/api/v1/pause");
    watched.get("/api/v1/status/paused");
    assert_eq!(watched.daemon.connect().get("/api/v1/status/asleep").status(), 400);
    let counted = || {
        let scrape = watched.daemon.scrape_at(METRICS);
        scrape.sum_by("palingenesis_http_requests_total", ["method", "endpoint", "status"])
    };
    let expected = [
        (["GET", "/api/v1/status", "200"], 3.0),
        (["GET", "/api/v1/status/{state}", "200"], 1.0),
        (["GET", "/api/v1/status/{state}", "400"], 1.0),
        (["POST", "/api/v1/pause", "200"], 1.0),
    ];
    let expected = expected.map(|(labels, count)| (labels.map(str::to_owned), count)).into();
    assert!(eventually(DEADLINE, || counted() == expected), "{:?}", counted());
}

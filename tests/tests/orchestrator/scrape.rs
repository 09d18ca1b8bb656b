//! The responses of `/metrics`, except the metrics of requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use asdlc_tests::example::{Example, assert_counts_uptime};
use asdlc_tests::exposition::{Exposition, Kind};
use asdlc_tests::wait::{DEADLINE, eventually};
use http::{Request, header};

use super::traffic::{self, Client};

// O-01
#[test]
fn a_scrape_is_valid_text_0_0_4_as_soon_as_the_server_listens() {
    let orchestrator = Example::start("orchestrator");
    // This is the very first request, without a retry.
    let response = orchestrator.scrape_response();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let scrape = Exposition::parse(response.body()).expect("it is valid");
    assert_eq!(scrape.sum("asdlc_http_requests_total"), 0.0);
}

#[test]
fn uptime_counts_the_seconds_since_the_start() {
    let uptime = |orchestrator: &Example| {
        orchestrator.scrape().value("asdlc_uptime_seconds", &[]).expect("the gauge exists")
    };
    assert_counts_uptime(|| Example::start("orchestrator"), uptime);
}

// O-01
#[test]
fn the_content_type_is_text_for_clients_that_request_no_newer_format() {
    let orchestrator = Example::start("orchestrator");
    let mut connection = orchestrator.connect();
    for accept in
        ["*/*", "text/plain", "text/plain;version=0.0.4;q=1,*/*;q=0.1", "text/html,*/*;q=0.8"]
    {
        let request =
            Request::get("/metrics").header(header::ACCEPT, accept).body("").expect("it is valid");
        let response = connection.send(request);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "text/plain; version=0.0.4; charset=utf-8",
            "{accept}"
        );
        Exposition::parse(response.body()).expect(accept);
    }
}

// O-01
#[test]
fn a_scrape_takes_less_than_100_ms() {
    let orchestrator = traffic::start();
    let mut client = Client::of(&orchestrator);
    client.one_of_each();
    let mut connection = orchestrator.connect();
    let mut times: Vec<_> = (0..21)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(connection.get("/metrics").status(), 200);
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    // The median, because a single scrape may be delayed by the machine.
    assert!(times[times.len() / 2] < Duration::from_millis(100), "{times:?}");
}

// O-02 O-03 O-04 O-05 O-08 X-11
#[test]
fn every_family_has_its_documented_type_and_labels_and_a_help_text() {
    let orchestrator = traffic::start();
    let mut client = Client::of(&orchestrator);
    client.one_of_each();
    let scrape = client.sent.assert_counted(&orchestrator);
    let expected: [(&str, Kind, &[&str]); 20] = [
        ("asdlc_http_client_request_duration_seconds", Kind::Histogram, &["host", "method"]),
        (
            "asdlc_http_client_requests_failed_total",
            Kind::Counter,
            &["error_type", "host", "method", "status"],
        ),
        ("asdlc_http_client_requests_in_flight", Kind::Gauge, &["host", "method"]),
        ("asdlc_http_client_requests_total", Kind::Counter, &["host", "method", "status"]),
        ("asdlc_http_request_duration_seconds", Kind::Histogram, &["endpoint", "method"]),
        (
            "asdlc_http_requests_failed_total",
            Kind::Counter,
            &["endpoint", "error_type", "method", "status"],
        ),
        ("asdlc_http_requests_in_flight", Kind::Gauge, &["method"]),
        ("asdlc_http_requests_total", Kind::Counter, &["endpoint", "method", "status"]),
        ("asdlc_process_memory_bytes", Kind::Gauge, &["type"]),
        ("asdlc_query_proxy_rejected_total", Kind::Counter, &["reason"]),
        ("asdlc_query_proxy_requests_in_flight", Kind::Gauge, &[]),
        ("asdlc_query_proxy_requests_total", Kind::Counter, &["outcome", "route"]),
        ("asdlc_query_proxy_response_bytes_total", Kind::Counter, &[]),
        ("asdlc_query_proxy_shared_total", Kind::Counter, &["route"]),
        ("asdlc_query_proxy_upstream_cancelled_total", Kind::Counter, &["route"]),
        ("asdlc_redis_connection_up", Kind::Gauge, &[]),
        ("asdlc_service_info", Kind::Gauge, &["version"]),
        ("asdlc_task_duration_seconds", Kind::Histogram, &[]),
        ("asdlc_tasks_processed_total", Kind::Counter, &[]),
        ("asdlc_uptime_seconds", Kind::Gauge, &[]),
    ];
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(name, kind, labels)| (name, (Some(kind), labels))).collect();
    let found: Vec<_> =
        scrape.families().iter().map(|family| (family.name.as_str(), family.kind)).collect();
    let unexpected: Vec<_> = found
        .iter()
        .filter(|(name, kind)| expected.get(name).map(|row| row.0) != Some(*kind))
        .collect();
    assert!(unexpected.is_empty() && found.len() == expected.len(), "{found:?}");
    for family in scrape.families() {
        assert!(family.help.as_deref().is_some_and(|help| !help.is_empty()), "{family:?}");
    }
    for sample in scrape.all_samples() {
        let parts =
            ["_bucket", "_sum", "_count"].iter().find_map(|part| sample.name.strip_suffix(part));
        let family = parts.unwrap_or(&sample.name);
        let mut labels: BTreeSet<_> =
            expected[family].1.iter().copied().chain(["service"]).collect();
        if sample.name.ends_with("_bucket") {
            labels.insert("le");
        }
        assert_eq!(
            sample.labels.iter().map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>(),
            labels,
            "{sample:?}"
        );
        assert_eq!(sample.label("service"), Some("orchestrator"));
    }
}

// O-04
#[test]
fn service_info_names_the_version_of_the_program() {
    let scrape = Example::start("orchestrator").scrape();
    let infos: Vec<_> = scrape.samples("asdlc_service_info").collect();
    assert_eq!(infos.len(), 1);
    // All packages of the workspace share one version.
    assert!(
        infos[0].has(&[("service", "orchestrator"), ("version", env!("CARGO_PKG_VERSION"))]),
        "{infos:?}"
    );
    assert_eq!(infos[0].value, 1.0);
}

// O-05
#[cfg(target_os = "linux")]
#[test]
fn process_memory_equals_that_of_the_kernel_at_each_scrape() {
    let orchestrator = traffic::start();
    let at_start = memory(&orchestrator.scrape());
    let mut client = Client::of(&orchestrator);
    for _ in 0..20 {
        client.submit("checksum", &"x".repeat(1_900_000));
    }
    client.one_of_each();
    let kernel = kernel_memory(&orchestrator);
    // The values change a little between the two readings.
    let near = |scraped: f64, kernel: f64| (scraped / kernel - 1.0).abs() < 0.1;
    let mut scraped = [0.0; 2];
    let agree = eventually(DEADLINE, || {
        scraped = memory(&orchestrator.scrape());
        let kernel = kernel_memory(&orchestrator);
        near(scraped[0], kernel[0]) && near(scraped[1], kernel[1])
    });
    assert!(agree, "scraped {scraped:?}, the kernel has {kernel:?}");
    assert!(0.0 < scraped[0] && scraped[0] < scraped[1], "{scraped:?}");
    assert_ne!(scraped, at_start, "the value is read again at each scrape");
}

fn memory(scrape: &Exposition) -> [f64; 2] {
    ["rss", "vms"].map(|kind| {
        scrape.value("asdlc_process_memory_bytes", &[("type", kind)]).expect("it exists")
    })
}

#[cfg(target_os = "linux")]
fn kernel_memory(orchestrator: &Example) -> [f64; 2] {
    let status = std::fs::read_to_string(format!("/proc/{}/status", orchestrator.id()))
        .expect("the process is running");
    ["VmRSS:", "VmSize:"].map(|key| {
        let line =
            status.lines().find_map(|line| line.strip_prefix(key)).expect("the kernel reports it");
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kibibytes * 1024.0
    })
}

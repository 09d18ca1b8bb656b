//! The pool in `/metrics` and `/stats`.

use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::Redis;
use asdlc_tests::wait::{DEADLINE, eventually};
use http::header;

use super::pool::{Processed, alone, await_processed, post, stats, worker_of};

// W-01
#[test]
fn a_scrape_is_valid_text_0_0_4_beside_health_and_stats() {
    let worker = alone();
    let response = worker.scrape_response();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    Exposition::parse(response.body()).expect("it is valid");
    let mut connection = worker.connect();
    assert_eq!(connection.get("/health").status(), 200);
    let response = connection.get("/stats");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(stats(&worker)["workers"], 4);
}

// W-01 W-02 W-03 W-04
#[test]
fn all_families_of_an_idle_pool_are_zero_from_the_start() {
    let scrape = alone().scrape();
    assert_eq!(Processed::of(&scrape), Processed::default());
    assert_eq!(scrape.value("asdlc_active_workers", &[]), Some(0.0));
    assert_eq!(scrape.value("asdlc_active_tasks", &[]), Some(0.0));
    assert_eq!(scrape.value("asdlc_worker_pool_size", &[]), Some(4.0));
    for family in ["asdlc_active_workers", "asdlc_active_tasks", "asdlc_events_processed_total"] {
        assert!(scrape.samples(family).all(|sample| sample.has(&[("service", "workers")])));
    }
}

// W-02 W-04
#[test]
fn active_workers_equal_those_of_the_pool_at_the_moment_of_the_scrape() {
    let worker = alone();
    for _ in 0..3 {
        post(&worker, "wait", "3000");
    }
    let active = |scrape: &Exposition| {
        let value = |name| scrape.value(name, &[]).expect("it exists");
        (value("asdlc_active_workers"), value("asdlc_active_tasks"))
    };
    assert!(eventually(DEADLINE, || active(&worker.scrape()) == (3.0, 3.0)));
    let stats = stats(&worker);
    assert_eq!((&stats["active_workers"], &stats["active_tasks"]), (&3.into(), &3.into()));
    await_processed(&worker, 3.0);
    assert!(eventually(DEADLINE, || active(&worker.scrape()) == (0.0, 0.0)));
}

// W-03
#[test]
fn processed_events_equal_the_statistics_and_only_grow() {
    let worker = alone();
    let mut before = Processed::default();
    for round in 1..=3 {
        for kind in ["word_count", "checksum", "fail"] {
            post(&worker, kind, "to be or not to be");
        }
        let after = await_processed(&worker, f64::from(3 * round));
        assert_eq!(after, before + Processed { success: 2.0, failed: 1.0 });
        assert_eq!(Processed::in_stats(&stats(&worker)), after);
        before = after;
    }
    // Each attempt is a span: three for each failed event, one for each other event.
    let attempts =
        worker.scrape().sum_by("asdlc_event_processing_duration_seconds_count", ["kind"]);
    let attempts: Vec<_> = attempts.into_iter().map(|([kind], count)| (kind, count)).collect();
    let expected = [("checksum", 3.0), ("fail", 9.0), ("word_count", 3.0)];
    assert_eq!(attempts, expected.map(|(kind, count)| (kind.to_owned(), count)));
}

// W-05
#[test]
fn service_info_memory_and_redis_are_as_in_the_orchestrator() {
    let without = alone().scrape();
    assert_eq!(without.value("asdlc_redis_connection_up", &[]), Some(0.0));
    let redis = Redis::start();
    let scrape = worker_of(&redis).scrape();
    assert_eq!(scrape.value("asdlc_redis_connection_up", &[]), Some(1.0));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(scrape.value("asdlc_service_info", &[("version", version)]), Some(1.0));
    for kind in ["rss", "vms"] {
        let bytes = scrape.value("asdlc_process_memory_bytes", &[("type", kind)]);
        assert!(bytes.expect("it exists") > 1e6);
    }
}

//! The example programs, scraped by each Prometheus in each format.

use std::collections::BTreeMap;

use asdlc_tests::exposition::{Exposition, Kind};
use asdlc_tests::servers::QueryApi;
use asdlc_tests::wait::{DEADLINE, eventually_some};
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::programs::{Backends, PROGRAMS, Running, start_all};
use super::scrapers::{self, Asked, PROTOBUF, Scraper};

//
#[test]
fn every_example_has_the_same_series_in_every_format_for_both_generations() {
    let backends = Backends::start();
    let programs = start_all(&backends);
    assert!(programs.len() >= PROGRAMS.len());
    programs.iter().for_each(assert_serves_protobuf);
    // The orchestrator runs twice.
    let names: Vec<_> = programs
        .iter()
        .enumerate()
        .map(|(number, running)| format!("{}-{number}", running.program.package))
        .collect();
    let targets: Vec<_> = programs
        .iter()
        .zip(&names)
        .map(|(running, name)| (running.example.address(), running.program.path, &**name))
        .collect();
    for scraper in scrapers::start(&targets, "") {
        for asked in scraper.jobs {
            assert_reads_all(&scraper, *asked, &programs, &names);
        }
    }
}

#[track_caller]
fn assert_serves_protobuf(running: &Running) {
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let request = Request::get(running.program.path).header(ACCEPT, accept).body("");
    let response = running.example.connect().send(request.expect("a request"));
    let content_type = response.headers()[CONTENT_TYPE].to_str().expect("ASCII");
    assert!(
        content_type.starts_with(PROTOBUF.answer),
        "{}: {content_type}",
        running.program.package
    );
}

/// Checks that it stores each series of each program. The series of a running program can change between two scrapes.
#[track_caller]
fn assert_reads_all(scraper: &Scraper, asked: Asked, programs: &[Running], names: &[String]) {
    let Scraper { prometheus, generation, .. } = scraper;
    let job = asked.job;
    for (running, name) in programs.iter().zip(names) {
        let up = format!("up{{job=\"{job}\",program=\"{name}\"}}");
        assert_eq!(prometheus.query_until(&up, 1.0), Some(1.0), "{generation:?} {up}");
        let count = format!(
            "count by (__name__) ({{job=\"{job}\",program=\"{name}\",__name__!~\"up|scrape_.*\"}})"
        );
        let mut last = (BTreeMap::new(), BTreeMap::new());
        let equal = eventually_some(DEADLINE, || {
            let stored = prometheus.query_by(&count, "__name__");
            last = (served(&running.scrape(), &stored), stored);
            (last.0 == last.1).then_some(())
        });
        let (served, stored) = last;
        assert!(equal.is_some(), "{generation:?} {job} {name}: {served:#?} {stored:#?}");
        assert!(stored.len() > 5, "{stored:?}");
        let health = format!("min_over_time({up}[5m])");
        assert_eq!(prometheus.query(&health), Some(1.0), "{generation:?} {health}");
    }
}

/// The number of series of each name. A histogram that is `stored` as a native one has one series for its three names.
fn served(exposition: &Exposition, stored: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    for sample in exposition.all_samples() {
        *series.entry(sample.name.clone()).or_insert(0.0) += 1.0;
    }
    for family in exposition.families() {
        let name = &family.name;
        if family.kind == Some(Kind::Histogram) && stored.contains_key(name) {
            let mut take = |suffix| series.remove(&format!("{name}_{suffix}"));
            let count = ["bucket", "sum", "count"].map(&mut take)[2];
            series.extend(count.map(|count| (name.clone(), count)));
        }
    }
    series
}

//! Series of registries, which can be removed and reset.

use super::*;
use crate::families::foreign::ForeignRegistry;
use prometheus::{CounterVec, Opts, Registry};

/// Registries that are read beside the provider.
struct Registries(Scraper, Vec<Registry>);

impl Registries {
    fn new<const N: usize>(scraper: Scraper) -> (Self, [CounterVec; N]) {
        let registries = vec![Registry::new(); N];
        let registries: Vec<_> = registries.iter().map(|_| Registry::new()).collect();
        let counters = std::array::from_fn(|at| {
            let jobs = CounterVec::new(Opts::new("jobs_total", "Jobs."), &["is"]).unwrap();
            registries[at].register(Box::new(jobs.clone())).unwrap();
            jobs
        });
        (Self(scraper, registries), counters)
    }

    /// Only the registries with these numbers can be read.
    fn scrape_only(&mut self, seconds: f64, readable: &[usize]) -> Starts {
        let Self(scraper, registries) = self;
        let gathered: Vec<_> = readable
            .iter()
            .map(|at| ForeignRegistry::from(registries[*at].clone()).gather().unwrap())
            .collect();
        let mut foreign = Vec::new();
        gathered.iter().for_each(|gathered| gathered.families(&mut foreign));
        let metrics = scraper.collect();
        let collected = Collected {
            foreign: &foreign,
            is_complete: gathered.len() == registries.len(),
            ..scraper.collected(seconds, &metrics)
        };
        scraper.render(collected, &all())
    }

    fn scrape(&mut self, seconds: f64) -> Starts {
        let readable: Vec<_> = (0..self.1.len()).collect();
        self.scrape_only(seconds, &readable)
    }
}

//
#[test]
fn a_series_that_a_registry_has_removed_starts_again() {
    let (mut registry, [jobs]) = Registries::new(Scraper::new());
    for series in ["a", "b"] {
        jobs.with_label_values(&[series]).inc();
    }
    let both = |a, b| expected([("jobs{is=\"a\"}", a), ("jobs{is=\"b\"}", b)]);
    assert_eq!(registry.scrape(15.0), both(0.0, 0.0));
    jobs.remove_label_values(&["a"]).unwrap();
    registry.scrape(30.0);
    jobs.with_label_values(&["a"]).inc();
    assert_eq!(registry.scrape(45.0), both(30.0, 0.0));
    // Without series, a registry has no family.
    jobs.reset();
    assert_eq!(registry.scrape(60.0), Starts::new());
    for series in ["a", "b"] {
        jobs.with_label_values(&[series]).inc();
    }
    assert_eq!(registry.scrape(75.0), both(60.0, 60.0));
    assert_eq!(registry.scrape(90.0), both(60.0, 60.0));
}

//
#[test]
fn a_registry_that_cannot_be_read_has_removed_nothing() {
    let (mut registry, [jobs, others]) = Registries::new(Scraper::new());
    jobs.with_label_values(&["a"]).inc();
    others.with_label_values(&["b"]).inc();
    let both = expected([("jobs{is=\"a\"}", 0.0), ("jobs{is=\"b\"}", 0.0)]);
    assert_eq!(registry.scrape(15.0), both);
    assert_eq!(registry.scrape_only(30.0, &[1]), expected([("jobs{is=\"b\"}", 0.0)]));
    assert_eq!(registry.scrape_only(45.0, &[]), Starts::new());
    assert_eq!(registry.scrape(60.0), both);
    // What may have been there already starts at the last collection that would have had it.
    registry.scrape_only(75.0, &[]);
    others.with_label_values(&["c"]).inc();
    assert_eq!(registry.scrape(90.0)["jobs{is=\"c\"}"], 60.0);
}

//
#[test]
fn a_series_that_was_removed_while_a_collection_ran_gets_no_start_in_it() {
    let (mut registry, [jobs]) = Registries::new(Scraper::new());
    for series in ["a", "b"] {
        jobs.with_label_values(&[series]).inc();
    }
    registry.scrape(15.0);
    let Registries(scraper, registries) = &mut registry;
    let gathered = ForeignRegistry::from(registries[0].clone()).gather().unwrap();
    let mut foreign = Vec::new();
    gathered.families(&mut foreign);
    let metrics = scraper.collect();
    let late = Collected { foreign: &foreign, ..scraper.collected(30.0, &metrics) };
    jobs.remove_label_values(&["a"]).unwrap();
    assert_eq!(registry.scrape(40.0), expected([("jobs{is=\"b\"}", 0.0)]));
    let starts = registry.0.render(late, &all());
    assert_eq!(starts, expected([("jobs{is=\"a\"}", -1.0), ("jobs{is=\"b\"}", 0.0)]));
    jobs.with_label_values(&["a"]).inc();
    let starts = registry.scrape(55.0);
    assert_eq!(starts, expected([("jobs{is=\"a\"}", -1.0), ("jobs{is=\"b\"}", 0.0)]));
}

//
#[test]
fn a_counter_that_is_reset_starts_again_if_its_values_are_known() {
    let (mut registry, [jobs]) = Registries::new(Scraper::with_idle_timeout());
    let jobs = jobs.with_label_values(&["a"]);
    let start = |start| expected([("jobs{is=\"a\"}", start)]);
    jobs.inc_by(5.0);
    assert_eq!(registry.scrape(5.0), start(0.0));
    jobs.inc_by(1.0);
    assert_eq!(registry.scrape(10.0), start(0.0));
    jobs.reset();
    jobs.inc_by(3.0);
    assert_eq!(registry.scrape(15.0), start(10.0));
    assert_eq!(registry.scrape(20.0), start(10.0));
}

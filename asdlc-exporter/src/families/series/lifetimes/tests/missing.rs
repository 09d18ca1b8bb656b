//! Series that a callback does not observe for a while.

use super::*;

//
#[test]
fn a_whole_family_that_pauses_keeps_its_starts_and_new_series_start_in_the_pause() {
    static SERIES: Observed = Observed::new();
    let mut scraper = Scraper::new();
    SERIES.observe_in(&scraper.meter());
    SERIES.set(&["a"]);
    scraper.scrape(15.0);
    SERIES.set(&[]);
    assert_eq!(scraper.scrape(30.0), Starts::new());
    SERIES.set(&["a", "b"]);
    let starts = expected([("jobs{is=\"a\"}", 0.0), ("jobs{is=\"b\"}", 30.0)]);
    assert_eq!(scraper.scrape(45.0), starts);
}

//
#[test]
fn a_family_was_absent_only_in_collections_that_did_not_have_it() {
    static SERIES: Observed = Observed::new();
    let run = |collections: &[(f64, &[&'static str])]| {
        let mut scraper = Scraper::new();
        SERIES.observe_in(&scraper.meter());
        for (seconds, series) in collections {
            SERIES.set(series);
            // A scrape with a filter sees that the family is there, and does not look at its series.
            scraper.scrape_only(*seconds, &["orders_total"]);
        }
        SERIES.set(&["a", "b"]);
        scraper.scrape(30.0)["jobs{is=\"b\"}"]
    };
    assert_eq!(run(&[(10.0, &["a"])]), 0.0);
    assert_eq!(run(&[(10.0, &["a"]), (20.0, &[])]), 20.0);
    assert_eq!(run(&[(10.0, &["a"]), (20.0, &[]), (29.9, &[])]), 20.0);
    // In the second before the collection, the family was absent. Before that, nobody looked.
    assert_eq!(run(&[(10.0, &["a"]), (29.9, &[])]), 0.0);
    // Collections less than a second apart do not hide the absence.
    assert_eq!(run(&[(10.0, &["a"]), (10.1, &[])]), 10.1);
}

//
#[test]
fn a_series_that_a_callback_misses_keeps_its_start_for_an_hour() {
    static SERIES: Observed = Observed::new();
    let mut scraper = Scraper::new();
    SERIES.observe_in(&scraper.meter());
    let mut scrape = |seconds, series: &[&'static str]| {
        SERIES.set(series);
        scraper.scrape(seconds)
    };
    scrape(15.0, &["a"]);
    scrape(30.0, &["a", "b"]);
    scrape(45.0, &["b"]);
    // `c` is new in the meantime, so that the family has other series each time.
    let starts = scrape(60.0, &["a", "b", "c"]);
    let a_b = [("jobs{is=\"a\"}", 0.0), ("jobs{is=\"b\"}", 15.0)];
    assert_eq!(starts, expected([a_b[0], a_b[1], ("jobs{is=\"c\"}", 45.0)]));
    scrape(100.0, &["b"]);
    assert_eq!(scrape(3_699.0, &["a", "b"]), expected(a_b));
    scrape(3_700.0, &["b"]);
    scrape(3_701.5, &["b"]);
    let late = scrape(7_300.0, &["a", "b"]);
    assert_eq!(late, expected([("jobs{is=\"a\"}", 3_701.5), a_b[1]]));
}

//
#[test]
fn as_many_missing_series_are_kept_as_the_family_has_and_at_least_1000() {
    let missing_after = |shown: u64, rounds: u64, each: u64| {
        let absence = Absence { latest: BUILT, settled: BUILT };
        let mut family = FamilyLifetimes::new(absence);
        let now = Instant::now();
        let observation = Observation {
            kind: FamilyKind::Counter,
            can_be_removed: false,
            now,
            idle_timeout: None,
        };
        for round in 0..rounds {
            let others = shown + round * each..shown + (round + 1) * each;
            let start = time(round as f64);
            family.find(observation, start, (0..shown).chain(others), (shown + each) as usize);
        }
        family.find(observation, time(1e6), 0..shown, shown as usize);
        assert!(family.missing.capacity() <= 4 * 2_500);
        family.missing.iter().map(|it| it.lifetime.hash).collect::<Vec<_>>()
    };
    // The longest missing go first.
    assert_eq!(missing_after(1, 4, 400), (601..1_601).collect::<Vec<_>>());
    assert_eq!(missing_after(2_000, 4, 900), (3_600..5_600).collect::<Vec<_>>());
    assert_eq!(missing_after(2_000, 2, 900), (2_000..3_800).collect::<Vec<_>>());
}

/// The series of an observable counter. Each has the value 5.
struct Observed(std::sync::Mutex<Vec<&'static str>>);

impl Observed {
    const fn new() -> Self {
        Self(std::sync::Mutex::new(Vec::new()))
    }

    fn set(&self, series: &[&'static str]) {
        *self.0.lock().unwrap() = series.to_vec();
    }

    fn observe_in(&'static self, meter: &Meter) {
        meter
            .u64_observable_counter("jobs")
            .with_callback(|observer| {
                self.0.lock().unwrap().iter().for_each(|value| observer.observe(5, &label(value)));
            })
            .build();
    }
}

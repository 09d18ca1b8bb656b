//! Collections that are close together, late, incomplete or not written.

use super::*;

//
#[test]
fn a_second_scraper_just_before_does_not_make_a_start_later_than_the_first_sample() {
    let mut scraper = Scraper::new();
    let jobs = scraper.meter().u64_counter("jobs").build();
    jobs.add(1, &label("a"));
    scraper.scrape(15.0);
    // The clock of the second scraper's server may be some milliseconds ahead.
    scraper.scrape(29.999);
    jobs.add(5, &label("b"));
    assert_eq!(scraper.scrape(30.0)["jobs{is=\"b\"}"], 15.0);
    jobs.add(5, &label("c"));
    scraper.meter().u64_counter("orders").build().add(1, &[]);
    let starts = scraper.scrape(30.5);
    assert_eq!([starts["jobs{is=\"c\"}"], starts["orders"]], [15.0, 15.0]);
    jobs.add(5, &label("d"));
    // However many scrapers there are, it is not much earlier than that.
    for at in 1..=20 {
        scraper.scrape(f64::from(at).mul_add(0.3, 31.0));
    }
    jobs.add(5, &label("e"));
    let start = scraper.scrape(37.2)["jobs{is=\"e\"}"];
    assert!((37.2 - 2.5..=37.2 - 1.0).contains(&start), "{start}");
}

//
#[test]
fn a_clock_that_is_set_back_makes_no_start_later_than_its_collection() {
    let mut scraper = Scraper::new();
    let jobs = scraper.meter().u64_counter("jobs").build();
    let scrape = |scraper: &mut Scraper, now: f64, unix: f64, new| {
        jobs.add(1, &label(new));
        let metrics = scraper.collect();
        let collected = Collected { time: time(unix), ..scraper.collected(now, &metrics) };
        scraper.render(collected, &all())
    };
    let starts = |all: [f64; 5]| {
        let names = ["a", "b", "c", "d", "e"].into_iter().zip(all);
        names.map(|(name, start)| (format!("jobs{{is=\"{name}\"}}"), start)).collect::<Starts>()
    };
    scrape(&mut scraper, 100.0, 1_000.0, "a");
    scrape(&mut scraper, 115.0, 1_015.0, "b");
    // By the right clock, it is 20 minutes earlier. `a` has a start before that.
    let texts = scrape(&mut scraper, 130.0, 10.0, "c");
    assert_eq!(texts.values().copied().collect::<Vec<_>>(), [0.0, -1.0, -1.0]);
    scrape(&mut scraper, 145.0, 25.0, "d");
    let later = starts([0.0, -1.0, -1.0, 10.0, 25.0]);
    assert_eq!(scrape(&mut scraper, 160.0, 40.0, "e"), later);
    // A start that was in the future is not served when this future comes.
    assert_eq!(scrape(&mut scraper, 2_000.0, 1_100.0, "e"), later);
}

//
#[test]
fn a_collection_that_ends_after_a_later_one_moves_no_start_forward() {
    let mut scraper = Scraper::new();
    let jobs = scraper.meter().u64_counter("jobs").build();
    jobs.add(1, &label("a"));
    scraper.scrape(15.0);
    let early = scraper.collect();
    jobs.add(1, &label("b"));
    assert_eq!(scraper.scrape(40.0)["jobs{is=\"b\"}"], 15.0);
    // It began at 30, before the one that was rendered at 40.
    let collected = scraper.collected(30.0, &early);
    assert_eq!(scraper.render(collected, &all()), expected([("jobs{is=\"a\"}", 0.0)]));
    jobs.add(1, &label("c"));
    let starts = scraper.scrape(45.0);
    assert_eq!(starts.into_values().collect::<Vec<_>>(), [0.0, 15.0, 30.0]);
    // It is not a clock that was set back: starts after its beginning stay.
    jobs.add(1, &label("d"));
    assert_eq!(scraper.scrape(60.0)["jobs{is=\"d\"}"], 45.0);
    scraper.render(collected, &all());
    assert_eq!(scraper.scrape(75.0)["jobs{is=\"d\"}"], 45.0);
}

//
#[test]
fn an_exposition_that_stops_or_fails_loses_no_start() {
    struct Stops;
    impl Sink for Stops {
        fn take(&mut self, _: &mut Vec<u8>) -> Option<usize> {
            None
        }
    }
    let mut scraper = Scraper::with(RenderSettings::default());
    let jobs = scraper.meter().u64_counter("jobs").build();
    let orders = scraper.meter().u64_counter("orders").build();
    for counter in [&jobs, &orders] {
        counter.add(1, &label("a"));
    }
    scraper.scrape(15.0);
    for counter in [&jobs, &orders] {
        counter.add(1, &label("b"));
    }
    let waits = scraper.meter().u64_counter("waits").build();
    waits.add(1, &label("a"));
    // It stops in the first family.
    let metrics = scraper.collect();
    let collected = scraper.collected(30.0, &metrics);
    let sink: Option<(&mut dyn Sink, usize)> = Some((&mut Stops, 1));
    let rendered = scraper.renderer.render(collected, &all(), Vec::new(), sink).unwrap();
    assert!(!rendered.is_complete);
    for counter in [&jobs, &orders, &waits] {
        counter.add(1, &label("c"));
    }
    let [a, b] = [("a", 0.0), ("b", 15.0)];
    // The stopped scrape has seen only the series of the first family, and which families there are.
    let starts = [
        ("jobs", vec![a, b, ("c", 30.0)]),
        ("orders", vec![a, b, ("c", 15.0)]),
        ("waits", vec![("a", 15.0), ("c", 15.0)]),
    ];
    let starts = starts.into_iter().flat_map(|(name, series)| {
        series.into_iter().map(move |(is, at)| (format!("{name}{{is=\"{is}\"}}"), at))
    });
    let starts: Starts = starts.collect();
    assert_eq!(scraper.scrape(45.0), starts);
}

//
#[test]
fn a_collection_without_the_metrics_of_the_provider_says_nothing() {
    let mut scraper = Scraper::new();
    scraper.renderer = Renderer::new(RenderSettings {
        may_be_empty: false,
        has_created_lines: true,
        built: BUILT,
        ..RenderSettings::default()
    });
    let jobs = scraper.meter().u64_counter("jobs").build();
    jobs.add(1, &[]);
    scraper.scrape(15.0);
    let nothing = ResourceMetrics::default();
    let collected = scraper.collected(30.0, &nothing);
    assert_eq!(scraper.renderer.render(collected, &all(), Vec::new(), None), None);
    jobs.add(1, &label("b"));
    let starts = expected([("jobs", 0.0), ("jobs{is=\"b\"}", 15.0)]);
    assert_eq!(scraper.scrape(45.0), starts);
}

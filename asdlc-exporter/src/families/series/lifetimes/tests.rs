use super::*;
use crate::{
    collect::reader::Reader,
    exposition::{
        chunks::Sink,
        format::{Format, Output},
        render::{Collected, Query, RenderSettings, Renderer},
    },
    families::{
        model::FamilyKind,
        names::{name::TranslationStrategy, policy::NamePolicy},
        series::idle_timeout::IdleTimeout,
    },
};
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider as _},
};
use opentelemetry_sdk::metrics::{
    SdkMeterProvider, data::ResourceMetrics, reader::MetricReader as _,
};
use std::collections::BTreeMap;

mod collections;
mod missing;
#[cfg(feature = "prometheus")]
mod property;
#[cfg(feature = "prometheus")]
mod registries;

/// A renderer that was built at second 0 of a clock that the test sets.
struct Scraper {
    provider: SdkMeterProvider,
    reader: Reader,
    renderer: Renderer,
    began: Instant,
}

/// The seconds of the starts, by the name of the series without `_created`. -1 if it has none.
type Starts = BTreeMap<String, f64>;

impl Scraper {
    fn new() -> Self {
        Self::with(RenderSettings::default())
    }

    fn with_idle_timeout() -> Self {
        let idle = Some(IdleTimeout::new(TEN));
        Self::with(RenderSettings { idle, ..RenderSettings::default() })
    }

    fn with(settings: RenderSettings) -> Self {
        let reader = Reader::default();
        let settings = RenderSettings {
            has_created_lines: true,
            may_be_empty: true,
            built: time(0.0),
            ..settings
        };
        Self {
            provider: SdkMeterProvider::builder().with_reader(reader.clone()).build(),
            reader,
            renderer: Renderer::new(settings),
            began: Instant::now(),
        }
    }

    fn meter(&self) -> Meter {
        self.provider.meter("test")
    }

    fn collect(&self) -> ResourceMetrics {
        let mut metrics = ResourceMetrics::default();
        self.reader.collect(&mut metrics).unwrap();
        metrics
    }

    fn collected<'a>(&self, seconds: f64, recorded: &'a ResourceMetrics) -> Collected<'a> {
        let now = self.began + Duration::from_secs_f64(seconds);
        Collected { now, time: time(seconds), ..Collected::now(recorded) }
    }

    fn render(&mut self, collected: Collected<'_>, query: &Query) -> Starts {
        let rendered = self.renderer.render(collected, query, Vec::new(), None);
        starts(&rendered.unwrap().into_text())
    }

    /// The starts that a collection after this number of seconds has.
    fn scrape(&mut self, seconds: f64) -> Starts {
        let metrics = self.collect();
        let collected = self.collected(seconds, &metrics);
        self.render(collected, &all())
    }

    /// Like `scrape`, with the filter `name[]`.
    fn scrape_only(&mut self, seconds: f64, names: &[&str]) -> Starts {
        let metrics = self.collect();
        let collected = self.collected(seconds, &metrics);
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.render(collected, &Query { names, ..all() })
    }
}

fn all() -> Query {
    Query::all(Format::OpenMetrics.into())
}

fn time(seconds: f64) -> UnixTime {
    BUILT.plus(Duration::from_secs_f64(seconds))
}

fn starts(text: &str) -> Starts {
    let mut starts = Starts::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket")) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = ["_created", "_total", "_count", "_sum"]
            .iter()
            .fold(series.to_owned(), |name, suffix| name.replace(suffix, ""));
        if series.contains("_created") {
            let (seconds, rest) = value.split_once('.').unwrap();
            let whole = seconds.parse::<u64>().unwrap() - BUILT.0 / 1_000_000_000;
            let seconds: f64 = format!("{whole}.{rest}").parse().unwrap();
            // Without `AFTER_ABSENCE`.
            starts.insert(name, (seconds * 100.0).round() / 100.0);
        } else {
            starts.entry(name).or_insert(-1.0);
        }
    }
    starts
}

fn expected<const N: usize>(starts: [(&str, f64); N]) -> Starts {
    starts.into_iter().map(|(name, start)| (name.to_owned(), start)).collect()
}

fn label(value: &'static str) -> [KeyValue; 1] {
    [KeyValue::new("is", value)]
}

const TEN: Duration = Duration::from_secs(10);
const BUILT: UnixTime = UnixTime(1_700_000_000_000_000_000);

//
#[test]
fn a_series_starts_at_the_last_collection_that_did_not_have_it() {
    let mut scraper = Scraper::new();
    let jobs = scraper.meter().u64_counter("jobs").build();
    jobs.add(5, &label("b"));
    // Of the first collection: when the reader was built.
    assert_eq!(scraper.scrape(15.0), expected([("jobs{is=\"b\"}", 0.0)]));
    jobs.add(1, &label("b"));
    assert_eq!(scraper.scrape(30.0), expected([("jobs{is=\"b\"}", 0.0)]));
    // New series before and after the known one, and one with another list of keys.
    for value in ["a", "c"] {
        jobs.add(5, &label(value));
    }
    jobs.add(5, &[KeyValue::new("key", "x")]);
    let later = expected([
        ("jobs{is=\"a\"}", 30.0),
        ("jobs{is=\"b\"}", 0.0),
        ("jobs{is=\"c\"}", 30.0),
        ("jobs{key=\"x\"}", 30.0),
    ]);
    assert_eq!(scraper.scrape(45.0), later);
    assert_eq!(scraper.scrape(60.0), later);
}

//
#[test]
fn histograms_have_starts_and_gauges_have_none() {
    let mut scraper = Scraper::new();
    let meter = scraper.meter();
    meter.u64_gauge("size").build().record(1, &[]);
    meter.i64_up_down_counter("active").build().add(1, &[]);
    meter.u64_histogram("wait").with_boundaries(vec![1.0]).build().record(1, &[]);
    let starts = scraper.scrape(15.0);
    assert_eq!(starts, expected([("active", -1.0), ("size", -1.0), ("wait", 0.0)]));
}

//
#[test]
fn a_family_that_comes_later_starts_at_the_last_collection_of_any_family() {
    let mut scraper = Scraper::new();
    scraper.meter().u64_counter("jobs").build().add(1, &[]);
    scraper.scrape(15.0);
    // A scrape with a filter collects all families too.
    scraper.scrape_only(30.0, &["jobs_total"]);
    scraper.meter().u64_counter("orders").build().add(1, &[]);
    assert_eq!(scraper.scrape(45.0), expected([("jobs", 0.0), ("orders", 30.0)]));
}

//
#[test]
fn a_scrape_with_a_filter_says_nothing_about_the_series_of_other_families() {
    let mut scraper = Scraper::new();
    let jobs = scraper.meter().u64_counter("jobs").build();
    let orders = scraper.meter().u64_counter("orders").build();
    for counter in [&jobs, &orders] {
        counter.add(1, &label("a"));
    }
    scraper.scrape(15.0);
    for counter in [&jobs, &orders] {
        counter.add(1, &label("b"));
    }
    let jobs = expected([("jobs{is=\"a\"}", 0.0), ("jobs{is=\"b\"}", 15.0)]);
    assert_eq!(scraper.scrape_only(30.0, &["jobs_total"]), jobs);
    // `orders` had `b` at 30 already, but nobody looked.
    let orders = expected([("orders{is=\"a\"}", 0.0), ("orders{is=\"b\"}", 15.0)]);
    assert_eq!(scraper.scrape_only(45.0, &["orders_total"]), orders);
    assert_eq!(scraper.scrape(60.0), jobs.into_iter().chain(orders).collect());
}

//
#[test]
fn a_series_starts_in_another_millisecond_than_the_collection_without_it() {
    let built = Absence::before(time(0.0));
    assert_eq!(built.start(time(0.0)), time(0.0));
    let mut absence = built;
    absence.observe(time(15.0));
    assert_eq!(absence.start(time(15.1)), time(0.0));
    assert_eq!(absence.start(time(30.0)), time(15.0).plus(AFTER_ABSENCE));
    absence.observe(time(30.0));
    assert_eq!(absence.start(time(30.1)), time(15.0).plus(AFTER_ABSENCE));
    absence.forget_after(time(15.0));
    assert_eq!(absence.start(time(15.5)), UNKNOWN);
}

//
#[test]
fn an_idle_series_that_returns_starts_at_the_last_collection_in_which_it_was_hidden() {
    let mut scraper = Scraper::with_idle_timeout();
    let jobs = scraper.meter().u64_counter("jobs").build();
    let wait = scraper.meter().u64_histogram("wait").build();
    let round = |seconds, scraper: &mut Scraper, is_recorded| {
        if is_recorded {
            jobs.add(5, &[]);
            wait.record(5, &[]);
        }
        scraper.scrape(seconds)
    };
    let both = |start| expected([("jobs", start), ("wait", start)]);
    assert_eq!(round(1.0, &mut scraper, true), both(0.0));
    assert_eq!(round(9.0, &mut scraper, false), both(0.0));
    assert_eq!(round(15.0, &mut scraper, false), Starts::new());
    assert_eq!(round(30.0, &mut scraper, false), Starts::new());
    assert_eq!(round(45.0, &mut scraper, true), both(30.0));
    assert_eq!(round(50.0, &mut scraper, true), both(30.0));
    // The series that are hidden while others come and go are found again.
    assert_eq!(round(60.0, &mut scraper, false), Starts::new());
    scraper.meter().u64_counter("jobs").build().add(1, &label("x"));
    assert_eq!(scraper.scrape(75.0), expected([("jobs{is=\"x\"}", 60.0)]));
    let starts = expected([("jobs", 75.0), ("jobs{is=\"x\"}", 60.0), ("wait", 75.0)]);
    assert_eq!(round(80.0, &mut scraper, true), starts);
}

//
#[test]
fn all_expositions_of_a_collection_have_the_same_starts() {
    let mut scraper = Scraper::with_idle_timeout();
    let jobs = scraper.meter().u64_counter("jobs").build();
    let filtered = Query { names: vec!["jobs_total".to_owned()], ..all() };
    let text = Query::all(Output::TEXT);
    for (seconds, expected) in [(15.0, 0.0), (30.0, 15.0), (45.0, 30.0)] {
        jobs.add(1, &[KeyValue::new("at", seconds)]);
        let metrics = scraper.collect();
        let collected = scraper.collected(seconds, &metrics);
        let first = scraper.render(collected, &filtered);
        assert_eq!(first[&format!("jobs{{at=\"{seconds}\"}}")], expected);
        for query in [&all(), &text, &filtered, &all()] {
            let starts = scraper.render(collected, query);
            assert!(*query == text || starts == first, "{starts:?}");
        }
    }
}

//
#[test]
fn starts_do_not_depend_on_the_escaping_of_names() {
    let policy = NamePolicy::default().with_strategy(TranslationStrategy::NoTranslation);
    let mut scraper = Scraper::with(RenderSettings { policy, ..RenderSettings::default() });
    let jobs = scraper.meter().u64_counter("jobs_total").build();
    let formats = [Format::OpenMetrics, Format::Utf8OpenMetrics];
    for (at, format) in formats.iter().cycle().take(4).enumerate() {
        jobs.add(1, &[KeyValue::new("a.b", at as i64)]);
        let metrics = scraper.collect();
        let collected = scraper.collected(15.0 * (at + 1) as f64, &metrics);
        let starts = scraper.render(collected, &Query::all((*format).into()));
        let expected: Vec<_> = (0..=at).map(|at| 15.0 * at as f64).collect();
        assert_eq!(starts.into_values().collect::<Vec<_>>(), expected, "{format:?}");
    }
}

//
#[test]
fn starts_are_kept_when_the_cache_of_labels_is_cleared() {
    let mut scraper = Scraper::new();
    let jobs = scraper.meter().u64_counter("jobs").build();
    jobs.add(1, &label("a"));
    scraper.scrape(15.0);
    // More lists of keys than the cache has, so that the same labels get another layout afterwards.
    let many = scraper.meter().u64_counter("many").with_description("Keys.").build();
    let keys = |range: std::ops::Range<u32>| range.map(|at| KeyValue::new(format!("k{at}"), 1));
    keys(0..1_999).for_each(|key| many.add(1, &[key]));
    scraper.scrape(30.0);
    for round in 0..6_u32 {
        let other = Scraper::new();
        let counter = other.meter().u64_counter("others").build();
        keys(2_000 * (round + 1)..2_000 * (round + 1) + 1_999)
            .for_each(|key| counter.add(1, &[key]));
        let metrics = other.collect();
        let collected = scraper.collected(f64::from(round).mul_add(15.0, 45.0), &metrics);
        scraper.render(collected, &all());
    }
    jobs.add(1, &label("b"));
    let starts = scraper.scrape(150.0);
    assert_eq!(starts["jobs{is=\"a\"}"], 0.0);
    assert_eq!(starts["jobs{is=\"b\"}"], 120.0);
    assert_eq!(starts["many{k1998=\"1\"}"], 15.0);
}

//
#[test]
fn a_series_takes_16_bytes_and_a_gauge_none() {
    let mut scraper = Scraper::new();
    let jobs = scraper.meter().u64_counter("jobs").build();
    let size = scraper.meter().u64_gauge("size").build();
    // The series come one after the other, so that memory that grows in steps would be seen.
    for at in 0..100 {
        jobs.add(1, &[KeyValue::new("at", at)]);
        size.record(1, &[KeyValue::new("at", at)]);
        scraper.scrape(15.0 * (at + 1) as f64);
        let memory = scraper.renderer.lifetimes().families.iter().map(|it| {
            it.known.capacity() * size_of::<Lifetime>()
                + it.idle.capacity() * size_of::<IdleState>()
                + it.missing.capacity() * size_of::<MissingSeries>()
        });
        assert_eq!(memory.sum::<usize>() as i64, 16 * (at + 1));
    }
    // As `IdleTimeout` says.
    assert_eq!(size_of::<Lifetime>() + size_of::<IdleState>(), 72);
}

//
#[test]
fn the_starts_of_the_service_are_counted_across_restarts_and_have_no_start() {
    let mut scraper = Scraper::new();
    scraper.meter().u64_counter("service_starts").build().add(41, &[]);
    scraper.meter().u64_counter("service").build().add(1, &[]);
    assert_eq!(scraper.scrape(15.0), expected([("service", 0.0), ("service_starts", -1.0)]));
}

use super::*;
use crate::{
    collect::reader::Reader,
    exposition::{
        format::Format,
        render::{Collected, Query, RenderSettings, Renderer},
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
            starts.insert(name, format!("{whole}.{rest}").parse().unwrap());
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

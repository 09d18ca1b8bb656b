use super::*;
use crate::{
    collect::reader::Reader,
    exposition::{
        format::{Format, Output},
        render::{Collected, Query, RenderSettings, Renderer},
    },
    families::series::idle_timeout::IdleTimeout,
};
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider as _},
};
use opentelemetry_sdk::metrics::{
    SdkMeterProvider, data::ResourceMetrics, reader::MetricReader as _,
};

/// A renderer that hides series after ten seconds, and a clock that the test sets.
struct Scraper {
    provider: SdkMeterProvider,
    reader: Reader,
    renderer: Renderer,
    began: Instant,
}

impl Scraper {
    fn new(idle: impl Into<IdleTimeout>) -> Self {
        let reader = Reader::default();
        Self {
            provider: SdkMeterProvider::builder().with_reader(reader.clone()).build(),
            reader,
            renderer: renderer(idle),
            began: Instant::now(),
        }
    }

    fn meter(&self) -> Meter {
        self.provider.meter("test")
    }

    /// The texts of one collection after this number of seconds.
    fn texts<const N: usize>(&mut self, seconds: u64, queries: [Query; N]) -> [String; N] {
        let mut metrics = ResourceMetrics::default();
        self.reader.collect(&mut metrics).unwrap();
        let now = self.began + Duration::from_secs(seconds);
        let collected = Collected { now, ..Collected::now(&metrics) };
        queries.map(|query| {
            self.renderer.render(collected, &query, Vec::new(), None).unwrap().into_text()
        })
    }

    /// The samples after this number of seconds.
    fn scrape(&mut self, seconds: u64) -> Vec<String> {
        samples(&self.texts(seconds, [Query::all(Output::TEXT)])[0])
    }
}

fn renderer(idle: impl Into<IdleTimeout>) -> Renderer {
    let settings = RenderSettings { may_be_empty: true, ..RenderSettings::default() };
    Renderer::new(RenderSettings { idle: Some(idle.into()), ..settings })
}

fn samples(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn label(value: &'static str) -> [KeyValue; 1] {
    [KeyValue::new("is", value)]
}

const TEN: Duration = Duration::from_secs(10);
const NONE: [String; 0] = [];

//
#[test]
fn a_series_that_is_missing_in_some_collections_does_not_come_back_with_its_whole_value() {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    static FAILS: AtomicBool = AtomicBool::new(false);
    static COUNT: AtomicU64 = AtomicU64::new(5);
    let mut scraper = Scraper::new(TEN);
    scraper
        .meter()
        .u64_observable_counter("jobs")
        .with_callback(|observer| {
            observer.observe(1, &label("first"));
            if !FAILS.load(Ordering::Relaxed) {
                observer.observe(COUNT.load(Ordering::Relaxed), &label("second"));
            }
        })
        .build();
    assert_eq!(scraper.scrape(0).len(), 2);
    assert_eq!(scraper.scrape(10), NONE);
    COUNT.store(7, Ordering::Relaxed);
    assert_eq!(scraper.scrape(11), ["jobs_total{is=\"second\"} 2"]);
    FAILS.store(true, Ordering::Relaxed);
    assert_eq!(scraper.scrape(12), NONE);
    FAILS.store(false, Ordering::Relaxed);
    assert_eq!(scraper.scrape(13), ["jobs_total{is=\"second\"} 2"]);
    // A hidden one stays hidden.
    assert_eq!(scraper.scrape(23), NONE);
    FAILS.store(true, Ordering::Relaxed);
    assert_eq!(scraper.scrape(24), NONE);
    FAILS.store(false, Ordering::Relaxed);
    assert_eq!(scraper.scrape(25), NONE);
}

//
#[test]
fn a_counter_is_hidden_and_starts_again_as_a_new_series_would() {
    let mut scraper = Scraper::new(TEN);
    let jobs = scraper.meter().u64_counter("jobs").with_description("Jobs.").build();
    let big = 9_007_199_254_740_993; // 2^53 + 1, which no f64 can hold
    jobs.add(big, &[]);
    let mut served = vec![scraper.scrape(0), scraper.scrape(9)];
    assert_eq!(served.concat(), vec![format!("jobs_total {big}"); 2]);
    // Without series, there is no family.
    assert_eq!(scraper.texts(10, [Query::all(Output::TEXT)]), ["# There are no such metrics.\n"]);
    served.push(scraper.scrape(1_000));
    for (at, added) in [(1_001, 2), (1_002, 0), (1_003, 1), (1_010, 0)] {
        jobs.add(added, &[]);
        served.push(scraper.scrape(at));
    }
    let values = ["jobs_total 2", "jobs_total 2", "jobs_total 3", "jobs_total 3"];
    assert_eq!(served[3..].concat(), values);
    // As Prometheus computes it: a value less than the one before is a reset to 0.
    let values: Vec<u64> =
        served.concat().iter().map(|line| line["jobs_total ".len()..].parse().unwrap()).collect();
    let increase: u64 = values.windows(2).map(|it| it[1].checked_sub(it[0]).unwrap_or(it[1])).sum();
    assert_eq!(increase, 3, "{values:?}");
    // It is hidden again, and everything until then is subtracted.
    assert_eq!(scraper.scrape(1_013), NONE);
    jobs.add(7, &[]);
    assert_eq!(scraper.scrape(1_014), ["jobs_total 7"]);
}

//
#[test]
fn time_counts_from_the_collection_that_found_a_new_value() {
    let mut scraper = Scraper::new(TEN);
    let jobs = scraper.meter().u64_counter("jobs").build();
    jobs.add(1, &[]);
    assert_eq!(scraper.scrape(0), ["jobs_total 1"]);
    // It changed at an unknown time since the last collection.
    jobs.add(1, &[]);
    assert_eq!(scraper.scrape(100), ["jobs_total 2"]);
    assert_eq!(scraper.scrape(109), ["jobs_total 2"]);
    assert_eq!(scraper.scrape(110), NONE);
}

//
#[test]
fn each_series_is_hidden_on_its_own_and_found_by_its_labels() {
    let mut scraper = Scraper::new(TEN);
    let jobs = scraper.meter().u64_counter("jobs").build();
    for (value, count) in [("b", 10), ("d", 20), ("f", 30)] {
        jobs.add(count, &label(value));
    }
    scraper.scrape(0);
    jobs.add(1, &label("d"));
    assert_eq!(scraper.scrape(10), ["jobs_total{is=\"d\"} 21"]);
    // New series before, between and after the known ones, and known ones that return.
    for value in ["a", "c", "g", "b", "f"] {
        jobs.add(1, &label(value));
    }
    jobs.add(1, &[KeyValue::new("key", "of another list")]);
    assert_eq!(
        scraper.scrape(11),
        [
            "jobs_total{is=\"a\"} 1",
            "jobs_total{is=\"b\"} 1",
            "jobs_total{is=\"c\"} 1",
            "jobs_total{is=\"d\"} 21",
            "jobs_total{is=\"f\"} 1",
            "jobs_total{is=\"g\"} 1",
            "jobs_total{key=\"of another list\"} 1",
        ]
    );
}

//
#[test]
fn gauges_are_hidden_only_where_a_pattern_matches() {
    let idle = IdleTimeout::new(TEN).with_gauges("queue*").with_gauges("*_info").with_gauges("odd");
    let mut scraper = Scraper::new(idle);
    let meter = scraper.meter();
    meter.u64_gauge("other").build().record(1, &[]);
    meter.u64_gauge("service_info").build().record(1, &[]);
    meter.u64_gauge("build_info").build().record(1, &[]);
    meter.u64_gauge("exporter_info").build().record(1, &[]);
    let queue = meter.i64_up_down_counter("queue").build();
    queue.add(5, &[]);
    // The pattern has the name of the instrument.
    let odd = meter.f64_gauge("odd").with_unit("s").build();
    odd.record(0.25, &[]);
    let constant: &[&str] = &["build_info 1", "exporter_info 1", "other 1", "service_info 1"];
    let with = |more: &[&'static str]| {
        let mut all = [constant, more].concat();
        all.sort_unstable();
        all
    };
    assert_eq!(scraper.scrape(0), with(&["odd_seconds 0.25", "queue 5"]));
    assert_eq!(scraper.scrape(10), with(&[]));
    // A gauge does not accumulate: it returns with its value.
    queue.add(-2, &[]);
    odd.record(0.5, &[]);
    assert_eq!(scraper.scrape(11), with(&["odd_seconds 0.5", "queue 3"]));
}

//
#[test]
fn families_can_be_excluded() {
    let idle = IdleTimeout::new(TEN).without("checkouts").with_gauges("*").without("queue_?");
    let mut scraper = Scraper::new(idle);
    let meter = scraper.meter();
    for name in ["checkouts", "jobs", "service_starts", "exporter_scrapes"] {
        meter.u64_counter(name).build().add(1, &[]);
    }
    meter.u64_gauge("queue_a").build().record(1, &[]);
    scraper.scrape(0);
    let kept =
        ["checkouts_total 1", "exporter_scrapes_total 1", "queue_a 1", "service_starts_total 1"];
    assert_eq!(scraper.scrape(10), kept);
}

//
#[test]
fn a_histogram_returns_with_what_was_recorded_since() {
    let mut scraper = Scraper::new(TEN);
    let wait = scraper.meter().u64_histogram("wait").with_boundaries(vec![1.0, 5.0]).build();
    let none = scraper.meter().u64_histogram("none").with_boundaries(vec![]).build();
    [1, 3, 3, 9].iter().for_each(|value| wait.record(*value, &[]));
    none.record(4, &[]);
    scraper.scrape(0);
    assert_eq!(scraper.scrape(10), NONE);
    [3, 9, 9].iter().for_each(|value| wait.record(*value, &[]));
    none.record(5, &[]);
    assert_eq!(
        scraper.scrape(11),
        [
            "none_bucket{le=\"+Inf\"} 1",
            "none_sum 5",
            "none_count 1",
            "wait_bucket{le=\"1\"} 0",
            "wait_bucket{le=\"5\"} 1",
            "wait_bucket{le=\"+Inf\"} 3",
            "wait_sum 21",
            "wait_count 3",
        ]
    );
}

//
#[test]
fn a_histogram_that_is_merged_later_keeps_what_is_exact() {
    let mut scraper = Scraper::new(TEN);
    let histogram = |scope: &'static str, boundaries| {
        let meter = scraper.provider.meter(scope);
        meter.u64_histogram("wait").with_boundaries(boundaries).build()
    };
    let first = histogram("a", vec![1.0, 5.0, 10.0]);
    let second = histogram("b", vec![2.0, 5.0]);
    [1, 3, 7].iter().for_each(|value| first.record(*value, &[]));
    scraper.scrape(0);
    assert_eq!(scraper.scrape(10), NONE);
    [1, 4].iter().for_each(|value| second.record(*value, &[]));
    let expected =
        ["wait_bucket{le=\"5\"} 2", "wait_bucket{le=\"+Inf\"} 2", "wait_sum 5", "wait_count 2"];
    assert_eq!(scraper.scrape(11), expected);
}

//
#[test]
fn all_texts_of_a_collection_have_the_same_series() {
    let mut scraper = Scraper::new(TEN);
    let jobs = scraper.meter().u64_counter("jobs").build();
    let other = scraper.meter().u64_counter("other").build();
    let queries = || {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        [
            Query { output: Output::TEXT, names: named(&["jobs_total"]) },
            Query::all(Output::TEXT),
            Query::all(Format::OpenMetrics.into()),
            Query { output: Output::TEXT, names: named(&["jobs_total"]) },
        ]
    };
    let mut scrape = |at| {
        let texts = scraper.texts(at, queries());
        let [filtered, whole, open, again] = texts.map(|text| samples(&text));
        assert_eq!(filtered, again);
        assert_eq!(whole, open);
        assert_eq!(
            filtered,
            whole.iter().filter(|it| it.starts_with("jobs")).cloned().collect::<Vec<_>>()
        );
        whole
    };
    for value in ["a", "b"] {
        jobs.add(5, &label(value));
        other.add(5, &label(value));
    }
    assert_eq!(scrape(0).len(), 4);
    jobs.add(1, &label("a"));
    assert_eq!(scrape(10), ["jobs_total{is=\"a\"} 6"]);
    jobs.add(1, &label("b"));
    assert_eq!(scrape(19), ["jobs_total{is=\"a\"} 6", "jobs_total{is=\"b\"} 1"]);
    assert_eq!(scrape(20), ["jobs_total{is=\"b\"} 1"]);
}

//
#[test]
fn only_series_that_are_shown_decide_the_type_in_openmetrics() {
    let mut scraper = Scraper::new(IdleTimeout::new(TEN).with_gauges("*"));
    let leader = scraper.meter().u64_gauge("leader_info").build();
    leader.record(1, &label("a"));
    leader.record(0, &label("b"));
    let open = || [Query::all(Format::OpenMetrics.into())];
    let gauge = "# HELP leader_info \n# TYPE leader_info gauge\n";
    assert!(scraper.texts(0, open())[0].starts_with(gauge));
    leader.record(2, &label("a"));
    assert!(scraper.texts(9, open())[0].starts_with(gauge));
    leader.record(1, &label("a"));
    let expected = "# HELP leader \n# TYPE leader info\nleader_info{is=\"a\"} 1\n# EOF\n";
    assert_eq!(scraper.texts(10, open()), [expected]);
}

#[cfg(feature = "prometheus")]
mod of_a_registry {
    use super::*;
    use crate::families::foreign::ForeignRegistry;
    use prometheus::{CounterVec, Gauge, HistogramOpts, HistogramVec, Opts, Registry};
    use proptest::{collection::vec, prelude::*};
    use std::collections::BTreeMap;

    fn scrape(renderer: &mut Renderer, registry: &Registry, now: Instant) -> Vec<String> {
        let gathered = ForeignRegistry::from(registry.clone()).gather().unwrap();
        let (recorded, mut foreign) = (ResourceMetrics::default(), Vec::new());
        gathered.families(&mut foreign);
        // Without families, a scrape of an exporter fails, because `uptime_seconds` is missing.
        let collected = Collected { foreign: &foreign, now, ..Collected::now(&recorded) };
        let rendered = renderer.render(collected, &Query::all(Output::TEXT), Vec::new(), None);
        rendered.map_or(Vec::new(), |rendered| {
            let series = rendered.series;
            let samples = samples(&rendered.into_text());
            let of_one = |it: &&String| !it.contains("le=") && !it.starts_with("wait_sum");
            assert_eq!(series, samples.iter().filter(of_one).count());
            samples
        })
    }

    //
    #[test]
    fn a_metric_that_is_reset_is_served_as_it_is() {
        let (registry, mut renderer, began) = (Registry::new(), renderer(TEN), Instant::now());
        let jobs = CounterVec::new(Opts::new("jobs", "Jobs."), &["is"]).unwrap();
        let options = HistogramOpts::new("wait", "Waits.").buckets(vec![1.0, 2.0]);
        let wait = HistogramVec::new(options, &["is"]).unwrap();
        registry.register(Box::new(jobs.clone())).unwrap();
        registry.register(Box::new(wait.clone())).unwrap();
        let (jobs, observe) = (jobs.with_label_values(&["a"]), |values: &[f64]| {
            values.iter().for_each(|value| wait.with_label_values(&["a"]).observe(*value));
        });
        jobs.inc_by(5.5);
        observe(&[0.5, 1.5, 3.0]);
        let mut scrape = |at| {
            let samples = scrape(&mut renderer, &registry, began + Duration::from_secs(at));
            samples
                .iter()
                .map(|it| it.replace("is=\"a\"", "").replace("{}", ""))
                .collect::<Vec<_>>()
        };
        scrape(0);
        assert_eq!(scrape(10), NONE);
        jobs.reset();
        jobs.inc_by(2.0);
        // The count is greater than before, but one bucket has less.
        wait.reset();
        observe(&[1.5, 3.0, 3.0, 3.0]);
        let buckets = |values: [u64; 3]| {
            ["1", "2", "+Inf"]
                .iter()
                .zip(values)
                .map(|(le, value)| format!("wait_bucket{{,le=\"{le}\"}} {value}"))
                .collect::<Vec<_>>()
        };
        let mut expected = vec!["jobs 2".to_owned()];
        expected.extend(buckets([0, 1, 4]));
        expected.extend(["wait_sum 10.5".to_owned(), "wait_count 4".to_owned()]);
        assert_eq!(scrape(11), expected);
        // From now on, nothing is subtracted.
        jobs.inc_by(8.0);
        assert_eq!(scrape(12)[0], "jobs 10");
    }

    //
    #[test]
    fn a_histogram_that_was_merged_before_has_the_boundaries_that_are_known_from_then() {
        let mut scraper = Scraper::new(TEN);
        let (registry, none) = (Registry::new(), Registry::new());
        let options = HistogramOpts::new("wait", "Waits.").buckets(vec![2.0, 3.0]);
        let of_registry = HistogramVec::new(options, &["is"]).unwrap();
        registry.register(Box::new(of_registry.clone())).unwrap();
        let _ = of_registry.with_label_values(&["b"]);
        let meter = scraper.meter();
        let wait = meter.f64_histogram("wait").with_boundaries(vec![1.0, 2.0, 3.0]).build();
        let mut scrape = |at, registry: &Registry| {
            let mut metrics = ResourceMetrics::default();
            scraper.reader.collect(&mut metrics).unwrap();
            let gathered = ForeignRegistry::from(registry.clone()).gather().unwrap();
            let mut foreign = Vec::new();
            gathered.families(&mut foreign);
            let now = scraper.began + Duration::from_secs(at);
            let collected = Collected { foreign: &foreign, now, ..Collected::now(&metrics) };
            let query = Query::all(Output::TEXT);
            let rendered = scraper.renderer.render(collected, &query, Vec::new(), None).unwrap();
            samples(&rendered.into_text())
        };
        wait.record(0.5, &label("a"));
        wait.record(2.5, &label("b"));
        scrape(0, &registry);
        wait.record(0.5, &label("a"));
        assert!(scrape(10, &registry).iter().all(|sample| !sample.contains("is=\"b\"")));
        // Now all points of the family are of one metric.
        wait.record(2.5, &label("b"));
        let expected = [
            "wait_bucket{is=\"a\",le=\"1\"} 2",
            "wait_bucket{is=\"a\",le=\"2\"} 2",
            "wait_bucket{is=\"a\",le=\"3\"} 2",
            "wait_bucket{is=\"a\",le=\"+Inf\"} 2",
            "wait_sum{is=\"a\"} 1",
            "wait_count{is=\"a\"} 2",
            "wait_bucket{is=\"b\",le=\"2\"} 0",
            "wait_bucket{is=\"b\",le=\"3\"} 1",
            "wait_bucket{is=\"b\",le=\"+Inf\"} 1",
            "wait_sum{is=\"b\"} 2.5",
            "wait_count{is=\"b\"} 1",
        ];
        assert_eq!(scrape(11, &none), expected);
    }

    //
    #[test]
    fn nan_is_no_change() {
        let idle = IdleTimeout::new(TEN).with_gauges("odd");
        let (registry, mut renderer, began) = (Registry::new(), renderer(idle), Instant::now());
        let odd = Gauge::new("odd", "Odd.").unwrap();
        odd.set(f64::NAN);
        registry.register(Box::new(odd)).unwrap();
        assert_eq!(scrape(&mut renderer, &registry, began), ["odd NaN"]);
        assert_eq!(scrape(&mut renderer, &registry, began + TEN), NONE);
    }

    /// What happens between two collections.
    #[derive(Clone, Debug)]
    enum Event {
        Add(u8, u32),
        Remove(u8),
        Wait(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (0_u8..12, 0_u32..5).prop_map(|(series, count)| Event::Add(series, count)),
            1 => (0_u8..12).prop_map(Event::Remove),
            3 => (1_u64..8).prop_map(Event::Wait),
        ]
    }

    /// What a series is like, by the description of the feature.
    #[derive(Clone, Default)]
    struct Expected {
        value: u32,
        changed_at: u64,
        hidden_with: u32,
        is_hidden: bool,
    }

    proptest! {
        //
        #[test]
        fn series_may_come_and_go_in_any_order(events in vec(vec(event(), 0..6), 1..30)) {
            let (registry, mut renderer, began) = (Registry::new(), renderer(TEN), Instant::now());
            let jobs = CounterVec::new(Opts::new("jobs", "Jobs."), &["is"]).unwrap();
            registry.register(Box::new(jobs.clone())).unwrap();
            let (mut real, mut seen) = (BTreeMap::new(), BTreeMap::<String, Expected>::new());
            let mut now = 0;
            for events in events {
                for event in events {
                    match event {
                        Event::Add(series, count) => {
                            let series = series.to_string();
                            jobs.with_label_values(&[&series]).inc_by(count.into());
                            *real.entry(series).or_insert(0) += count;
                        }
                        Event::Remove(series) => {
                            let series = series.to_string();
                            let _ = jobs.remove_label_values(&[&series]);
                            real.remove(&series);
                        }
                        Event::Wait(seconds) => now += seconds,
                    }
                }
                // A family without series is not collected, and says nothing about its series.
                if !real.is_empty() {
                    seen.retain(|series, _| real.contains_key(series));
                }
                let mut expected = Vec::new();
                for (series, &value) in &real {
                    let new = Expected { value, changed_at: now, ..Expected::default() };
                    let it = seen.entry(series.clone()).or_insert(new);
                    if it.value != value {
                        (it.value, it.changed_at) = (value, now);
                    }
                    let was_hidden = it.is_hidden;
                    it.is_hidden = now - it.changed_at >= 10;
                    if it.is_hidden && !was_hidden {
                        it.hidden_with = value;
                    }
                    if value < it.hidden_with {
                        it.hidden_with = 0;
                    }
                    if !it.is_hidden {
                        expected.push(format!("jobs{{is=\"{series}\"}} {}", value - it.hidden_with));
                    }
                }
                let at = began + Duration::from_secs(now);
                prop_assert_eq!(scrape(&mut renderer, &registry, at), expected);
            }
        }
    }
}

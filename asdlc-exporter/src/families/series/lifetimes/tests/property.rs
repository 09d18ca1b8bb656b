//! Series that come, pause, return and are removed, in collections by the servers of two readers.

use super::*;
use crate::families::foreign::ForeignRegistry;
use prometheus::{CounterVec, IntCounter, Opts, Registry};
use proptest::{collection::vec, prelude::*, sample::select};
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug)]
enum Event {
    Add(u8, u64),
    /// The callback does not observe the series, or the registry removes it.
    Leave(u8),
    /// The callback observes the series again.
    Return(u8),
    /// Milliseconds.
    Wait(u64),
    /// By this server of this reader.
    Collect(usize, usize, Filter),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Filter {
    None,
    Jobs,
    /// A family that is always there.
    Other,
}

fn event() -> impl Strategy<Value = Event> {
    let filter = select(vec![Filter::None, Filter::None, Filter::Jobs, Filter::Other]);
    prop_oneof![
        4 => (0_u8..5, 1_u64..5).prop_map(|(series, count)| Event::Add(series, count)),
        1 => (0_u8..5).prop_map(Event::Leave),
        2 => (0_u8..5).prop_map(Event::Return),
        3 => select(vec![1, 5, 300, 700, 1_000, 7_000, 20_000]).prop_map(Event::Wait),
        6 => (0_usize..2, 0_usize..2, filter).prop_map(|(reader, server, filter)| {
            Event::Collect(reader, server, filter)
        }),
    ]
}

/// What is recorded.
#[derive(Default)]
struct Recorded {
    /// The values that are observed or registered.
    values: BTreeMap<u8, u64>,
    paused: Vec<u8>,
    /// All that was ever added.
    total: BTreeMap<u8, u64>,
}

/// What a server knows about a series, and the increase that it computes.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// The time and the value of the last sample.
    last: Option<(UnixTime, u64)>,
    increase: u64,
}

impl Seen {
    /// Like Prometheus with `created-timestamp-zero-ingestion`: a start is a sample of value 0, unless it is
    /// not before the sample, or not after the last one.
    fn sample(&mut self, at: UnixTime, value: u64, start: Option<UnixTime>) {
        let start = start.filter(|start| *start < at);
        if start.is_some_and(|start| self.last.is_none_or(|(last, _)| last < start)) {
            self.increase += value;
        } else if let Some((_, last)) = self.last {
            self.increase += value.checked_sub(last).unwrap_or(value);
        }
        self.last = Some((at, value));
    }
}

/// A reader, its servers, and what its starts have to be like.
struct Served {
    scraper: Scraper,
    servers: [BTreeMap<u8, Seen>; 2],
    /// The first time of each series that is known, and the times before at which it was absent.
    known: BTreeMap<u8, (UnixTime, Vec<UnixTime>)>,
    /// When the family was compared or absent.
    compared: Vec<UnixTime>,
}

impl Served {
    fn new(idle: Option<IdleTimeout>) -> Self {
        Self {
            scraper: Scraper::with(RenderSettings { idle, ..RenderSettings::default() }),
            servers: Default::default(),
            known: BTreeMap::new(),
            compared: vec![BUILT],
        }
    }

    /// Updates the model by the series that the collection has. Returns whether they are written.
    fn compare(&mut self, at: UnixTime, series: &[u8], filter: Filter, removes: bool) -> bool {
        if series.is_empty() || filter != Filter::Other {
            if removes {
                self.known.retain(|it, _| series.contains(it));
            }
            for it in series {
                self.known.entry(*it).or_insert_with(|| (at, self.compared.clone()));
            }
            self.compared.push(at);
        }
        filter != Filter::Other
    }

    /// Checks the start of a series: it is that of the last collection that did not have it, and a second before
    /// the first that had it. If collections follow each other faster, it may be a second earlier.
    fn check(&self, series: u8, start: UnixTime) -> Result<(), TestCaseError> {
        let (first, absent) = &self.known[&series];
        let early = |it: &&UnixTime| it.plus(MARGIN) <= *first || **it == BUILT;
        let expected = *absent.iter().filter(early).max().unwrap();
        let expected = if expected == BUILT { BUILT } else { expected.plus(AFTER_ABSENCE) };
        prop_assert!(start <= expected, "{start:?} is later than {expected:?}");
        prop_assert!(start.plus(MARGIN) >= expected, "{start:?} is before {expected:?}");
        Ok(())
    }
}

fn samples(text: &str) -> BTreeMap<u8, (u64, Option<UnixTime>)> {
    let mut samples = BTreeMap::<u8, (u64, Option<UnixTime>)>::new();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once("{is=\"") else { continue };
        let (series, value) = rest.split_once("\"} ").unwrap();
        let sample = samples.entry(series.parse().unwrap()).or_default();
        match name {
            "jobs_total" => sample.0 = value.trim_end_matches(".0").parse().unwrap(),
            "jobs_created" => {
                let (seconds, rest) = value.split_once('.').unwrap();
                sample.1 = Some(UnixTime(format!("{seconds}{rest:0<9}").parse().unwrap()));
            }
            _ => panic!("{line}"),
        }
    }
    samples
}

fn run(events: Vec<Event>, is_registry: bool, idle: bool) -> Result<(), TestCaseError> {
    let idle = idle.then(|| IdleTimeout::new(TEN));
    let mut readers = [Served::new(idle.clone()), Served::new(idle.clone())];
    let recorded = Arc::new(Mutex::new(Recorded::default()));
    let registry = Registry::new();
    let jobs = CounterVec::new(Opts::new("jobs_total", "Jobs."), &["is"]).unwrap();
    let other = IntCounter::new("other_total", "Always there.").unwrap();
    registry.register(Box::new(jobs.clone())).unwrap();
    registry.register(Box::new(other)).unwrap();
    if !is_registry {
        for Served { scraper, .. } in &readers {
            let recorded = Arc::clone(&recorded);
            let meter = scraper.meter();
            let counter = meter.u64_observable_counter("jobs");
            let observe = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
                let Recorded { values, paused, .. } = &*recorded.lock().unwrap();
                for (series, value) in values.iter().filter(|(it, _)| !paused.contains(it)) {
                    observer.observe(*value, &[KeyValue::new("is", i64::from(*series))]);
                }
            };
            counter.with_callback(observe).build();
        }
    }
    let mut milliseconds = 50;
    for event in events {
        let mut recorded = recorded.lock().unwrap();
        match event {
            Event::Wait(time) => milliseconds += time,
            Event::Add(series, count) => {
                *recorded.total.entry(series).or_default() += count;
                *recorded.values.entry(series).or_default() += count;
                jobs.with_label_values(&[series.to_string()]).inc_by(count as f64);
            }
            Event::Leave(series) if is_registry => {
                recorded.values.remove(&series);
                let _ = jobs.remove_label_values(&[series.to_string()]);
            }
            Event::Leave(series) => recorded.paused.push(series),
            Event::Return(series) => recorded.paused.retain(|it| *it != series),
            Event::Collect(reader, server, filter) => {
                // Two collections never begin at the same time.
                milliseconds += 1;
                let Served { scraper, .. } = &mut readers[reader];
                let Recorded { values, paused, total } = &*recorded;
                let is_there = |it: &&u8| is_registry || !paused.contains(it);
                let series: Vec<u8> = values.keys().filter(is_there).copied().collect();
                let (values, total) = (values.clone(), total.clone());
                drop(recorded);
                let metrics = scraper.collect();
                let gathered = ForeignRegistry::from(registry.clone()).gather().unwrap();
                let mut foreign = Vec::new();
                gathered.families(&mut foreign);
                foreign.retain(|family| is_registry || family.name() != "jobs_total");
                let seconds = milliseconds as f64 / 1e3;
                let collected =
                    Collected { foreign: &foreign, ..scraper.collected(seconds, &metrics) };
                let at = collected.time;
                let names = match filter {
                    Filter::None => Vec::new(),
                    Filter::Jobs => vec!["jobs_total".to_owned()],
                    Filter::Other => vec!["other_total".to_owned()],
                };
                let query = Query { names, ..all() };
                let rendered = scraper.renderer.render(collected, &query, Vec::new(), None);
                let samples = samples(&rendered.unwrap().into_text());
                let reader = &mut readers[reader];
                let is_written = reader.compare(at, &series, filter, is_registry);
                prop_assert!(is_written || samples.is_empty());
                prop_assert!(!is_written || idle.is_some() || samples.keys().eq(&series));
                // The time of a server's sample is that of its request.
                let sample_at = UnixTime(at.0 - 3_000_000);
                for (series, (value, start)) in samples {
                    let start = start.unwrap();
                    if idle.is_none() {
                        reader.check(series, start)?;
                    }
                    let seen = reader.servers[server].entry(series).or_default();
                    seen.sample(sample_at, value, Some(start));
                    let increase = seen.increase;
                    prop_assert!(increase <= total[&series], "{increase} of {total:?}");
                    // Nothing is lost either, unless series are hidden or removed.
                    if idle.is_none() && !is_registry {
                        prop_assert_eq!(increase, values[&series]);
                    }
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    //
    #[test]
    fn nothing_is_counted_twice_and_nothing_is_lost(
        events in vec(event(), 1..60),
        is_registry in any::<bool>(),
        idle in any::<bool>(),
    ) {
        run(events, is_registry, idle)?;
    }
}

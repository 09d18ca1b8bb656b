//! Servers that scrape many expositions, each at its own path.

use std::collections::{BTreeMap, HashSet};

use asdlc_tests::in_process::Server;
use asdlc_tests::servers::{Generation, Prometheus, QueryApi, Target, VictoriaMetrics};
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::header::CONTENT_TYPE;

use super::generated::{Served, served};

// X-05 X-04
#[test]
fn prometheus_stores_every_sample_of_whatever_is_recorded() {
    Bodies::serve(generated()).assert_prometheus_reads_all();
}

// X-05 X-04 X-15
#[test]
fn victoria_metrics_stores_every_sample_of_whatever_is_recorded() {
    Bodies::serve(generated()).assert_victoria_metrics_reads_all();
}

fn generated() -> impl Iterator<Item = [String; 2]> {
    served(48).into_iter().map(|Served { text, open_metrics, .. }| [text, open_metrics])
}

/// Expositions in both formats, served over HTTP.
pub(crate) struct Bodies {
    server: Server,
    /// By path.
    samples: BTreeMap<String, Samples>,
}

struct Samples {
    all: f64,
    /// Series that `VictoriaMetrics` keeps: it drops NaN samples and truncates names.
    kept: f64,
}

impl Samples {
    fn of(body: &str) -> Self {
        let mut all = 0;
        let mut kept = HashSet::new();
        for line in body.lines().filter(|line| !line.starts_with('#')) {
            all += 1;
            let exemplar = exemplar_at_the_end(line).map_or(0, str::len);
            let sample = &line[..line.len() - exemplar];
            let (series, value) = sample.rsplit_once(' ').expect("a value");
            if value != "NaN" {
                let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                kept.insert((&name[..name.len().min(LONGEST_NAME)], labels));
            }
        }
        Self { all: f64::from(all), kept: kept.len() as f64 }
    }
}

impl Bodies {
    /// Serves these texts, each in text format and in `OpenMetrics`.
    pub(crate) fn serve(texts: impl IntoIterator<Item = [String; 2]>) -> Self {
        Self::serve_as([TEXT, OPEN_METRICS], texts)
    }

    /// As [`serve`](Self::serve), with these two values of `Content-Type`.
    pub(crate) fn serve_as(
        [text_type, open_type]: [&'static str; 2],
        texts: impl IntoIterator<Item = [String; 2]>,
    ) -> Self {
        let mut router = Router::new();
        let mut samples = BTreeMap::new();
        for (number, [text, open_metrics]) in texts.into_iter().enumerate() {
            for (format, content_type, body) in
                [("text", text_type, text), ("open", open_type, open_metrics)]
            {
                let path = format!("/{format}/{number}");
                samples.insert(path.clone(), Samples::of(&body));
                let body = ([(CONTENT_TYPE, content_type)], Bytes::from(body));
                router = router.route(&path, get(async move || body));
            }
        }
        Self { server: Server::axum(router), samples }
    }

    #[track_caller]
    pub(crate) fn assert_prometheus_reads_all(&self) {
        self.assert_prometheus_of_reads_all(Generation::Stable);
    }

    #[track_caller]
    pub(crate) fn assert_prometheus_of_reads_all(&self, generation: Generation) {
        let builder = Prometheus::builder(generation).with_paths(&self.paths());
        let prometheus = builder.scraping(self.server.address());
        for target in prometheus.targets(self.samples.len()) {
            assert_eq!(target, Target::up());
        }
        self.assert_read(&prometheus, |samples| samples.all);
    }

    #[track_caller]
    pub(crate) fn assert_victoria_metrics_reads_all(&self) {
        self.assert_victoria_metrics_of_reads_all(Generation::Stable);
    }

    #[track_caller]
    pub(crate) fn assert_victoria_metrics_of_reads_all(&self, generation: Generation) {
        let builder = VictoriaMetrics::builder(generation).with_paths(&self.paths());
        // By default, it drops series with more than 30 labels.
        let builder = builder.with_options(&["-maxLabelsPerTimeseries=200"]);
        let victoria_metrics = builder.scraping(self.server.address());
        for target in victoria_metrics.targets(self.samples.len()) {
            assert_eq!(target, Target::up());
        }
        self.assert_read(&victoria_metrics, |samples| samples.kept);
    }

    fn paths(&self) -> Vec<String> {
        self.samples.keys().cloned().collect()
    }

    /// Checks that `server` has scraped each sample, and stores each series that it keeps.
    #[track_caller]
    fn assert_read(&self, server: &impl QueryApi, kept: impl Fn(&Samples) -> f64) {
        let expected = |of: &dyn Fn(&Samples) -> f64| -> BTreeMap<_, _> {
            self.samples.iter().map(|(path, samples)| (path.clone(), of(samples))).collect()
        };
        let scraped = || server.query_by("scrape_samples_scraped", "path");
        let all = expected(&|samples| samples.all);
        assert!(eventually(DEADLINE, || scraped() == all), "{:?}", differences(&scraped(), &all));
        let stored = "count by (path) ({path=~\".+\",__name__!~\"up|scrape_.*\"})";
        let stored = || server.query_by(stored, "path");
        let kept = expected(&kept);
        assert!(eventually(DEADLINE, || stored() == kept), "{:?}", differences(&stored(), &kept));
    }
}

/// The exemplar of an `OpenMetrics` sample, with everything that separates it from the sample. A label value may look like one,
/// but after a label value there is a brace.
pub(crate) fn exemplar_at_the_end(line: &str) -> Option<&str> {
    let (_, exemplar) = line.rsplit_once(" # {")?;
    let (labels, numbers) = exemplar.split_once('}')?;
    let is_label =
        |label: &str| label.starts_with("trace_id=\"") || label.starts_with("span_id=\"");
    let has_ids = labels.is_empty() || labels.split(',').all(is_label);
    let numbers: Vec<_> = numbers.strip_prefix(' ')?.split(' ').collect();
    let are_numbers = numbers.len() == 2 && numbers.iter().all(|it| it.parse::<f64>().is_ok());
    (has_ids && are_numbers).then(|| &line[line.len() - exemplar.len() - " # {".len()..])
}

/// The paths where the server's number differs from the expected one: both numbers.
fn differences<'a>(
    has: &BTreeMap<String, f64>,
    should: &'a BTreeMap<String, f64>,
) -> Vec<(&'a String, Option<f64>, f64)> {
    let all = should.iter().map(|(path, value)| (path, has.get(path).copied(), *value));
    all.filter(|(_, has, should)| *has != Some(*should)).collect()
}

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
/// The default of `-maxLabelValueLen` of `VictoriaMetrics`.
const LONGEST_NAME: usize = 16 << 10;

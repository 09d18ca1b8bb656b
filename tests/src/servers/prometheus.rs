//! A real Prometheus.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use super::scrape_config::ScrapeConfig;
use super::{Generation, QueryApi, StoredExemplar, get_json, labels_and_value, percent_encoded};
use crate::process::Process;

/// A Prometheus that scrapes its targets every second, of Debian's stable release unless a [`builder`](Self::builder) says more.
/// Dropping it kills it.
#[derive(Debug)]
pub struct Prometheus {
    // Fields are dropped in this order: the process ends before its directory is removed.
    process: Process,
    _directory: TempDir,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts it with one target and waits until it is ready for queries.
    #[must_use]
    pub fn scraping(target: SocketAddr) -> Self {
        Self::builder(Generation::Stable).scraping(target)
    }

    /// As [`scraping`](Self::scraping), with each path as a separate target with the label `path`.
    #[must_use]
    pub fn scraping_paths(target: SocketAddr, paths: &[String]) -> Self {
        Self::builder(Generation::Stable).with_paths(paths).scraping(target)
    }

    /// As [`scraping`](Self::scraping), with these labels on the target.
    #[must_use]
    pub fn scraping_with_labels(target: SocketAddr, labels: &[(&str, &str)]) -> Self {
        Self::builder(Generation::Stable).with_labels(labels).scraping(target)
    }

    /// As [`scraping`](Self::scraping), with several targets.
    #[must_use]
    pub fn scraping_all(targets: &[SocketAddr]) -> Self {
        Self::builder(Generation::Stable).scraping_all(targets)
    }

    /// Starts it with a configuration of the test's own, and with other files beside it: their names and contents.
    #[must_use]
    pub fn configured(config: &str, files: &[(&str, &str)]) -> Self {
        Self::builder(Generation::Stable).configured(config, files)
    }

    /// One with more settings.
    pub fn builder(generation: Generation) -> PrometheusBuilder {
        PrometheusBuilder { generation, features: Vec::new(), config: ScrapeConfig::new() }
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The version that it says it has.
    #[must_use]
    pub fn version(&self) -> String {
        let response = get_json(self.address, "/api/v1/status/buildinfo");
        response["data"]["version"].as_str().expect("it has a version").to_owned()
    }

    /// The features of [`with_feature`](PrometheusBuilder::with_feature) that it does not have.
    #[must_use]
    pub fn unknown_features(&self) -> Vec<String> {
        // It logs them before it listens.
        let unknown = |line: &str| {
            let (_, feature) = line.split_once("Unknown option for --enable-feature\" option=")?;
            Some(feature.trim().to_owned())
        };
        self.process.stderr().iter().filter_map(|line| unknown(line)).collect()
    }

    /// The labels of each series that `matcher` selects, whatever its samples are.
    #[must_use]
    pub fn stored_series(&self, matcher: &str) -> Vec<BTreeMap<String, String>> {
        let path = format!("/api/v1/series?match[]={}", percent_encoded(matcher));
        serde_json::from_value(get_json(self.address, &path)["data"].take()).expect("label sets")
    }

    /// The samples of an instant query that are not native histograms.
    #[must_use]
    pub fn float_samples(&self, promql: &str) -> Vec<(BTreeMap<String, String>, f64)> {
        let path = format!("/api/v1/query?query={}", percent_encoded(promql));
        let response = get_json(self.address, &path);
        let series = response["data"]["result"].as_array().expect("a vector").iter();
        series.filter(|series| !series["value"].is_null()).map(labels_and_value).collect()
    }

    /// The stored exemplars of the series that `selector` selects, of the last hour.
    #[must_use]
    pub fn exemplars(&self, selector: &str) -> Vec<StoredExemplar> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let (query, start, end) = (percent_encoded(selector), now - 3_600, now + 60);
        let path = format!("/api/v1/query_exemplars?query={query}&start={start}&end={end}");
        StoredExemplar::read_all(&get_json(self.address, &path)["data"])
    }

    fn run(builder: &PrometheusBuilder, directory: TempDir, config: &Path) -> Self {
        let flag = |name: &str, value: &dyn std::fmt::Display| format!("--{name}={value}");
        let mut command = Command::new(builder.generation.program("prometheus"));
        command.args([
            flag("config.file", &config.display()),
            flag("storage.tsdb.path", &directory.path().join("data").display()),
            flag("web.listen-address", &"127.0.0.1:0"),
            flag("web.console.templates", &"/nonexistent"),
            flag("web.console.libraries", &"/nonexistent"),
        ]);
        if !builder.features.is_empty() {
            command.arg(flag("enable-feature", &builder.features.join(",")));
        }
        let process = Process::start(command);
        // Version 2 has other fields before the address than version 3.
        let address = |line: &str| {
            let (_, fields) = line.split_once("msg=\"Listening on\"")?;
            fields.split_once("address=")?.1.trim().parse().ok()
        };
        let address = process
            .await_stderr(address)
            .unwrap_or_else(|error| panic!("Prometheus does not listen: {error}"));
        process
            .await_stderr(|line| {
                line.contains("Server is ready to receive web requests").then_some(())
            })
            .unwrap_or_else(|error| panic!("Prometheus is not ready: {error}"));
        Self { process, _directory: directory, address }
    }
}

impl QueryApi for Prometheus {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The settings of a [`Prometheus`]. It does not start with a setting that its generation does not have in its configuration file.
#[derive(Debug, Clone)]
#[must_use]
pub struct PrometheusBuilder {
    generation: Generation,
    features: Vec<String>,
    config: ScrapeConfig,
}

impl PrometheusBuilder {
    /// Stores native histograms. It then prefers protobuf, unless [`with_protocols`](Self::with_protocols) says otherwise.
    pub fn with_native_histograms(self) -> Self {
        self.with_feature("native-histograms")
    }

    /// Stores a zero at the start time of a series. Version 3 then prefers protobuf; version 2.42 does not have it.
    pub fn with_start_times(self) -> Self {
        self.with_feature("created-timestamp-zero-ingestion")
    }

    /// Stores exemplars.
    pub fn with_exemplars(self) -> Self {
        self.with_feature("exemplar-storage")
    }

    /// A name for `--enable-feature`. [`unknown_features`](Prometheus::unknown_features) has those that do not exist.
    pub fn with_feature(mut self, feature: &str) -> Self {
        self.features.push(feature.to_owned());
        self
    }

    /// What it asks for, in its order: `PrometheusProto`, `OpenMetricsText1.0.0`, `OpenMetricsText0.0.1`, `PrometheusText1.0.0`,
    /// `PrometheusText0.0.4`.
    pub fn with_protocols(self, protocols: &[&str]) -> Self {
        self.with_setting("scrape_protocols", &format!("[{}]", protocols.join(", ")))
    }

    /// Stores the classic buckets of a histogram that has native ones, too.
    pub fn with_classic_histograms(self) -> Self {
        self.with_setting("always_scrape_classic_histograms", "true")
    }

    /// Which names it accepts, `utf8` or `legacy`.
    pub fn with_name_validation(self, scheme: &str) -> Self {
        self.with_setting("metric_name_validation_scheme", scheme)
    }

    /// The `escaping` that it asks for: `allow-utf-8`, `underscores`, `dots` or `values`.
    pub fn with_name_escaping(self, scheme: &str) -> Self {
        self.with_setting("metric_name_escaping_scheme", scheme)
    }

    /// A setting of the scrape job.
    pub fn with_setting(mut self, key: &str, value: &str) -> Self {
        self.config.add_setting(key, value);
        self
    }

    /// The time between two scrapes, a second by default. It is also the timeout of a scrape.
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.config.set_interval(interval);
        self
    }

    /// Scrapes each path as a separate target, with the label `path`, every five seconds by default.
    pub fn with_paths(mut self, paths: &[String]) -> Self {
        self.config.set_paths(paths);
        self
    }

    /// Labels of the targets.
    pub fn with_labels(mut self, labels: &[(&str, &str)]) -> Self {
        self.config.set_labels(labels);
        self
    }

    /// Starts it with one target and waits until it is ready for queries.
    #[must_use]
    pub fn scraping(&self, target: SocketAddr) -> Prometheus {
        self.scraping_all(&[target])
    }

    /// As [`scraping`](Self::scraping), with several targets.
    #[must_use]
    pub fn scraping_all(&self, targets: &[SocketAddr]) -> Prometheus {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let config = self.config.write(directory.path(), targets);
        Prometheus::run(self, directory, &config)
    }

    /// Starts it with a configuration of the test's own, and with other files beside it: their names and contents. Only the
    /// features of this builder apply.
    #[must_use]
    pub fn configured(&self, config: &str, files: &[(&str, &str)]) -> Prometheus {
        let directory = TempDir::new().expect("a temporary directory can be made");
        for (name, content) in [("prometheus.yml", config)].iter().chain(files) {
            fs::write(directory.path().join(name), content).expect("the directory is writable");
        }
        let config = directory.path().join("prometheus.yml");
        Prometheus::run(self, directory, &config)
    }
}

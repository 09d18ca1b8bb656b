//! The configuration file with which Prometheus and `VictoriaMetrics` scrape.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Scrapes as the job `under-test`.
#[derive(Debug, Clone)]
pub(super) struct ScrapeConfig {
    interval: Option<Duration>,
    paths: Vec<String>,
    /// Of all targets.
    labels: Vec<(String, String)>,
    /// Lines of the job, `key: value`.
    settings: Vec<String>,
}

impl ScrapeConfig {
    pub(super) fn new() -> Self {
        let paths = vec!["/metrics".to_owned()];
        Self { interval: None, paths, labels: Vec::new(), settings: Vec::new() }
    }

    /// Also the timeout of a scrape.
    pub(super) fn set_interval(&mut self, interval: Duration) {
        self.interval = Some(interval);
    }

    /// If there are several, the series of each path have the path as the label `path`.
    pub(super) fn set_paths(&mut self, paths: &[String]) {
        self.paths = paths.to_vec();
    }

    pub(super) fn set_labels(&mut self, labels: &[(&str, &str)]) {
        self.labels = labels.iter().map(|&(key, value)| (key.into(), value.into())).collect();
    }

    pub(super) fn add_setting(&mut self, key: &str, value: &str) {
        self.settings.push(format!("{key}: {value}"));
    }

    /// How many targets are scraped for each address.
    pub(super) fn path_count(&self) -> usize {
        self.paths.len()
    }

    /// Writes the file into the directory.
    pub(super) fn write(&self, directory: &Path, targets: &[SocketAddr]) -> PathBuf {
        let Self { interval, paths, labels, settings } = self;
        // A busy machine cannot scrape a hundred paths within a second.
        let default = Duration::from_secs(if paths.len() > 1 { 5 } else { 1 });
        let interval = format!("{}ms", interval.unwrap_or(default).as_millis());
        let mut config = format!(
            "global:\n  scrape_interval: {interval}\n  scrape_timeout: {interval}\nscrape_configs:\n  \
             - job_name: under-test\n"
        );
        for setting in settings {
            config.push_str(&format!("    {setting}\n"));
        }
        config.push_str("    static_configs:\n");
        let targets: Vec<_> = targets.iter().map(|target| format!("\"{target}\"")).collect();
        let targets = targets.join(", ");
        for path in paths {
            config.push_str(&format!("      - targets: [{targets}]\n"));
            config.push_str(&format!("        labels: {{__metrics_path__: \"{path}\""));
            if paths.len() > 1 {
                config.push_str(&format!(", path: \"{path}\""));
            }
            for (key, value) in labels {
                config.push_str(&format!(", {key}: \"{value}\""));
            }
            config.push_str("}\n");
        }
        let file = directory.join("scrape.yml");
        fs::write(&file, config).expect("the temporary directory is writable");
        file
    }
}

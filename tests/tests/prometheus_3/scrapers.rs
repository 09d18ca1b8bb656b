//! A Prometheus of each generation that scrapes targets in each format that it can be made to ask for.

use std::net::SocketAddr;

use asdlc_tests::servers::{Generation, Prometheus};

/// A format that a Prometheus asks for. It is the name of the job that asks for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) job: &'static str,
    /// The beginning of the `Content-Type` of the answer.
    pub(crate) answer: &'static str,
}

impl Asked {
    pub(crate) fn is_protobuf(self) -> bool {
        self.job == PROTOBUF.job
    }
}

/// A target: its address, its path, and its label `program`.
pub(crate) type Program<'a> = (SocketAddr, &'a str, &'a str);

/// A Prometheus and what its jobs ask for.
#[derive(Debug)]
pub(crate) struct Scraper {
    pub(crate) prometheus: Prometheus,
    pub(crate) generation: Generation,
    pub(crate) jobs: &'static [Asked],
}

/// Starts Prometheus of both generations with native histograms. The old one asks for the same in all its jobs, so there are two.
///
/// `settings` are lines of each job of the new one.
pub(crate) fn start(programs: &[Program<'_>], settings: &str) -> Vec<Scraper> {
    let start = |generation, jobs: &'static [Asked]| {
        let mut builder = Prometheus::builder(generation);
        if jobs.iter().any(|asked| asked.is_protobuf()) {
            builder = builder.with_native_histograms();
        }
        let settings = if generation == Generation::New { settings } else { "" };
        let config = config(programs, generation, jobs, settings);
        Scraper { prometheus: builder.configured(&config, &[]), generation, jobs }
    };
    vec![
        start(Generation::Stable, &[PROTOBUF]),
        start(Generation::Stable, &[OPEN_METRICS]),
        start(Generation::New, &[PROTOBUF, OPEN_METRICS, TEXT_1, TEXT_0]),
    ]
}

fn config(
    programs: &[Program<'_>],
    generation: Generation,
    jobs: &[Asked],
    settings: &str,
) -> String {
    let mut config =
        "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\nscrape_configs:\n".to_owned();
    for Asked { job, .. } in jobs {
        config.push_str(&format!("- job_name: {job}\n"));
        if generation == Generation::New {
            config.push_str(&format!("  scrape_protocols: [{job}]\n"));
        }
        for line in settings.lines() {
            config.push_str(&format!("  {line}\n"));
        }
        config.push_str("  static_configs:\n");
        for (address, path, program) in programs {
            config.push_str(&format!(
                "  - {{targets: ['{address}'], labels: {{__metrics_path__: {path}, program: {program}}}}}\n"
            ));
        }
    }
    config
}

pub(crate) const PROTOBUF: Asked =
    Asked { job: "PrometheusProto", answer: "application/vnd.google.protobuf" };
const OPEN_METRICS: Asked =
    Asked { job: "OpenMetricsText1.0.0", answer: "application/openmetrics-text; version=1.0.0" };
const TEXT_1: Asked = Asked { job: "PrometheusText1.0.0", answer: "text/plain; version=1.0.0" };
const TEXT_0: Asked = Asked { job: "PrometheusText0.0.4", answer: "text/plain; version=0.0.4" };

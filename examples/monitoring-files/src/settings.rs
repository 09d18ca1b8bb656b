//! The arguments of the program, and what they mean.

use std::path::PathBuf;

use clap::Parser;

use crate::convention::{Convention, Requests};
use crate::names::{self, Namespaces};
use crate::objective::Objective;
use crate::reader::{Reader, Server};
use crate::service_level::ServiceLevel;

/// Writes the recording rules, alerts and Grafana dashboards for services that use these crates
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) settings: SettingsArguments,

    /// The directory for the folders `rules` and `grafana`
    #[arg(long, value_name = "DIRECTORY", default_value = "examples/deploy")]
    pub(crate) output: PathBuf,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SettingsArguments {
    /// The namespace of your services. Repeat it for several. Metrics without a namespace are always included
    #[arg(long, value_name = "NAME", default_values = names::OF_THE_EXAMPLES, value_parser = names::namespace)]
    namespace: Vec<String>,

    /// Include only metrics without a namespace
    #[arg(long, conflicts_with = "namespace")]
    without_namespace: bool,

    /// The scrape job of your services, for the alerts about targets. Repeat it for several
    #[arg(long, value_name = "NAME", default_values = names::JOBS_OF_THE_EXAMPLES, value_parser = names::job)]
    job: Vec<String>,

    /// How many percent of the requests have to succeed within 30 days, from 93.1 to 99.99999
    #[arg(long, value_name = "PERCENT", default_value = Objective::DEFAULT)]
    objective: Objective,

    /// Another objective: the recorded name, how many percent have to succeed, and the ratio of errors as counters without
    /// namespace. Repeat it for several. `NAME PERCENT 1 - SUCCESSES / EVENTS` counts what succeeded instead
    #[arg(long, value_name = "NAME PERCENT ERRORS / EVENTS")]
    slo: Vec<ServiceLevel>,

    /// The names of the metrics of requests: `Conventions` of the HTTP layer
    #[arg(long, value_enum, default_value_t)]
    convention: Convention,

    /// The servers that evaluate the files
    #[arg(long, value_enum, default_value_t)]
    server: Server,
}

/// The checked arguments.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) namespaces: Namespaces,
    /// A regular expression that matches the scrape jobs.
    pub(crate) jobs: String,
    pub(crate) objective: Objective,
    /// Those of other events than requests.
    pub(crate) service_levels: Vec<ServiceLevel>,
    pub(crate) convention: Convention,
    pub(crate) server: Server,
    /// What the convention calls the metrics of requests.
    pub(crate) requests: &'static Requests,
    /// The command that writes the same files again.
    pub(crate) command: String,
}

impl From<SettingsArguments> for Settings {
    fn from(arguments: SettingsArguments) -> Self {
        let command = arguments.command();
        let SettingsArguments {
            namespace,
            without_namespace,
            job,
            objective,
            slo,
            convention,
            server,
        } = arguments;
        let namespaces = if without_namespace { Vec::new() } else { namespace };
        Self {
            namespaces: Namespaces::new(&namespaces),
            jobs: job.join("|"),
            objective,
            service_levels: slo,
            convention,
            server,
            requests: convention.requests(),
            command,
        }
    }
}

impl Settings {
    /// Reads the series of all jobs over a window.
    pub(crate) fn over<'a>(&'a self, window: &'a str) -> Reader<'a> {
        Reader { namespaces: &self.namespaces, server: self.server, matchers: "", window }
    }
}

impl SettingsArguments {
    /// Checks what no single argument shows.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut names: Vec<_> = self.slo.iter().map(|level| &level.name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("two values of '--slo' have the name {:?}", pair[0])),
            None => Ok(()),
        }
    }

    /// Arguments with their default value are left out.
    fn command(&self) -> String {
        let Self { namespace, without_namespace, job, objective, slo, convention, server } = self;
        let mut command = "cargo run -p monitoring-files --".to_owned();
        let mut push = |option: &str, value: &str| command.push_str(&format!(" {option}{value}"));
        if *without_namespace {
            push("--without-namespace", "");
        } else if *namespace != names::OF_THE_EXAMPLES {
            namespace.iter().for_each(|name| push("--namespace ", name));
        }
        if *job != names::JOBS_OF_THE_EXAMPLES {
            job.iter().for_each(|name| push("--job ", name));
        }
        if objective.to_string() != Objective::DEFAULT {
            push("--objective ", &objective.to_string());
        }
        for level in slo {
            push("--slo ", &format!("'{}'", level.text.replace('\'', r"'\''")));
        }
        if *convention != Convention::default() {
            push("--convention ", "opentelemetry");
        }
        if *server != Server::default() {
            push("--server ", "prometheus");
        }
        command.trim_end_matches(" --").to_owned()
    }
}

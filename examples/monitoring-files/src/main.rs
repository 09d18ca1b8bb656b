//! Writes recording rules, alerts and Grafana dashboards:
//!
//! ```text
//! cargo run -p monitoring-files -- --namespace shop --job shop --objective 99.5 --output monitoring
//! ```
//!
//! `examples/deploy` has what it writes with its default arguments, and with `--convention opentelemetry`.

mod alerts;
mod convention;
mod dashboards;
mod names;
mod objective;
mod promql;
mod reader;
mod recording;
mod service_level;
mod settings;
mod slo;
mod slo_file;
mod yaml;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::settings::{Arguments, Settings};

fn main() -> ExitCode {
    let Arguments { settings, output } = Arguments::parse();
    if let Err(error) = settings.check() {
        Arguments::command().error(ErrorKind::ValueValidation, error).exit();
    }
    match write(&settings.into(), &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&*error);
            ExitCode::FAILURE
        }
    }
}

/// Writes all files below `output`. Directories that are missing are created.
fn write(settings: &Settings, output: &Path) -> Result<(), Box<dyn Error>> {
    let rules = settings.convention.rules_directory();
    let mut files = vec![
        (format!("{rules}/recording.yml"), recording::file(settings)),
        (format!("{rules}/alerts.yml"), alerts::file(settings)),
    ];
    for level in &settings.service_levels {
        files.push((format!("{rules}/slo-{}.yml", level.name), slo_file::file(settings, level)));
    }
    for (name, dashboard) in dashboards::all(settings) {
        let json = serde_json::to_string_pretty(&dashboard)? + "\n";
        files.push((format!("grafana/dashboards/{name}.json"), json));
    }
    for (path, content) in files {
        let path = output.join(path);
        let directory = path.parent().unwrap_or(output);
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(&path, content))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a command reports its errors there")]
fn print_error(error: &dyn Error) {
    eprintln!("error: {error}");
}

//! Settings in the file, the environment and the command line, valid and invalid.

use std::fs;

use asdlc_tests::example::{Example, assert_help_lists, assert_taken_port_is_an_error, run};
use tempfile::TempDir;

use super::program::METRICS;

#[test]
fn an_invalid_file_is_an_error_of_one_line() {
    let directory = TempDir::new().expect("a temporary directory can be made");
    for (text, expected) in [
        (
            "[otel]\nmetric_enabled = true",
            ":2: otel.metric_enabled: unknown field `metric_enabled`, expected `metrics_enabled`",
        ),
        ("[otl]\n", ":1: otl: unknown field `otl`, expected one of `program`, `backoff`, `otel`"),
        (
            "[otel]\nmetrics_enabled = 'no'",
            ":2: otel.metrics_enabled: invalid type: string, expected a boolean",
        ),
        ("[backoff]\n\nfirst = 0", ":3: backoff.first: invalid seconds 0: must be 0.001 to 86400"),
        ("program.command = []", ":1: program.command: missing program: must be [\"PROGRAM\", "),
        ("[program", ":1: "),
    ] {
        let path = directory.path().join("daemon.toml").display().to_string();
        fs::write(&path, text).expect("the directory is writable");
        let environment = [("LISTEN_ADDR", "127.0.0.1:0")];
        let finished = run("daemon", &["--config", &path], &environment);
        let line = finished.refusal();
        assert!(line.starts_with(&format!("error: {path}{expected}")), "{line}");
    }
}

#[test]
fn a_missing_file_is_an_error_of_one_line() {
    let finished = run("daemon", &["--config", "no/such.toml"], &[("LISTEN_ADDR", "127.0.0.1:0")]);
    let line = finished.refusal();
    assert!(line.starts_with("error: no/such.toml: cannot read the file: "), "{line}");
}

#[test]
fn a_taken_port_is_an_error_of_one_line() {
    assert_taken_port_is_an_error("daemon");
}

#[test]
fn help_lists_the_file_and_every_variable() {
    let words =
        ["--config", "127.0.0.1:7654", "LISTEN_ADDR", "SERVICE_NAME", "ENVIRONMENT", "RUST_LOG"];
    assert_help_lists("daemon", &words);
}

// D-03
#[test]
fn service_name_and_environment_are_on_every_series() {
    let environment = [("SERVICE_NAME", "night"), ("ENVIRONMENT", "staging")];
    let scrape = Example::start_with("daemon", &environment).scrape_at(METRICS);
    scrape.assert_all_have(&[("service", "night"), ("environment", "staging")]);
}

//! Settings in the environment and the command line, valid and invalid.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use asdlc_tests::example::{Example, assert_help_lists, assert_taken_port_is_an_error, run};

// O-07
#[test]
fn service_name_and_environment_are_on_every_series() {
    let orchestrator = Example::start_with(
        "orchestrator",
        &[("SERVICE_NAME", "night \"shift\""), ("ENVIRONMENT", "staging")],
    );
    orchestrator.connect().get("/health");
    let scrape = orchestrator.scrape();
    scrape.assert_all_have(&[("service", "night \"shift\""), ("environment", "staging")]);
    assert_eq!(scrape.sum("asdlc_http_requests_total"), 1.0);
}

#[test]
fn without_environment_there_is_no_environment_label() {
    let scrape = Example::start("orchestrator").scrape();
    assert!(scrape.all_samples().iter().all(|sample| sample.label("environment").is_none()));
}

#[test]
fn help_lists_every_variable() {
    let variables = [
        "LISTEN_ADDR",
        "SERVICE_NAME",
        "ENVIRONMENT",
        "RUST_LOG",
        "REDIS_URL",
        "VICTORIAMETRICS_URL",
        "QUERY_TIMEOUT",
        "ARTIFACT_STORE_URL",
    ];
    assert_help_lists("orchestrator", &variables);
}

#[test]
fn a_taken_port_is_an_error_of_one_line() {
    assert_taken_port_is_an_error("orchestrator");
}

#[test]
fn an_invalid_listen_address_is_an_error_of_one_line() {
    let wrong: [&[u8]; 9] = [
        b"",
        b"8080",
        b":8080",
        b"127.0.0.1",
        b"127.0.0.1:",
        b"127.0.0.1:http",
        b"127.0.0.1:65536",
        b"127.0.0.1:-1",
        b"http://127.0.0.1:8080/",
    ];
    for address in wrong {
        let finished = run("orchestrator", &[], &[("LISTEN_ADDR", OsStr::from_bytes(address))]);
        let line = finished.refusal();
        let names_it = line.contains("LISTEN_ADDR") || line.contains("listen-addr");
        assert!(names_it && line.contains(&*String::from_utf8_lossy(address)), "{line}");
    }
    _ = run("orchestrator", &[], &[("LISTEN_ADDR", OsStr::from_bytes(b"127.0.0.1:\xff"))])
        .refusal();
}

// F-34
#[test]
fn a_variable_that_is_not_utf_8_is_an_error_that_names_it() {
    for name in
        ["SERVICE_NAME", "REDIS_URL", "VICTORIAMETRICS_URL", "QUERY_TIMEOUT", "ARTIFACT_STORE_URL"]
    {
        let value = OsStr::from_bytes(b"hunter2\xff");
        let address = ("LISTEN_ADDR", OsStr::new("127.0.0.1:0"));
        let finished = run("orchestrator", &[], &[address, (name, value)]);
        let line = finished.refusal();
        assert!(line.contains(name) && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn an_invalid_address_of_the_artifact_store_is_an_error_of_one_line() {
    for url in [
        "127.0.0.1:9000",
        "https://hunter2/",
        "http://",
        "http:///hunter2",
        "http://:9000/hunter2",
        "http://host:0/hunter2",
        "http://host:port/hunter2",
        "http://host:65536/hunter2",
        "http://user:hunter2@host/",
        "http://host/?token=hunter2",
        "http://host/#hunter2",
        "http://host/hunter2 b",
    ] {
        let environment = [("LISTEN_ADDR", "127.0.0.1:0"), ("ARTIFACT_STORE_URL", url)];
        let finished = run("orchestrator", &[], &environment);
        let line = finished.refusal();
        let says = line.contains("ARTIFACT_STORE_URL: must be http://HOST:PORT/PATH");
        assert!(says && !line.contains("hunter2"), "{url}: {line}");
    }
}

#[test]
fn an_unknown_argument_is_an_error_of_one_line() {
    for argument in ["--no-such-flag", "-x", "no-such-command"] {
        let finished = run("orchestrator", &[argument], &[("LISTEN_ADDR", "127.0.0.1:0")]);
        assert!(finished.refusal().contains(argument), "{finished:?}");
    }
}

#[test]
fn an_invalid_log_filter_is_an_error_of_one_line() {
    let environment = [("LISTEN_ADDR", "127.0.0.1:0"), ("RUST_LOG", "orchestrator=loud")];
    _ = run("orchestrator", &[], &environment).refusal();
}

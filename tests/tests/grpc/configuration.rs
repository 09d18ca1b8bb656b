//! What the environment and the command line can say, and what they cannot.

use std::net::TcpListener;

use asdlc_tests::example::{Example, run};

// G-01
#[test]
fn service_name_and_environment_are_on_every_series() {
    let environment = [("SERVICE_NAME", "sensors"), ("ENVIRONMENT", "staging")];
    let scrape = Example::start_with("grpc", &environment).scrape();
    for sample in scrape.all_samples() {
        let both = [("service", "sensors"), ("environment", "staging")];
        assert!(sample.has(&both), "{sample:?}");
    }
    assert!(!scrape.all_samples().is_empty());
}

#[test]
fn a_taken_port_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = taken.local_addr().expect("a listener has an address").to_string();
    let finished = run("grpc", &[], &[("LISTEN_ADDR", &address)]);
    let line = finished.refusal();
    assert!(line.contains(&address), "{line}");
}

#[test]
fn help_names_every_variable() {
    let finished = run::<&str>("grpc", &["--help"], &[]);
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let help = finished.stdout.join("\n");
    for word in ["127.0.0.1:50051", "LISTEN_ADDR", "SERVICE_NAME", "ENVIRONMENT", "RUST_LOG"] {
        assert!(help.contains(word), "{word} is missing in\n{help}");
    }
}

//! Settings in the environment and the command line, valid and invalid.

use asdlc_tests::example::{Example, assert_help_lists, assert_taken_port_is_an_error};

// G-01
#[test]
fn service_name_and_environment_are_on_every_series() {
    let environment = [("SERVICE_NAME", "sensors"), ("ENVIRONMENT", "staging")];
    let scrape = Example::start_with("grpc", &environment).scrape();
    scrape.assert_all_have(&[("service", "sensors"), ("environment", "staging")]);
}

#[test]
fn a_taken_port_is_an_error_of_one_line() {
    assert_taken_port_is_an_error("grpc");
}

#[test]
fn help_lists_every_variable() {
    let words = ["127.0.0.1:50051", "LISTEN_ADDR", "SERVICE_NAME", "ENVIRONMENT", "RUST_LOG"];
    assert_help_lists("grpc", &words);
}

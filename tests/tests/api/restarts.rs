//! The counter of starts across restarts of the process.

use asdlc_tests::servers::Postgres;

use super::harness::Api;

//
#[test]
fn the_counter_of_starts_continues_after_a_sigkill() {
    let mut api = Api::start();
    for start in 1..=3 {
        assert_eq!(starts(&api), f64::from(start));
        // Other metrics start at zero.
        assert_eq!(api.metrics().sum("http_requests_total"), 0.0);
        assert!(api.directory().join("api.db.starts").exists());
        api.kill();
        api.start_again();
    }
}

//
#[test]
fn a_configured_state_file_works_with_every_database() {
    let postgres = Postgres::start();
    let mut api = Api::start_with(&[("DATABASE_URL", &postgres.url()), ("STATE_FILE", "starts")]);
    assert_eq!(starts(&api), 1.0);
    api.kill();
    api.start_again();
    assert_eq!(starts(&api), 2.0);

    // By default there is no state file with PostgreSQL.
    let mut api = Api::start_with(&[("DATABASE_URL", &postgres.url())]);
    api.kill();
    api.start_again();
    assert_eq!(starts(&api), 1.0);
}

//
#[test]
fn a_failed_start_is_not_counted() {
    let api = Api::start();
    let mut second = api.command();
    second.env("LISTEN_ADDR", api.address().to_string());
    assert!(!super::harness::run(second).status.success());
    let mut api = api;
    api.kill();
    api.start_again();
    assert_eq!(starts(&api), 2.0);
}

fn starts(api: &Api) -> f64 {
    api.metrics().value("service_starts_total", &[("service", "api")]).expect("it exists")
}

//! Starts are counted over the end of the process.

use asdlc_tests::servers::Postgres;

use super::harness::Api;

//
#[test]
fn starts_go_on_counting_when_the_process_is_killed() {
    let mut api = Api::start();
    for start in 1..=3 {
        assert_eq!(starts(&api), f64::from(start));
        // Not its uptime, nor its requests.
        assert_eq!(api.metrics().sum("http_requests_total"), 0.0);
        assert!(api.directory().join("api.db.starts").exists());
        api.kill();
        api.start_again();
    }
}

//
#[test]
fn a_named_state_file_serves_every_database() {
    let postgres = Postgres::start();
    let mut api = Api::start_with(&[("DATABASE_URL", &postgres.url()), ("STATE_FILE", "starts")]);
    assert_eq!(starts(&api), 1.0);
    api.kill();
    api.start_again();
    assert_eq!(starts(&api), 2.0);

    // Without one, PostgreSQL has nothing beside it.
    let mut api = Api::start_with(&[("DATABASE_URL", &postgres.url())]);
    api.kill();
    api.start_again();
    assert_eq!(starts(&api), 1.0);
}

//
#[test]
fn a_start_that_comes_to_nothing_is_not_counted() {
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
    api.metrics().value("service_starts_total", &[("service", "api")]).expect("it is there")
}

//! Settings in the environment and the command line, valid and invalid, and how the log reports them.

use std::fs;

use asdlc_tests::servers::{Postgres, Redis};

use super::harness::{Api, run};

#[test]
fn help_lists_every_variable_and_shows_no_secret() {
    let mut command = asdlc_tests::example::command("api");
    command.arg("--help");
    for url in ["DATABASE_URL", "REDIS_URL", "EVENT_STORE_URL"] {
        command.env(url, "scheme://me:hunter2@host");
    }
    let finished = run(command);
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let help = finished.stdout.join("\n");
    for variable in [
        "LISTEN_ADDR",
        "SERVICE_NAME",
        "ENVIRONMENT",
        "RUST_LOG",
        "DATABASE_URL",
        "REDIS_URL",
        "EVENT_STORE_URL",
        "EVENTS_PER_MINUTE",
        "STATE_FILE",
    ] {
        assert!(help.contains(variable), "{variable} is missing in\n{help}");
    }
    assert!(!help.contains("hunter2"), "{help}");
}

#[test]
fn the_log_names_the_dependencies_and_shows_no_secret() {
    // An empty value counts as not set.
    let api = Api::start_with(&[
        ("DATABASE_URL", ""),
        ("REDIS_URL", ""),
        ("EVENT_STORE_URL", ""),
        ("STATE_FILE", ""),
    ]);
    let (example, _directory) = api.into_example();
    example.terminate();
    let log = example.finish().stderr.join("\n");
    for words in ["SQLite file api.db", "start number 1", "stopping"] {
        assert!(log.contains(words), "{words} is missing in\n{log}");
    }

    let (postgres, redis) = (Postgres::start(), Redis::start());
    let with_password = |url: String| url.replacen("://", "://me:hunter2@", 1);
    let database = postgres.url().replacen("api@", "api:hunter2@", 1);
    let api = Api::start_with(&[
        ("DATABASE_URL", &database),
        // Redis has no such user, so the command fails. The log must say so without the password.
        ("REDIS_URL", &with_password(redis.url())),
        ("EVENT_STORE_URL", "http://127.0.0.1:1/v1"),
    ]);
    let readiness = api.await_readiness(503, &["redis", "event_store"]);
    let body = readiness.body.to_string();
    let (example, _directory) = api.into_example();
    example.terminate();
    let finished = example.finish();
    let log = finished.stderr.join("\n");
    for words in [
        &*format!("PostgreSQL at {}", postgres.address()),
        &format!("Redis at {}", redis.address()),
        "event store: http://127.0.0.1:1/v1/events",
        r#"dependency "redis" is not healthy"#,
        r#"dependency "event_store" is not healthy"#,
    ] {
        assert!(log.contains(words), "{words} is missing in\n{log}");
    }
    assert!(!log.contains("hunter2") && !body.contains("hunter2"), "{log}\n{body}");
    assert_eq!(finished.stdout.len(), 1, "{finished:?}");
}

#[test]
fn an_invalid_setting_is_an_error_of_one_line_without_a_secret() {
    for (variable, value) in [
        ("DATABASE_URL", "mysql://me:hunter2@host/api"),
        ("DATABASE_URL", "postgres://me:hunter2@host:port/api"),
        ("DATABASE_URL", "sqlite::memory:"),
        ("DATABASE_URL", "sqlite:no/such/directory/api.db?mode=rwc"),
        ("DATABASE_URL", "sqlite:none.db"),
        ("DATABASE_URL", "sqlite:text.db"),
        ("DATABASE_URL", "sqlite:api.db?mode=sometimes"),
        ("REDIS_URL", "http://me:hunter2@127.0.0.1"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("EVENT_STORE_URL", "https://me:hunter2@store"),
        ("EVENT_STORE_URL", "store:9200"),
        ("EVENTS_PER_MINUTE", "many"),
        ("LISTEN_ADDR", "8000"),
    ] {
        let api = Api::start();
        fs::write(
            api.directory().join("text.db"),
            "not a database, but long enough to be read as one",
        )
        .expect("it is writable");
        let mut command = api.command();
        command.env(variable, value);
        let finished = run(command);
        assert!(finished.status.code().is_some_and(|code| code != 0), "{value}: {finished:?}");
        assert_eq!(finished.stderr.len(), 1, "{value}: {finished:?}");
        let line = &finished.stderr[0];
        let dashed = variable.to_lowercase().replace('_', "-");
        let names_it = line.contains(variable) || line.contains(&dashed);
        assert!(names_it && !line.contains("hunter2"), "{value}: {line}");
        assert!(finished.stdout.is_empty(), "{finished:?}");
    }
}

#[test]
fn a_taken_port_is_an_error_of_one_line() {
    let api = Api::start();
    let address = api.address().to_string();
    let mut second = api.command();
    second.env("LISTEN_ADDR", &address);
    let finished = run(second);
    assert!(finished.status.code().is_some_and(|code| code != 0), "{finished:?}");
    assert!(finished.stdout.is_empty() && finished.stderr.len() == 1, "{finished:?}");
    assert!(finished.stderr[0].contains(&address), "{finished:?}");
    api.assert_alive();
}

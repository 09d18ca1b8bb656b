//! Valid and invalid settings.

use super::Result;
use asdlc_exporter::health::{Dependency, HttpCheck, Readiness, TcpCheck};
use std::{future, time::Duration};

fn dependency(name: &str) -> Dependency {
    Dependency::critical(name, || future::ready(Ok::<_, &str>(())))
}

#[test]
fn an_invalid_setting_is_one_clear_error() {
    let long = "x".repeat(65);
    let names = "must be 1 to 64 ASCII letters, digits, '_', '-', '.' and ':'";
    for (builder, expected) in [
        (
            Readiness::builder().with_dependency(dependency("")),
            format!(r#"invalid dependency name "": {names}"#),
        ),
        (
            Readiness::builder().with_dependency(dependency("a\"b\n")),
            format!(r#"invalid dependency name "a\"b\n": {names}"#),
        ),
        (
            Readiness::builder().with_dependency(dependency(&long)),
            format!(r#"invalid dependency name "{long}": {names}"#),
        ),
        (
            Readiness::builder()
                .with_dependency(dependency("a"))
                .with_dependency(dependency("b"))
                .with_dependency(dependency("a")),
            r#"duplicate dependency name "a""#.into(),
        ),
        (
            Readiness::builder().with_dependency(dependency("a").with_timeout(Duration::ZERO)),
            r#"dependency "a": invalid timeout 0ns: must be 1ms to 900ms"#.into(),
        ),
        (
            Readiness::builder()
                .with_dependency(dependency("a").with_timeout(Duration::from_secs(1))),
            r#"dependency "a": invalid timeout 1s: must be 1ms to 900ms"#.into(),
        ),
        (
            Readiness::builder().with_cache_period(Duration::from_millis(999)),
            "invalid readiness cache period 999ms: must be 1s to 1min".into(),
        ),
        (
            Readiness::builder().with_cache_period(Duration::from_secs(61)),
            "invalid readiness cache period 61s: must be 1s to 1min".into(),
        ),
    ] {
        assert_eq!(builder.build().expect_err(&expected).to_string(), expected);
    }
}

#[test]
fn an_address_needs_host_and_port() -> Result {
    for good in ["localhost:1", "10.0.0.1:65535", "[::1]:5432", "db.internal:5432"] {
        TcpCheck::new(good)?;
    }
    for bad in [
        "",
        "localhost",
        ":1",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "tcp://h:1/x:1",
        "a b:1",
    ] {
        assert_eq!(
            TcpCheck::new(bad).expect_err(bad).to_string(),
            "invalid TCP check address: must be HOST:PORT, with a port from 1 to 65535"
        );
    }
    Ok(())
}

#[test]
fn a_url_must_be_http_without_secrets() -> Result {
    for good in ["http://localhost", "http://10.0.0.1:65535/", "http://[::1]:9200/a?b=c"] {
        HttpCheck::new(good)?;
    }
    for bad in [
        "",
        "localhost:80",
        "/health",
        "https://localhost/",
        "http://localhost:0/",
        "http://localhost:65536/",
        "http://localhost:/",
        "http://me:hunter2@localhost/",
        "http://me:hunter2@localhost:80/",
        "http://local host/",
        "http://localhost/a\r\nX: y",
    ] {
        assert_eq!(
            HttpCheck::new(bad).expect_err(bad).to_string(),
            "invalid HTTP check URL: must be http://HOST[:PORT][/PATH], without user and password"
        );
    }
    Ok(())
}

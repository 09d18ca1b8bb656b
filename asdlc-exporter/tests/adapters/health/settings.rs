//! What the settings take.

use super::Result;
use asdlc_exporter::health::{Dependency, HttpCheck, Readiness, TcpCheck};
use std::{future, time::Duration};

fn dependency(name: &str) -> Dependency {
    Dependency::critical(name, || future::ready(Ok::<_, &str>(())))
}

#[test]
fn a_bad_setting_is_one_clear_error() {
    let long = "x".repeat(65);
    let names = "allowed are 1 to 64 ASCII letters, digits and `_`, `-`, `.`, `:`";
    for (builder, expected) in [
        (Readiness::builder().with(dependency("")), format!("dependency ``: {names}")),
        (
            Readiness::builder().with(dependency("a\"b\n")),
            format!("dependency `a\\\"b\\n`: {names}"),
        ),
        (Readiness::builder().with(dependency(&long)), format!("dependency `{long}`: {names}")),
        (
            Readiness::builder().with(dependency("a")).with(dependency("b")).with(dependency("a")),
            "dependency `a` is given twice".into(),
        ),
        (
            Readiness::builder().with(dependency("a").with_timeout(Duration::ZERO)),
            "timeout 0ns of dependency `a`: allowed is 1ms to 900ms".into(),
        ),
        (
            Readiness::builder().with(dependency("a").with_timeout(Duration::from_secs(1))),
            "timeout 1s of dependency `a`: allowed is 1ms to 900ms".into(),
        ),
        (
            Readiness::builder().with_cache_period(Duration::from_millis(999)),
            "cache period 999ms of readiness: allowed is 1s to 1min".into(),
        ),
        (
            Readiness::builder().with_cache_period(Duration::from_secs(61)),
            "cache period 61s of readiness: allowed is 1s to 1min".into(),
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
            "the address of a TCP check: allowed is HOST:PORT, the port from 1 to 65535"
        );
    }
    Ok(())
}

#[test]
fn a_url_is_http_and_holds_no_secrets() -> Result {
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
            "the URL of an HTTP check: allowed is http://HOST[:PORT][/PATH], no user, no password"
        );
    }
    Ok(())
}

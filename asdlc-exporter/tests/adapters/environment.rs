//! Settings from the environment of a real process.

use asdlc_exporter::config::Config;
use std::{
    env,
    error::Error,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    process::Command,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// For the process that a test starts.
const INSIDE: &str = "ASDLC_TEST_ENVIRONMENT";

/// What a process with this variable more makes of its environment: the port and the path, or the error.
fn read_with(name: &[u8], value: &[u8]) -> Result<String> {
    let test = "environment::a_variable_that_is_not_utf_8_is_an_error_when_it_is_ours";
    let output = Command::new(env::current_exe()?)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .env(OsStr::from_bytes(name), OsStr::from_bytes(value))
        .output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = told.lines().find_map(|line| line.strip_prefix("it is "));
    Ok(found.ok_or_else(|| format!("{output:?}"))?.to_owned())
}

// F-34
#[test]
fn a_variable_that_is_not_utf_8_is_an_error_when_it_is_ours() -> Result {
    if env::var_os(INSIDE).is_some() {
        let told = match Config::default().with_environment(env::vars_os()) {
            Ok(config) => format!("{} {}", config.metrics.port, config.metrics.path),
            Err(error) => error.to_string(),
        };
        // On a line of its own: the harness has begun one.
        println!("\nit is {told}");
        return Ok(());
    }
    assert_eq!(read_with(b"METRICS_PATH", b"/m")?, "9464 /m");
    assert_eq!(read_with(b"SOMETHING", b"/m\xff")?, "9464 /metrics");
    assert_eq!(read_with(b"METRICS_\xff", b"/m")?, "9464 /metrics");
    assert_eq!(
        read_with(b"METRICS_PATH", b"/m\xff")?,
        "environment variable METRICS_PATH: the value is not UTF-8, and only that is allowed"
    );
    #[cfg(feature = "victoria-metrics")]
    assert_eq!(
        read_with(b"VICTORIAMETRICS_PASSWORD", b"\xffhunter2")?,
        "environment variable VICTORIAMETRICS_PASSWORD: the value is not UTF-8, and only that is allowed"
    );
    Ok(())
}

// F-34: the variables that Kubernetes sets in every pod for a Service named `metrics`.
#[test]
fn the_link_to_a_kubernetes_service_is_no_port() -> Result {
    let links = [
        ("METRICS_SERVICE_HOST", "10.0.0.1"),
        ("METRICS_SERVICE_PORT", "8080"),
        ("METRICS_PORT", "tcp://10.0.0.1:8080"),
        ("METRICS_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("METRICS_PORT_8080_TCP_PROTO", "tcp"),
        ("METRICS_PORT_8080_TCP_PORT", "8080"),
        ("METRICS_PORT_8080_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(Config::default().with_environment(links)?, Config::default());
    for link in ["udp://10.0.0.1:53", "sctp://10.0.0.1:7", "tcp://[fd00::1]:8080"] {
        let config = Config::default().with_environment([("METRICS_PORT", link)])?;
        assert_eq!(config, Config::default(), "{link}");
    }
    // Only this very form: what somebody may have meant as a port is an error.
    for value in ["tcp://10.0.0.1", "tcp://metrics:8080", "http://10.0.0.1:80", "10.0.0.1:8080"] {
        let error = Config::default().with_environment([("METRICS_PORT", value)]).expect_err(value);
        let expected = format!("`{value}` is not a port: allowed are 1 to 65535");
        assert_eq!(error.to_string(), format!("environment variable METRICS_PORT: {expected}"));
    }
    Ok(())
}

// F-34
#[test]
fn text_and_what_the_system_has_are_taken_alike() -> Result {
    let text = Config::default().with_environment([("METRICS_PORT", "9100")])?;
    let owned = [(String::from("METRICS_PORT"), String::from("9100"))];
    assert_eq!(Config::default().with_environment(owned)?, text);
    let system = [(OsString::from("METRICS_PORT"), OsString::from("9100"))];
    assert_eq!(Config::default().with_environment(system)?, text);
    Ok(())
}

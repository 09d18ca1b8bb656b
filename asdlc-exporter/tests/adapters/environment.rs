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

/// Set for the process that a test starts.
const INSIDE: &str = "ASDLC_TEST_ENVIRONMENT";

/// Starts a process with an additional variable. Returns the port and the path that it configures, or its error.
fn read_with(name: &[u8], value: &[u8]) -> Result<String> {
    let test = "environment::a_known_variable_that_is_not_utf_8_is_an_error";
    let output = Command::new(env::current_exe()?)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .env(OsStr::from_bytes(name), OsStr::from_bytes(value))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text.lines().find_map(|line| line.strip_prefix("result: "));
    Ok(found.ok_or_else(|| format!("{output:?}"))?.to_owned())
}

// F-34
#[test]
fn a_known_variable_that_is_not_utf_8_is_an_error() -> Result {
    if env::var_os(INSIDE).is_some() {
        let text = match Config::default().with_environment(env::vars_os()) {
            Ok(config) => format!("{:?} {}", config.metrics.port, config.metrics.path),
            Err(error) => error.to_string(),
        };
        // On a new line, because the test harness has already written a part of this one.
        println!("\nresult: {text}");
        return Ok(());
    }
    assert_eq!(read_with(b"METRICS_PATH", b"/m")?, "None /m");
    assert_eq!(read_with(b"SOMETHING", b"/m\xff")?, "None /metrics");
    assert_eq!(read_with(b"METRICS_\xff", b"/m")?, "None /metrics");
    assert_eq!(
        read_with(b"METRICS_PATH", b"/m\xff")?,
        "environment variable METRICS_PATH: invalid value: must be UTF-8"
    );
    #[cfg(feature = "victoria-metrics")]
    assert_eq!(
        read_with(b"VICTORIAMETRICS_PASSWORD", b"\xffhunter2")?,
        "environment variable VICTORIAMETRICS_PASSWORD: invalid value: must be UTF-8"
    );
    Ok(())
}

// F-34: the variables that Kubernetes sets in every pod for a Service named `metrics`.
#[test]
fn the_link_to_a_kubernetes_service_is_ignored() -> Result {
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
    // Only this form is ignored: other invalid ports are errors.
    for value in ["tcp://10.0.0.1", "tcp://metrics:8080", "http://10.0.0.1:80", "10.0.0.1:8080"] {
        let error = Config::default().with_environment([("METRICS_PORT", value)]).expect_err(value);
        let expected = format!(r#"invalid port "{value}": must be 1 to 65535"#);
        assert_eq!(error.to_string(), format!("environment variable METRICS_PORT: {expected}"));
    }
    Ok(())
}

// F-34
#[test]
fn all_string_types_are_accepted() -> Result {
    let text = Config::default().with_environment([("METRICS_PORT", "9100")])?;
    let owned = [(String::from("METRICS_PORT"), String::from("9100"))];
    assert_eq!(Config::default().with_environment(owned)?, text);
    let system = [(OsString::from("METRICS_PORT"), OsString::from("9100"))];
    assert_eq!(Config::default().with_environment(system)?, text);
    Ok(())
}

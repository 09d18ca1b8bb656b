//! The variables of OpenTelemetry, in the environment of a real process.

use asdlc_exporter::resource_from_env;
use opentelemetry_sdk::Resource;
use std::{env, error::Error, fmt::Display, process::Command};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Set for the process that a test starts.
const INSIDE: &str = "ASDLC_TEST_ENVIRONMENT";

fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Called by the process that a test starts: what [`run`] returns.
#[expect(clippy::print_stdout, reason = "the result of the process")]
fn report(result: impl Display) {
    // On a new line, because the test harness has already written a part of this one.
    println!("\n{BEGIN}{result}{END}");
}

/// Starts a process that runs this test, with these variables of OpenTelemetry and no others. Returns what
/// it reports.
fn run(test: &str, variables: &[(&str, &str)]) -> Result<String> {
    let mut command = Command::new(env::current_exe()?);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    let test = format!("environment::{test}");
    command.args([test.as_str(), "--exact", "--nocapture"]);
    let output = command.env(INSIDE, "1").envs(variables.iter().copied()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let reported = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    Ok(reported.ok_or_else(|| format!("{output:?}"))?.0.to_owned())
}

const BEGIN: &str = "<report>";
const END: &str = "</report>";

fn describe(resource: &Resource) -> String {
    let mut pairs: Vec<_> = resource.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.sort();
    pairs.join("\n")
}

//
#[test]
fn a_resource_has_the_attributes_of_the_environment() -> Result {
    let test = "a_resource_has_the_attributes_of_the_environment";
    if is_inside() {
        match resource_from_env() {
            Ok(resource) => report(describe(&resource)),
            Err(error) => report(format!("{}\n{error}", error.variable())),
        }
        return Ok(());
    }
    let sdk = describe(
        &Resource::builder_empty()
            .with_detector(Box::new(opentelemetry_sdk::resource::TelemetryResourceDetector))
            .build(),
    );
    let expected = |name: &str, others: &str| format!("{others}service.name={name}\n{sdk}");
    let program = env::current_exe()?;
    let program = program.file_name().and_then(|name| name.to_str()).ok_or("a name")?;
    let unknown = format!("unknown_service:{program}");
    let (name, attributes) = ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES");
    for (variables, result) in [
        (&[][..], expected(&unknown, "")),
        (&[(name, ""), (attributes, "")], expected(&unknown, "")),
        (&[(attributes, "service.name=")], expected(&unknown, "")),
        (&[(name, "shop")], expected("shop", "")),
        (
            &[(name, "shop"), (attributes, "service.name=other,host.name=a%2Cb,host.name=h%201")],
            expected("shop", "host.name=h 1\n"),
        ),
        (&[(attributes, "a=,service.name=other")], expected("other", "a=\n")),
        (
            &[(name, "shop"), (attributes, "a=1,b")],
            "OTEL_RESOURCE_ATTRIBUTES\nenvironment variable OTEL_RESOURCE_ATTRIBUTES: invalid entry \"b\": must be KEY=VALUE, entries are separated by ',', and ',' and '=' in keys and values are written %2C and %3D".to_owned(),
        ),
    ] {
        assert_eq!(run(test, variables)?, result, "{variables:?}");
    }
    let with_own = run(test, &[(name, "shop"), (attributes, "telemetry.sdk.language=c")])?;
    assert!(with_own.contains("telemetry.sdk.language=c\n"), "{with_own}");
    Ok(())
}

// what the documentation of `resource_from_env` says about the SDK.
#[test]
fn the_detector_of_the_sdk_differs() -> Result {
    if is_inside() {
        report(describe(&Resource::builder().build()));
        return Ok(());
    }
    let text = run(
        "the_detector_of_the_sdk_differs",
        &[
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=1%2C2,skipped,service.name=other"),
        ],
    )?;
    assert!(text.starts_with("a=1%2C2\nservice.name=other\n"), "{text}");
    Ok(())
}

//! `http.request.method`: the known methods, and the list of the environment in the process of a test.

use std::env;
use std::process::Command;

use asdlc_exporter::Exporter;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::in_process::Server;
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use axum::routing::any;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Runtime;
use tower::{Layer, ServiceExt};
use tower_asdlc_metrics::{
    BuildError, Conventions, HttpClientMetricsLayer, HttpMetricsLayer, MatchedRoute,
};

// X-10 X-11
#[test]
fn the_list_of_the_environment_replaces_the_known_methods_on_both_sides() {
    if env::var_os(INSIDE).is_some() {
        report(&methods().unwrap_or_else(|error| error.to_string()));
        return;
    }
    let known = "GET=1 HEAD=1 QUERY=1 _OTHER=2";
    for (variable, expected) in [
        (None, known),
        (Some(""), known),
        (Some("GET,PURGE"), "GET=1 PURGE=1 _OTHER=3"),
        // Spaces do not matter, the case does.
        (Some(" get , QUERY"), "QUERY=1 _OTHER=3 get=1"),
        (
            Some("GET,a b"),
            r#"OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS: invalid method "a b": must be an HTTP method: letters, digits and some punctuation"#,
        ),
    ] {
        assert_eq!(in_process_with(variable), expected, "{variable:?}");
    }
}

/// Sends a request with each method. Returns how many were recorded with which method; server and client agree.
fn methods() -> Result<String, BuildError> {
    let exporter = Exporter::builder("under-test").build().expect("the name is valid");
    let server = HttpMetricsLayer::builder(MatchedRoute)
        .with_conventions(Conventions::OpenTelemetry)
        .with_known_methods_from_env()
        .build(&exporter.meter())?;
    let client = HttpClientMetricsLayer::builder()
        .with_conventions(Conventions::OpenTelemetry)
        .with_known_methods_from_env()
        .build(&exporter.meter())?;
    let server = Server::axum(Router::new().route("/", any(async || ())).layer(server));
    let sent = ["GET", "HEAD", "QUERY", "PURGE", "get"];
    Runtime::new().expect("a runtime can be built").block_on(async {
        let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let http = client.layer(http);
        for method in sent {
            let request =
                Request::builder().method(method).uri(format!("http://{}", server.address()));
            let request = request.body(Full::default()).expect("a request");
            let response = http.clone().oneshot(request).await.expect("a response");
            response.collect().await.expect("the body ends");
        }
    });
    let recorded = |side: &str| {
        let text = exporter.render().expect("it renders");
        let exposition = Exposition::parse(text.as_bytes()).expect("it renders valid text");
        let family = format!("http_{side}_request_duration_seconds_count");
        exposition.sum_by(&family, ["http_request_method"])
    };
    let total = |side| recorded(side).values().sum::<f64>();
    let all = || ["server", "client"].iter().all(|side| total(side) == sent.len() as f64);
    assert!(eventually(DEADLINE, all));
    assert_eq!(recorded("server"), recorded("client"));
    let recorded = recorded("server").into_iter();
    let pairs: Vec<_> = recorded.map(|([method], count)| format!("{method}={count}")).collect();
    Ok(pairs.join(" "))
}

/// Starts a process that runs the test with the variable. Returns what it reports.
fn in_process_with(variable: Option<&str>) -> String {
    let mut command = Command::new(env::current_exe().expect("a program has a path"));
    command.args(["--exact", "--nocapture"]);
    command
        .arg("known_methods::the_list_of_the_environment_replaces_the_known_methods_on_both_sides");
    command.env(INSIDE, "1").env_remove(VARIABLE);
    command.envs(variable.map(|value| (VARIABLE, value)));
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let reported = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    reported.unwrap_or_else(|| panic!("{output:?}")).0.to_owned()
}

#[expect(clippy::print_stdout, reason = "the result of the process")]
fn report(result: &str) {
    println!("{BEGIN}{result}{END}");
}

/// Set for the process that the test starts.
const INSIDE: &str = "ASDLC_TEST_KNOWN_METHODS";
const VARIABLE: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";
const BEGIN: &str = "<report>";
const END: &str = "</report>";

//! A service with its own OpenTelemetry (provider, views, resource, OTLP, traces) adds our reader and both layers. Everything that
//! it had stays as it was.

#[expect(clippy::print_stdout, reason = "a program says its address")]
mod after;
#[expect(clippy::print_stdout, reason = "a program says its address")]
mod before;
mod receiver;

use std::process::Command;

use asdlc_tests::example::{Example, without_variables};
use asdlc_tests::servers::{Prometheus, QueryApi};
use asdlc_tests::wait::{DEADLINE, eventually};
use receiver::{Received, Receiver};

const BEFORE: &str = include_str!("before.rs");
const AFTER: &str = include_str!("after.rs");

/// The variable that makes this test binary run one of the programs.
const PROGRAM: &str = "EXISTING_SETUP_PROGRAM";

/// Not a test of its own: the programs install global state, so each runs in a process of its own, which is this test.
#[test]
fn programs() {
    match std::env::var(PROGRAM).as_deref() {
        Ok("before") => before::main().expect("it runs until SIGTERM"),
        Ok("after") => after::main().expect("it runs until SIGTERM"),
        _ => {}
    }
}

// X-08
#[test]
fn our_reader_and_both_layers_are_at_most_six_lines() {
    let (mut before, mut added) = (BEFORE.lines().skip(1).peekable(), Vec::new());
    for line in AFTER.lines().skip(1) {
        if before.peek().is_some_and(|old| old.trim_end_matches(';') == line.trim_end_matches(';'))
        {
            before.next();
        } else {
            added.push(line);
        }
    }
    assert_eq!(before.next(), None, "nothing is removed or changed");
    assert!(added.len() <= 6, "{}", added.join("\n"));
}

// X-08
#[test]
fn what_a_service_pushes_stays_the_same_byte_for_byte_and_prometheus_reads_all_of_it() {
    let (before, ()) = run("before", |_| ());
    let (after, ()) = run("after", |service| {
        let prometheus = Prometheus::scraping(service.address());
        for (query, expected) in [
            // Its own metrics, through its views.
            (r#"orders_total{payment="card",otel_scope_name="shop"}"#, 3.0),
            (r#"queue_wait_seconds_bucket{le=~"1|1[.]0",otel_scope_name="shop"}"#, 5.0),
            // Its resource.
            (
                r#"target_info{service_name="shop",team="a b",deployment_environment_name="test"}"#,
                1.0,
            ),
            // Our layers.
            (
                r#"http_requests_total{endpoint="/checkout/{payment}",status="200",otel_scope_name="tower-asdlc-metrics"}"#,
                5.0,
            ),
            (r#"checkouts_total{otel_scope_name="tracing-asdlc-metrics"}"#, 5.0),
            (r#"count({__name__=~".+",customer!=""}) or vector(0)"#, 0.0),
        ] {
            assert_eq!(prometheus.query_until(query, expected), Some(expected), "{query}");
        }
        let info = prometheus.series("target_info");
        assert!(!info[0].keys().any(|key| key.starts_with("exported_")), "{info:?}");
    });
    // The comparison would also hold for nothing.
    assert!(before.metrics.len() > 100 && before.spans.len() > 100);
    // The first is the SDK's own.
    let names = ["otel.sdk.processor.span.processed", "orders", "queue_wait"];
    assert_eq!(before.metric_names, names);
    assert_eq!(before.span_names, ["checkout"; 5]);
    assert_eq!(after.metric_names, before.metric_names);
    assert_eq!(after.span_names, before.span_names);
    let texts = [&before.metrics, &after.metrics].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(after.metrics == before.metrics, "{texts:#?}");
    let texts = [&before.spans, &after.spans].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(after.spans == before.spans, "{texts:#?}");
    let ours = ["checkouts", "http_request_duration", "http_requests", "http_requests_in_flight"];
    for name in ours {
        let pushed = &after.our_metric_names;
        assert!(pushed.iter().any(|n| n == name), "{name}: {pushed:?}");
    }
    assert!(before.our_metric_names.is_empty());
}

/// Runs one of the programs, with five requests, until it has pushed for the last time.
fn run<T>(program: &str, look: impl FnOnce(&Example) -> T) -> (Received, T) {
    let receiver = Receiver::start();
    let mut command =
        without_variables(Command::new(std::env::current_exe().expect("it has a path")));
    command.args(["--exact", "programs", "--nocapture"]).envs([
        (PROGRAM, program),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint()),
        ("OTEL_SERVICE_NAME", "shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=a b,deployment.environment.name=test"),
        // It pushes only at its end.
        ("OTEL_METRIC_EXPORT_INTERVAL", "3600000"),
    ]);
    let service = Example::spawn(command);
    let mut connection = service.connect();
    for payment in ["card", "card", "card", "invoice", "invoice"] {
        assert_eq!(connection.get(&format!("/checkout/{payment}")).status(), 200);
    }
    drop(connection);
    let seen = look(&service);
    service.terminate();
    let finished = service.finish();
    assert!(finished.status.success(), "{finished:?}");
    assert!(eventually(DEADLINE, || receiver.has_both()), "metrics and spans arrive");
    (receiver.received(), seen)
}

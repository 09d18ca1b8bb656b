//! The slow request among a thousand is found by its trace.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use asdlc_exporter::Exporter;
use asdlc_tests::in_process::Server;
use asdlc_tests::servers::{Generation, Prometheus, StoredExemplar};
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use opentelemetry::TraceId;
use tokio::runtime::Runtime;

use crate::servers::{Ending, Kind, Requests, SLOW};
use crate::traced::Tracing;

//
#[test]
fn prometheus_knows_the_trace_of_each_slow_request() {
    let runtime = Runtime::new().expect("a runtime can be built");
    for (kind, is_http2) in [
        (Kind::Axum, false),
        (Kind::Axum, true),
        (Kind::Hyper, false),
        (Kind::Hyper, true),
        (Kind::Tonic, true),
    ] {
        let exporter = Exporter::builder("shop").with_exemplars().build().expect("valid");
        let tracing = Tracing::new(0.25);
        let traces = runtime.block_on(async {
            let address = kind.serve(&exporter, &tracing).await;
            drive(kind, address, is_http2).await
        });
        let what = format!("{kind:?}, HTTP/2: {is_http2}");
        assert_stored(&what, kind, &exporter, &traces, &tracing);
    }
}

/// Sends a thousand requests: one slow request with each ending, among fast ones. Returns the traces of the slow ones.
async fn drive(kind: Kind, address: SocketAddr, is_http2: bool) -> Vec<(Ending, TraceId)> {
    let requests = Requests::new(kind, address, is_http2);
    let endings = kind.endings();
    let mut traces = Vec::new();
    for number in 0..REQUESTS {
        // The slow ones come early, so that many fast ones follow.
        match endings.get(number / 50).filter(|_| number % 50 == 49) {
            Some(ending) => {
                let trace = TraceId::from(SLOW_TRACES + number as u128);
                requests.slow(*ending, trace).await;
                traces.push((*ending, trace));
            }
            None => requests.fast().await,
        }
    }
    assert_eq!(traces.len(), endings.len());
    traces
}

/// Both generations of Prometheus have the exemplars of the slow requests, and only such of traces that were sampled.
fn assert_stored(
    what: &str,
    kind: Kind,
    exporter: &Exporter,
    traces: &[(Ending, TraceId)],
    tracing: &Tracing,
) {
    let metrics = Router::new().route_service("/metrics", exporter.scrape_service());
    let server = Server::axum(metrics);
    let generations = [Generation::Stable, Generation::New];
    let open_metrics = generations.map(|it| (it, Prometheus::builder(it).with_exemplars()));
    // With native histograms, they ask for protobuf.
    let in_protobuf =
        open_metrics.clone().map(|(it, builder)| (it, builder.with_native_histograms()));
    let in_protobuf = in_protobuf.into_iter().filter(|_| kind == Kind::Axum);
    for (generation, builder) in open_metrics.into_iter().chain(in_protobuf) {
        let prometheus = builder.scraping(server.address());
        for (ending, trace) in traces {
            let endpoint = kind.endpoint(*ending);
            let family = if *ending == Ending::Complete { DURATION } else { FAILED };
            let query = format!("{family}{{endpoint=\"{endpoint}\"}}");
            let mut found = Vec::new();
            let is_found = eventually(DEADLINE, || {
                found = prometheus.exemplars(&query);
                of_trace(&found, *trace).is_some()
            });
            assert!(
                is_found,
                "{what}, {generation:?}: {ending:?} has no exemplar of {trace}: {found:?}"
            );
            let Some(exemplar) = of_trace(&found, *trace) else { continue };
            if family == DURATION {
                assert!(exemplar.value >= SLOW.as_secs_f64(), "{what}: {exemplar:?}");
                let bound = exemplar.series["le"].parse::<f64>().expect("a boundary");
                assert!(exemplar.value <= bound, "{what}: {exemplar:?}");
            }
        }
        let sampled = tracing.sampled();
        let all = prometheus.exemplars("{__name__=~\"http_.*\"}");
        assert!(all.len() > traces.len(), "{what}: fast requests have exemplars too: {all:?}");
        for exemplar in &all {
            assert!(sampled.contains(&exemplar.labels["trace_id"]), "{what}: {exemplar:?}");
        }
    }
}

fn of_trace(found: &[StoredExemplar], trace: TraceId) -> Option<&StoredExemplar> {
    let label = |labels: &BTreeMap<String, String>| labels["trace_id"] == trace.to_string();
    found.iter().find(|exemplar| label(&exemplar.labels))
}

const REQUESTS: usize = 1_000;
/// The first trace of a slow request. The ids of the others follow.
const SLOW_TRACES: u128 = 0xabc0_0000_0000_0000_0000_0000_0000_0000;
const DURATION: &str = "http_request_duration_seconds_bucket";
const FAILED: &str = "http_requests_failed_total";

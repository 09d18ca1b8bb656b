//! What a request costs with each layer: `cargo bench --bench requests`.

#[path = "../../../../tower-asdlc-metrics/benches/ladder/harness.rs"]
mod harness;
mod routed;
#[path = "../../../../tower-asdlc-metrics/benches/ladder/subjects.rs"]
mod subjects;

use asdlc_peers::peers::{
    axum_otel_metrics, axum_prometheus, measured, official, ours, ours_client, prometheus_client,
    tower_otel, tower_otel_http_metrics,
};
use asdlc_peers::recorded::Recorded;
use asdlc_peers::table;
use axum::extract::MatchedPath;
use bytes::Bytes;
use harness::Subject;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use routed::{Inner, ROUTE, matched_path, routed};
use std::env;
use std::process::{Command, ExitCode, Stdio};
use subjects::{BareService, client_requests, service};
use tokio::runtime::Builder;
use tower::layer::util::Identity;
use tower::{Layer, Service};

fn main() -> ExitCode {
    let Some(subjects) = all() else { return ExitCode::FAILURE };
    // Measuring is left to a child, whose table then gets its last columns.
    if env::args().any(|argument| ["measure", "run", "time"].contains(&&*argument)) {
        counted(&subjects);
        return ExitCode::SUCCESS;
    }
    let program = env::current_exe().expect("the path of this program");
    let child = Command::new(program)
        .arg("measure")
        // The child's callgrind: not to count what is done once, which is not the same each time.
        .env("VALGRIND_OPTS", "--callgrind:toggle-collect=requests::counted*")
        .stderr(Stdio::inherit())
        .output();
    let table = String::from_utf8(child.expect("a child").stdout).expect("UTF-8");
    print!("{}", table::with_ratios(&table, &[BASE, CLIENT_BASE], &OURS));
    ExitCode::SUCCESS
}

#[inline(never)]
fn counted(subjects: &[Subject]) {
    harness::main(subjects);
}

/// The rungs of our own ladder, those that have a route to read, and clients. `None` if one of these does not record.
fn all() -> Option<Vec<Subject>> {
    // axum-prometheus starts its upkeep on a runtime. It has one as long as the benchmark runs.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build();
    let runtime = Box::leak(Box::new(runtime.expect("a runtime")));
    let path = runtime.block_on(matched_path());
    let _entered = runtime.enter();

    let mut subjects = subjects::own();
    let bare = path.clone();
    subjects.push(Subject::new(BASE, move || routed(&Identity::new(), &bare)));
    let servers = [
        server(ours::NAME, ours::layer(), &path),
        server(measured::NAME, measured::layer(&[ROUTE]), &path),
        server(prometheus_client::NAME, prometheus_client::layer(), &path),
        server(axum_prometheus::NAME, axum_prometheus::layer(), &path),
        server(ours::OPEN_TELEMETRY, ours::open_telemetry(), &path),
        server(axum_otel_metrics::NAME, axum_otel_metrics::layer(), &path),
        server(tower_otel::NAME, tower_otel::layer(), &path),
        server(tower_otel_http_metrics::NAME, tower_otel_http_metrics::layer(), &path),
        server(official::NAME, official::layer(), &path),
        server(ours::ALL, ours::all(), &path),
        server(ours::BOTH, ours::both(), &path),
    ];
    for server in servers {
        subjects.push(server?);
    }
    subjects.push(Subject::new(CLIENT_BASE, || client_requests(service())));
    let clients = [
        client(ours_client::SERVER, ours_client::server(), ROUTE),
        client(ours_client::NAME, ours_client::layer(), "localhost:8080"),
        client(ours_client::SEMANTIC_SERVER, ours_client::semantic_server(), ROUTE),
        client(ours_client::OPEN_TELEMETRY, ours_client::open_telemetry(), "localhost"),
        client(tower_otel::CLIENT, tower_otel::client(), "localhost"),
    ];
    for client in clients {
        subjects.push(client?);
    }
    Some(subjects)
}

/// A subject that reads the matched route, once its reader was seen to have the one request that was made.
fn server<L, B>(
    name: &'static str,
    (layer, recorded): (L, Recorded),
    path: &MatchedPath,
) -> Option<Subject>
where
    L: Layer<Inner> + Sync + 'static,
    L::Service: Service<Request<Full<Bytes>>, Response = Response<B>> + 'static,
    B: Body + 'static,
{
    let path = path.clone();
    recording(name, move || routed(&layer, &path), recorded, ROUTE)
}

/// A subject around a client, with a label that its metrics have: the host.
fn client<L, B>(
    name: &'static str,
    (layer, recorded): (L, Recorded),
    label: &str,
) -> Option<Subject>
where
    L: Layer<BareService> + Sync + 'static,
    L::Service: Service<Request<Full<Bytes>>, Response = Response<B>> + 'static,
    B: Body + 'static,
{
    recording(name, move || client_requests(layer.layer(service())), recorded, label)
}

fn recording<R: FnMut() + 'static>(
    name: &'static str,
    make: impl Fn() -> R + Sync + 'static,
    recorded: Recorded,
    label: &str,
) -> Option<Subject> {
    make()();
    let requests = recorded(label);
    if requests != 1 {
        eprintln!("{name} has recorded {requests} requests of 1: there is nothing to compare");
        return None;
    }
    Some(Subject::new(name, make))
}

const OURS: [&str; 8] = [
    ours::NAME,
    ours::OPEN_TELEMETRY,
    ours::ALL,
    ours::BOTH,
    ours_client::SERVER,
    ours_client::NAME,
    ours_client::SEMANTIC_SERVER,
    ours_client::OPEN_TELEMETRY,
];
/// What the layers that look for a route are measured over.
const BASE: &str = "bare, `MatchedPath`";
/// And those of clients.
const CLIENT_BASE: &str = "bare, client";

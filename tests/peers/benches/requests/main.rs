//! What a request costs with each layer: `cargo bench --bench requests`.

#[path = "../../../../tower-asdlc-metrics/benches/ladder/harness.rs"]
mod harness;
mod routed;
#[path = "../../../../tower-asdlc-metrics/benches/ladder/subjects.rs"]
mod subjects;

use asdlc_peers::peers::{
    axum_otel_metrics, axum_prometheus, official, ours, tower_otel, tower_otel_http_metrics,
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
use tokio::runtime::Builder;
use tower::layer::util::Identity;
use tower::{Layer, Service};

fn main() -> ExitCode {
    let Some(subjects) = all() else { return ExitCode::FAILURE };
    // Measuring is left to a child, whose table then gets its last columns.
    if env::args().any(|argument| argument == "run" || argument == "measure") {
        measured(&subjects);
        return ExitCode::SUCCESS;
    }
    let program = env::current_exe().expect("the path of this program");
    let child = Command::new(program)
        .arg("measure")
        // The child's callgrind: not to count what is done once, which is not the same each time.
        .env("VALGRIND_OPTS", "--toggle-collect=*measured*")
        .stderr(Stdio::inherit())
        .output();
    let table = String::from_utf8(child.expect("a child").stdout).expect("UTF-8");
    print!("{}", table::with_ratios(&table, Some(BASE), ours::NAME));
    ExitCode::SUCCESS
}

#[inline(never)]
fn measured(subjects: &[Subject]) {
    harness::main(subjects);
}

/// The rungs of our own ladder, then those that have a route to read. `None` if one of these does not record.
fn all() -> Option<Vec<Subject>> {
    // axum-prometheus starts its upkeep on a runtime. It has one as long as the benchmark runs.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build();
    let runtime = Box::leak(Box::new(runtime.expect("a runtime")));
    let path = runtime.block_on(matched_path());
    let _entered = runtime.enter();

    let mut subjects = subjects::own();
    let bare = path.clone();
    subjects.push(Subject::new(BASE, move || routed(&Identity::new(), &bare)));
    let peers = [
        recording(ours::NAME, ours::layer(), &path),
        recording(axum_otel_metrics::NAME, axum_otel_metrics::layer(), &path),
        recording(tower_otel::NAME, tower_otel::layer(), &path),
        recording(tower_otel_http_metrics::NAME, tower_otel_http_metrics::layer(), &path),
        recording(axum_prometheus::NAME, axum_prometheus::layer(), &path),
        recording(official::NAME, official::layer(), &path),
    ];
    for peer in peers {
        subjects.push(peer?);
    }
    Some(subjects)
}

/// A subject, once its reader was seen to have the one request that was made.
fn recording<L, B>(
    name: &'static str,
    (layer, recorded): (L, Recorded),
    path: &MatchedPath,
) -> Option<Subject>
where
    L: Layer<Inner> + Sync + 'static,
    L::Service: Service<Request<Full<Bytes>>, Response = Response<B>> + 'static,
    B: Body + 'static,
{
    routed(&layer, path)();
    let requests = recorded(ROUTE);
    if requests != 1 {
        eprintln!("{name} has recorded {requests} requests of 1: there is nothing to compare");
        return None;
    }
    let path = path.clone();
    Some(Subject::new(name, move || routed(&layer, &path)))
}

/// What the layers that look for a route are measured over.
const BASE: &str = "bare, `MatchedPath`";

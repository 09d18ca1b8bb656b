//! What a span costs, measured: `cargo bench --bench spans`.

#[path = "../../../../tracing-asdlc-metrics/benches/ladder/harness.rs"]
mod harness;
mod metrics_tracing_context;
#[path = "../../../../tracing-asdlc-metrics/benches/ladder/subjects.rs"]
mod subjects;
mod tracing_opentelemetry;

use asdlc_peers::recorded::Recorded;
use asdlc_peers::table;
use harness::Subject;
use std::env;
use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    if cfg!(feature = "requests") {
        eprintln!(
            "run it without the feature `requests`, which makes spans cost more: see README.md"
        );
        return ExitCode::FAILURE;
    }
    let mut subjects = subjects::own();
    let peers = [
        tracing_opentelemetry::not_matched(),
        tracing_opentelemetry::matched(),
        metrics_tracing_context::not_matched(),
        metrics_tracing_context::matched(),
    ];
    if let [_, check, name] = &env::args().collect::<Vec<_>>()[..]
        && check == "check"
    {
        let peer = peers.iter().find(|peer| peer.name == *name).expect("a peer");
        return peer.check();
    }
    let names = peers.each_ref().map(|peer| peer.name);
    subjects
        .extend(peers.map(|Peer { name, install, .. }| Subject::new(name, move || install().0)));
    // The harness has each measured by a child of its own, with arguments.
    if env::args()
        .any(|argument| ["allocations", "measure", "run", "same", "time"].contains(&&*argument))
    {
        metrics_tracing_context::calibrate_clock();
        measured(&subjects);
        return ExitCode::SUCCESS;
    }
    if !names
        .into_iter()
        .all(|name| this().args(["check", name]).status().is_ok_and(|s| s.success()))
    {
        return ExitCode::FAILURE;
    }
    let child = this()
        .arg("measure")
        // Callgrind is not to count what is done before.
        .env("VALGRIND_OPTS", "--toggle-collect=*measured*")
        .stderr(Stdio::inherit())
        .output();
    let table = String::from_utf8(child.expect("a child").stdout).expect("UTF-8");
    print!("{}", table::with_ratios(&table, &[], &["ours, counter + histogram, 2 labels"]));
    ExitCode::SUCCESS
}

#[inline(never)]
fn measured(subjects: &[Subject]) {
    harness::main(subjects);
}

fn this() -> Command {
    Command::new(env::current_exe().expect("the path of this program"))
}

type Installed = (fn(usize), Recorded);

/// A subject whose measurements can be asked for.
struct Peer {
    name: &'static str,
    /// Sets the global subscriber, once in a process. What it returns is one span, and what was recorded of an operation.
    install: fn() -> Installed,
    /// How many measurements a span gives.
    gives: u64,
}

impl Peer {
    fn check(&self) -> ExitCode {
        let (span, recorded) = (self.install)();
        span(0);
        let spans = recorded("get");
        if spans == self.gives {
            return ExitCode::SUCCESS;
        }
        eprintln!(
            "{} has recorded {spans} spans of {}: there is nothing to compare",
            self.name, self.gives
        );
        ExitCode::FAILURE
    }
}

//! What metrics cost: instructions of the real program, as callgrind counts them.
//!
//! It is the unoptimised one, which is built already. `cargo bench -p agent` measures what users run.

use std::fs;
use std::process::Command;

use asdlc_tests::example::command;
use asdlc_tests::process::Process;
use asdlc_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::{Client, configuration_file, peers_address};

// N-05
#[test]
fn metrics_are_less_than_a_hundredth_of_the_work_for_a_message_that_is_kept() {
    let share = share_of_metrics(put, [10, 40]);
    // If they cost nothing, they were not there.
    assert!((0.001..0.01).contains(&share), "{:.2} %", share * 100.0);
}

/// A hundredth of a `get` is too little for two spans, even by hand: so this is no such promise. But it shows earlier when
/// metrics come to cost more.
// N-05
#[test]
fn metrics_do_not_come_to_cost_more_unseen() {
    let get = |number| if number < KEYS { put(number) } else { on_key("get", number) };
    let share = share_of_metrics(get, [20, 120]);
    assert!((0.01..0.06).contains(&share), "{:.2} %", share * 100.0);
}

/// How much more than without metrics it is to process a message, from two runs of different length: start and end are the
/// same in both.
fn share_of_metrics(message: impl Fn(u32) -> Value, [few, many]: [u32; 2]) -> f64 {
    let [off, on] = [false, true].map(|metrics| {
        let (instructions, _) = run(metrics, few, &message);
        let (more, answers) = run(metrics, many, &message);
        ((more - instructions) / f64::from(many - few), answers)
    });
    assert_eq!(on.1, off.1, "it must be the same work");
    on.0 / off.0 - 1.0
}

/// The instructions of a whole run of the agent with so many messages, and its answers.
fn run(metrics: bool, messages: u32, message: impl Fn(u32) -> Value) -> (f64, Vec<Value>) {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let configuration = format!("storage:\n  path: DIR/keys.redb\nmetrics:\n  enabled: {metrics}");
    let path = configuration_file(directory.path(), &configuration);
    let mut agent = under_callgrind(&command("agent"));
    agent.arg("--config").arg(path).env("LISTEN_ADDR", "127.0.0.1:0");
    let agent = Process::start(agent);
    let mut client = Client::connect(agent.await_stderr(peers_address).expect("it listens"));
    let answers = (0..messages).map(|number| {
        // Else chance decides how often its threads wait for each other.
        assert!(eventually(DEADLINE, || sleeps(agent.id())), "it does not come to rest");
        client.ask(&message(number))
    });
    let answers = answers.collect();
    agent.terminate();
    let finished = agent.finish();
    let counted = |line: &String| line.split_once("Collected : ")?.1.trim().parse().ok();
    let instructions = finished.stderr.iter().find_map(counted);
    (instructions.unwrap_or_else(|| panic!("it was not counted: {finished:?}")), answers)
}

/// On one processor, where none of its threads is interrupted for another.
fn under_callgrind(program: &Command) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &processor(), "chrt", "--batch", "0"]);
    command.args(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(program.get_program()).env("TOKIO_WORKER_THREADS", "1");
    for (name, value) in program.get_envs() {
        assert_eq!(value, None, "it only removes some");
        command.env_remove(name);
    }
    command
}

/// The first of those that we may use.
fn processor() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("it is Linux");
    let (_, list) = status.split_once("Cpus_allowed_list:").expect("it has a list of processors");
    list.trim_start().chars().take_while(char::is_ascii_digit).collect()
}

/// Whether every thread of the process does.
fn sleeps(id: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{id}/task")).expect("it runs");
    let mut states = threads.filter_map(|thread| {
        // One may have ended meanwhile.
        fs::read_to_string(thread.ok()?.path().join("status")).ok()
    });
    states.all(|status| status.contains("\nState:\tS"))
}

fn put(number: u32) -> Value {
    let mut message = on_key("put", number);
    message["value"] = "x".repeat(1_000).into();
    message
}

fn on_key(operation: &str, number: u32) -> Value {
    json!({ "type": operation, "key": format!("key {}", number % KEYS) })
}

const KEYS: u32 = 10;

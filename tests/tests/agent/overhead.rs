//! The cost of metrics: instructions of the real program, counted by callgrind.
//!
//! This is the debug build, because it is built already. `cargo bench -p agent` measures the release build.

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
fn metrics_cost_less_than_one_percent_of_a_message_that_is_stored() {
    let share = share_of_metrics(put, [10, 40]);
    // If they cost nothing, they were not recorded.
    assert!((0.001..0.01).contains(&share), "{:.2} %", share * 100.0);
}

/// Two spans cannot cost less than 1 % of a `get`, so this limit is higher. The test shows early when metrics cost more.
// N-05
#[test]
fn metrics_cost_less_than_six_percent_of_a_get() {
    let get = |number| if number < KEYS { put(number) } else { on_key("get", number) };
    let share = share_of_metrics(get, [20, 120]);
    assert!((0.01..0.06).contains(&share), "{:.2} %", share * 100.0);
}

/// The additional cost of a message with metrics, as a share. Two runs of different length have the same start and end, so their
/// difference is the cost of the messages.
fn share_of_metrics(message: impl Fn(u32) -> Value, [few, many]: [u32; 2]) -> f64 {
    let [off, on] = [false, true].map(|metrics| {
        let (instructions, _) = run(metrics, few, &message);
        let (more, replies) = run(metrics, many, &message);
        ((more - instructions) / f64::from(many - few), replies)
    });
    assert_eq!(on.1, off.1, "the replies must be equal");
    on.0 / off.0 - 1.0
}

/// The instructions of a whole run of the agent with this many messages, and its replies.
fn run(metrics: bool, messages: u32, message: impl Fn(u32) -> Value) -> (f64, Vec<Value>) {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let configuration = format!("storage:\n  path: DIR/keys.redb\nmetrics:\n  enabled: {metrics}");
    let path = configuration_file(directory.path(), &configuration);
    let mut agent = under_callgrind(&command("agent"));
    agent.arg("--config").arg(path).env("LISTEN_ADDR", "127.0.0.1:0");
    let agent = Process::start(agent);
    let mut client = Client::connect(agent.await_stderr(peers_address).expect("the agent listens"));
    let replies = (0..messages).map(|number| {
        // Otherwise the number of times its threads wait for each other varies.
        assert!(eventually(DEADLINE, || is_idle(agent.id())), "the agent does not become idle");
        client.send(&message(number))
    });
    let replies = replies.collect();
    agent.terminate();
    let finished = agent.finish();
    let counted = |line: &String| line.split_once("Collected : ")?.1.trim().parse().ok();
    let instructions = finished.stderr.iter().find_map(counted);
    (instructions.unwrap_or_else(|| panic!("callgrind printed no count: {finished:?}")), replies)
}

/// The command under callgrind, on one processor and without preemption between its threads.
fn under_callgrind(program: &Command) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &processor(), "chrt", "--batch", "0"]);
    command.args(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(program.get_program()).env("TOKIO_WORKER_THREADS", "1");
    for (name, value) in program.get_envs() {
        assert_eq!(value, None, "the command only removes variables");
        command.env_remove(name);
    }
    command
}

/// The first processor that this process may use.
fn processor() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("it is Linux");
    let (_, list) = status.split_once("Cpus_allowed_list:").expect("it has a list of processors");
    list.trim_start().chars().take_while(char::is_ascii_digit).collect()
}

/// Whether every thread of the process sleeps.
fn is_idle(id: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{id}/task")).expect("the process is running");
    let mut states = threads.filter_map(|thread| {
        // A thread may have ended meanwhile.
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

//! The cost of metrics for the agent: instructions per message, with metrics on and off, counted by callgrind.
//!
//! ```sh
//! cargo bench -p agent      # needs valgrind, on Linux
//! ```
//!
//! The real program runs over a real connection and writes its file at each `put`. Two runs of different length have the same start
//! and end, so their difference is the cost of the messages. How often the agent's threads wait for each other varies at random.
//! Therefore all threads share one processor, none is preempted by another, and a message is sent only when all of them sleep. The
//! kernel's work is not counted: it would add to the message only, and make the share of the metrics smaller.
//!
//! The benchmark fails if metrics cost 1 % or more of a message that is stored, or if they change a reply. The other messages are in
//! the table without a verdict, because they are not always below 1 %. `get` and `ping` cannot be: two clock readings, a histogram and
//! a counter for each span are more than 1 % of so few instructions. `delete` is above it. `put` and `get` in turn vary around it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Returns the message with this number.
type MessageOf = fn(u32) -> String;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match table() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table. Returns whether the metrics cost less than the limit.
// N-05
fn table() -> Result<bool> {
    println!("| messages | instructions per message, metrics off | metrics on | difference | |");
    println!("|---|---|---|---|---|");
    let mut within_limit = true;
    for (name, message, has_limit) in MESSAGES {
        let [off, on] = per_message(message)?;
        let more = 100.0 * (on / off - 1.0);
        let verdict = match (has_limit, more < 1.0) {
            (true, true) => "less than 1 %",
            (true, false) => "too much",
            (false, _) => "",
        };
        println!("| {name} | {off:.0} | {on:.0} | {more:+.2} % | {verdict} |");
        within_limit &= !has_limit || more < 1.0;
    }
    Ok(within_limit)
}

/// Instructions per message with metrics off and on. The median of some rounds, because a single round can be off by 1000.
fn per_message(message: MessageOf) -> Result<[f64; 2]> {
    let mut counts = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        let mut more = [0.0; 2];
        for (messages, sign) in [(FEW, -1.0), (FEW + MORE, 1.0)] {
            let (off, expected) = run(false, messages, message)?;
            let (on, replies) = run(true, messages, message)?;
            if replies != expected {
                return Err("metrics have changed the replies".into());
            }
            more = [more[0] + sign * off, more[1] + sign * on];
        }
        for (counts, more) in counts.iter_mut().zip(more) {
            counts.push(more / f64::from(MORE));
        }
    }
    Ok(counts.map(|mut counts| {
        counts.sort_by(f64::total_cmp);
        counts[ROUNDS / 2]
    }))
}

/// The instructions of a whole run of the agent with this many messages, and its replies.
fn run(metrics: bool, messages: u32, message: MessageOf) -> Result<(f64, Vec<u8>)> {
    let directory = tempfile::tempdir()?;
    let configuration = directory.path().join("agent.yaml");
    let file = directory.path().join("agent.redb");
    let text = format!("storage:\n  path: {}\nmetrics:\n  enabled: {metrics}\n", file.display());
    std::fs::write(&configuration, text)?;
    let mut agent = KillOnDrop(agent(&processor()?, &configuration, directory.path()).spawn()?);
    let mut log = BufReader::new(agent.0.stderr.take().ok_or("no log")?).lines();
    let address = loop {
        let line = log.next().ok_or("the agent has ended")??;
        if let Some((_, address)) = line.split_once("peers and clients on ") {
            break address.to_owned();
        }
    };
    let replies = send(TcpStream::connect(address)?, &agent.0, messages, message)?;
    Command::new("kill").arg(agent.0.id().to_string()).status()?;
    let mut collected = None;
    for line in log {
        if let Some((_, number)) = line?.split_once("Collected : ") {
            collected = Some(number.trim().parse()?);
        }
    }
    let status = agent.0.wait()?;
    let collected = collected.filter(|_| status.success());
    Ok((collected.ok_or_else(|| format!("no count: {status}"))?, replies))
}

fn agent(processor: &str, configuration: &Path, directory: &Path) -> Command {
    let mut command = Command::new("taskset");
    command
        .args(["--cpu-list", processor, "chrt", "--batch", "0", "valgrind", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", directory.join("callgrind.out").display()))
        .arg(env!("CARGO_BIN_EXE_agent"))
        .arg("--config")
        .arg(configuration)
        .env("LISTEN_ADDR", "127.0.0.1:0")
        // With more threads it varies which one does the work, and the count changes a little.
        .env("TOKIO_WORKER_THREADS", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    for variable in ["REDIS_URL", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// The first processor that this process may use.
fn processor() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let (_, list) = status.split_once("Cpus_allowed_list:").ok_or("no list of processors")?;
    Ok(list.trim_start().chars().take_while(char::is_ascii_digit).collect())
}

/// Kills the process, also after an error.
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // Both calls fail only if the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn send(
    mut stream: TcpStream,
    agent: &Child,
    messages: u32,
    message: MessageOf,
) -> Result<Vec<u8>> {
    stream.set_nodelay(true)?;
    let mut replies = Vec::new();
    for number in 0..messages {
        await_idle(agent)?;
        let message = message(number);
        let length = u32::try_from(message.len())?.to_be_bytes();
        stream.write_all(&[&length, message.as_bytes()].concat())?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let start = replies.len();
        replies.resize(start + u32::from_be_bytes(length) as usize, 0);
        stream.read_exact(&mut replies[start..])?;
    }
    Ok(replies)
}

/// Waits until every thread of the agent sleeps. Then all work for the last message is done.
fn await_idle(agent: &Child) -> Result<()> {
    let end = Instant::now() + TIMEOUT;
    while !is_idle(agent)? {
        if Instant::now() > end {
            return Err("the agent does not become idle".into());
        }
        thread::sleep(Duration::from_micros(100));
    }
    Ok(())
}

fn is_idle(agent: &Child) -> Result<bool> {
    for thread in std::fs::read_dir(format!("/proc/{}/task", agent.id()))? {
        // A thread may have ended meanwhile.
        let status = std::fs::read_to_string(thread?.path().join("status")).unwrap_or_default();
        if !status.is_empty() && !status.contains("\nState:\tS") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn put(number: u32) -> String {
    with_value("put", number)
}

/// A copy, as a peer sends it.
fn copy(number: u32) -> String {
    with_value("copy", number)
}

fn with_value(message: &str, number: u32) -> String {
    let (key, value) = (number % KEYS, "x".repeat(VALUE));
    format!(r#"{{"type":"{message}","key":"key {key}","value":"{value}"}}"#)
}

/// Puts each key once before the measured messages.
fn delete(number: u32) -> String {
    if number < KEYS { put(number) } else { on_key("delete", number) }
}

/// Puts each key once before the measured messages.
fn get(number: u32) -> String {
    if number < KEYS { put(number) } else { on_key("get", number) }
}

fn on_key(operation: &str, number: u32) -> String {
    format!(r#"{{"type":"{operation}","key":"key {}"}}"#, number % KEYS)
}

fn ping(_: u32) -> String {
    r#"{"type":"ping"}"#.to_owned()
}

fn mixed(number: u32) -> String {
    if number.is_multiple_of(2) { put(number) } else { get(number + KEYS) }
}

/// The messages, and whether the limit applies to them.
const MESSAGES: [(&str, MessageOf, bool); 6] = [
    ("put", put, true),
    ("copy", copy, true),
    ("put and get in turn", mixed, false),
    ("delete", delete, false),
    ("get", get, false),
    ("ping", ping, false),
];
const ROUNDS: usize = 3;
const FEW: u32 = 100;
const MORE: u32 = 400;
const KEYS: u32 = 100;
const VALUE: usize = 1_000;
const TIMEOUT: Duration = Duration::from_secs(30);

//! What metrics cost the agent: instructions for each message, with metrics on and off, as callgrind counts them.
//!
//! ```sh
//! cargo bench -p agent      # needs valgrind
//! ```
//!
//! The real program, over real connections, writes its file for each `put`. Start and end are in two runs of different
//! length alike, so their difference is that of the messages. The kernel's work is not counted: that would add to the
//! message alone, and make the share of the metrics smaller.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// What is sent, by its number.
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

/// Whether the metrics cost less than they may.
fn table() -> Result<bool> {
    println!("| messages | instructions each, metrics off | on | more |");
    println!("|---|---|---|---|");
    let mut enough = true;
    for (name, message, is_judged) in MESSAGES {
        let [off, on] = [per_message(false, message)?, per_message(true, message)?];
        let more = 100.0 * (on / off - 1.0);
        println!("| {name} | {off:.0} | {on:.0} | {more:+.2} % |");
        enough &= !is_judged || more < 1.0;
    }
    Ok(enough)
}

fn per_message(metrics: bool, message: MessageOf) -> Result<f64> {
    let instructions = |messages| instructions(metrics, messages, message);
    let more = instructions(FEW + MORE)? - instructions(FEW)?;
    Ok(more / f64::from(MORE))
}

/// Of a whole run of the agent with so many messages.
fn instructions(metrics: bool, messages: u32, message: MessageOf) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let configuration = directory.path().join("agent.yaml");
    let file = directory.path().join("agent.redb");
    let text = format!("storage:\n  path: {}\nmetrics:\n  enabled: {metrics}\n", file.display());
    std::fs::write(&configuration, text)?;
    let mut agent = agent(&configuration, directory.path()).spawn()?;
    let mut log = BufReader::new(agent.stderr.take().ok_or("no log")?).lines();
    let address = loop {
        let line = log.next().ok_or("the agent has ended")??;
        if let Some((_, address)) = line.split_once("peers and clients on ") {
            break address.to_owned();
        }
    };
    send(TcpStream::connect(address)?, messages, message)?;
    Command::new("kill").arg(agent.id().to_string()).status()?;
    let mut collected = None;
    for line in log {
        if let Some((_, number)) = line?.split_once("Collected : ") {
            collected = Some(number.trim().parse()?);
        }
    }
    let status = agent.wait()?;
    collected.filter(|_| status.success()).ok_or_else(|| format!("no count: {status}").into())
}

fn agent(configuration: &Path, directory: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", directory.join("callgrind.out").display()))
        .arg(env!("CARGO_BIN_EXE_agent"))
        .arg("--config")
        .arg(configuration)
        .env("LISTEN_ADDR", "127.0.0.1:0")
        // Which thread does the work is chance otherwise, and changes the count a little.
        .env("TOKIO_WORKER_THREADS", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    for variable in ["REDIS_URL", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command
}

fn send(mut stream: TcpStream, messages: u32, message: MessageOf) -> Result<()> {
    stream.set_nodelay(true)?;
    for number in 0..messages {
        let message = message(number);
        let length = u32::try_from(message.len())?.to_be_bytes();
        stream.write_all(&[&length, message.as_bytes()].concat())?;
        stream.read_exact(&mut [0; 4])?;
        let mut answer = [0; 1 << 16];
        let _ = stream.read(&mut answer)?;
    }
    Ok(())
}

fn put(number: u32) -> String {
    format!(r#"{{"type":"put","key":"key {}","value":"{}"}}"#, number % KEYS, "x".repeat(VALUE))
}

fn get(number: u32) -> String {
    if number < KEYS {
        put(number)
    } else {
        format!(r#"{{"type":"get","key":"key {}"}}"#, number % KEYS)
    }
}

fn ping(_: u32) -> String {
    r#"{"type":"ping"}"#.to_owned()
}

fn mixed(number: u32) -> String {
    if number.is_multiple_of(2) { put(number) } else { get(number + KEYS) }
}

const MESSAGES: [(&str, MessageOf, bool); 4] = [
    ("put", put, true),
    ("put and get in turn", mixed, true),
    ("get", get, false),
    ("ping", ping, false),
];
const FEW: u32 = 100;
const MORE: u32 = 400;
const KEYS: u32 = 100;
const VALUE: usize = 1_000;

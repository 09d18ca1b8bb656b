//! How much later clients get their responses while a large exposition is scraped:
//! `cargo run --release --no-default-features --features load --bin scrapes_under_load`.
//!
//! An axum server with tower-asdlc-metrics has an exporter with 2 × 100 000 series. 32 clients, in a process of their own, send
//! requests on connections that they keep. Another process scrapes without a pause. Rounds with and without scrapes alternate,
//! and a round with scrapes is compared with the one before it.
//!
//! A scrape takes all of a core. If no core is free for it, the clients wait for the scheduler too, which the exporter does not
//! cause. So there is a row `a process that counts`: it takes a core, and does not scrape. `requests` is how many each client
//! sends in a second. With `no pause`, it sends the next one as soon as it has a response, which leaves no core free.

mod clients;
mod scraper;
mod server;

use clients::Latencies;
use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", series] => server::serve(series.parse()?),
        ["send", address, rate] => clients::send(address, rate.parse()?),
        ["scrape", address, accept, encoding] => scraper::scrape(address, accept, encoding),
        ["count"] => scraper::count(),
        [] => measure(100_000, &[100, 0], 7),
        [series, rounds] => measure(series.parse()?, &[100, 0], rounds.parse()?),
        [series, rounds, rate] => measure(series.parse()?, &[rate.parse()?], rounds.parse()?),
        _ => Err("no such arguments: `[SERIES ROUNDS [RATE]]`".into()),
    }
}

fn measure(series: usize, rates: &[u32], rounds: usize) -> Result<()> {
    let mut server = Process::start(&["serve", &series.to_string()])?;
    let address = server.line()?;
    let cores = std::thread::available_parallelism()?;
    println!("2 × {series} series, {} clients, {cores} cores\n", clients::CLIENTS);
    println!(
        "| requests | beside | requests/s | scrapes | ms a scrape | MB | p50, ms | grows by | p99, ms | grows by | p99.9, ms | grows by |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for rate in rates {
        let mut of: Vec<Vec<Round>> = BESIDE.iter().map(|_| Vec::new()).collect();
        for round in 0..=rounds {
            for (beside, of) in BESIDE.iter().zip(&mut of) {
                let quiet = drive(&address, *rate)?;
                let (other, with) = beside.while_driving(&address, *rate)?;
                // The first round warms up.
                if round > 0 {
                    of.push(Round { quiet, with, other });
                }
            }
        }
        for (Beside { name, .. }, rounds) in BESIDE.iter().zip(&of) {
            print_row(*rate, name, rounds);
        }
    }
    Ok(())
}

/// What was measured beside something, and right before without it.
struct Round {
    quiet: Latencies,
    with: Latencies,
    other: scraper::Scrapes,
}

fn print_row(rate: u32, name: &str, rounds: &[Round]) {
    let median = |of: &dyn Fn(&Round) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let rate = if rate == 0 { "no pause".to_owned() } else { rate.to_string() };
    print!(
        "| {rate} | {name} | {:.0} | {:.0} | {:.0} | {:.1} |",
        median(&|round| round.with.requests_per_second),
        median(&|round| round.other.number as f64),
        median(&|round| round.other.milliseconds),
        median(&|round| round.other.bytes as f64 / 1e6),
    );
    for at in 0..clients::QUANTILES.len() {
        print!(
            " {:.3} | {:+.3} |",
            median(&|round| round.with.quantiles[at]),
            median(&|round| round.with.quantiles[at] - round.quiet.quantiles[at]),
        );
    }
    println!();
}

/// One round of the clients.
fn drive(address: &str, rate: u32) -> Result<Latencies> {
    let mut clients = Process::start(&["send", address, &rate.to_string()])?;
    Latencies::parse(&clients.line()?)
}

/// What goes on at the same time.
struct Beside {
    name: &'static str,
    /// Arguments of this program. `ADDRESS` is replaced.
    arguments: &'static [&'static str],
}

impl Beside {
    fn while_driving(&self, address: &str, rate: u32) -> Result<(scraper::Scrapes, Latencies)> {
        let arguments = self.arguments.iter();
        let arguments: Vec<_> =
            arguments.map(|word| if *word == "ADDRESS" { address } else { word }).collect();
        if arguments.is_empty() {
            return Ok((scraper::Scrapes::default(), drive(address, rate)?));
        }
        let mut other = Process::start(&arguments)?;
        // It works now.
        other.line()?;
        let latencies = drive(address, rate)?;
        // The end of its input ends it.
        drop(other.input.take());
        Ok((scraper::Scrapes::parse(&other.line()?)?, latencies))
    }
}

/// This program with other arguments, which ends when its input does.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, input, output })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("a child has ended early".into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        _ = self.child.wait();
    }
}

const TEXT: &str = "text/plain;version=0.0.4";
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";
const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

const BESIDE: [Beside; 9] = [
    Beside { name: "nothing", arguments: &[] },
    Beside { name: "a process that counts", arguments: &["count"] },
    Beside { name: "text", arguments: &["scrape", "ADDRESS", TEXT, "identity"] },
    Beside { name: "text, gzip", arguments: &["scrape", "ADDRESS", TEXT, "gzip"] },
    Beside { name: "text, zstd", arguments: &["scrape", "ADDRESS", TEXT, "zstd"] },
    Beside { name: "OpenMetrics", arguments: &["scrape", "ADDRESS", OPEN_METRICS, "identity"] },
    Beside { name: "protobuf", arguments: &["scrape", "ADDRESS", PROTOBUF, "identity"] },
    Beside { name: "protobuf, gzip", arguments: &["scrape", "ADDRESS", PROTOBUF, "gzip"] },
    Beside { name: "protobuf, zstd", arguments: &["scrape", "ADDRESS", PROTOBUF, "zstd"] },
];

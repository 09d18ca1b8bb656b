//! How much recording reduces the throughput of a real server:
//! `cargo bench -p asdlc-exporter --features redis --bench redis`.
//!
//! Four subjects: the bare connection; a clone of it, whose difference has to be 0 and shows the error
//! of measurement; a wrapper that forwards and reads the clock twice, which is the minimum for any
//! measurement of latency; and the instrumented connection. All four run in short rounds, in an order
//! in which each follows each other equally often, so that other load on the machine affects all of
//! them equally. The table has the medians of the ratio to the bare connection, with their 95 %
//! intervals, and of the difference. The interval is that of this process: the memory layout of
//! another process changes the result by a percent or more. The rows without a server are the cost of
//! recording itself.
//!
//! Needs `redis-server` in the `PATH`. A word after `--` selects the rows that contain it.

#![expect(clippy::print_stdout, reason = "a program's result")]

use asdlc_exporter::{
    Exporter,
    redis::{InstrumentedConnection, RedisMetrics},
};
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisFuture, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use std::{
    error::Error,
    hint::black_box,
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let (asked, options): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|arg| !arg.starts_with("--"));
    // `cargo test --benches` only checks that it runs.
    let is_bench = options.iter().any(|option| option == "--bench");
    let (sets, commands) = if is_bench { (1_000, 480) } else { (4, 32) };
    let one = Builder::new_current_thread().enable_all().build()?;
    let two = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let exporter = Exporter::builder("bench").build()?;
    let metrics = RedisMetrics::new(&exporter);
    let server = Server::start()?;

    println!("{:<36} {:>9}   {:^22} {:^22} {:^22}", "", "bare", "again", "clock", "recorded");
    let row = |name: &str| asked.iter().all(|word| name.contains(word.as_str()));
    if row("no server") {
        let load = Load { in_flight: 1, at_once: 1, commands: commands * 20 };
        Ladder::new(vec![Nowhere], &metrics).climb("no server", &one, sets, load)?;
    }
    for (threads, runtime) in [("1 thread", &one), ("2 workers", &two)] {
        let ladder = Ladder::new(vec![runtime.block_on(server.connect())?], &metrics);
        for (in_flight, at_once) in [(1, 1), (16, 1), (1, 16)] {
            let pipelines = if at_once > 1 { format!(" × {at_once}") } else { String::new() };
            let name = format!("a server, {threads}, {in_flight}{pipelines} in flight");
            if row(&name) {
                let commands = commands * (in_flight * at_once).min(4);
                let load = Load { in_flight, at_once, commands };
                ladder.climb(&name, runtime, sets, load)?;
            }
        }
    }
    // As `redis-benchmark` does.
    let name = "a server, 2 workers, 50 connections";
    if row(name) {
        let connections = (0..50).map(|_| two.block_on(server.connect())).collect::<Result<_>>()?;
        let load = Load { in_flight: 50, at_once: 1, commands: commands.next_multiple_of(50) * 4 };
        Ladder::new(connections, &metrics).climb(name, &two, sets, load)?;
    }
    Ok(())
}

/// The commands of a round.
#[derive(Clone, Copy)]
struct Load {
    /// How many senders wait for a response at the same time.
    in_flight: u32,
    /// How many commands each sender sends at once. More than one are a pipeline.
    at_once: u32,
    /// The number of all commands.
    commands: u32,
}

struct Ladder<C> {
    bare: Vec<C>,
    again: Vec<C>,
    clock: Vec<Clocks<C>>,
    recorded: Vec<InstrumentedConnection<C>>,
}

impl<C: ConnectionLike + Clone + Send + 'static> Ladder<C> {
    fn new(bare: Vec<C>, metrics: &RedisMetrics) -> Self {
        let clock = bare.iter().cloned().map(Clocks).collect();
        let recorded = bare.iter().cloned().map(|bare| metrics.instrument(bare)).collect();
        Self { again: bare.clone(), clock, recorded, bare }
    }

    fn climb(&self, name: &str, runtime: &Runtime, sets: u32, load: Load) -> Result<()> {
        let mut times: [Vec<f64>; 4] = Default::default();
        for set in 0..sets {
            for rung in ORDERS[set as usize % ORDERS.len()] {
                times[rung].push(runtime.block_on(async {
                    match rung {
                        0 => round(&self.bare, load).await,
                        1 => round(&self.again, load).await,
                        2 => round(&self.clock, load).await,
                        _ => round(&self.recorded, load).await,
                    }
                })?);
            }
        }
        let [bare, others @ ..] = &times;
        print!("{name:<36} {:>6.2} µs", median(bare).0);
        for other in others {
            let ratios: Vec<_> = other.iter().zip(bare).map(|(other, bare)| other / bare).collect();
            let (ratio, half) = median(&ratios);
            let more: Vec<_> = other.iter().zip(bare).map(|(other, bare)| other - bare).collect();
            let more = median(&more).0 * 1e3;
            print!("   {:+6.2} ±{:.2} % {more:+5.0} ns", (ratio - 1.0) * 100.0, half * 100.0);
        }
        println!();
        Ok(())
    }
}

/// An order in which each subject follows each other subject once.
const ORDERS: [[usize; 4]; 4] = [[0, 1, 3, 2], [1, 2, 0, 3], [2, 3, 1, 0], [3, 0, 2, 1]];

/// The duration of a command, in microseconds.
async fn round<C>(connections: &[C], load: Load) -> Result<f64>
where
    C: ConnectionLike + Clone + Send + 'static,
{
    let Load { in_flight, at_once, commands } = load;
    let start = Instant::now();
    let tasks: Vec<_> = (0..in_flight as usize)
        .map(|task| {
            let mut connection = connections[task % connections.len()].clone();
            tokio::spawn(async move {
                for _ in 0..commands / in_flight / at_once {
                    if at_once == 1 {
                        redis::cmd("GET").arg("key").exec_async(&mut connection).await?;
                    } else {
                        let mut pipeline = Pipeline::with_capacity(at_once as usize);
                        (0..at_once).for_each(|_| _ = pipeline.get("key"));
                        pipeline.exec_async(&mut connection).await?;
                    }
                }
                redis::RedisResult::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(commands))
}

/// The median, and half of its 95 % interval. The interval is between two ranks, for any distribution.
fn median(values: &[f64]) -> (f64, f64) {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let (middle, ranks) = (values.len() / 2, (values.len() as f64).sqrt().round() as usize);
    let (low, high) =
        (values[middle.saturating_sub(ranks)], values[(middle + ranks).min(values.len() - 1)]);
    (values[middle], (high - low) / 2.0)
}

/// A wrapper that measures latency and does nothing with it.
#[derive(Clone)]
struct Clocks<C>(C);

impl<C: ConnectionLike> ConnectionLike for Clocks<C> {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(timed(self.0.req_packed_command(cmd)))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(timed(self.0.req_packed_commands(cmd, offset, count)))
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}

async fn timed<T>(sending: RedisFuture<'_, T>) -> redis::RedisResult<T> {
    let start = Instant::now();
    let answer = sending.await;
    black_box(start.elapsed());
    answer
}

/// A server that is stopped when this is dropped.
struct Server {
    process: Child,
    client: Client,
}

impl Server {
    fn start() -> Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { process, client: Client::open(format!("redis://127.0.0.1:{port}"))? })
    }

    async fn connect(&self) -> Result<MultiplexedConnection> {
        let end = Instant::now() + Duration::from_secs(10);
        // The default timeout is measurable. This one does not end if the process is stopped for minutes.
        let config =
            AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(600)));
        loop {
            match self.client.get_multiplexed_async_connection_with_config(&config).await {
                Ok(connection) => return Ok(connection),
                Err(error) if Instant::now() > end => return Err(error.into()),
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Responds immediately, so that only the cost of recording is measured.
#[derive(Clone)]
struct Nowhere;

impl ConnectionLike for Nowhere {
    fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async { Ok(Value::Okay) })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

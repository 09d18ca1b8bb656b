//! What recording takes from the throughput of a real server:
//! `cargo bench -p asdlc-exporter --features redis --bench redis`.
//!
//! Pairs of short rounds, one with the bare connection and one with the instrumented, in changing
//! order: what else happens on the machine happens to both. The same without a server shows what
//! recording takes by itself. Needs `redis-server` in the `PATH`.

#![expect(clippy::print_stdout, reason = "a program's result")]

use asdlc_exporter::{Exporter, redis::RedisMetrics};
use redis::{
    Client, Cmd, Pipeline, RedisFuture, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use std::{
    error::Error,
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // `cargo test --benches` asks whether it runs, not how fast.
    let (pairs, commands) =
        if std::env::args().any(|arg| arg == "--bench") { (400, 1_000) } else { (2, 10) };
    let server = Server::start()?;
    let bare = server.connect().await?;
    let exporter = Exporter::builder("bench").build()?;
    let recorded = RedisMetrics::new(&exporter.meter()).instrument(bare.clone());

    let nowhere = RedisMetrics::new(&exporter.meter()).instrument(Nowhere);
    compare("no server, 1 in flight", [pairs, 1, commands], &Nowhere, &nowhere).await?;
    compare("a server, 1 in flight", [pairs, 1, commands], &bare, &recorded).await?;
    compare("a server, 16 in flight", [pairs, 16, commands], &bare, &recorded).await
}

async fn compare<B, R>(
    name: &str,
    [pairs, in_flight, commands]: [u32; 3],
    bare: &B,
    recorded: &R,
) -> Result<()>
where
    B: ConnectionLike + Clone + Send + 'static,
    R: ConnectionLike + Clone + Send + 'static,
{
    let (mut bare_times, mut differences, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..pairs {
        let (bare_time, recorded_time) = if pair % 2 == 0 {
            let first = round(bare, in_flight, commands).await?;
            (first, round(recorded, in_flight, commands).await?)
        } else {
            let first = round(recorded, in_flight, commands).await?;
            (round(bare, in_flight, commands).await?, first)
        };
        bare_times.push(bare_time);
        differences.push(recorded_time - bare_time);
        ratios.push(recorded_time / bare_time);
    }
    println!(
        "{name:<22} {:>6.2} µs a GET, recorded {:+.2} µs, {:+.2} %",
        median(&mut bare_times),
        median(&mut differences),
        (median(&mut ratios) - 1.0) * 100.0
    );
    Ok(())
}

/// Microseconds of a command, of so many, with always so many at the same time.
async fn round<C>(connection: &C, in_flight: u32, commands: u32) -> Result<f64>
where
    C: ConnectionLike + Clone + Send + 'static,
{
    let start = Instant::now();
    let tasks: Vec<_> = (0..in_flight)
        .map(|_| {
            let mut connection = connection.clone();
            tokio::spawn(async move {
                for _ in 0..commands / in_flight {
                    redis::cmd("GET").arg("key").exec_async(&mut connection).await?;
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

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Ends with the program.
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
        loop {
            match self.client.get_multiplexed_async_connection().await {
                Ok(connection) => return Ok(connection),
                Err(error) if Instant::now() > end => return Err(error.into()),
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers at once: what is left is the cost of recording.
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

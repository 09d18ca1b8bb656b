//! Clients that send requests, each on one connection that it keeps, and measure how long each response takes.

use crate::{Result, server::ROUTE};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// Of a round, in milliseconds.
pub struct Latencies {
    pub requests_per_second: f64,
    /// As `QUANTILES` has them.
    pub quantiles: [f64; 3],
}

impl Latencies {
    pub fn parse(line: &str) -> Result<Self> {
        let numbers: Vec<f64> =
            line.split(' ').map(str::parse).collect::<std::result::Result<_, _>>()?;
        let [requests_per_second, ref quantiles @ ..] = numbers[..] else {
            return Err("no numbers".into());
        };
        Ok(Self { requests_per_second, quantiles: quantiles.try_into()? })
    }
}

/// One round, of which it prints the latencies. `rate` is of each client.
pub fn send(address: &str, rate: u32) -> Result<()> {
    let start = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|at| {
            let address = address.to_owned();
            // Their requests are spread evenly.
            let first = start + rate_interval(rate) * at / CLIENTS;
            thread::spawn(move || client(&address, first, rate).map_err(|error| error.to_string()))
        })
        .collect();
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.join().map_err(|_| "a client has panicked")??);
    }
    latencies.sort();
    let at = |quantile: f64| {
        let place = (latencies.len() as f64 * quantile) as usize;
        latencies[place.min(latencies.len() - 1)].as_secs_f64() * 1e3
    };
    let [p50, p99, p999] = QUANTILES.map(at);
    println!("{} {p50} {p99} {p999}", latencies.len() as f64 / ROUND.as_secs_f64());
    Ok(())
}

fn rate_interval(rate: u32) -> Duration {
    Duration::from_secs(1).checked_div(rate).unwrap_or_default()
}

fn client(address: &str, first: Instant, rate: u32) -> Result<Vec<Duration>> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    let request = format!("GET {ROUTE} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let mut latencies = Vec::new();
    let end = first + ROUND;
    let mut due = first;
    let mut response = Vec::new();
    while due < end {
        let now = Instant::now();
        let start = if rate == 0 {
            due = now;
            now
        } else if due <= now {
            // The last response was so late that this request is late too: that counts.
            due
        } else {
            thread::sleep(due - now);
            // When this thread woke up is not the server's matter.
            Instant::now()
        };
        connection.write_all(request.as_bytes())?;
        read_response(&mut connection, &mut response)?;
        latencies.push(start.elapsed());
        due += rate_interval(rate);
    }
    Ok(latencies)
}

fn read_response(connection: &mut TcpStream, response: &mut Vec<u8>) -> Result<()> {
    response.clear();
    let mut buffer = [0; 1024];
    loop {
        let read = connection.read(&mut buffer)?;
        if read == 0 {
            return Err("the server has closed a connection".into());
        }
        response.extend_from_slice(&buffer[..read]);
        if response.ends_with(b"\r\n\r\nHello, world!") {
            break;
        }
    }
    if response.starts_with(b"HTTP/1.1 200 ") { Ok(()) } else { Err("not a 200".into()) }
}

pub const CLIENTS: u32 = 32;
pub const QUANTILES: [f64; 3] = [0.5, 0.99, 0.999];
const ROUND: Duration = Duration::from_secs(3);

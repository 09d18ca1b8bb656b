//! Scrapes without a pause, or uses a core without scraping, until the input ends.

use crate::Result;
use std::hint::black_box;
use std::io::{Read, Write, stdin};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

/// Of a round.
#[derive(Default)]
pub struct Scrapes {
    pub number: u64,
    /// Of one, on average.
    pub milliseconds: f64,
    /// Of the last one.
    pub bytes: u64,
}

impl Scrapes {
    pub fn parse(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [number, milliseconds, bytes] = words[..] else { return Err("no scrapes".into()) };
        Ok(Self {
            number: number.parse()?,
            milliseconds: milliseconds.parse()?,
            bytes: bytes.parse()?,
        })
    }
}

/// Says when the first scrape is over.
pub fn scrape(address: &str, accept: &str, encoding: &str) -> Result<()> {
    let request = format!(
        "GET /metrics HTTP/1.1\r\nhost: {address}\r\naccept: {accept}\r\naccept-encoding: {encoding}\r\nconnection: close\r\n\r\n"
    );
    let mut buffer = vec![0; 1 << 18];
    let mut once = || -> Result<u64> {
        let mut connection = TcpStream::connect(address)?;
        connection.write_all(request.as_bytes())?;
        let (mut first, mut last, mut bytes) = (Vec::new(), Vec::new(), 0);
        loop {
            let read = connection.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            if first.is_empty() {
                first = buffer[..read].to_vec();
            }
            last = buffer[..read].to_vec();
            bytes += read as u64;
        }
        let is_whole = last.ends_with(b"0\r\n\r\n") || bytes < 1 << 20;
        if first.starts_with(b"HTTP/1.1 200 ") && is_whole {
            Ok(bytes)
        } else {
            Err(format!("a scrape failed: {}", String::from_utf8_lossy(&first)).into())
        }
    };
    let mut bytes = once()?;
    println!();
    let is_over = until_input_ends();
    let (start, mut number) = (Instant::now(), 0);
    while !is_over.load(Ordering::Relaxed) {
        bytes = once()?;
        number += 1;
    }
    let milliseconds = start.elapsed().as_secs_f64() * 1e3 / f64::from(number);
    println!("{number} {milliseconds} {bytes}");
    Ok(())
}

pub fn count() -> Result<()> {
    println!();
    let is_over = until_input_ends();
    let mut number = 0_u64;
    while !is_over.load(Ordering::Relaxed) {
        number = black_box(number + 1);
    }
    println!("0 0 0");
    Ok(())
}

fn until_input_ends() -> Arc<AtomicBool> {
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    thread::spawn(move || {
        _ = stdin().read_to_end(&mut Vec::new());
        over.store(true, Ordering::Relaxed);
    });
    is_over
}

//! A subject in a process of its own, which scrapes when it is told to.

use crate::{Result, Subject, workload};
use std::env;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The process, seen from the one that makes the table.
pub struct Measured {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    name: String,
    peak: f64,
    /// Milliseconds.
    times: Vec<f64>,
}

/// Of a scrape; but `peak` is the most memory that the first one took, in bytes.
pub struct Results {
    pub name: String,
    /// Milliseconds.
    pub median: f64,
    pub allocations: u64,
    pub peak: f64,
    /// Bytes.
    pub answer: f64,
}

impl Measured {
    pub fn start(series: usize, subject: usize) -> Result<Self> {
        let mut process = Command::new(env::current_exe()?)
            .args([series.to_string(), subject.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = process.stdin.take().ok_or("no way to tell it")?;
        let answers = BufReader::new(process.stdout.take().ok_or("no way to hear it")?);
        let mut this =
            Self { process, orders, answers, name: String::new(), peak: 0.0, times: Vec::new() };
        this.name = this.line()?;
        this.peak = this.line()?.parse()?;
        Ok(this)
    }

    pub fn scrape(&mut self) -> Result<()> {
        self.orders.write_all(b"\n")?;
        let time = self.line()?.parse()?;
        self.times.push(time);
        Ok(())
    }

    pub fn end(mut self) -> Result<Results> {
        self.times.sort_by(f64::total_cmp);
        self.orders.write_all(b"end\n")?;
        let results = Results {
            allocations: self.line()?.parse()?,
            answer: self.line()?.parse()?,
            median: self.times[self.times.len() / 2],
            name: self.name,
            peak: self.peak,
        };
        self.process.wait()?;
        Ok(results)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(format!("{} has ended", self.name).into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// The process itself: tells the time of a scrape for each line that it gets.
pub fn serve(subject: Subject, series: usize, orders: impl BufRead) -> Result<()> {
    let Subject { name, mut scrape } = subject;
    let mut checked = Ok(());
    let first = allocation_counter::measure(|| scrape(&mut |_| ()));
    scrape(&mut |answer| {
        if !answer.is_empty() {
            checked = workload::check(answer, series);
        }
    });
    checked.map_err(|what| format!("{name} {what}: there is nothing to compare"))?;
    println!("{name}\n{}", first.bytes_max);
    for order in orders.lines() {
        if order? == "end" {
            break;
        }
        let start = cpu_time();
        scrape(&mut |answer| {
            black_box(answer);
        });
        println!("{}", (cpu_time() - start).as_secs_f64() * 1e3);
    }
    let mut length = 0;
    let memory = allocation_counter::measure(|| scrape(&mut |answer| length = answer.len()));
    println!("{}\n{length}", memory.count_total);
    Ok(())
}

/// Of this thread, on which all of them do all of their work: what else the machine does counts little.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it never ran for less than nothing")
}

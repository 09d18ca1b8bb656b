//! A subject in a process of its own, which scrapes when it is told to.

use crate::{Result, Subject, workload};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, mem};

/// The process, seen from the one that makes the table.
pub struct Measured {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    name: String,
    peak: f64,
    /// Milliseconds of the first scrape of each turn, and of the last.
    times: [Vec<f64>; 2],
}

/// Of a scrape; but `peak` is the most memory that the first one took, in bytes.
pub struct Results {
    pub name: String,
    /// Milliseconds, when its memory has to come back from afar, and when it is near.
    pub cold: f64,
    pub warm: f64,
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
        let mut this = Self {
            process,
            orders,
            answers,
            name: String::new(),
            peak: 0.0,
            times: Default::default(),
        };
        this.name = this.line()?;
        this.peak = this.line()?.parse()?;
        Ok(this)
    }

    /// A turn of so many scrapes, one after the other.
    pub fn turn(&mut self, scrapes: usize) -> Result<()> {
        writeln!(self.orders, "{scrapes}")?;
        for at in 0..2 {
            let time = self.line()?.parse()?;
            self.times[at].push(time);
        }
        Ok(())
    }

    pub fn end(mut self) -> Result<Results> {
        let [cold, warm] = mem::take(&mut self.times).map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        self.orders.write_all(b"end\n")?;
        let results = Results {
            allocations: self.line()?.parse()?,
            answer: self.line()?.parse()?,
            cold,
            warm,
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

/// The process itself: for each line that it gets, scrapes as often as that says, and tells the times of the first and of the
/// last.
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
        let order = order?;
        if order == "end" {
            break;
        }
        let mut times = Vec::new();
        for _ in 0..order.parse()? {
            let start = cpu_time();
            scrape(&mut |answer| {
                black_box(answer);
            });
            times.push((cpu_time() - start).as_secs_f64() * 1e3);
        }
        let (first, last) = times.first().zip(times.last()).ok_or("no scrapes")?;
        println!("{first}\n{last}");
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

//! A subject in a process of its own, which scrapes when it is told to.

use crate::{Result, Subject, check};
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
    /// Milliseconds, when its memory has to come back from afar, and when it is near. If they were measured.
    pub cold: Option<f64>,
    pub warm: Option<f64>,
    pub allocations: u64,
    pub peak: f64,
    /// Bytes.
    pub answer: f64,
    /// If they were counted.
    pub instructions: Option<f64>,
}

impl Measured {
    pub fn start(series: usize, group: &str, subject: usize) -> Result<Self> {
        let mut process = Command::new(env::current_exe()?)
            .args(["serve", group, &subject.to_string(), &series.to_string()])
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
            times.get(times.len() / 2).copied()
        });
        self.orders.write_all(b"end\n")?;
        let results = Results {
            allocations: self.line()?.parse()?,
            answer: self.line()?.parse()?,
            cold,
            warm,
            name: self.name,
            peak: self.peak,
            instructions: None,
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
    let Subject { name, content, mut scrape } = subject;
    let mut checked = Ok(());
    let first = allocation_counter::measure(|| scrape(&mut |_| ()));
    scrape(&mut |answer| checked = check::check(answer, content, series));
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

/// The process of which callgrind counts the instructions.
pub fn count(mut subject: Subject) -> Result<()> {
    (0..3).for_each(|_| (subject.scrape)(&mut |_| ()));
    counted(&mut subject);
    Ok(())
}

#[inline(never)]
fn counted(subject: &mut Subject) {
    for _ in 0..COUNTED {
        (subject.scrape)(&mut |answer| {
            black_box(answer);
        });
    }
}

/// Of a later scrape, without those of recording. `None` without valgrind.
pub fn instructions(series: usize, group: &str, subject: usize) -> Option<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=scrapes::harness::counted*")
        .arg(env::current_exe().ok()?)
        .args(["count", group, &subject.to_string(), &series.to_string()])
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let total = report.lines().find_map(|line| line.split_once("Collected : "))?.1;
    Some(total.trim().parse::<f64>().ok()? / f64::from(COUNTED))
}

/// Of this thread, on which all of them do all of their work: what else the machine does counts little.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it never ran for less than nothing")
}

const COUNTED: u32 = 4;

//! The client's side: a server as a child, `wrk` against it.

use crate::server::ROUTE;
use std::cell::Cell;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::{env, fs};

pub fn wrk_is_there() -> bool {
    Command::new("wrk").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Of one round.
#[derive(Clone, Copy)]
pub struct Figures {
    /// Requests a second.
    pub rate: f64,
    /// The server's processor time in microseconds a request.
    pub cpu: f64,
}

pub struct Server {
    subject: &'static str,
    child: Child,
    output: BufReader<ChildStdout>,
    url: String,
    /// Requests that `wrk` got an answer to.
    answered: Cell<u64>,
}

impl Server {
    pub fn start(subject: &'static str) -> Self {
        let mut child = Command::new(env::current_exe().expect("the path of this program"))
            .args(["serve", subject])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut address = String::new();
        output.read_line(&mut address).expect("an address");
        let url = format!("http://{}{ROUTE}", address.trim());
        Self { subject, child, output, url, answered: Cell::new(0) }
    }

    /// One round.
    pub fn drive(&self) -> Figures {
        self.scrape();
        let before = self.processor_time();
        let wrk = Command::new("wrk").args(WRK).arg(&self.url).output().expect("wrk");
        let used = self.processor_time() - before;
        let report = String::from_utf8(wrk.stdout).expect("UTF-8");
        let requests: u64 = word(&report, |line| line.contains(" requests in "), 0);
        let rate = word(&report, |line| line.starts_with("Requests/sec:"), 1);
        self.answered.set(self.answered.get() + requests);
        Figures { rate, cpu: used / requests as f64 }
    }

    fn scrape(&self) {
        let mut input = self.child.stdin.as_ref().expect("a pipe");
        input.write_all(b"scrape\n").expect("a server that reads");
    }

    /// Ends it. An error if it has layers to record and they have not recorded each request.
    pub fn stop(mut self) -> Result<(), String> {
        self.scrape();
        drop(self.child.stdin.take());
        let mut recorded = String::new();
        self.output.read_to_string(&mut recorded).expect("a number");
        self.child.wait().expect("an end");
        let recorded: u64 = recorded.trim().parse().expect("a number");
        let (subject, answered) = (self.subject, self.answered.get());
        let records = !["bare", "no-op layer"].contains(&subject);
        if records && recorded < answered {
            return Err(format!("{subject} has recorded {recorded} requests of {answered}"));
        }
        Ok(())
    }

    /// In microseconds, of all threads since it started.
    fn processor_time(&self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("Linux");
        let nanoseconds = threads.map(|thread| {
            let path = thread.expect("a thread").path().join("schedstat");
            let times = fs::read_to_string(path).expect("a thread that is still there");
            times.split(' ').next().and_then(|time| time.parse::<f64>().ok()).expect("a time")
        });
        nanoseconds.sum::<f64>() / 1e3
    }
}

fn word<T: std::str::FromStr<Err: std::fmt::Debug>>(
    report: &str,
    line: impl Fn(&str) -> bool,
    index: usize,
) -> T {
    let line = report.lines().map(str::trim).find(|text| line(text));
    let word = line.and_then(|line| line.split_whitespace().nth(index));
    word.expect("wrk's report").parse().expect("a number")
}

const WRK: [&str; 3] = ["-t1", "-c32", "-d1s"];

//! Measures subjects side by side: time as the median of interleaved rounds, and instructions and allocations with valgrind.
//!
//! The peers' benchmark in `tests/peers`, which is not part of the workspace, uses this file too.

use std::hint::black_box;
use std::process::Command;
use std::sync::Barrier;
use std::time::Instant;

/// Something that handles a request. Each thread makes its own, and threads share what the threads of a server share.
pub struct Subject {
    pub name: &'static str,
    make: Box<dyn Fn() -> Box<dyn FnMut()> + Sync>,
}

impl Subject {
    pub fn new<R: FnMut() + 'static>(
        name: &'static str,
        make: impl Fn() -> R + Sync + 'static,
    ) -> Self {
        Self { name, make: Box::new(move || Box::new(make())) }
    }
}

/// Measures all subjects, and prints a table: the cost of the first, and for each other subject the difference from the first.
///
/// With the arguments `run NAME COUNT` it only runs one subject, for valgrind. With `time NAME THREADS` it prints the
/// nanoseconds of one round, so that a script can interleave two builds.
pub fn main(subjects: &[Subject]) {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, name, number] = &arguments[..] {
        let subject = subjects.iter().find(|subject| subject.name == *name).expect("a subject");
        let number = number.parse().expect("a number");
        return match mode.as_str() {
            "run" => repeat(&mut *(subject.make)(), number),
            "time" => println!("{:.1}", round(subject, number as usize)),
            other => panic!("unknown mode {other:?}: must be run or time"),
        };
    }

    let one = nanoseconds(subjects, 1);
    let two = nanoseconds(subjects, 2);
    let counts =
        |count: fn(&Subject) -> Option<u64>| subjects.iter().map(count).collect::<Vec<_>>();
    let (allocations, instructions) = (counts(allocations), counts(instructions));
    println!("| | ns, 1 thread | ns, 2 threads | allocations | instructions |");
    println!("|---|---|---|---|---|");
    for (index, subject) in subjects.iter().enumerate() {
        let name = subject.name;
        let (one, two) = if index == 0 {
            (format!("{:.0}", one[0]), format!("{:.0}", two[0]))
        } else {
            (format!("{:+.0}", one[index] - one[0]), format!("{:+.0}", two[index] - two[0]))
        };
        let (allocations, instructions) = (cell(&allocations, index), cell(&instructions, index));
        println!("| {name} | {one} | {two} | {allocations} | {instructions} |");
    }
}

/// The count of the first subject, and for each other subject the difference from the first.
fn cell(counts: &[Option<u64>], index: usize) -> String {
    match (counts[index], counts[0]) {
        (Some(count), Some(_)) if index == 0 => count.to_string(),
        (Some(count), Some(base)) => format!("{:+}", count as i64 - base as i64),
        _ => "no valgrind".to_owned(),
    }
}

/// Nanoseconds per request on each of several threads: the median of rounds, each of which measures every subject.
fn nanoseconds(subjects: &[Subject], threads: usize) -> Vec<f64> {
    let mut rounds = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for (subject, times) in subjects.iter().zip(&mut rounds) {
            times.push(round(subject, threads));
        }
    }
    rounds.iter_mut().map(|times| median(times)).collect()
}

fn round(subject: &Subject, threads: usize) -> f64 {
    let barrier = Barrier::new(threads);
    let timed = || {
        let mut request = (subject.make)();
        repeat(&mut *request, WARM_UP);
        barrier.wait();
        let start = Instant::now();
        repeat(&mut *request, REPETITIONS);
        start.elapsed().as_secs_f64() * 1e9 / REPETITIONS as f64
    };
    let times: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(timed)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    times.iter().sum::<f64>() / threads as f64
}

/// Allocations per request. Counted by valgrind, and not by an allocator of this program: such an allocator takes about 110
/// instructions for each allocation, which a server does not have.
fn allocations(subject: &Subject) -> Option<u64> {
    per_request(subject, &["--tool=memcheck"], "total heap usage: ")
}

/// Instructions per request.
fn instructions(subject: &Subject) -> Option<u64> {
    per_request(subject, &["--tool=callgrind", "--callgrind-out-file=/dev/null"], "Collected : ")
}

/// What valgrind reports after this text, from two runs with different numbers of requests. `None` without valgrind.
fn per_request(subject: &Subject, tool: &[&str], text: &str) -> Option<u64> {
    let run = |count: u64| {
        let output = Command::new("valgrind")
            .args(tool)
            .arg(std::env::current_exe().ok()?)
            .args(["run", subject.name, &count.to_string()])
            .output()
            .ok()?;
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        let total = report.lines().find_map(|line| line.split_once(text))?.1;
        total.split_whitespace().next()?.replace(',', "").parse::<u64>().ok()
    };
    let few = 1_000;
    // Rounded: the start of the program takes a few more or less in each run.
    Some((run(3 * few)? - run(few)? + few) / (2 * few))
}

fn repeat(request: &mut dyn FnMut(), count: u64) {
    for _ in 0..count {
        black_box(&mut *request)();
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const ROUNDS: usize = 31;
const WARM_UP: u64 = 2_000;
const REPETITIONS: u64 = 50_000;

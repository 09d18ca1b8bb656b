//! Measures subjects side by side: time as the median of interleaved rounds, instructions with callgrind, and allocations.
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
/// With the arguments `run NAME COUNT` it only runs one subject, for callgrind. With `time NAME THREADS` it prints the
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
    let instructions: Vec<_> = subjects.iter().map(instructions).collect();
    println!("| | ns, 1 thread | ns, 2 threads | allocations | instructions |");
    println!("|---|---|---|---|---|");
    let base = (one[0], two[0], allocations(&subjects[0]), instructions[0]);
    for (index, subject) in subjects.iter().enumerate() {
        let name = subject.name;
        let (one, two) = (one[index], two[index]);
        let (allocations, instructions) = (allocations(subject), instructions[index]);
        if index == 0 {
            let instructions =
                instructions.map_or_else(|| NO_VALGRIND.to_owned(), |count| count.to_string());
            println!("| {name} | {one:.0} | {two:.0} | {allocations} | {instructions} |");
        } else {
            let instructions = instructions.zip(base.3).map(|(all, base)| all as i64 - base as i64);
            println!(
                "| {name} | {:+.0} | {:+.0} | {:+} | {} |",
                one - base.0,
                two - base.1,
                allocations as i64 - base.2 as i64,
                instructions.map_or_else(|| NO_VALGRIND.to_owned(), |more| format!("{more:+}"))
            );
        }
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

fn allocations(subject: &Subject) -> u64 {
    let mut request = (subject.make)();
    repeat(&mut *request, WARM_UP);
    allocation_counter::measure(request).count_total
}

/// Instructions per request, from two runs under callgrind with different numbers of requests. `None` without valgrind.
fn instructions(subject: &Subject) -> Option<u64> {
    let run = |count: u64| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?)
            .args(["run", subject.name, &count.to_string()])
            .output()
            .ok()?;
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        let total = report.lines().find_map(|line| line.split_once("Collected : "))?.1;
        total.trim().parse::<u64>().ok()
    };
    let few = 1_000;
    Some((run(3 * few)? - run(few)?) / (2 * few))
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

const NO_VALGRIND: &str = "no valgrind";
const ROUNDS: usize = 31;
const WARM_UP: u64 = 2_000;
const REPETITIONS: u64 = 50_000;

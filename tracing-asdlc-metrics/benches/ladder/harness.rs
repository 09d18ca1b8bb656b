//! Measures several subjects: their times in interleaved rounds (median and minimum), their instructions with callgrind, and
//! their exact number of allocations.
//!
//! Each measurement runs in a new process. The subscriber is then the global one, as in a program, and it alone decides which
//! callsites are enabled.
//!
//! The benchmark in `tests/peers`, which is not part of the workspace, uses this file too.

use std::hint::black_box;
use std::process::Command;
use std::sync::Barrier;
use std::time::Instant;

/// Code that opens and closes spans.
pub struct Subject {
    pub name: &'static str,
    install: Box<dyn Fn() -> Box<Run>>,
}

/// Runs on the thread with this number, and opens this many spans.
pub type Run = dyn Fn(usize, u64) + Sync;

impl Subject {
    /// `install` sets the global subscriber. It returns a function that runs one span, on the thread with this number.
    pub fn new<S: Fn(usize) + Sync + 'static>(
        name: &'static str,
        install: impl Fn() -> S + 'static,
    ) -> Self {
        let install = move || -> Box<Run> {
            let span = install();
            Box::new(move |thread, count| (0..count).for_each(|_| span(black_box(thread))))
        };
        Self { name, install: Box::new(install) }
    }
}

/// Measures all subjects, and prints a table of their costs. From the third on it also prints the difference to the second.
///
/// With arguments, this process measures one subject.
pub fn main(subjects: &[Subject]) {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[..] {
        [_, what, name, number] if ["time", "same", "run", "allocations"].contains(&&**what) => {
            let subject = subjects.iter().find(|subject| subject.name == *name).expect("a subject");
            let run = (subject.install)();
            let number: u64 = number.parse().expect("a number");
            match &**what {
                "time" => println!("{}", nanoseconds(&run, number as usize, |thread| thread)),
                // All threads have the number 0, so that they record into the same series.
                "same" => println!("{}", nanoseconds(&run, number as usize, |_| 0)),
                "run" => run(0, number),
                _ => println!("{}", allocations(&run, number)),
            }
        }
        _ => table(subjects),
    }
}

fn table(subjects: &[Subject]) {
    let one = rounds(subjects, "time", 1);
    let two = rounds(subjects, "time", 2);
    let same = rounds(subjects, "same", 2);
    let base = subjects.get(1).map(instructions);
    println!(
        "| | ns, 1 thread: median (over) | minimum (over) | 2 threads: median | minimum | 2 / 1 | 2 threads, same series: median | minimum | allocations | instructions |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (index, subject) in subjects.iter().enumerate() {
        let over = |times: &[(f64, f64)], pick: fn(&(f64, f64)) -> f64| {
            let (time, base) = (pick(&times[index]), times.get(1).map_or(0.0, pick));
            if index > 1 {
                format!("{time:.1} (+{:.1})", time - base)
            } else {
                format!("{time:.1}")
            }
        };
        let allocations = child(subject, "allocations", 1_000).unwrap_or(f64::NAN) / 1_000.0;
        let count = match (instructions(subject), base.flatten()) {
            (Some(count), Some(base)) if index > 1 => format!("{count} (+{})", count - base),
            (Some(count), _) => count.to_string(),
            (None, _) => "no valgrind".to_owned(),
        };
        println!(
            "| {} | {} | {} | {} | {} | {:.2} | {} | {} | {allocations} | {count} |",
            subject.name,
            over(&one, |time| time.0),
            over(&one, |time| time.1),
            over(&two, |time| time.0),
            over(&two, |time| time.1),
            two[index].1 / one[index].1,
            over(&same, |time| time.0),
            over(&same, |time| time.1),
        );
    }
}

/// The median and the minimum of the rounds. Each round measures every subject once.
fn rounds(subjects: &[Subject], what: &str, threads: u64) -> Vec<(f64, f64)> {
    let mut rounds = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for (subject, times) in subjects.iter().zip(&mut rounds) {
            times.push(undisturbed(|| child(subject, what, threads).expect("a time")));
        }
    }
    let mut results = Vec::new();
    for times in &mut rounds {
        times.sort_by(f64::total_cmp);
        results.push((times[times.len() / 2], times[0]));
    }
    results
}

/// Repeats a measurement, a few times, if other programs have used the machine: the time of two threads that share a core is
/// useless.
fn undisturbed(measure: impl Fn() -> f64) -> f64 {
    let mut time = 0.0;
    for _ in 0..ATTEMPTS {
        let start = Instant::now();
        let before = used_by_others();
        time = measure();
        let used = used_by_others().zip(before).map(|(after, before)| after - before);
        // In hundredths of a second: a tenth of one core, or the error of the clocks.
        let allowed = (start.elapsed().as_secs_f64() * 10.0).max(2.0);
        if used.is_none_or(|used| used as f64 <= allowed) {
            break;
        }
    }
    time
}

/// The processor time of all other programs (not of this one and its children), in hundredths of a second. `None` without `/proc`.
fn used_by_others() -> Option<i64> {
    let numbers = |line: &str, fields: &[usize]| -> Option<i64> {
        let line: Vec<_> = line.split_whitespace().collect();
        fields.iter().map(|field| line.get(*field)?.parse::<i64>().ok()).sum()
    };
    let all = std::fs::read_to_string("/proc/stat").ok()?;
    // User, nice and system time, the time of interrupts, and the time that other guests of the host used.
    let all = numbers(all.lines().next()?, &[1, 2, 3, 6, 7, 8])?;
    let own = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The fields after the name: user and system time, of this process and of its children.
    let own = numbers(own.rsplit_once(')')?.1, &[11, 12, 13, 14])?;
    Some(all - own)
}

fn child(subject: &Subject, what: &str, number: u64) -> Option<f64> {
    let program = std::env::current_exe().ok()?;
    let output =
        Command::new(program).args([what, subject.name, &number.to_string()]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// The nanoseconds of a span, on this many threads. `number` returns the number of each thread.
fn nanoseconds(run: &Run, threads: usize, number: fn(usize) -> usize) -> f64 {
    let barrier = Barrier::new(threads);
    let timed = |thread| {
        let thread = number(thread);
        run(thread, WARM_UP);
        barrier.wait();
        let start = Instant::now();
        run(thread, REPETITIONS);
        start.elapsed().as_secs_f64() * 1e9 / REPETITIONS as f64
    };
    let times: Vec<f64> = std::thread::scope(|scope| {
        let timed = &timed;
        let threads: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || timed(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    times.iter().sum::<f64>() / threads as f64
}

fn allocations(run: &Run, count: u64) -> u64 {
    run(0, WARM_UP);
    allocation_counter::measure(|| run(0, count)).count_total
}

/// The instructions of a span, from two runs under callgrind with different numbers of spans. `None` without valgrind.
fn instructions(subject: &Subject) -> Option<i64> {
    let run = |count: i64| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?)
            .args(["run", subject.name, &count.to_string()])
            .output()
            .ok()?;
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        let total = report.lines().find_map(|line| line.split_once("Collected : "))?.1;
        total.trim().parse::<i64>().ok()
    };
    let few = 1_000;
    Some((run(3 * few)? - run(few)?) / (2 * few))
}

const ROUNDS: usize = 21;
const ATTEMPTS: usize = 20;
const WARM_UP: u64 = 2_000;
const REPETITIONS: u64 = 100_000;

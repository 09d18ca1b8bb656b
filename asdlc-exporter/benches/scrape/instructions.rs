//! Instructions of a scrape, counted by callgrind in a process of its own for each subject.

use crate::subjects::{SCOPES, SUBJECTS, Subject, Subjects};
use std::{env, hint::black_box, process::Command};

pub(crate) fn table(series: usize, subjects: &[Subject]) {
    println!("| subject | instructions, million | × collect |");
    println!("|---|---|---|");
    let mut base = None;
    for subject in subjects.iter().filter(|subject| !subject.is_elsewhere) {
        let counted = under_callgrind(subject.name, series);
        if subject.is_base {
            base = Some(counted);
        }
        let base = base.expect("the first is one");
        println!("| {} | {:.2} | {:.2} |", subject.name, counted / 1e6, counted / base);
    }
}

fn under_callgrind(name: &str, series: usize) -> f64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=scrape::instructions::counted*")
        .arg(env::current_exe().expect("the path of this program"))
        .args(["count", name, &series.to_string()])
        .output()
        .expect("valgrind is installed");
    let report = String::from_utf8_lossy(&output.stderr);
    let total = report.lines().find_map(|line| line.split_once("Collected : "));
    let total = total.and_then(|(_, total)| total.trim().parse::<f64>().ok());
    match total {
        Some(total) if output.status.success() => total / f64::from(SCRAPES),
        _ => panic!("callgrind has not counted {name}: {report}"),
    }
}

/// The process of which the instructions are counted.
pub(crate) fn count(name: &str, series: usize) {
    let subject = SUBJECTS.iter().chain(SCOPES).find(|subject| subject.name == name);
    let sources = Subjects::new(series);
    let mut run = (subject.expect("a subject").new)(&sources);
    // In the third scrape, the labels of a large family are encoded.
    (0..3).for_each(|_| _ = run());
    counted(&mut *run);
}

#[inline(never)]
fn counted(run: &mut dyn FnMut() -> crate::Written) {
    for _ in 0..SCRAPES {
        black_box(run());
    }
}

const SCRAPES: u32 = 3;

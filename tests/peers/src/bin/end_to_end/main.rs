//! What a layer leaves of a server's throughput: an axum server behind a socket, driven by `wrk`.
//!
//! `cargo run --release --bin end_to_end` starts a server for each subject and drives each in turn, round after round; then
//! others, as they differ; and prints a table.

mod drive;
mod server;

use drive::{Figures, Server};
use std::process::ExitCode;

fn main() -> ExitCode {
    if let [_, serve, subject] = &std::env::args().collect::<Vec<_>>()[..]
        && serve == "serve"
    {
        server::serve(subject);
        return ExitCode::SUCCESS;
    }
    if !drive::wrk_is_there() {
        eprintln!("wrk is missing: install it (on Debian, `apt-get install wrk`)");
        return ExitCode::FAILURE;
    }
    let mut figures = vec![Vec::new(); server::SUBJECTS.len()];
    for _ in 0..PROCESSES {
        let servers: Vec<Server> = server::SUBJECTS.into_iter().map(Server::start).collect();
        for round in 0..=ROUNDS {
            for (server, figures) in servers.iter().zip(&mut figures) {
                let figure = server.drive();
                // The first round warms up.
                if round > 0 {
                    figures.push(figure);
                }
            }
        }
        for server in servers {
            if let Err(error) = server.stop() {
                eprintln!("{error}: there is nothing to compare");
                return ExitCode::FAILURE;
            }
        }
    }
    print_table(&figures);
    ExitCode::SUCCESS
}

fn print_table(figures: &[Vec<Figures>]) {
    println!(
        "| | requests/s | of bare | of no-op layer | server CPU, µs a request | over no-op layer, µs |"
    );
    println!("|---|---|---|---|---|---|");
    let (bare, no_op) = (&figures[BARE], &figures[NO_OP]);
    for (name, figures) in server::SUBJECTS.into_iter().zip(figures) {
        // Each round is compared with itself: what slows all of it makes no difference.
        let of = |base| median(figures, base, |figures, base| figures.rate / base.rate);
        let rate = median(figures, bare, |figures, _| figures.rate);
        let cpu = median(figures, bare, |figures, _| figures.cpu);
        let over = median(figures, no_op, |figures, base| figures.cpu - base.cpu);
        let (of_bare, of_no_op) = (of(bare), of(no_op));
        println!("| {name} | {rate:.0} | {of_bare:.3} | {of_no_op:.3} | {cpu:.2} | {over:+.2} |");
    }
}

/// Of what is computed of each round of a subject and the same round of another.
fn median(figures: &[Figures], base: &[Figures], of: impl Fn(&Figures, &Figures) -> f64) -> f64 {
    let mut values: Vec<f64> =
        figures.iter().zip(base).map(|(figures, base)| of(figures, base)).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Of each subject: where its memory happens to be makes a difference of a few percent.
const PROCESSES: usize = 7;
/// Short and many: what else the machine does then slows few of them, or neighbours alike.
const ROUNDS: usize = 3;
/// Places in `server::SUBJECTS`.
const BARE: usize = 0;
const NO_OP: usize = 1;

//! The cost of a request: `cargo bench -p tower-asdlc-metrics`, and again with `--no-default-features`. With `--features axum`
//! also the cost of a request to an axum router.

#![expect(unreachable_pub, reason = "the harness is shared with another package")]
#![expect(clippy::print_stdout, reason = "the result of the program")]

mod client;
mod conventions;
mod exemplars;
mod harness;
#[cfg(feature = "axum")]
mod on_axum;
mod subjects;

fn main() {
    let mut subjects = subjects::own();
    subjects.extend(conventions::own());
    subjects.extend(client::own());
    subjects.extend(exemplars::own());
    #[cfg(feature = "axum")]
    subjects.extend(on_axum::own());
    harness::main(&subjects);
}

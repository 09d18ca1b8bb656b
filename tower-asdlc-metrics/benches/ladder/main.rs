//! What a request costs: `cargo bench -p tower-asdlc-metrics`, and again with `--no-default-features`. With `--features axum`
//! also what it costs in an axum router.

#![expect(unreachable_pub, reason = "the harness is shared with another package")]
#![expect(clippy::print_stdout, reason = "a program's result")]

mod harness;
#[cfg(feature = "axum")]
mod on_axum;
mod subjects;

fn main() {
    #[cfg_attr(not(feature = "axum"), expect(unused_mut, reason = "there are no others"))]
    let mut subjects = subjects::own();
    #[cfg(feature = "axum")]
    subjects.extend(on_axum::own());
    harness::main(&subjects);
}

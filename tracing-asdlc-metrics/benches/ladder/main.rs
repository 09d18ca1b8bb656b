//! What a span costs: `cargo bench -p tracing-asdlc-metrics`, and again with `--no-default-features`.

#![expect(unreachable_pub, reason = "a program")]
#![expect(clippy::print_stdout, reason = "its result")]

mod harness;
mod subjects;

fn main() {
    harness::main(&subjects::own());
}

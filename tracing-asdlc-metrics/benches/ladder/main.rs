//! The cost of a span: `cargo bench -p tracing-asdlc-metrics`, with and without `--no-default-features`.

#![expect(unreachable_pub, reason = "a program")]
#![expect(clippy::print_stdout, reason = "it prints its result")]

mod harness;
mod subjects;

fn main() {
    harness::main(&subjects::own());
}

//! What a request costs: `cargo bench -p tower-asdlc-metrics`, and again with `--no-default-features`.

#![expect(unreachable_pub, reason = "the harness is shared with another package")]
#![expect(clippy::print_stdout, reason = "a program's result")]

mod harness;
mod subjects;

fn main() {
    harness::main(&subjects::own());
}

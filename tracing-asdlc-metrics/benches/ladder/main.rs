//! The cost of a span: `cargo bench -p tracing-asdlc-metrics`, with and without `--no-default-features`. With
//! `--features tracing-opentelemetry`, also the cost of exemplars.

#![expect(unreachable_pub, reason = "a program")]
#![expect(clippy::print_stdout, reason = "it prints its result")]

#[cfg(feature = "tracing-opentelemetry")]
mod exemplars;
mod harness;
mod subjects;

fn main() {
    let mut all = subjects::own();
    all.extend(exemplars());
    harness::main(&all);
}

#[cfg(feature = "tracing-opentelemetry")]
fn exemplars() -> Vec<harness::Subject> {
    exemplars::subjects()
}

#[cfg(not(feature = "tracing-opentelemetry"))]
fn exemplars() -> Vec<harness::Subject> {
    Vec::new()
}

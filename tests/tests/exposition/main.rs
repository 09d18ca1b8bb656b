//! Every reader can read whatever code records. The readers are the checker of the harness, promtool, Python's parsers, a real
//! Prometheus, a real `VictoriaMetrics` and a real vmagent.
//!
//! The generated cases are the same in each run. For more and different ones:
//! `PROPTEST_CASES=5000 PROPTEST_RNG_SEED=7 cargo test -p asdlc-tests --test exposition`.

mod exemplars;
mod expected;
mod float_format;
mod generated;
mod generated_scopes;
mod keep_alive;
mod long_values;
mod protobuf_scrapers;
mod scopes;
mod scrapers;
mod text_parsers;
mod utf8_names;

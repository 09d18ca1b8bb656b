//! Whatever code records, every reader can read it: generated expositions before our checker, promtool, Python's parsers, a
//! real Prometheus and a real `VictoriaMetrics`.
//!
//! Each run is the same. For others, and more: `PROPTEST_CASES=5000 PROPTEST_RNG_SEED=7 cargo test --test exposition`.

mod float_format;
mod generated;
mod keep_alive;
mod long_values;
mod scrapers;
mod text_parsers;

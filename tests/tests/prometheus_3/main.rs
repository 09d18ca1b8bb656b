//! What current servers read beside those of Debian's stable release: Prometheus 3 and `VictoriaMetrics` 1.145. Servers of both
//! generations scrape the same programs.

mod counted;
mod every_value;
mod examples;
mod generations;
mod increases;
mod native_exemplars;
mod observed;
#[expect(dead_code, reason = "the tests of `operations` use the rest")]
#[path = "../operations/programs.rs"]
mod programs;
mod quantiles;
mod random_series;
mod scrapers;
mod served;
mod table;
mod utf8_names;

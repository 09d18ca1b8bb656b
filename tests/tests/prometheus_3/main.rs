//! What current servers read beside those of Debian's stable release: Prometheus 3 and `VictoriaMetrics` 1.145. Servers of both
//! generations scrape the same programs.

mod generations;

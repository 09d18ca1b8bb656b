//! Expressions that read counters and histograms over a window of time.
//!
//! Prometheus stores a histogram as classic series (`_bucket`, `_sum`, `_count`), as one series of native histograms, or as both,
//! and the processes of a job may differ. Each expression reads all of them.

use crate::convention::{Kind, Series};
use crate::names::Namespaces;
use crate::promql::{Renames, aggregate_by, indented};

/// The servers that evaluate the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Server {
    /// Prometheus and VictoriaMetrics. Counts and sums of native histograms are not read
    #[default]
    Any,
    /// Prometheus only. Counts and sums of native histograms are read with functions that VictoriaMetrics rejects
    Prometheus,
}

/// A histogram of any kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Histogram {
    /// Without namespace. It may be a regular expression.
    pub(crate) name: &'static str,
    pub(crate) renames: Renames,
}

impl Histogram {
    /// A histogram whose labels have the names of rules and panels.
    pub(crate) const fn named(name: &'static str) -> Self {
        Self { name, renames: Renames::NONE }
    }
}

/// Reads series over a window.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) namespaces: &'a Namespaces,
    pub(crate) server: Server,
    /// Further matchers of each selector, or `""`.
    pub(crate) matchers: &'a str,
    pub(crate) window: &'a str,
}

impl Reader<'_> {
    /// A selector of the series `name`, with these matchers and those of the reader.
    pub(crate) fn select(&self, name: &str, matchers: &str) -> String {
        let all: Vec<_> =
            [self.matchers, matchers].into_iter().filter(|it| !it.is_empty()).collect();
        self.namespaces.select(name, &all.join(", "))
    }

    /// The rate of what the series count.
    pub(crate) fn rate(&self, series: &Series) -> String {
        let Series { name, matchers, kind } = series;
        match kind {
            Kind::Counter => self.rate_of(name, matchers),
            Kind::Histogram => self.part_of(name, matchers, "count"),
        }
    }

    /// The rate of the counter `name`.
    pub(crate) fn rate_of(&self, name: &str, matchers: &str) -> String {
        format!("rate({}[{}])", self.select(name, matchers), self.window)
    }

    /// The rate of the observations.
    pub(crate) fn count(&self, histogram: Histogram) -> String {
        self.part_of(histogram.name, "", "count")
    }

    /// The rate of the sum of the observations.
    pub(crate) fn sum(&self, histogram: Histogram) -> String {
        self.part_of(histogram.name, "", "sum")
    }

    /// Classic series, and the native histograms of those that are not scraped as classic series as well. After a process changed
    /// from classic to native, the window has some of both, and they are added.
    fn part_of(&self, name: &str, matchers: &str, part: &str) -> String {
        let classic_name = format!("{name}_{part}");
        let classic = self.rate_of(&classic_name, matchers);
        if self.server == Server::Any {
            return classic;
        }
        let native = self.rate_of(name, matchers);
        let scraped = self.select(&classic_name, matchers);
        let native = format!("histogram_{part}({native}) unless {scraped}");
        format!(
            "{classic}\nor\nlabel_replace(\n  {native},\n  \"histogram\", \"native\", \"\", \"\"\n)"
        )
    }

    /// The rates of the native histograms.
    pub(crate) fn native(&self, histogram: Histogram) -> String {
        self.rate_of(histogram.name, "")
    }

    /// The rates of the classic buckets, without those of native histograms.
    pub(crate) fn buckets(&self, histogram: Histogram) -> String {
        let buckets = self.rate_of(&format!("{}_bucket", histogram.name), "");
        format!("{buckets}\nunless ignoring (le)\n{}", self.native(histogram))
    }

    /// The quantile for each set of `labels`.
    pub(crate) fn quantile(&self, quantile: &str, labels: &str, histogram: Histogram) -> String {
        let with_le = if labels.is_empty() { "le" } else { &format!("{labels}, le") };
        let buckets = histogram.renames.sum_by(with_le, &self.buckets(histogram));
        self.quantile_of(quantile, labels, histogram, &buckets)
    }

    /// As `quantile`, where `buckets` is the sum of the classic buckets by the labels and `le`. Where some processes have native
    /// histograms and others do not, it is the larger of their quantiles.
    pub(crate) fn quantile_of(
        &self,
        quantile: &str,
        labels: &str,
        histogram: Histogram,
        buckets: &str,
    ) -> String {
        let of =
            |vector: &str| format!("histogram_quantile({quantile},\n{}\n)", indented(vector, 2));
        let Histogram { renames, .. } = histogram;
        // Labels are renamed after the quantile is known: Prometheus 2.42 loses the native histogram when it changes a label.
        let native = aggregate_by("sum", &renames.sources(labels), &self.native(histogram));
        let native = renames.rename(labels, &of(&native));
        let classic = format!(
            "label_replace(\n{},\n  \"histogram\", \"classic\", \"\", \"\"\n)",
            indented(&of(buckets), 2)
        );
        aggregate_by("max", labels, &format!("{native}\nor\n{classic}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::{Renamed, one_line};

    fn with(server: Server, check: impl FnOnce(Reader<'_>)) {
        let namespaces = Namespaces::new(&[]);
        check(Reader { namespaces: &namespaces, server, matchers: r#"job="a""#, window: "5m" });
    }

    const LATENCY: Histogram = Histogram::named("latency_seconds");

    #[test]
    fn a_quantile_reads_native_histograms_and_the_buckets_of_the_others_on_every_server() {
        for server in [Server::Any, Server::Prometheus] {
            with(server, |reader| {
                assert_eq!(
                    one_line(&reader.quantile("0.99", "service", LATENCY)),
                    r#"max by (service) (histogram_quantile(0.99, sum by (service) (rate(latency_seconds{job="a"}[5m]))) or label_replace(histogram_quantile(0.99, sum by (service, le) (rate(latency_seconds_bucket{job="a"}[5m]) unless ignoring (le) rate(latency_seconds{job="a"}[5m]))), "histogram", "classic", "", ""))"#
                );
            });
        }
    }

    #[test]
    fn the_quantile_of_all_series_has_no_labels() {
        with(Server::Any, |reader| {
            assert_eq!(
                one_line(&reader.quantile("0.5", "", LATENCY)),
                r#"max(histogram_quantile(0.5, sum(rate(latency_seconds{job="a"}[5m]))) or label_replace(histogram_quantile(0.5, sum by (le) (rate(latency_seconds_bucket{job="a"}[5m]) unless ignoring (le) rate(latency_seconds{job="a"}[5m]))), "histogram", "classic", "", ""))"#
            );
        });
    }

    // Prometheus 2.42 makes a float 0 of a native histogram whose labels it changes.
    #[test]
    fn labels_are_renamed_after_the_quantile_of_a_native_histogram_is_known() {
        const RENAMES: Renames =
            Renames(&[Renamed { label: "endpoint", from: &["http_route"], replaced: &[] }]);
        with(Server::Any, |reader| {
            let histogram = Histogram { renames: RENAMES, ..LATENCY };
            let query = one_line(&reader.quantile("0.5", "endpoint", histogram));
            let native = r#"label_join(histogram_quantile(0.5, sum by (http_route) (rate(latency_seconds{job="a"}[5m]))), "endpoint", "", "http_route")"#;
            assert!(query.contains(native), "{query}");
        });
    }

    #[test]
    fn counts_of_native_histograms_are_read_only_where_the_server_has_the_function() {
        with(Server::Any, |reader| {
            assert_eq!(reader.count(LATENCY), r#"rate(latency_seconds_count{job="a"}[5m])"#);
        });
        with(Server::Prometheus, |reader| {
            let failed = r#"error_type!="""#;
            let series = Series {
                name: LATENCY.name.into(),
                matchers: failed.into(),
                kind: Kind::Histogram,
            };
            assert_eq!(
                one_line(&reader.rate(&series)),
                r#"rate(latency_seconds_count{job="a", error_type!=""}[5m]) or label_replace(histogram_count(rate(latency_seconds{job="a", error_type!=""}[5m])) unless latency_seconds_count{job="a", error_type!=""}, "histogram", "native", "", "")"#
            );
            assert!(reader.sum(LATENCY).contains("histogram_sum(rate(latency_seconds{"));
            let counter =
                Series { name: "errors_total".into(), matchers: "".into(), kind: Kind::Counter };
            assert_eq!(reader.rate(&counter), r#"rate(errors_total{job="a"}[5m])"#);
        });
    }
}

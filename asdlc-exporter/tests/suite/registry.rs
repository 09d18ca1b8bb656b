//! The metrics of a registry follow the same rules.

use crate::{check::check, check_open::check_open};
use asdlc_exporter::{Exporter, Format};
use opentelemetry::KeyValue;
use prometheus::{
    CounterVec, HistogramOpts, HistogramVec, IntCounter, IntGauge, Opts, Registry,
    core::{Collector, Desc},
    proto::{LabelPair, Metric, MetricFamily, MetricType, Quantile, Summary},
};

use std::sync::atomic::{AtomicUsize, Ordering};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A collector that returns any families.
struct Anything(Box<dyn Fn() -> Vec<MetricFamily> + Send + Sync>);

impl Anything {
    fn register(
        registry: &Registry,
        collect: impl Fn() -> Vec<MetricFamily> + Send + Sync + 'static,
    ) -> Result {
        Ok(registry.register(Box::new(Self(Box::new(collect))))?)
    }
}

impl Collector for Anything {
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.0()
    }
}

fn family(name: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.into());
    family.set_help("Somebody's.".into());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn label(key: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(key.into());
    pair.set_value(value.into());
    pair
}

//
#[test]
fn registered_metrics_keep_their_names_and_get_the_constant_labels() -> Result {
    let registry = Registry::new();
    let hits = CounterVec::new(Opts::new("cache_hits", "Hits."), &["tier"])?;
    let wait = HistogramVec::new(
        HistogramOpts::new("db_wait_seconds", "Waits.").buckets(vec![0.5, 1.0]),
        &["le_"],
    )?;
    registry.register(Box::new(hits.clone()))?;
    registry.register(Box::new(wait.clone()))?;
    hits.with_label_values(&["a \"b\"\n"]).inc_by(2.5);
    wait.with_label_values(&["x"]).observe(0.75);
    let exporter =
        Exporter::builder("shop").with_namespace("asdlc").with_registry(registry).build()?;
    let text = exporter.render()?;
    assert!(
        text.starts_with("# HELP asdlc_uptime_seconds Time since the exporter was built.\n"),
        "{text}"
    );
    let registered = text.split_once("# HELP cache_hits").expect("it is there").1;
    assert_eq!(
        registered,
        concat!(
            " Hits.\n",
            "# TYPE cache_hits counter\n",
            "cache_hits{service=\"shop\",tier=\"a \\\"b\\\"\\n\"} 2.5\n",
            "# HELP db_wait_seconds Waits.\n",
            "# TYPE db_wait_seconds histogram\n",
            "db_wait_seconds_bucket{service=\"shop\",le_=\"x\",le=\"0.5\"} 0\n",
            "db_wait_seconds_bucket{service=\"shop\",le_=\"x\",le=\"1\"} 1\n",
            "db_wait_seconds_bucket{service=\"shop\",le_=\"x\",le=\"+Inf\"} 1\n",
            "db_wait_seconds_sum{service=\"shop\",le_=\"x\"} 0.75\n",
            "db_wait_seconds_count{service=\"shop\",le_=\"x\"} 1\n",
        )
    );
    // Without `_total`, it is no counter in `OpenMetrics`.
    let open = exporter.render_as(Format::OpenMetrics)?;
    assert!(open.contains("# TYPE cache_hits unknown\ncache_hits{"), "{open}");
    check_open(&open);
    Ok(())
}

//
#[test]
fn registered_and_recorded_metrics_of_one_name_are_one_family() -> Result {
    let registry = Registry::new();
    let orders = IntCounter::new("orders_total", "Registered.")?;
    let level = IntGauge::new("level_total", "A gauge.")?;
    orders.inc_by(3);
    registry.register(Box::new(orders))?;
    registry.register(Box::new(level))?;
    let exporter = Exporter::builder("shop").with_registry(registry).build()?;
    let counter = exporter.meter().u64_counter("orders").with_description("Recorded.").build();
    counter.add(4, &[]);
    counter.add(1, &[KeyValue::new("a", "b")]);
    exporter.meter().u64_counter("level").build().add(1, &[]);
    let text = exporter.render()?;
    check(&text);
    assert!(
        text.contains(
            "# HELP orders_total Recorded.\n# TYPE orders_total counter\norders_total{service=\"shop\"} 7\norders_total{service=\"shop\",a=\"b\"} 1\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("# TYPE level_total counter\nlevel_total{service=\"shop\"} 1\n"),
        "{text}"
    );
    Ok(())
}

//
#[test]
fn the_text_is_valid_whatever_a_collector_returns() -> Result {
    let registry = Registry::new();
    Anything::register(&registry, || {
        let mut counter = Metric::default();
        counter.set_label(vec![
            label("service", "x"),
            label("__name__", "x"),
            label("a.b", "1"),
            label("a_b", "2"),
            label("", "\n\"\\"),
        ]);
        let mut negative = prometheus::proto::Counter::default();
        negative.set_value(-1.0);
        counter.set_counter(negative);

        let mut bucket = prometheus::proto::Bucket::default();
        bucket.set_upper_bound(2.0);
        bucket.set_cumulative_count(9);
        let mut lower = prometheus::proto::Bucket::default();
        lower.set_upper_bound(1.0);
        lower.set_cumulative_count(20);
        let mut same = bucket.clone();
        same.set_upper_bound(3.0);
        same.set_cumulative_count(4);
        let mut nan = bucket.clone();
        nan.set_upper_bound(f64::NAN);
        let mut histogram = prometheus::proto::Histogram::default();
        histogram.set_bucket(vec![bucket, lower, nan, same]);
        histogram.set_sample_count(1);
        histogram.set_sample_sum(f64::NAN);
        let mut waits = Metric::default();
        waits.set_label(vec![label("le", "x")]);
        waits.set_histogram(histogram);

        let quantile = |at, value| {
            let mut quantile = Quantile::default();
            quantile.set_quantile(at);
            quantile.set_value(value);
            quantile
        };
        let mut summary = Summary::default();
        summary.set_quantile(vec![
            quantile(1.0, 7.0),
            quantile(0.5, -3.0),
            quantile(0.5, 4.0),
            quantile(2.0, 1.0),
            quantile(f64::NAN, 1.0),
        ]);
        summary.set_sample_count(3);
        summary.set_sample_sum(1.5);
        let mut sizes = Metric::default();
        sizes.set_label(vec![label("quantile", "x")]);
        sizes.set_summary(summary);
        vec![
            family("1 odd\nname_total", MetricType::COUNTER, vec![counter.clone(), counter]),
            family("waits", MetricType::HISTOGRAM, vec![waits]),
            family("sizes", MetricType::SUMMARY, vec![sizes.clone()]),
            family("sizes_sum", MetricType::GAUGE, vec![Metric::default()]),
            family("untyped", MetricType::UNTYPED, vec![Metric::default()]),
            family("", MetricType::GAUGE, vec![Metric::default()]),
        ]
    })?;
    let exporter = Exporter::builder("shop").with_registry(registry).build()?;
    let text = exporter.render()?;
    let (_, registered) = text.split_once("# HELP waits").expect("waits");
    assert!(
        registered.contains("waits_bucket{service=\"shop\",exported_le=\"x\",le=\"3\"} 9\n"),
        "{text}"
    );
    assert!(registered.contains("waits_count{service=\"shop\",exported_le=\"x\"} 9\n"), "{text}");
    assert!(
        text.contains("sizes{service=\"shop\",exported_quantile=\"x\",quantile=\"0.5\"} -3\n"),
        "{text}"
    );
    assert!(!text.contains("sizes_sum gauge") && !text.contains("untyped"), "{text}");
    assert!(
        text.contains(
            "_1_odd_name_total{service=\"shop\",_name_=\"x\",a_b=\"1;2\",exported_service=\"x\",key=\"\\n\\\"\\\\\"} -2\n"
        ),
        "{text}"
    );
    check_open(&exporter.render_as(Format::OpenMetrics)?);
    Ok(())
}

//
#[test]
fn a_collector_that_panics_affects_only_its_registry() -> Result {
    let registry = Registry::new();
    Anything::register(&registry, || panic!("a collector of somebody else"))?;
    let exporter = Exporter::builder("shop").with_registry(registry).build()?;
    exporter.meter().u64_counter("orders").build().add(1, &[]);
    for _ in 0..2 {
        assert!(exporter.render()?.contains("orders_total{service=\"shop\"} 1\n"));
    }
    Ok(())
}

//
#[test]
fn series_that_change_between_scrapes_are_sorted_and_merged() -> Result {
    let registry = Registry::new();
    let scrapes = AtomicUsize::new(0);
    Anything::register(&registry, move || {
        let metric = |value| {
            let mut metric = Metric::default();
            metric.set_label(vec![label("at", value)]);
            metric
        };
        let values = [["a", "b"], ["d", "c"], ["e", "e"], ["a", "b"]];
        let metrics = values[scrapes.fetch_add(1, Ordering::SeqCst)].map(metric);
        vec![family("jumps", MetricType::GAUGE, metrics.into())]
    })?;
    let exporter = Exporter::builder("shop").with_registry(registry).build()?;
    for expected in [["a", "b"].as_slice(), &["c", "d"], &["e"], &["a", "b"]] {
        let samples = check(&exporter.render()?);
        let found: Vec<_> =
            samples.iter().filter(|s| s.name == "jumps").filter_map(|s| s.label("at")).collect();
        assert_eq!(found, expected);
    }
    Ok(())
}

//! Several registries of two crates.

use crate::{check::check, logged::logged};
use asdlc_exporter::{
    Exporter,
    prometheus::{self, IntCounter, IntGauge, core},
    prometheus_client::{self, metrics::counter::ConstCounter},
};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn theirs(metric: impl core::Collector + 'static) -> Result<prometheus::Registry> {
    let registry = prometheus::Registry::new();
    registry.register(Box::new(metric))?;
    Ok(registry)
}

fn client(name: &str, count: u64) -> prometheus_client::registry::Registry {
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register(name, "Of the client", ConstCounter::new(count));
    registry
}

/// Its collector panics.
struct Panics;

impl core::Collector for Panics {
    fn desc(&self) -> Vec<&core::Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<prometheus::proto::MetricFamily> {
        panic!("a collector of somebody else")
    }
}

//
#[test]
fn families_of_several_registries_are_merged() -> Result {
    let orders = IntCounter::new("orders_total", "Of the first")?;
    orders.inc_by(1);
    let more = IntCounter::new("orders_total", "Of the second")?;
    more.inc_by(10);
    let exporter = Exporter::builder("shop")
        .with_registry(theirs(orders)?)
        .with_prometheus_client_registry(client("orders", 100))
        .with_registry(theirs(more)?)
        .with_prometheus_client_registry(client("orders", 1000))
        .build()?;
    exporter.meter().u64_counter("orders").build().add(10_000, &[]);
    let text = exporter.render()?;
    check(&text);
    assert!(text.contains("\norders_total{service=\"shop\"} 11111\n"), "{text}");
    Ok(())
}

//
#[test]
fn in_a_conflict_the_earlier_registry_wins() -> Result {
    let gauge = || IntGauge::new("jobs_total", "A gauge.");
    for client_first in [true, false] {
        let builder = Exporter::builder("shop");
        let builder = if client_first {
            let registry = theirs(gauge()?)?;
            builder.with_prometheus_client_registry(client("jobs", 7)).with_registry(registry)
        } else {
            let registry = theirs(gauge()?)?;
            builder.with_registry(registry).with_prometheus_client_registry(client("jobs", 7))
        };
        let exporter = builder.build()?;
        let mut text = String::new();
        let warnings = logged(|| text = exporter.render().expect("text"));
        check(&text);
        let (kind, value) = if client_first { ("counter", 7) } else { ("gauge", 0) };
        let lines = format!("# TYPE jobs_total {kind}\njobs_total{{service=\"shop\"}} {value}\n");
        assert!(text.contains(&lines), "{text}");
        let dropped = if client_first { "gauge" } else { "counter" };
        let begin = format!("the {dropped} `jobs_total` is not served, because its name conflicts");
        assert!(matches!(&*warnings, [one] if one.starts_with(&begin)), "{warnings:?}");
    }
    Ok(())
}

//
#[test]
fn a_collector_that_panics_costs_only_its_registry() -> Result {
    let panics = theirs(Panics)?;
    panics.register(Box::new(IntCounter::new("lost", "In the same registry.")?))?;
    let exporter = Exporter::builder("shop")
        .with_registry(theirs(IntCounter::new("before_total", "Before.")?)?)
        .with_registry(panics)
        .with_prometheus_client_registry(client("after", 0))
        .build()?;
    let mut text = String::new();
    let warnings = logged(|| text = exporter.render().expect("text"));
    check(&text);
    assert!(text.contains("\nbefore_total{") && text.contains("\nafter_total{"), "{text}");
    assert!(!text.contains("lost"), "{text}");
    assert_eq!(warnings, ["registry 2: a collector panicked. The scrape has no metrics of it"]);
    Ok(())
}

//! Additional readers.

use crate::check::check;
use asdlc_exporter::{Exporter, ExporterBuilder, MetricPolicy, StateGauge, blocking, service_info};
use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        InstrumentKind, ManualReader, Pipeline, Temporality,
        data::{
            AggregatedMetrics, GaugeDataPoint, MetricData, ResourceMetrics, ScopeMetrics,
            SumDataPoint,
        },
        reader::MetricReader,
    },
};
use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// A reader that the exporter and the test share.
#[derive(Clone, Debug)]
pub(crate) struct Second(Arc<ManualReader>);

impl Second {
    pub(crate) fn new(temporality: Temporality) -> Self {
        Self(Arc::new(ManualReader::builder().with_temporality(temporality).build()))
    }

    pub(crate) fn read(&self) -> ResourceMetrics {
        let mut metrics = ResourceMetrics::default();
        self.0.collect(&mut metrics).expect("the provider runs");
        metrics
    }

    /// The one value of the sum or gauge of this name.
    pub(crate) fn integer(&self, name: &str) -> Option<u64> {
        let metrics = self.read();
        let mut found = metrics.scope_metrics().flat_map(ScopeMetrics::metrics);
        let AggregatedMetrics::U64(data) = found.find(|metric| metric.name() == name)?.data()
        else {
            return None;
        };
        match data {
            MetricData::Gauge(gauge) => gauge.data_points().next().map(GaugeDataPoint::value),
            MetricData::Sum(sum) => sum.data_points().next().map(SumDataPoint::value),
            _ => None,
        }
    }
}

impl MetricReader for Second {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

//
#[test]
fn readers_of_either_temporality_do_not_change_scrapes() -> Result {
    let readers = [Temporality::Cumulative, Temporality::Delta].map(Second::new);
    let alone = Exporter::builder("shop");
    let beside =
        readers.iter().cloned().fold(Exporter::builder("shop"), ExporterBuilder::with_reader);
    let exporters = [alone.build()?, beside.build()?];
    let record: Vec<_> = exporters.iter().map(everything).collect();
    for round in 1..=4 {
        record.iter().for_each(|record| record(round));
        // The readers collect before and after the scrape.
        readers.iter().for_each(|reader| assert!(reader.read().scope_metrics().next().is_some()));
        let [alone, beside] = exporters.each_ref().map(|exporter| {
            let text = exporter.render().expect("it renders");
            check(&text);
            let still = text.lines().filter(|line| !line.starts_with("uptime_seconds{"));
            still.map(str::to_owned).collect::<Vec<_>>()
        });
        assert_eq!(alone, beside, "round {round}");
        assert!(alone.contains(&format!("observed_total{{service=\"shop\"}} {}", round * 10)));
        readers.iter().for_each(|reader| drop(reader.read()));
    }
    Ok(())
}

/// Creates instruments of each kind. Returns a function that records with all of them.
fn everything(exporter: &Exporter) -> impl Fn(u64) + use<> {
    let meter = exporter.meter();
    let observed = Arc::new(AtomicU64::new(0));
    let (counted, level) = (Arc::clone(&observed), Arc::clone(&observed));
    meter
        .u64_observable_counter("observed")
        .with_callback(move |o| o.observe(counted.load(Ordering::Relaxed), &[]))
        .build();
    meter
        .u64_observable_gauge("level")
        .with_callback(move |o| o.observe(level.load(Ordering::Relaxed), &[]))
        .build();
    let state = StateGauge::new(&meter, "state", "1 to 4.", 1_u64);
    let counter = meter.u64_counter("orders").build();
    let bound = counter.bind(&[KeyValue::new("paid", true)]);
    let open = meter.i64_up_down_counter("open").build();
    let wait = meter.f64_histogram("wait").with_boundaries(vec![1.0, 2.0]).build();
    move |round| {
        observed.store(round * 10, Ordering::Relaxed);
        state.set(round);
        counter.add(round, &[KeyValue::new("paid", false)]);
        bound.add(round);
        open.add(if round % 2 == 0 { -1 } else { 2 }, &[]);
        wait.record(round as f64, &[]);
    }
}

//
#[test]
fn a_reader_gets_the_service_and_the_constant_labels_as_its_resource() -> Result {
    let reader = Second::new(Temporality::Cumulative);
    let _exporter = Exporter::builder("shop")
        .with_version("1.2.3")
        .with_namespace("asdlc")
        .with_constant_label("environment", "production")
        .with_reader(reader.clone())
        .build()?;
    let metrics = reader.read();
    let get = |key: &'static str| metrics.resource().get(&Key::new(key));
    assert_eq!(get("service.name"), Some(Value::from("shop")));
    assert_eq!(get("service.version"), Some(Value::from("1.2.3")));
    assert_eq!(get("environment"), Some(Value::from("production")));
    assert_eq!(metrics.resource().len(), 3);
    let names: Vec<_> = metrics
        .scope_metrics()
        .flat_map(ScopeMetrics::metrics)
        .map(|m| m.name().to_owned())
        .collect();
    assert_eq!(names, ["service_info", "uptime"], "only scrapes add the namespace");
    Ok(())
}

// D-03, X-06
#[test]
fn constant_gauges_are_collected_every_time() -> Result {
    let reader = Second::new(Temporality::Delta);
    let exporter =
        Exporter::builder("shop").with_version("1.2.3").with_reader(reader.clone()).build()?;
    service_info::register_build_info(&exporter.meter(), "1.2.3", "c0ffee");
    let _state = StateGauge::new(&exporter.meter(), "state", "1 to 4.", 3_u64);
    for _ in 0..3 {
        let values = ["service_info", "build_info", "state"].map(|name| reader.integer(name));
        assert_eq!(values, [Some(1), Some(1), Some(3)]);
    }
    Ok(())
}

//
#[test]
fn denied_metrics_reach_no_reader() -> Result {
    let reader = Second::new(Temporality::Cumulative);
    let exporter = Exporter::builder("shop")
        .with_policy(MetricPolicy::new().deny("*breach_count*"))
        .with_reader(reader.clone())
        .build()?;
    exporter.meter().u64_counter("breach_count").build().add(1, &[]);
    exporter.meter().u64_counter("orders").build().add(1, &[]);
    assert_eq!(reader.integer("breach_count"), None);
    assert_eq!(reader.integer("orders"), Some(1));
    Ok(())
}

//
#[test]
fn a_reader_gets_the_values_of_a_source_from_the_last_scrape() -> Result {
    let reader = Second::new(Temporality::Cumulative);
    let exporter = Exporter::builder("shop").with_reader(reader.clone()).build()?;
    let gauge = exporter.meter().u64_gauge("refreshed").build();
    let times = AtomicU64::new(0);
    exporter.add_source(
        "refreshed",
        blocking(move || gauge.record(times.fetch_add(1, Ordering::Relaxed) + 1, &[])),
    );
    assert_eq!(reader.integer("refreshed"), None);
    assert!(exporter.render()?.contains("refreshed{service=\"shop\"} 1\n"));
    assert_eq!([reader.integer("refreshed"), reader.integer("refreshed")], [Some(1); 2]);
    assert!(exporter.render()?.contains("refreshed{service=\"shop\"} 2\n"));
    assert_eq!(reader.integer("refreshed"), Some(2));
    Ok(())
}

//
#[test]
fn a_callback_that_panics_for_another_reader_does_not_affect_scrapes() -> Result {
    let reader = Second::new(Temporality::Cumulative);
    let exporter = Exporter::builder("shop").with_reader(reader.clone()).build()?;
    exporter.meter().u64_observable_gauge("broken").with_callback(|_| panic!("no")).build();
    exporter.meter().u64_counter("orders").build().add(1, &[]);
    for _ in 0..2 {
        assert_eq!(reader.integer("orders"), Some(1));
        assert!(exporter.render()?.contains("orders_total{service=\"shop\"} 1\n"));
    }
    Ok(())
}

/// A reader that scrapes when it is shut down, and keeps whether the exporter was shut down before it.
#[derive(Clone, Debug)]
struct ScrapesAtShutdown {
    reader: Second,
    exporter: Arc<Mutex<Option<Exporter>>>,
    was_shut_down: Arc<Mutex<Option<bool>>>,
}

impl MetricReader for ScrapesAtShutdown {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.reader.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.reader.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.reader.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        if let Some(exporter) = self.exporter.lock().expect("no panic").take() {
            let was_shut_down = exporter.render().is_err_and(|error| error.is_shut_down());
            *self.was_shut_down.lock().expect("no panic") = Some(was_shut_down);
        }
        self.reader.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.reader.temporality(kind)
    }
}

//
#[test]
fn scrapes_are_refused_while_an_additional_reader_pushes_the_last_time() -> Result {
    let reader = ScrapesAtShutdown {
        reader: Second::new(Temporality::Cumulative),
        exporter: Arc::default(),
        was_shut_down: Arc::default(),
    };
    let exporter = Exporter::builder("shop").with_reader(reader.clone()).build()?;
    *reader.exporter.lock().expect("no panic") = Some(exporter.clone());
    exporter.shutdown()?;
    assert_eq!(*reader.was_shut_down.lock().expect("no panic"), Some(true));
    Ok(())
}

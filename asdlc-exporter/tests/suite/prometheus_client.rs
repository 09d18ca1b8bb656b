//! The metrics of a registry of the crate `prometheus-client` follow the same rules.

use crate::{check::check, check_open::check_open, logged::logged};
use asdlc_exporter::{
    Exporter, Format, PrometheusClientRegistry,
    prometheus_client::{
        collector::Collector,
        encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, text},
        metrics::{
            MetricType,
            counter::{ConstCounter, Counter},
            family::Family,
            gauge::Gauge,
            histogram::{Histogram, NativeHistogramConfig},
            info::Info,
        },
        registry::{Registry, Unit},
    },
};
use opentelemetry::KeyValue;
use std::{
    fmt,
    sync::{Arc, Mutex, RwLock},
};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

type Labels = Vec<(&'static str, &'static str)>;

/// A collector that does anything.
#[derive(Debug)]
struct Anything(fn(DescriptorEncoder<'_>) -> fmt::Result);

impl Collector for Anything {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0(encoder)
    }
}

/// A metric of the crate's type `unknown`.
#[derive(Debug)]
struct Unknown(i64);

impl EncodeMetric for Unknown {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_gauge(&self.0)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Unknown
    }
}

fn registry(name: &str, count: u64) -> Registry {
    let mut registry = Registry::default();
    registry.register(name, "Theirs", ConstCounter::new(count));
    registry
}

//
#[test]
fn metrics_of_the_registry_are_served_beside_recorded_ones() -> Result {
    let mut registry = Registry::with_prefix("cache");
    let hits = Family::<Labels, Counter>::default();
    registry.register("hits", "Hits", hits.clone());
    hits.get_or_create(&vec![("tier", "a \"b\"\n"), ("service", "x")]).inc_by(u64::MAX);
    let wait = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new([0.5, 1.0]));
    registry.register_with_unit("wait", "Waits", Unit::Seconds, wait.clone());
    wait.get_or_create(&vec![("le", "x")]).observe(0.75);
    let size = Gauge::<i64>::default();
    size.set(-9_007_199_254_740_993);
    registry.register("size", "A \\ and\na line", size);
    registry.register("build", "The build", Info::new([("version", "1.2.3")]));
    registry.register("level", "No type", Unknown(7));
    let exporter = Exporter::builder("shop")
        .with_namespace("asdlc")
        .with_prometheus_client_registry(registry)
        .build()?;
    exporter.meter().u64_counter("orders").build().add(1, &[]);

    let text = exporter.render()?;
    check(&text);
    assert!(text.contains("\nasdlc_orders_total{service=\"shop\"} 1\n"), "{text}");
    assert_eq!(
        text.split_once("# HELP cache_build").expect("it is there").1,
        concat!(
            "_info The build.\n",
            "# TYPE cache_build_info gauge\n",
            "cache_build_info{service=\"shop\",version=\"1.2.3\"} 1\n",
            "# HELP cache_hits_total Hits.\n",
            "# TYPE cache_hits_total counter\n",
            "cache_hits_total{service=\"shop\",exported_service=\"x\",tier=\"a \\\"b\\\"\\n\"} ",
            "18446744073709551615\n",
            "# HELP cache_level No type.\n",
            "# TYPE cache_level untyped\n",
            "cache_level{service=\"shop\"} 7\n",
            "# HELP cache_size A \\\\ and\\na line.\n",
            "# TYPE cache_size gauge\n",
            "cache_size{service=\"shop\"} -9007199254740993\n",
            "# HELP cache_wait_seconds Waits.\n",
            "# TYPE cache_wait_seconds histogram\n",
            "cache_wait_seconds_bucket{service=\"shop\",exported_le=\"x\",le=\"0.5\"} 0\n",
            "cache_wait_seconds_bucket{service=\"shop\",exported_le=\"x\",le=\"1\"} 1\n",
            "cache_wait_seconds_bucket{service=\"shop\",exported_le=\"x\",le=\"+Inf\"} 1\n",
            "cache_wait_seconds_sum{service=\"shop\",exported_le=\"x\"} 0.75\n",
            "cache_wait_seconds_count{service=\"shop\",exported_le=\"x\"} 1\n",
        )
    );

    let open = exporter.render_as(Format::OpenMetrics)?;
    check_open(&open);
    for lines in [
        "# TYPE cache_build info\ncache_build_info{",
        "# TYPE cache_hits counter\ncache_hits_total{",
        "# TYPE cache_level unknown\ncache_level{",
        "# TYPE cache_wait_seconds histogram\n# UNIT cache_wait_seconds seconds\n",
    ] {
        assert!(open.contains(lines), "{lines} in {open}");
    }
    Ok(())
}

//
#[test]
fn registered_and_recorded_metrics_of_one_name_are_one_family() -> Result {
    let mut registry = registry("orders", 3);
    registry.register("level_total", "A gauge", Gauge::<i64>::default());
    let exporter = Exporter::builder("shop").with_prometheus_client_registry(registry).build()?;
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
fn a_metric_that_cannot_be_read_is_reported_once_and_costs_only_itself() -> Result {
    let mut registry = registry("orders", 1);
    registry.register("two words", "Theirs", Gauge::<i64>::default());
    registry.register("1 odd\nname", "Theirs", Gauge::<i64>::default());
    registry.register("queue.length", "Theirs", Gauge::<i64>::default());
    let keys = Family::<Labels, Gauge>::default();
    registry.register("keys", "Theirs", keys.clone());
    let _ = keys.get_or_create(&vec![("a\"} 1\norders_total 7 # {", "x")]);
    registry.register("late", "Theirs", Gauge::<i64>::default());
    let exporter = Exporter::builder("shop")
        .with_self_metrics()
        .with_prometheus_client_registry(registry)
        .build()?;
    let warnings = logged(|| {
        for _ in 0..2 {
            let text = exporter.render().expect("text");
            check(&text);
            for line in ["orders_total", "late", "queue_length"] {
                let value = u8::from(line == "orders_total");
                let line = format!("\n{line}{{service=\"shop\"}} {value}\n");
                assert!(text.contains(&line), "{line} in {text}");
            }
            assert!(!text.contains("words") && !text.contains("odd"), "{text}");
        }
    });
    let expected =
        [("two", "# HELP two words Theirs."), ("_1", "# HELP 1 odd"), ("keys", "keys{a\"} 1")];
    let expected = expected.map(|(name, line)| {
        format!(
            "`{name}` of a registry is not served, because this line of the registry's text cannot be \
             read: {line:?}. Does its name or a label key have a space, a quote or a line feed?"
        )
    });
    assert_eq!(warnings, expected);
    assert!(exporter.render()?.contains("exporter_dropped_metrics{service=\"shop\"} 3\n"));
    Ok(())
}

//
#[test]
fn a_registry_that_fails_or_panics_costs_only_itself() -> Result {
    let mut fails = registry("lost", 1);
    let config = NativeHistogramConfig::default();
    fails.register("native", "Has no text", Histogram::new_native(config));
    let mut panics = registry("lost_too", 1);
    panics.register_collector(Box::new(Anything(|_| panic!("a collector of somebody else"))));
    let exporter = Exporter::builder("shop")
        .with_prometheus_client_registry(fails)
        .with_prometheus_client_registry(panics)
        .with_prometheus_client_registry(registry("served", 1))
        .build()?;
    let warnings = logged(|| {
        let text = exporter.render().expect("text");
        check(&text);
        assert!(text.contains("\nserved_total{service=\"shop\"} 1\n"), "{text}");
        assert!(!text.contains("lost"), "{text}");
    });
    assert_eq!(
        warnings,
        [
            "registry 1: its encoder failed. The scrape has no metrics of it",
            "registry 2: a collector panicked. The scrape has no metrics of it",
        ]
    );
    Ok(())
}

//
#[test]
fn a_family_without_series_takes_no_name() -> Result {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Anything(|mut encoder| {
        encoder.encode_descriptor("orders_total", "Empty", None, MetricType::Gauge).map(drop)
    })));
    let exporter = Exporter::builder("shop")
        .with_prometheus_client_registry(registry)
        .with_prometheus_client_registry(self::registry("orders", 1))
        .build()?;
    let text = exporter.render()?;
    check(&text);
    assert!(text.contains("\norders_total{service=\"shop\"} 1\n"), "{text}");
    Ok(())
}

//
#[test]
fn metrics_that_are_registered_later_are_served() -> Result {
    let locked = Arc::new(Mutex::new(Registry::default()));
    let shared = Arc::new(RwLock::new(Registry::default()));
    let other = Arc::new(tokio::sync::Mutex::new(Registry::default()));
    let leaked: &'static Registry = Box::leak(Box::new(registry("leaked", 1)));
    let from_fn = PrometheusClientRegistry::from_fn({
        let other = other.clone();
        move |out| text::encode(out, &other.blocking_lock())
    });
    let exporter = Exporter::builder("shop")
        .with_prometheus_client_registry(locked.clone())
        .with_prometheus_client_registry(shared.clone())
        .with_prometheus_client_registry(from_fn)
        .with_prometheus_client_registry(leaked)
        .with_prometheus_client_registry(Arc::new(registry("counted", 1)))
        .build()?;
    exporter.render()?;
    locked.lock().expect("a lock").register("a", "Late", ConstCounter::new(1_u64));
    shared.write().expect("a lock").register("b", "Late", ConstCounter::new(1_u64));
    other.blocking_lock().register("c", "Late", ConstCounter::new(1_u64));
    let poison = locked.clone();
    let poisoned = std::thread::spawn(move || {
        let _guard = poison.lock();
        panic!("while the registry is locked");
    });
    assert!(poisoned.join().is_err() && locked.is_poisoned());
    let text = exporter.render()?;
    for name in ["a", "b", "c", "leaked", "counted"] {
        assert!(
            text.contains(&format!("\n{name}_total{{service=\"shop\"}} 1\n")),
            "{name} in {text}"
        );
    }
    Ok(())
}

//! The adapters, through the public API.

#[path = "../suite/check.rs"]
mod check;
#[cfg(feature = "serve")]
mod clients;
#[cfg(all(feature = "config-yaml", feature = "config-toml"))]
mod config;
#[cfg(all(feature = "process", target_os = "linux"))]
mod container;
#[cfg(all(feature = "config", unix))]
mod environment;
#[cfg(all(
    feature = "config-yaml",
    feature = "config-toml",
    feature = "health",
    feature = "redis",
    feature = "serve",
    feature = "victoria-metrics"
))]
mod errors;
#[cfg(feature = "health")]
mod health;
#[cfg(any(feature = "health", feature = "serve"))]
mod http1;
#[cfg(feature = "serve")]
mod listen_address;
#[cfg(all(feature = "process", target_os = "linux"))]
mod namespace;
#[cfg(feature = "pools")]
mod pools;
#[cfg(feature = "process")]
mod process;
#[cfg(feature = "runtime")]
mod runtime;
#[cfg(all(
    feature = "config-yaml",
    feature = "config-toml",
    feature = "health",
    feature = "redis",
    feature = "serve",
    feature = "victoria-metrics"
))]
mod secrets;
#[cfg(feature = "serve")]
mod serve;
mod service_info;
mod workers;

use asdlc_exporter::Exporter;
use check::{Sample, check};
use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    sync::Once,
};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

/// The values of a family at one scrape, with the labels after `service`.
fn values(exporter: &Exporter, family: &str) -> Vec<(String, f64)> {
    let samples = check(&exporter.render().expect("a scrape"));
    samples.iter().filter(|s| s.name == family).map(|s| (labels(s), s.value)).collect()
}

/// The single value of a family without labels of its own.
fn value(exporter: &Exporter, family: &str) -> f64 {
    let values = values(exporter, family);
    match values.as_slice() {
        [(labels, value)] if labels.is_empty() => *value,
        _ => panic!("{family}: {values:?}"),
    }
}

/// The value of the series with these labels after `service`.
#[cfg(feature = "runtime")]
fn value_of(exporter: &Exporter, family: &str, labels: &str) -> f64 {
    let values = values(exporter, family);
    let found = values.iter().find(|(known, _)| known == labels);
    found.unwrap_or_else(|| panic!("{family}{{{labels}}}: {values:?}")).1
}

/// All families of a scrape, in order.
fn families(exporter: &Exporter) -> Vec<String> {
    let text = exporter.render().expect("a scrape");
    check(&text);
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| Some(line.split_once(' ')?.0.to_owned()))
        .collect()
}

fn labels(sample: &Sample) -> String {
    assert!(sample.label("service").is_some(), "{sample:?}");
    let own = sample.labels.iter().filter(|(key, _)| key != "service");
    own.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// The events that this thread logged since the last call, one line each: level, message, fields.
///
/// Call it once before the code that logs.
fn logged() -> Vec<String> {
    // Global: a default subscriber of one thread loses events that another thread has logged first.
    static GLOBAL: Once = Once::new();
    GLOBAL.call_once(|| tracing_subscriber::registry().with(LogLayer).init());
    LINES.take()
}

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct LogLayer;

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("asdlc_exporter") {
            let mut line = Line(event.metadata().level().to_string());
            event.record(&mut line);
            LINES.with_borrow_mut(|lines| lines.push(line.0));
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {value:?}").expect("writing to a string does not fail");
    }
}

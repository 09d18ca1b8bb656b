//! Generates `docs/metrics.md` from live scrapes and compares it with the file. To write the file:
//!
//! ```sh
//! BLESS=1 cargo test -p asdlc-tests --test operations the_reference
//! ```

mod library;
mod meanings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;
use std::{env, fs};

use asdlc_tests::client::Connection;
use asdlc_tests::exposition::{Exposition, Kind};
use asdlc_tests::servers::QueryApi;
use http::{Request, header};

use self::meanings::{Description, Meaning, SECTIONS};
use super::files::{read, repository};
use super::programs::{Backends, PROGRAMS, Program, start_all};
use super::scraping::Stack;

/// A family in the scrapes, without namespace.
#[derive(Default)]
struct ScrapedFamily {
    kind: Option<Kind>,
    unit: Option<String>,
    help: String,
    labels: BTreeSet<String>,
    /// The full names, each with the programs that expose it.
    names: BTreeMap<String, Vec<&'static str>>,
}

// S-02
#[test]
fn the_reference_equals_what_live_scrapes_expose() {
    let families = families();
    let known: BTreeSet<_> = meanings().map(|meaning| meaning.family).collect();
    assert_eq!(known.len(), meanings().count(), "a family has two entries in meanings.rs");
    let shown: BTreeSet<_> = families.keys().map(String::as_str).collect();
    let gone: Vec<_> = known.iter().filter(|name| !shown.contains(*name)).collect();
    assert!(gone.is_empty(), "in meanings.rs, but not exposed: {gone:?}");
    let new: Vec<_> = shown.iter().filter(|name| !known.contains(*name)).collect();
    assert!(new.is_empty(), "exposed, but not in meanings.rs: {new:?}");

    let path = repository("docs/metrics.md");
    let reference = written(&families);
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &reference).expect("the file can be written");
    }
    assert_eq!(
        read(&path),
        reference,
        "docs/metrics.md is out of date: see tests/operations/reference"
    );
}

// S-02
#[test]
fn the_example_queries_of_the_reference_have_a_result() {
    let stack = Stack::start();
    let families = families();
    for meaning in meanings() {
        for (name, programs) in &families[meaning.family].names {
            let query = meaning.query.replace("NAME", name).replace("[5m]", "[10s]");
            let is_live = programs.iter().any(|name| PROGRAMS.iter().any(|it| it.package == *name));
            // Families of the crates that no program exposes have no data, but the query must be valid.
            let samples = stack.victoria_metrics().samples(&query);
            if is_live && !query.ends_with("> 0") {
                let has_data = asdlc_tests::wait::eventually(asdlc_tests::wait::DEADLINE, || {
                    stack.programs.iter().for_each(super::programs::Running::drive);
                    stack.victoria_metrics().flush();
                    !stack.victoria_metrics().samples(&query).is_empty()
                });
                assert!(has_data, "no data for {query}, at first {samples:?}");
            }
        }
    }
}

fn meanings() -> impl Iterator<Item = &'static Meaning> {
    SECTIONS.iter().flat_map(|section| section.families)
}

/// All families of the programs and of the crates.
fn families() -> BTreeMap<String, ScrapedFamily> {
    let backends = Backends::start();
    let mut families = BTreeMap::new();
    for running in start_all(&backends) {
        let Program { package, path, namespace, .. } = running.program;
        add(&mut families, running.example.address(), path, namespace, Some(*package));
    }
    let (library, _runtime) = library::start();
    add(&mut families, library.address(), "/metrics", "", None);
    for Meaning { family, described, .. } in meanings() {
        let Some(Description { kind, unit, help }) = described else { continue };
        let described = ScrapedFamily {
            kind: Some(*kind),
            unit: Some((*unit).to_owned()).filter(|unit| !unit.is_empty()),
            help: (*help).to_owned(),
            names: BTreeMap::from([((*family).to_owned(), Vec::new())]),
            ..ScrapedFamily::default()
        };
        let shown = families.entry((*family).to_owned()).or_insert(described);
        assert_eq!((shown.kind, shown.help.as_str()), (Some(*kind), *help), "{family}");
        assert_eq!(shown.unit.as_deref().unwrap_or_default(), *unit, "{family}");
    }
    families
}

fn add(
    families: &mut BTreeMap<String, ScrapedFamily>,
    address: SocketAddr,
    path: &str,
    namespace: &str,
    package: Option<&'static str>,
) {
    let units = units(address, path);
    let body = Connection::open(address).get(path).into_body();
    let scrape = Exposition::parse(&body).expect("a valid scrape");
    for family in scrape.families() {
        let bare = match namespace {
            "" => Some(family.name.as_str()),
            namespace => {
                family.name.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('_'))
            }
        };
        let bare = bare.unwrap_or_else(|| panic!("{} has no prefix {namespace}_", family.name));
        let shown: &mut ScrapedFamily = families.entry(bare.to_owned()).or_default();
        assert!(shown.kind.is_none() || shown.kind == family.kind, "{bare} is of two types");
        shown.kind = family.kind;
        shown.unit = units.get(&family.name).cloned().or_else(|| shown.unit.take());
        shown.help = family.help.clone().unwrap_or_default();
        assert!(!shown.help.is_empty(), "{} has no help", family.name);
        let samples = scrape.all_samples().iter().filter(|it| {
            let suffix = it.name.strip_prefix(family.name.as_str());
            suffix.is_some_and(|suffix| ["", "_bucket", "_count", "_sum"].contains(&suffix))
        });
        let labels = samples.flat_map(|it| it.labels.iter().map(|(label, _)| label.clone()));
        shown.labels.extend(labels.filter(|label| !LABELS_OF_ANY.contains(&label.as_str())));
        let programs = shown.names.entry(family.name.clone()).or_default();
        programs.extend(package.filter(|package| !programs.contains(package)));
    }
}

/// The units of the families. Only `OpenMetrics` has a line for the unit.
fn units(address: SocketAddr, path: &str) -> BTreeMap<String, String> {
    let accept = "application/openmetrics-text;version=1.0.0";
    let request =
        Request::get(path).header(header::ACCEPT, accept).body("").expect("a path is a URI");
    let body = Connection::open(address).send(request).into_body();
    let body = std::str::from_utf8(&body).expect("OpenMetrics is UTF-8").to_owned();
    assert!(body.ends_with("# EOF\n"), "{path} has no OpenMetrics");
    let units = body.lines().filter_map(|line| line.strip_prefix("# UNIT ")?.split_once(' '));
    let with_suffix = |(family, unit): (&str, &str)| {
        // In `OpenMetrics` the family of a counter has no suffix; its samples have.
        let is_counter = body.contains(&format!("# TYPE {family} counter\n"));
        (if is_counter { format!("{family}_total") } else { family.to_owned() }, unit.to_owned())
    };
    units.map(with_suffix).collect()
}

fn written(families: &BTreeMap<String, ScrapedFamily>) -> String {
    let mut text = String::from(HEAD);
    for Program { package, path, namespace, .. } in PROGRAMS {
        let prefix = if namespace.is_empty() { "none".into() } else { format!("`{namespace}_`") };
        writeln!(text, "| [`{package}`](../examples/{package}) | `{path}` | {prefix} |")
            .expect(INFALLIBLE);
    }
    for section in SECTIONS {
        let (title, intro) = (section.title, section.intro);
        write!(text, "\n## {title}\n\n{intro}\n\n{COLUMNS}").expect(INFALLIBLE);
        for meaning in section.families {
            writeln!(text, "{}", row(meaning, &families[meaning.family])).expect(INFALLIBLE);
        }
    }
    text
}

fn row(meaning: &Meaning, shown: &ScrapedFamily) -> String {
    let kind = match shown.kind {
        Some(Kind::Counter) => "counter",
        Some(Kind::Gauge) => "gauge",
        Some(Kind::Histogram) => "histogram",
        other => panic!("{} is {other:?}", meaning.family),
    };
    let unit = shown.unit.as_deref().unwrap_or("");
    let labels: Vec<_> = shown.labels.iter().map(|label| format!("`{label}`")).collect();
    let mut names = Vec::new();
    for (name, programs) in &shown.names {
        // No program exposes this name, so the family name is enough.
        if !programs.is_empty() {
            names.push(format!("`{name}` ({})", programs.join(", ")));
        }
    }
    let example = shown.names.keys().find(|name| !shown.names[*name].is_empty());
    let name = example.map_or(meaning.family, String::as_str);
    let query = meaning.query.replace("NAME", name).replace('|', "\\|");
    format!(
        "| `{}` | {kind} | {unit} | {} | {} | {} | {} | `{query}` |",
        meaning.family,
        labels.join(" "),
        shown.help,
        meaning.recorded,
        names.join("<br>"),
    )
}

/// The labels that the tables omit, and the one of the overflow series.
const LABELS_OF_ANY: [&str; 4] = ["service", "environment", "le", "otel_metric_overflow"];

const INFALLIBLE: &str = "writing to a String cannot fail";

const COLUMNS: &str = "| family | type | unit | labels | meaning | recorded | in the examples | for example |\n|---|---|---|---|---|---|---|---|\n";

const HEAD: &str = "\
# Metrics

All metric families of the crates and of the example programs. This file is generated from live scrapes by
`BLESS=1 cargo test -p asdlc-tests --test operations the_reference`. The tests fail when it differs from what the programs expose.

The full name of a family has the namespace of its service as a prefix: `http_requests_total` is `asdlc_http_requests_total` in the
orchestrator. Every series has the label `service`, and the label `environment` if that is configured. The tables omit these two,
and `le` of histograms. A histogram has the samples `_bucket`, `_sum` and `_count`.

| program | path | namespace |
|---|---|---|
";

//! Every metric that rules, dashboards and documents name is exposed by a program.

use std::collections::BTreeSet;

use asdlc_tests::exposition::Exposition;

use super::dashboards::dashboards;
use super::files::{read, repository};
use super::programs::{Backends, PROGRAMS, start_all};
use super::rules::Convention;
use super::shops::Shops;

/// Series that Prometheus and vmagent record about a scrape.
const OF_THE_SCRAPER: [&str; 3] = ["up", "scrape_duration_seconds", "scrape_samples_scraped"];

/// The series that exists only after an instrument has reached a series limit, which no program here does. The exporter's own tests
/// prove it.
const AFTER_AN_OVERFLOW: &str = "exporter_overflowing";

// S-03
#[test]
fn rules_and_dashboards_use_only_metrics_that_exist() {
    let mut exposed = exposed();
    exposed.extend(Shops::start().names());
    // The series of a native histogram has the name of the histogram.
    let histograms = exposed.iter().filter_map(|name| name.strip_suffix("_bucket"));
    let histograms: Vec<_> = histograms.map(str::to_owned).collect();
    exposed.extend(histograms);
    let recorded = Convention::Prometheus.names("record");
    assert_eq!(recorded, Convention::OpenTelemetry.names("record"));
    let rules = Convention::ALL.into_iter().flat_map(Convention::rules);
    let rules = rules.map(|rule| rule["expr"].as_str().unwrap_or_default().to_owned());
    let panels = dashboards().into_iter().flat_map(|dashboard| dashboard.queries());
    for query in rules.chain(panels.map(|(_, query)| query)) {
        let used = metrics(&query);
        assert!(!used.is_empty() || query.contains("otel_metric_overflow"), "{query}");
        for name in used {
            let is_known = exposed.contains(&name)
                || recorded.contains(&name)
                || OF_THE_SCRAPER.contains(&name.as_str())
                || name == AFTER_AN_OVERFLOW;
            assert!(is_known, "no program exposes {name}, which is used in\n{query}");
        }
    }
}

// S-01 S-03
#[test]
fn documents_name_only_metrics_that_exist() {
    let exposed = exposed();
    let text = read(&repository("docs/scrape-config.md"));
    let words =
        text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
    let mut found = 0;
    for name in words.filter_map(without_namespace) {
        assert!(exposed.contains(name), "no program exposes {name}");
        found += 1;
    }
    assert!(found > 0, "the document names no metric");
}

#[test]
fn the_metric_names_in_a_query_are_found() {
    let used = |query| metrics(query).into_iter().collect::<Vec<_>>();
    assert_eq!(
        used(r#"sum by (job, a) (rate(x_total{a="b{c}"}[5m])) or 0 * job:x:rate5m"#),
        ["job:x:rate5m", "x_total"]
    );
    assert_eq!(used(r#"{__name__=~"(asdlc_|palingenesis_)?x", job=~"$job"} == 0"#), ["x"]);
    assert_eq!(
        used("group by (job) (up offset 1h) unless on (job) y / ignoring (le) z"),
        ["up", "y", "z"]
    );
    assert_eq!(
        used(r#"label_join({__name__=~"(asdlc_|palingenesis_)?(a|b_)x"}, "c", "", "d", "e")"#),
        ["ax", "b_x"]
    );
    assert_eq!(
        used(r#"count({__name__=~"(asdlc_|palingenesis_)?(a|b)_x(_count)?"})"#),
        ["a_x", "a_x_count", "b_x", "b_x_count"]
    );
    assert!(used(r#"count({otel_metric_overflow="true"})"#).is_empty());
}

/// The names of all samples that the programs expose, without namespace.
fn exposed() -> BTreeSet<String> {
    let backends = Backends::start();
    let programs = start_all(&backends);
    let scrapes = programs.iter().map(|it| (it.program.namespace, it.scrape()));
    let names = scrapes.flat_map(|(namespace, scrape): (_, Exposition)| {
        let bare = |name: &str| {
            let prefix = format!("{namespace}_");
            name.strip_prefix(&prefix).unwrap_or(name).to_owned()
        };
        scrape.all_samples().iter().map(|sample| bare(&sample.name)).collect::<Vec<_>>()
    });
    names.collect()
}

fn without_namespace(name: &str) -> Option<&str> {
    let namespaces = PROGRAMS.iter().filter(|program| !program.namespace.is_empty());
    namespaces
        .filter_map(|program| name.strip_prefix(program.namespace)?.strip_prefix('_'))
        .find(|bare| bare.contains('_'))
}

/// The metrics that a `PromQL` expression reads, without namespace.
pub(crate) fn metrics(query: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = query;
    while let Some(start) = rest.find(|it: char| it.is_ascii_alphabetic() || "{[\"_:".contains(it))
    {
        rest = &rest[start..];
        match rest.as_bytes()[0] {
            b'{' => {
                let (matchers, after) = until_closed(rest);
                found.extend(name_matcher(matchers));
                rest = after;
            }
            b'[' => rest = rest.split_once(']').map_or("", |(_, after)| after),
            b'"' => rest = rest[1..].split_once('"').map_or("", |(_, after)| after),
            _ => {
                let is_inside = |it: char| it.is_ascii_alphanumeric() || "_:".contains(it);
                let end = rest.find(|it| !is_inside(it)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                let next = after.trim_start();
                rest = after;
                if LABEL_LISTS.contains(&word) && next.starts_with('(') {
                    rest = next.split_once(')').map_or("", |(_, after)| after);
                } else if word == "offset" {
                    rest = next
                        .split_once(|it: char| !it.is_ascii_alphanumeric())
                        .map_or("", |(_, it)| it);
                } else if !is_function(next) && !OPERATORS.contains(&word) {
                    found.insert(word.to_owned());
                }
            }
        }
    }
    found
}

/// Whether the text after a word makes it a function or an aggregation.
fn is_function(next: &str) -> bool {
    next.starts_with('(') || next.starts_with("by ") || next.starts_with("without ")
}

/// Splits `{…} rest` behind the brace that closes it.
fn until_closed(text: &str) -> (&str, &str) {
    let mut is_quoted = false;
    let end = text.find(|it: char| {
        is_quoted ^= it == '"';
        it == '}' && !is_quoted
    });
    text.split_at(end.expect("a selector ends") + 1)
}

/// The names that `__name__=~"(asdlc_|palingenesis_)?(a|b)_x(_count)?"` matches, without namespace.
fn name_matcher(matchers: &str) -> Vec<String> {
    let Some((_, after)) = matchers.split_once("__name__=~\"") else { return Vec::new() };
    let (pattern, _) = after.split_once('"').expect("a string ends");
    let name =
        pattern.strip_prefix(NAMESPACES).unwrap_or_else(|| panic!("{pattern} has another prefix"));
    let (name, optional) = match name.strip_suffix(")?").and_then(|name| name.rsplit_once('(')) {
        Some((name, optional)) => (name, optional),
        None => (name, ""),
    };
    let names = match name.strip_prefix('(').and_then(|name| name.split_once(')')) {
        Some((first, rest)) => first.split('|').map(|first| format!("{first}{rest}")).collect(),
        None => vec![name.to_owned()],
    };
    let longer = names.iter().map(|name| format!("{name}{optional}")).collect();
    if optional.is_empty() { names } else { [names, longer].concat() }
}

/// The prefix with which rules and dashboards match metrics with and without a namespace.
const NAMESPACES: &str = "(asdlc_|palingenesis_)?";

const LABEL_LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: [&str; 4] = ["and", "or", "unless", "bool"];

//! Scopes, resources and constant labels, as a `PrometheusReader` serves them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use asdlc_tests::exposition::{Exposition, Kind};
use asdlc_tests::servers::{PythonParsers, promtool_check_metrics};

use super::expected::beginnings;
use super::generated::{KEY_LEN, VALUE_LEN};
use super::generated_scopes::{SHARED, SPREAD, ServedSetup, Setup, served_setups};
use super::scrapers::Bodies;
use super::text_parsers::Read;

/// Served once for all tests of this file.
static SERVED: LazyLock<Vec<ServedSetup>> = LazyLock::new(|| served_setups(SETUPS));

// X-05 X-09
#[test]
fn a_hundred_thousand_scopes_names_keys_and_values_are_generated() {
    let generated: usize = SERVED.iter().map(|served| served.setup.generated()).sum();
    let cases = SERVED.len();
    assert!(cases < SETUPS as usize || generated >= 100_000, "{generated} of {cases} setups");
}

// X-05 X-09 F-16
#[test]
fn every_scope_is_served_with_its_own_values() {
    for (number, ServedSetup { setup, text, .. }) in SERVED.iter().enumerate() {
        let exposition = Exposition::parse_unconventional(text.as_bytes())
            .unwrap_or_else(|violations| panic!("setup {number}: {violations:#?}"));
        assert_served(number, setup, &exposition);
    }
}

// X-05 X-09
#[test]
fn python_reads_every_scope() {
    let mut python = PythonParsers::start();
    for (number, ServedSetup { text, open_metrics, .. }) in SERVED.iter().enumerate() {
        if let Err(error) = Read::by_all(text, open_metrics, &mut python) {
            panic!("setup {number}: {:.10000}", error.to_string());
        }
    }
}

// X-05 X-09
#[test]
fn promtool_can_parse_every_scope() {
    for (number, ServedSetup { text, .. }) in SERVED.iter().enumerate() {
        let checked = promtool_check_metrics(text.as_bytes());
        // 3 is the code for lint, such as an unusual name.
        assert!(matches!(checked.code, Some(0 | 3)), "setup {number}: {:.10000}", checked.printed);
    }
}

// X-05 X-09
#[test]
fn prometheus_stores_every_sample_of_every_scope() {
    Bodies::serve(texts()).assert_prometheus_reads_all();
}

// X-05 X-09
#[test]
fn victoria_metrics_stores_every_sample_of_every_scope() {
    Bodies::serve(texts()).assert_victoria_metrics_reads_all();
}

fn texts() -> impl Iterator<Item = [String; 2]> {
    let texts = |served: &ServedSetup| [served.text.clone(), served.open_metrics.clone()];
    SERVED.iter().map(texts)
}

fn assert_served(number: usize, setup: &Setup, exposition: &Exposition) {
    // Series with different labels are different, and those with the same are one.
    let expected = setup.shared_series();
    let name = setup.family(SHARED);
    let mut served: Vec<_> = exposition.samples(&name).map(|s| s.value as u64).collect();
    let mut sums: Vec<_> = expected.values().copied().collect();
    served.sort_unstable();
    sums.sort_unstable();
    assert_eq!(served, sums, "setup {number}");

    // They have the expected labels, and no others. Texts that are too long have hashes at the end.
    let mut of_beginnings = BTreeMap::<_, u64>::new();
    for (labels, sum) in expected {
        *of_beginnings.entry(beginnings(labels)).or_default() += sum;
    }
    let mut served = BTreeMap::<_, u64>::new();
    for sample in exposition.samples(&name) {
        *served.entry(beginnings(sample.labels.iter().cloned())).or_default() +=
            sample.value as u64;
    }
    let unexpected: BTreeMap<_, _> =
        served.iter().filter(|(key, sum)| of_beginnings.get(*key) != Some(sum)).collect();
    let missing: BTreeMap<_, _> =
        of_beginnings.iter().filter(|(key, sum)| served.get(*key) != Some(sum)).collect();
    assert!(unexpected.is_empty(), "setup {number}: {unexpected:#?}\nnot {missing:#?}");

    // F-16: nothing is too long for a scraper.
    for (key, value) in exposition.all_samples().iter().flat_map(|sample| &sample.labels) {
        assert!(key.len() <= KEY_LEN && value.len() <= VALUE_LEN, "setup {number}: {key}={value}");
    }

    let spread = setup.family(SPREAD);
    let values: Vec<_> = setup.scopes.iter().filter_map(|scope| scope.spread).collect();
    assert_eq!(exposition.sum(&(spread.clone() + "_count")), values.len() as f64);
    assert_eq!(exposition.sum(&(spread + "_sum")), values.iter().sum::<u64>() as f64);

    if setup.has_only_counters {
        let is_counter = |name: &str| {
            exposition.family(name).is_some_and(|family| family.kind == Some(Kind::Counter))
        };
        let counters = exposition.all_samples().iter().filter(|sample| is_counter(&sample.name));
        let sum: f64 = counters.map(|sample| sample.value).sum();
        assert_eq!(sum, setup.added() as f64, "setup {number}");
    }

    if let Some(labels) = setup.target_info() {
        let info: Vec<_> = exposition.samples("target_info").collect();
        assert_eq!(info.len(), 1, "setup {number}");
        let served = beginnings(info[0].labels.iter().cloned());
        assert_eq!((served, info[0].value), (beginnings(labels), 1.0), "setup {number}");
    }
}

/// Together they have the hundred thousand cases.
const SETUPS: u32 = 44;

//! How precise quantiles of native histograms are: 100 000 values of each of five distributions.

use std::collections::BTreeMap;

use asdlc_exporter::{Exporter, NativeHistograms};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::{Prometheus, QueryApi, StoredHistogram};
use asdlc_tests::wait::{DEADLINE, eventually};
use fastrand::Rng;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;

use super::scrapers::{self, PROTOBUF};
use super::served::{PATH, Served};

//
#[test]
fn quantiles_are_within_the_relative_error_of_the_scale() {
    let sent = distributions();
    let programs = [
        // As a user has it who names only patterns: a wide distribution gets a lower scale.
        Recorded::new("default", NativeHistograms::new(["*_seconds"]), &sent),
        // Enough buckets for all of them at the greatest scale.
        Recorded::new(
            "precise",
            NativeHistograms::new(["*_seconds"]).with_max_buckets(10_000),
            &sent,
        ),
    ];
    let targets: Vec<_> = programs.iter().map(|it| (it.served.address(), PATH, it.name)).collect();
    for scraper in scrapers::start(&targets, "") {
        if !scraper.jobs.iter().any(|asked| asked.is_protobuf()) {
            continue;
        }
        for program in &programs {
            let mut scales = Vec::new();
            for (distribution, values) in &sent {
                let scale = program.assert_precise(&scraper.prometheus, distribution, values);
                scales.push((*distribution, scale));
            }
            println!("{:?} {}: {scales:?}", scraper.generation, program.name);
            match program.name {
                // 0.27 %
                "precise" => assert!(scales.iter().all(|(_, scale)| *scale == 8), "{scales:?}"),
                _ => assert!(scales.contains(&("uniform", 8)), "{scales:?}"),
            }
        }
    }
}

/// An exporter that has recorded all distributions.
struct Recorded {
    name: &'static str,
    served: Served,
    exposition: Exposition,
}

impl Recorded {
    fn new(name: &'static str, native: NativeHistograms, sent: &Distributions) -> Self {
        let exporter = Exporter::builder("shop")
            .with_native_histograms(native)
            .build()
            .expect("valid settings");
        let meter = exporter.meter_provider().meter("shop");
        let histogram = meter.f64_histogram("wait").with_unit("s").build();
        for (distribution, values) in sent {
            let labels = [KeyValue::new("distribution", *distribution)];
            values.iter().for_each(|value| histogram.record(*value, &labels));
        }
        let served = Served::start(&exporter);
        let exposition = served.exposition();
        Self { name, served, exposition }
    }

    /// Checks each quantile, and that classic and native buckets agree. Returns the scale.
    #[track_caller]
    fn assert_precise(&self, prometheus: &Prometheus, distribution: &str, values: &[f64]) -> i32 {
        let Self { name, exposition, .. } = self;
        let what = format!("{name} {distribution}");
        let series = format!(
            "wait_seconds{{job=\"{}\",program=\"{name}\",distribution=\"{distribution}\"}}",
            PROTOBUF.job
        );
        let mut stored = Vec::new();
        let found = eventually(DEADLINE, || {
            stored = prometheus.native_histograms(&series);
            !stored.is_empty()
        });
        assert!(found, "{series} is not stored");
        let [(_, histogram)] = &stored[..] else { panic!("{what}: {stored:?}") };
        assert_agrees(exposition, distribution, histogram, values);

        let base = histogram.base().expect("values are positive");
        for quantile in [0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999] {
            let rank = quantile * values.len() as f64;
            let sent = values[rank.ceil() as usize - 1];
            let query = format!("histogram_quantile({quantile}, {series})");
            let found = prometheus.query(&query).expect("it has a value");
            // Both are in the same bucket. The last term is for rounding.
            let error = (found / sent - 1.0).abs();
            assert!(
                error <= base - 1.0 + 1e-9,
                "{what} {quantile}: {found} instead of {sent}, base {base}"
            );
        }
        (-base.log2().log2()).round() as i32
    }
}

/// Checks that native buckets, classic buckets and what was sent have the same number of values up to each classic boundary.
#[track_caller]
fn assert_agrees(
    exposition: &Exposition,
    distribution: &str,
    histogram: &StoredHistogram,
    values: &[f64],
) {
    let labels = [("distribution", distribution)];
    let buckets = exposition.samples("wait_seconds_bucket").filter(|it| it.has(&labels));
    let mut compared = 0;
    for bucket in buckets {
        let bound: f64 = bucket.label("le").and_then(|le| le.parse().ok()).expect("a bound");
        let sent = values.partition_point(|value| *value <= bound) as f64;
        let found = (bucket.value, histogram.count_up_to(bound));
        assert_eq!(found, (sent, sent), "{distribution} up to {bound}");
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
    assert_eq!(histogram.count, values.len() as f64);
}

/// In ascending order.
type Distributions = BTreeMap<&'static str, Vec<f64>>;

/// Values in seconds. The same in each run.
fn distributions() -> Distributions {
    let mut rng = Rng::with_seed(18);
    // Not 0, of which there is no logarithm.
    let mut uniform = move || 1.0 - rng.f64();
    let mut normal = {
        let mut rng = Rng::with_seed(3);
        move || (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
    };
    let mut all = Distributions::new();
    all.insert("uniform", (0..VALUES).map(|_| 0.1 + 0.05 * uniform()).collect());
    all.insert("exponential", (0..VALUES).map(|_| -0.2 * uniform().ln()).collect());
    all.insert("log-normal", (0..VALUES).map(|_| 0.05 * (0.8 * normal()).exp()).collect());
    all.insert("pareto", (0..VALUES).map(|_| 0.01 * uniform().powf(-1.0 / 1.5)).collect());
    let two = |at: usize, normal: f64| if at.is_multiple_of(7) { 2.0 } else { 0.004 } * (1.0 + 0.05 * normal).abs();
    all.insert("two peaks", (0..VALUES).map(|at| two(at, normal())).collect());
    all.values_mut().for_each(|values| values.sort_by(f64::total_cmp));
    all
}

/// Not a multiple of ten: then the rank of a quantile is never between two values.
const VALUES: usize = 100_003;

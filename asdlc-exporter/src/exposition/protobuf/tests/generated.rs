//! Any families, byte for byte.

use super::{Family, Labels, Series, expected::expected, in_chunks, in_memory};
use crate::{
    exemplars::{Exemplar, SpanIds},
    families::model::{
        Bucket, FamilyKind, HistogramValue, NativeBuckets, NativeHistogram, Number, Quantile,
    },
    unix_time::UnixTime,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{0,12}",
        1 => "[\\\\\"\n a-z]{0,12}",
        1 => any::<String>(),
        1 => (select(&["é", "x", "\\", "\n"][..]), 100..150_usize).prop_map(|(text, len)| text.repeat(len)),
    ]
}

fn pairs(keys: Vec<String>) -> impl Strategy<Value = Labels> {
    vec(text(), keys.len()).prop_map(move |values| keys.iter().cloned().zip(values).collect())
}

fn keys() -> impl Strategy<Value = Vec<String>> {
    let keys =
        ["\"=\\\n,", "a", "endpoint", "http.route", "method", "zone", "é"].map(str::to_owned);
    proptest::sample::subsequence(
        keys.into_iter().chain([100, 118, 130, 250].map(|len| "k".repeat(len))).collect::<Vec<_>>(),
        0..11,
    )
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), 0.0..10.0, select(&[0.0, -0.0, f64::NAN, STALE, f64::INFINITY][..])]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..3_u64, 4 => 0..300_u64, 1 => any::<u64>()]
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        count().prop_map(Number::U64),
        any::<i64>().prop_map(Number::I64),
        float().prop_map(Number::F64)
    ]
}

fn native_buckets() -> impl Strategy<Value = NativeBuckets> {
    let counts = vec(prop_oneof![2 => Just(0), 2 => 1..5_u64, 1 => 0..1_u64 << 62], 0..20);
    (-100_000..100_000, counts).prop_map(|(first, counts)| NativeBuckets { first, counts })
}

pub(super) fn exemplar() -> impl Strategy<Value = Exemplar> {
    let value = prop_oneof![8 => -2.0..10.0, 1 => any::<f64>(), 1 => Just(f64::INFINITY)];
    let value = value.prop_filter("exemplars are numbers", |value: &f64| !value.is_nan());
    let ids = prop_oneof![4 => any::<([u8; 16], [u8; 8])>(), 1 => Just(([0; 16], [0; 8]))];
    let time = prop_oneof![any::<u64>(), (0..5_u64).prop_map(|at| at * 500_000_000)];
    (value, time, ids).prop_map(|(value, time, (trace, span))| Exemplar {
        value,
        time: UnixTime(time),
        span: SpanIds::new(trace, span),
    })
}

/// In the order of their values.
fn exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    prop_oneof![1 => Just(Vec::new()), 2 => vec(exemplar(), 0..30)].prop_map(|mut exemplars| {
        exemplars.sort_by(|a, b| a.value.total_cmp(&b.value));
        exemplars
    })
}

fn buckets() -> impl Strategy<Value = Vec<Bucket>> {
    let bound = prop_oneof![4 => -2.0..10.0, 1 => -1e300..1e300];
    vec((bound, count()), 0..20).prop_map(|mut buckets| {
        buckets.sort_by(|(a, _): &(f64, u64), (b, _)| a.total_cmp(b));
        buckets.dedup_by_key(|(bound, _)| *bound);
        buckets.into_iter().map(|(bound, cumulative)| Bucket { bound, cumulative }).collect()
    })
}

pub(super) fn histogram_value() -> impl Strategy<Value = HistogramValue> {
    let native = (-4..=8_i8, count(), native_buckets(), native_buckets());
    (count(), number(), buckets(), option::of(native), exemplars()).prop_map(
        |(count, sum, buckets, native, exemplars)| {
            let is_native = native.is_some();
            let (schema, zero_count, positive, negative) = native.unwrap_or_default();
            let native = NativeHistogram { schema, zero_count, positive, negative };
            HistogramValue {
                count,
                sum,
                buckets,
                native,
                is_native,
                exemplars,
                has_last_bounds: false,
            }
        },
    )
}

fn series() -> impl Strategy<Value = Series> {
    let scope = vec("otel_scope_[a-c]{1,2}(\\.[\"=,\\\\])?", 0..2).prop_flat_map(pairs);
    let quantile = (float(), float()).prop_map(|(quantile, value)| Quantile { quantile, value });
    let quantiles = vec(quantile, 0..4);
    let start = option::of(prop_oneof![any::<u64>(), (0..5_u64).prop_map(|at| at * 1_000_000_000)]);
    let labels = keys().prop_flat_map(pairs);
    let exemplar = option::of(exemplar());
    (scope, labels, number(), histogram_value(), quantiles, start, exemplar).prop_map(
        |(scope, labels, value, histogram, quantiles, start, exemplar)| Series {
            scope,
            labels,
            value,
            histogram,
            quantiles,
            start,
            exemplar,
        },
    )
}

fn families() -> impl Strategy<Value = Vec<Family>> {
    let kinds = [
        FamilyKind::Counter,
        FamilyKind::Gauge,
        FamilyKind::Unknown,
        FamilyKind::TargetInfo,
        FamilyKind::Histogram,
        FamilyKind::Summary,
    ];
    let constant = vec((select(&["service", "host.name"][..]), text()), 0..2);
    let name = prop_oneof!["[a-z]{1,9}(_seconds)?(_total)?", any::<String>()];
    let unit = select(&["", "seconds"][..]);
    let family = (name, text(), unit, select(kinds.to_vec()), constant, vec(series(), 0..6));
    vec(
        family.prop_map(|(name, help, unit, kind, constant, series)| Family {
            name,
            help,
            unit,
            kind,
            constant: constant.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            series,
        }),
        0..5,
    )
}

proptest! {
    // `.ci/weekly` sets `PROPTEST_CASES`.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    //
    #[test]
    fn whatever_is_written_is_what_prost_writes(families in families(), sizes in vec(1..2_000_usize, 3)) {
        let expected = expected(&families);
        prop_assert!(in_memory(&families) == expected);
        for size in sizes {
            prop_assert!(in_chunks(&families, size).concat() == expected, "chunks of {} bytes", size);
        }
    }
}

/// The NaN that Prometheus stores when a series has ended.
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

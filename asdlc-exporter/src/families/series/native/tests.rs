use super::*;
use crate::{collect::reader::Reader, families::series::points};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, SdkMeterProvider, Stream,
    data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics},
    reader::MetricReader as _,
};
use points::HistogramPoint as _;
use proptest::{collection::vec, prelude::*};

/// What the SDK makes of these values.
fn recorded(values: &[f64], max_size: u32, max_scale: i8) -> HistogramValue {
    let view = move |_: &Instrument| {
        let record_min_max = false;
        let buckets =
            Aggregation::Base2ExponentialHistogram { max_size, max_scale, record_min_max };
        Stream::builder().with_aggregation(buckets).build().ok()
    };
    let reader = Reader::default();
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).with_view(view).build();
    let histogram = provider.meter("test").f64_histogram("h").build();
    values.iter().for_each(|value| histogram.record(*value, &[]));
    let mut metrics = ResourceMetrics::default();
    reader.collect(&mut metrics).unwrap();
    let mut value = HistogramValue::default();
    for metric in metrics.scope_metrics().flat_map(ScopeMetrics::metrics) {
        let AggregatedMetrics::F64(MetricData::ExponentialHistogram(data)) = metric.data() else {
            panic!("{metric:?}");
        };
        for point in data.data_points() {
            point.read(&mut value);
            value.sum = points::HistogramPoint::sum(point);
        }
    }
    value
}

/// The bucket of a positive value, by the definition of Prometheus.
fn bounds_of(index: i32, schema: i8) -> (f64, f64) {
    let end = |index: i32| (f64::from(index) * (-f64::from(schema)).exp2()).exp2();
    (end(index - 1), end(index))
}

//
#[test]
fn each_value_is_in_its_bucket() {
    for (value, schema) in [(1.0, 8), (0.5, 8), (3.7, 8), (1e-300, 8), (8.0, 3), (8.1, 3), (7.9, 0)]
    {
        let HistogramValue { native, is_native, count, .. } = recorded(&[value], 160, schema);
        assert!(is_native && native.is_valid(count));
        assert_eq!((native.schema, &*native.positive.counts), (schema, [1].as_slice()));
        let (above, to) = bounds_of(native.positive.first, schema);
        assert!(above < value && value <= to, "{value} in ({above}, {to}]");
    }
}

//
#[test]
fn zeros_and_negative_values_have_buckets_of_their_own() {
    let mut value = recorded(&[0.0, -0.0, -2.0, -3.0, 4.0], 160, 0);
    let NativeHistogram { schema, zero_count, positive, negative } = value.native.clone();
    assert_eq!((schema, zero_count), (0, 2));
    assert_eq!(positive, NativeBuckets { first: 2, counts: vec![1] });
    assert_eq!(negative, NativeBuckets { first: 1, counts: vec![1, 1] });
    value.set_classic(ClassicBounds::of_unit("seconds"));
    let at = |bound| value.classic_bucket(bound).unwrap();
    assert_eq!((at(0.5), at(2.0), at(4.0), value.count), (4, 4, 5, 5));
}

//
#[test]
fn boundaries_depend_only_on_the_unit_and_can_be_read() {
    let bounds = |unit, values: &[f64]| {
        let mut value = recorded(values, 160, 8);
        value.set_classic(ClassicBounds::of_unit(unit));
        value.buckets.iter().map(|bucket| bucket.bound).collect::<Vec<_>>()
    };
    let seconds = bounds("seconds", &[]);
    assert_eq!(seconds.len(), 17);
    assert_eq!((seconds[0], seconds[9], seconds[16]), (0.000_976_562_5, 0.5, 64.0));
    assert_eq!(bounds("seconds", &[1e-9, 3.0, 1e9]), seconds);
    let bytes = bounds("bytes", &[1.0]);
    assert_eq!((bytes[0], bytes[1], bytes.len()), (64.0, 256.0, 13));
    assert_eq!(bounds("", &[1.0]).len(), 21);
}

//
#[test]
fn a_schema_that_prometheus_does_not_have_leaves_classic_buckets() {
    // A greater one is lowered.
    let mut value = recorded(&[1.0, 1.000_001], 160, 20);
    value.set_classic(ClassicBounds::of_unit("seconds"));
    assert_eq!((value.native.schema, value.is_native), (8, true));
    assert_eq!(value.native.positive, NativeBuckets { first: 0, counts: vec![1, 1] });
    // Two buckets for values so far apart are wider than Prometheus can have.
    let mut value = recorded(&[1e-300, 1.0, 1e300], 2, 8);
    value.set_classic(ClassicBounds::of_unit("seconds"));
    assert!(value.native.schema < -4);
    assert!(!value.is_native);
    assert_eq!(value.count, 3);
    for Bucket { bound, cumulative } in value.buckets {
        assert_eq!(cumulative, if bound < 1.0 { 1 } else { 2 }, "{bound}");
    }
}

proptest! {
    //
    #[test]
    fn classic_buckets_have_exact_counts(
        values in vec(prop_oneof![1e-6..1e6_f64, -10.0..10.0_f64, (-12..32).prop_map(|e| f64::from(e).exp2())], 1..60),
        max_size in 4_u32..200,
        max_scale in -2_i8..=20,
    ) {
        let mut value = recorded(&values, max_size, max_scale);
        value.set_classic(ClassicBounds::of_unit(""));
        for Bucket { bound, cumulative } in &value.buckets {
            let expected = values.iter().filter(|value| **value <= *bound).count();
            prop_assert_eq!(*cumulative, expected as u64, "up to {}", bound);
        }
        prop_assert_eq!(value.count, values.len() as u64);
        prop_assert!(value.is_native || value.native.schema < -4);
    }

    // X-12, F-13
    #[test]
    fn a_merged_histogram_has_the_values_of_both(
        a in vec(-1e3..1e3_f64, 1..40),
        b in vec(1e-9..1e9_f64, 1..40),
        scale in 0_i8..=8,
    ) {
        let all: Vec<_> = a.iter().chain(&b).copied().collect();
        let mut merged = recorded(&a, 160, scale);
        merged.add(recorded(&b, 160, 8), ClassicBounds::default());
        let expected = recorded(&all, 160, 8);
        // The SDK may have lowered the scale further, because it limits the number of buckets.
        let mut schemas = [merged.native.clone(), expected.native];
        let least = schemas.iter().map(|native| native.schema).min().unwrap();
        schemas.iter_mut().for_each(|native| native.lower_to(least));
        prop_assert_eq!(&schemas[0], &schemas[1]);
        prop_assert!(merged.native.is_valid(all.len() as u64));
    }

    //
    #[test]
    fn what_is_subtracted_is_what_was_there_before(
        before in vec(-1e3..1e3_f64, 1..40),
        after in vec(1e-6..1e6_f64, 1..40),
    ) {
        let all: Vec<_> = before.iter().chain(&after).copied().collect();
        let mut rest = recorded(&all, 160, 8);
        prop_assert!(rest.native.subtract(&recorded(&before, 160, 8).native));
        let mut expected = recorded(&after, 160, 8).native;
        let least = rest.native.schema.min(expected.schema);
        expected.lower_to(least);
        rest.native.lower_to(least);
        prop_assert_eq!(rest.native, expected);
        let mut few = recorded(&before, 160, 8).native;
        prop_assert!(!few.subtract(&recorded(&all, 160, 8).native));
    }
}

use super::*;
use crate::{
    collect::reader::Reader,
    exposition::{
        format::{Output, Syntax},
        render::{Collected, Query, RenderSettings, Rendered, Renderer},
    },
    families::{
        labels::{
            attributes::AttributeValue,
            constant::ConstantLabels,
            key::{KeyRules, KeyStyle},
            layouts::Layouts,
            row_memory::{MAX_TEXT, RowLimits},
            scope_labels::ScopeLabels,
            scopes::ScopeId,
        },
        limits::DEFAULT_VALUE_LEN,
        names::{escaping::Escaping, name::TranslationStrategy, policy::NamePolicy},
    },
};
use opentelemetry::{
    Array, KeyValue, Value,
    metrics::{AsyncInstrument, MeterProvider as _},
};
use opentelemetry_sdk::metrics::{
    Instrument, SdkMeterProvider, Stream, data::ResourceMetrics, reader::MetricReader as _,
};
use proptest::{collection::vec, prelude::*, sample::select};
use std::{
    iter,
    sync::{Arc, Mutex},
};

/// Values whose texts are equal in part, or are the escaped text of another one.
fn values() -> Vec<Value> {
    let texts = [
        "", "a", "b", "ab", "\"", "\\\"", "\\", "\\\\", "a\",b=\"", "\n", "\\n", "1", "true",
        "false",
    ];
    let long = ["a", "b"].map(|text| Value::from(text.repeat(2_000)));
    let others: [Value; 7] = [
        1_i64.into(),
        11_i64.into(),
        1.0.into(),
        0.5.into(),
        true.into(),
        false.into(),
        Value::Array(Array::I64(vec![1, 2])),
    ];
    texts.into_iter().map(Value::from).chain(long).chain(others).collect()
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    // Two of the keys become the same label.
    let attribute = (select(vec!["a", "b", "c.d", "c_d"]), select(values()));
    vec(attribute, 0..4).prop_map(|pairs| {
        let mut pairs: Vec<KeyValue> =
            pairs.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
        pairs.sort_by(|a, b| a.key.cmp(&b.key));
        pairs.dedup_by(|a, b| a.key == b.key);
        pairs
    })
}

/// The points of a family in some scrapes. Mostly, a scrape has those of the scrape before, and some others.
fn scrapes() -> impl Strategy<Value = Vec<Vec<Vec<KeyValue>>>> {
    let changes = (any::<prop::sample::Index>(), any::<bool>(), vec(attributes(), 0..3));
    (vec(attributes(), 0..6), vec(changes, 1..5)).prop_map(|(first, changes)| {
        let mut scrapes = vec![first];
        for (at, is_removed, new) in changes {
            let mut points = scrapes.last().cloned().unwrap_or_default();
            if is_removed && !points.is_empty() {
                points.remove(at.index(points.len()));
            }
            points.extend(new);
            scrapes.push(points);
        }
        scrapes
    })
}

fn renderer() -> Renderer {
    limited(RowLimits::default())
}

/// With so much memory for labels.
fn limited(row_limits: RowLimits) -> Renderer {
    let settings = RenderSettings { may_be_empty: true, row_limits, ..RenderSettings::default() };
    Renderer::new(settings)
}

/// Enough memory to encode all labels, and none for their text.
const ENCODED: RowLimits = RowLimits { text: 0, encoded: 1 << 20, small: 0 };

fn row_limits() -> impl Strategy<Value = RowLimits> {
    let limits = [(MAX_TEXT, 0), (0, 1 << 20), (0, 40), (40, 1 << 20), (40, 40)];
    let limits = select(limits.to_vec());
    (limits, select(vec![0, 20])).prop_map(|((text, encoded), small)| RowLimits {
        text,
        encoded,
        small,
    })
}

proptest! {
    //
    #[test]
    fn a_later_exposition_is_the_one_that_a_new_reader_writes(
        scrapes in scrapes(),
        others in scrapes(),
        row_limits in row_limits(),
        repeated in 1..4,
    ) {
        let observed = Observed::new();
        let mut kept = limited(row_limits);
        let others = others.into_iter().chain(iter::repeat(Vec::new()));
        for (points, others) in scrapes.into_iter().zip(others) {
            for _ in 0..repeated {
                let metrics = observed.collect_both(points.clone(), others.clone());
                let new = rendered(&mut renderer(), &metrics);
                prop_assert_eq!(rendered(&mut kept, &metrics), new);
            }
        }
    }
}

/// Observes these points of a gauge, and those of another one.
struct Observed {
    reader: Reader,
    _provider: SdkMeterProvider,
    points: Arc<Mutex<[Points; 2]>>,
}

type Points = Vec<Vec<KeyValue>>;

impl Observed {
    fn new() -> Self {
        let reader = Reader::default();
        let provider = SdkMeterProvider::builder()
            .with_reader(reader.clone())
            .with_view(|_: &Instrument| {
                Stream::builder().with_cardinality_limit(20_000).build().ok()
            })
            .build();
        let points: Arc<Mutex<[Points; 2]>> = Arc::default();
        let meter = provider.meter("test");
        for (at, name) in ["gauge", "other"].into_iter().enumerate() {
            let observed = Arc::clone(&points);
            let observe = move |gauge: &dyn AsyncInstrument<u64>| {
                for (value, attributes) in (0..).zip(observed.lock().unwrap()[at].iter()) {
                    gauge.observe(value, attributes);
                }
            };
            let _gauge = meter.u64_observable_gauge(name).with_callback(observe).build();
        }
        Self { reader, _provider: provider, points }
    }

    /// What is collected of these points.
    fn collect(&self, points: Points) -> ResourceMetrics {
        self.collect_both(points, Vec::new())
    }

    fn collect_both(&self, points: Points, others: Points) -> ResourceMetrics {
        *self.points.lock().unwrap() = [points, others];
        let mut metrics = ResourceMetrics::default();
        self.reader.collect(&mut metrics).unwrap();
        metrics
    }
}

/// The expositions of these metrics.
fn rendered(renderer: &mut Renderer, metrics: &ResourceMetrics) -> [Rendered; 2] {
    // First in protobuf, which depends on whether rows have escapes.
    [Output::PROTOBUF, Output::TEXT].map(|output| {
        let query = Query::all(output);
        renderer.render(Collected::now(metrics), &query, Vec::new(), None).unwrap()
    })
}

//
#[test]
fn a_row_is_only_kept_for_the_same_labels() {
    let observed = Observed::new();
    let one = |value| vec![KeyValue::new("c.d", value)];
    // Attributes that become one label.
    let joined = [("a", "x"), ("a;x", "y"), ("a;x", ""), ("a", "")];
    let two = |(first, second)| vec![KeyValue::new("c.d", first), KeyValue::new("c_d", second)];
    let mut points: Vec<_> = values().into_iter().map(one).chain(joined.map(two)).collect();
    // A key that is truncated counts in each scrape.
    points.push(vec![KeyValue::new("k".repeat(300), "a")]);
    for point in &points {
        for other in &points {
            let mut kept = renderer();
            rendered(&mut kept, &observed.collect(vec![point.clone()]));
            let metrics = observed.collect(vec![other.clone()]);
            let new = rendered(&mut renderer(), &metrics);
            assert_eq!(rendered(&mut kept, &metrics), new, "{point:?}, then {other:?}");
        }
    }
}

//
#[test]
fn rows_are_not_kept_if_the_numbers_of_layouts_change() {
    let observed = Observed::new();
    let point = |key: String| vec![KeyValue::new(key, "x")];
    for row_limits in [RowLimits::default(), ENCODED] {
        let mut kept = limited(row_limits);
        // More lists of keys than the cache keeps.
        let many = observed.collect((0..10_001).map(|at| point(format!("k{at:05}"))).collect());
        rendered(&mut kept, &many);
        let same =
            observed.collect((0..10_001).rev().map(|at| point(format!("k{at:05}"))).collect());
        assert_eq!(rendered(&mut kept, &same), rendered(&mut renderer(), &same));
        let few = observed.collect((0..3).map(|at| point(format!("k{:05}", 7 * at))).collect());
        assert_eq!(rendered(&mut kept, &few), rendered(&mut renderer(), &few));
    }
}

//
#[test]
fn encoded_labels_are_written_in_any_escaping_and_beside_filtered_expositions() {
    let observed = Observed::new();
    let points = || numbered(20, &[KeyValue::new("net.zone", "x")]);
    let written = |renderer: &mut Renderer, metrics: &ResourceMetrics, names: &[&str]| {
        let escapings =
            [Escaping::AllowUtf8, Escaping::Underscores, Escaping::Dots, Escaping::Values];
        escapings.map(|escaping| {
            [Syntax::Text100, Syntax::Protobuf].map(|syntax| {
                let names = names.iter().map(|name| (*name).to_owned()).collect();
                let query = Query { names, output: Output { syntax, escaping } };
                renderer.render(Collected::now(metrics), &query, Vec::new(), None)
            })
        })
    };
    let utf8 = |row_limits| {
        let policy = NamePolicy::default().with_strategy(TranslationStrategy::NoTranslation);
        let settings =
            RenderSettings { may_be_empty: true, row_limits, policy, ..RenderSettings::default() };
        Renderer::new(settings)
    };
    let mut kept = utf8(ENCODED);
    for names in [&[][..], &["gauge"], &["other"], &[], &["none"], &[]] {
        let metrics = observed.collect_both(points(), numbered(5, &[]));
        let new = written(&mut utf8(RowLimits::default()), &metrics, names);
        assert_eq!(written(&mut kept, &metrics, names), new, "{names:?}");
        assert_eq!(kept.encoded(), 2);
    }
}

/// Writes so many rows with labels of about 1 000 bytes each. Returns whether they may have changed.
fn written(rows: &mut LabelRows, memory: &mut RowMemory, count: usize) -> bool {
    write_values(rows, memory, (0..count).map(|at| format!("{at:1000}")))
}

fn write_values(
    rows: &mut LabelRows,
    memory: &mut RowMemory,
    values: impl Iterator<Item = String>,
) -> bool {
    let mut labels = LabelCache::new(
        ConstantLabels::default(),
        ScopeLabels::NONE,
        KeyStyle::default(),
        DEFAULT_VALUE_LEN,
    );
    rows.begin(memory, &labels, 0, 0, false);
    for value in values {
        let attributes = [Attribute { key: "at", value: AttributeValue::Text(&value) }];
        let list = labels.find(KeyRules::default(), &attributes);
        let keys = labels.in_scope(list, ScopeId::NONE);
        rows.add(&mut labels, keys, &attributes, &mut Scratch::default());
    }
    rows.end(&labels, 0)
}

fn row_memory<'r>(kept: impl Iterator<Item = &'r LabelRows> + Clone) -> RowMemory {
    let labels = LabelCache::new(
        ConstantLabels::default(),
        ScopeLabels::NONE,
        KeyStyle::default(),
        DEFAULT_VALUE_LEN,
    );
    RowMemory::left_by(kept, RowLimits::default(), &labels)
}

//
#[test]
fn the_rows_that_are_kept_take_bounded_memory() {
    let (mut large, mut larger, mut small) = Default::default();
    let mut memory = row_memory([].into_iter());
    assert_eq!(memory.free, MAX_TEXT);
    let fits = MAX_TEXT / 4 / 1_000;
    for (rows, count, is_kept) in
        [(&mut larger, 5 * fits, false), (&mut small, fits, true), (&mut large, 3 * fits, false)]
    {
        let rows: &mut LabelRows = rows;
        assert!(written(rows, &mut memory, count), "{count} rows for the first time");
        rows.keep(&mut memory, false);
        assert_eq!(!rows.rows.is_empty(), is_kept, "{count} rows");
    }
    assert_eq!(memory.free, MAX_TEXT - small.size());
    // In the next scrape, only those that were kept are known.
    let mut memory = row_memory([&large, &small].into_iter());
    assert_eq!(memory.free, MAX_TEXT - small.size());
    assert!(!written(&mut small, &mut memory, fits));
    small.keep(&mut memory, false);
    assert!(written(&mut larger, &mut memory, 0), "nothing is known about them");
    assert!(written(&mut large, &mut memory, fits));
    large.keep(&mut memory, false);
    assert_eq!(memory.free, MAX_TEXT - small.size() - large.size());
    let of_heap =
        |rows: &LabelRows| rows.text.capacity() + rows.rows.capacity() * size_of::<LabelRow>();
    assert!(of_heap(&small) + of_heap(&large) <= MAX_TEXT);
}

//
#[test]
fn rows_are_known_to_be_plain_if_none_has_an_escape() {
    let (mut rows, mut memory) = (LabelRows::default(), row_memory([].into_iter()));
    for (values, is_plain) in [(["a", "b"], true), (["a", "\""], false), (["a", "b"], true)] {
        write_values(&mut rows, &mut memory, values.into_iter().map(str::to_owned));
        assert!(!rows.are_plain(), "nothing is known about new rows");
        rows.keep(&mut memory, false);
        assert_eq!(rows.are_plain(), is_plain, "{values:?}");
    }
    assert!(!write_values(&mut rows, &mut memory, ["a", "b"].into_iter().map(str::to_owned)));
    assert!(rows.are_plain());
}

//
#[test]
fn a_row_has_any_place_in_a_text() {
    let layout = Layouts::default().add(None, ["a"].into_iter());
    for start in [0, 1, u32::MAX as usize, u32::MAX as usize + 1, (1 << 40) - 1] {
        for len in [0, 1, 0xffff, (1 << 24) - 1] {
            let row = LabelRow::new(start, len, layout);
            assert_eq!((row.start(), row.len(), row.layout), (start, len, layout));
        }
    }
    assert_eq!(size_of::<LabelRow>(), 12);
}

/// So many points with the same other attributes.
fn numbered(count: usize, others: &[KeyValue]) -> Points {
    let point = |at: usize| {
        let own = KeyValue::new("at", format!("{at:03}"));
        [own].into_iter().chain(others.iter().cloned()).collect()
    };
    (0..count).map(point).collect()
}

//
#[test]
fn labels_that_do_not_fit_are_encoded_when_they_are_the_same_again() {
    let observed = Observed::new();
    let mut kept = limited(ENCODED);
    let mut check = |points: Points, others: Points, encoded: usize| {
        let metrics = observed.collect_both(points, others);
        assert_eq!(rendered(&mut kept, &metrics), rendered(&mut renderer(), &metrics));
        assert_eq!(kept.encoded(), encoded);
    };
    let points = || numbered(20, &[KeyValue::new("zone", "x"), KeyValue::new("code", 200_i64)]);
    let others = || numbered(5, &[]);
    // Each check writes two expositions.
    check(points(), others(), 0);
    check(points(), others(), 2);
    check(points(), others(), 2);
    // A point more, and one less: all are written as text again.
    let more = || points().into_iter().chain(numbered(1, &[KeyValue::new("zone", "y")])).collect();
    check(more(), others(), 0);
    check(more(), others(), 2);
    check(points(), others(), 0);
    check(points(), others(), 2);
    check(points(), numbered(4, &[]), 0);
    // A family with more labels in later rows, and one without labels.
    let wider = || iter::once(Vec::new()).chain(others()).chain(points()).collect();
    check(wider(), others(), 0);
    check(wider(), others(), 2);
    check(wider(), others(), 2);
    // The next family is unsuitable, so none is encoded.
    let escaped = || numbered(5, &[KeyValue::new("zone", "\"")]);
    check(wider(), escaped(), 0);
    check(wider(), escaped(), 0);
    check(wider(), escaped(), 0);
    check(wider(), others(), 0);
    check(wider(), others(), 2);
    // The family is gone, and comes back.
    check(wider(), Vec::new(), 2);
    check(wider(), others(), 2);
    check(Vec::new(), Vec::new(), 2);
}

//
#[test]
fn a_point_that_is_gone_is_noticed_wherever_it_was() {
    let observed = Observed::new();
    let all = numbered(6, &[]);
    for gone in 0..all.len() {
        let mut kept = limited(ENCODED);
        for _ in 0..2 {
            rendered(&mut kept, &observed.collect(all.clone()));
        }
        assert_eq!(kept.encoded(), 1);
        let mut others = all.clone();
        others.remove(gone);
        let metrics = observed.collect(others);
        assert_eq!(rendered(&mut kept, &metrics), rendered(&mut renderer(), &metrics));
    }
}

//
#[test]
fn a_small_family_does_not_keep_others_from_being_encoded() {
    let observed = Observed::new();
    let small = || numbered(2, &[KeyValue::new("zone", "\"")]);
    for (limit, encoded) in [(1_000, 1), (10, 0)] {
        let mut kept = limited(RowLimits { small: limit, ..ENCODED });
        for _ in 0..3 {
            let metrics = observed.collect_both(numbered(20, &[]), small());
            assert_eq!(rendered(&mut kept, &metrics), rendered(&mut renderer(), &metrics));
        }
        assert_eq!(kept.encoded(), encoded, "{limit} bytes");
    }
}

//
#[test]
fn encoded_labels_take_bounded_memory() {
    let observed = Observed::new();
    // Each point has a label of seven bytes, with its end, its number, and its layout.
    for (encoded, count) in [(40 * 19, 1), (40 * 19 - 1, 0)] {
        let mut kept = limited(RowLimits { text: 0, encoded, small: 0 });
        for _ in 0..4 {
            let metrics = observed.collect(numbered(40, &[]));
            assert_eq!(rendered(&mut kept, &metrics), rendered(&mut renderer(), &metrics));
        }
        assert_eq!(kept.encoded(), count, "{encoded} bytes");
    }
}

//
#[test]
fn labels_that_several_points_have_are_not_encoded() {
    let observed = Observed::new();
    let mut kept = limited(ENCODED);
    let point = |value: Value| vec![KeyValue::new("a", value)];
    for _ in 0..3 {
        let metrics = observed.collect(vec![point("1".into()), point(1_i64.into())]);
        assert_eq!(rendered(&mut kept, &metrics), rendered(&mut renderer(), &metrics));
        assert_eq!(kept.encoded(), 0);
    }
}

//
#[test]
fn a_truncated_key_counts_in_each_scrape_of_encoded_labels() {
    let observed = Observed::new();
    let mut kept = limited(ENCODED);
    for _ in 0..3 {
        let metrics = observed.collect(numbered(3, &[KeyValue::new("k".repeat(300), "a")]));
        let new = rendered(&mut renderer(), &metrics);
        assert!(new[0].truncated > 0);
        assert_eq!(rendered(&mut kept, &metrics), new);
    }
    assert_eq!(kept.encoded(), 1);
}

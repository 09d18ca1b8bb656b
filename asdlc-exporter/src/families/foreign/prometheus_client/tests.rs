use crate::families::{
    foreign::prometheus_client::{
        family::{Family, Value},
        parser::Families,
    },
    model::{Bucket, FamilyKind, Number},
};
use prometheus_client::{
    encoding::text,
    metrics::{
        counter::Counter,
        exemplar::{CounterWithExemplar, HistogramWithExemplars},
        family::{Family as Vector, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
        info::Info,
    },
    registry::{Registry, Unit},
};
use proptest::{collection::vec, prelude::*};
use std::{
    borrow::Cow,
    fmt::Write as _,
    sync::atomic::{AtomicI64, AtomicU64},
};

/// What was read, one line for each family and series.
fn read(text: &str) -> String {
    let mut out = String::new();
    for family in Families::of(text) {
        let kind = match family.kind() {
            Ok(kind) => kind.as_str(),
            Err(Some(line)) => {
                let _ = writeln!(out, "{}: {line:?} cannot be read", family.name());
                continue;
            }
            Err(None) => panic!("no family is untyped"),
        };
        let name = family.name().to_owned() + family.suffix();
        let _ = writeln!(out, "{kind} {name}: {:?} {:?}", family.help(), family.unit());
        for (labels, value) in series(&family) {
            let _ = writeln!(out, "  {labels:?} {value}");
        }
    }
    out
}

fn series(family: &Family<'_>) -> Vec<(Vec<(String, String)>, String)> {
    let mut start = 0;
    let one = |series: &super::family::Series| {
        let labels = &family.labels[start..series.labels_end];
        start = series.labels_end;
        let labels = labels.iter().map(|label| (label.key.to_owned(), label.value.to_string()));
        (labels.collect(), show(&series.value))
    };
    family.series.iter().map(one).collect()
}

fn show(value: &Value) -> String {
    match value {
        Value::Number(number) => show_number(*number),
        Value::Histogram(histogram) => {
            let bucket = |b: &Bucket| format!("{:?}:{}", b.bound, b.cumulative);
            let buckets: Vec<_> = histogram.buckets.iter().map(bucket).collect();
            let sum = show_number(histogram.sum);
            format!("count {} sum {sum} buckets {}", histogram.count, buckets.join(" "))
        }
    }
}

/// Tells integers and floats apart.
fn show_number(number: Number) -> String {
    match number {
        Number::U64(integer) => format!("{integer}"),
        Number::I64(integer) => format!("{integer}"),
        Number::F64(float) => format!("{float:?}"),
    }
}

fn encoded(registry: &Registry) -> String {
    let mut text = String::new();
    text::encode_registry(&mut text, registry).expect("it is encoded");
    text
}

// X-08
#[test]
fn what_the_crate_writes_is_read() {
    let mut registry = Registry::with_prefix_and_labels(
        "shop",
        [(Cow::Borrowed("zone"), Cow::Borrowed("eu"))].into_iter(),
    );
    let orders = Vector::<Vec<(&str, &str)>, Counter>::default();
    registry.register("orders", "Orders", orders.clone());
    orders.get_or_create(&vec![("paid", "\"yes\"\n\\")]).inc_by(u64::MAX);
    let level = Gauge::<i64, AtomicI64>::default();
    level.set(i64::MIN);
    registry.register("level", "Two\nlines, and a \\n", level);
    let load = Gauge::<f64, AtomicU64>::default();
    load.set(-0.5);
    registry.register("load", "", load);
    let wait =
        Vector::<Vec<(&str, &str)>, Histogram>::new_with_constructor(|| Histogram::new([0.1, 1.0]));
    registry.register_with_unit("wait", "Waits", Unit::Seconds, wait.clone());
    wait.get_or_create(&vec![("path", "/a"), ("le", "x")]).observe(0.5);
    wait.get_or_create(&vec![("path", "/a"), ("le", "x")]).observe(2.0);
    registry.register("build", "The build", Info::new(vec![("version", "1.2.3")]));
    assert_eq!(
        read(&encoded(&registry)),
        r#"counter shop_orders_total: "Orders." ""
  [("zone", "eu"), ("paid", "\"yes\"\n\\")] 18446744073709551615
gauge shop_level: "Two\nlines, and a \\n." ""
  [("zone", "eu")] -9223372036854775808
gauge shop_load: "." ""
  [("zone", "eu")] -0.5
histogram shop_wait_seconds: "Waits." "seconds"
  [("zone", "eu"), ("path", "/a"), ("le", "x")] count 2 sum 2.5 buckets 0.1:0 1.0:1
gauge shop_build_info: "The build." ""
  [("zone", "eu"), ("version", "1.2.3")] 1
"#
    );
}

#[test]
fn exemplars_are_skipped() {
    let mut registry = Registry::default();
    let orders = CounterWithExemplar::<Vec<(String, String)>>::default();
    orders.inc_by(3, Some(vec![("trace".into(), " # {a=\"b\"} 7\n".into())]), None);
    registry.register("orders", "Orders", orders);
    let wait = HistogramWithExemplars::<Vec<(String, String)>>::new([1.0].into_iter());
    wait.observe(0.5, Some(vec![("trace".into(), "x".into())]), Some(std::time::SystemTime::now()));
    registry.register("wait", "Waits", wait);
    let text = encoded(&registry);
    assert_eq!(text.matches(" # {").count(), 3, "{text}");
    assert_eq!(
        read(&text),
        r#"counter orders_total: "Orders." ""
  [] 3
histogram wait: "Waits." ""
  [] count 1 sum 0.5 buckets 1.0:1
"#
    );
}

// The valid cases of `tests/testdata/parsers` of OpenObservability/OpenMetrics (296468b) and of
// `model/textparse/openmetricsparse_test.go` of Prometheus (0496658) with types and samples that the crate
// has. Each has HELP and TYPE, in this order, as the crate writes them.
#[test]
fn valid_families_of_other_test_suites_are_read() {
    for (kind, samples, expected) in [
        ("counter", "a_total 1", "[] 1"),
        ("counter", "a_total 9223372036854775808", "[] 9223372036854775808"),
        ("counter", "a_total{} 0 123 # {a=\"b\"} 0.5", "[] 0"),
        ("counter", "a_total{foo=\"} foo # bar # \"} 1", "[(\"foo\", \"} foo # bar # \")] 1"),
        (
            "counter",
            "a_total{foo=\"bar\",bar=\"b{a}z\"} 1",
            "[(\"foo\", \"bar\"), (\"bar\", \"b{a}z\")] 1",
        ),
        ("counter", "a_total{foo=\"\"} 2", "[(\"foo\", \"\")] 2"),
        ("counter", r#"a_total{foo="\foo"} 1"#, r#"[("foo", "\\foo")] 1"#),
        ("counter", r#"a_total{foo="foo\\"} 1"#, r#"[("foo", "foo\\")] 1"#),
        ("counter", r#"a_total{foo="\\n"} 1"#, r#"[("foo", "\\n")] 1"#),
        ("counter", r#"a_total{foo="\\\n"} 1"#, r#"[("foo", "\\\n")] 1"#),
        ("counter", r#"a_total{foo="\\\""} 1"#, r#"[("foo", "\\\"")] 1"#),
        ("counter", r#"a_total{foo="b\"a\nr # "} 3"#, r#"[("foo", "b\"a\nr # ")] 3"#),
        ("counter", "a_total{foo=\"4\"} 1 12345678901234567890.1234567890", "[(\"foo\", \"4\")] 1"),
        ("counter", "a_total{foo=\"5\"} 1 1.5e3", "[(\"foo\", \"5\")] 1"),
        (
            "counter",
            "a_total 17.0 1520879607.789 # {id=\"counter-test\"} 5\na_created 1520872607.123\n\
             a_total{a=\"b\"} 17.0\na_created{a=\"b\"} 1520872607.123\na_total{le=\"c\"} 21.0",
            "[] 17.0\n  [(\"a\", \"b\")] 17.0\n  [(\"le\", \"c\")] 21.0",
        ),
        ("gauge", "a 0000000000000000000000000000000000000000001", "[] 1"),
        (
            "gauge",
            "a{foo=\"bar\"} +Inf\na{foo=\"baz\"} -Inf",
            "[(\"foo\", \"bar\")] inf\n  [(\"foo\", \"baz\")] -inf",
        ),
        ("gauge", "a NaN", "[] NaN"),
        ("gauge", "a 33 123.123", "[] 33"),
        ("unknown", "a{port=\"6380\"} 10.0", "[(\"port\", \"6380\")] 10.0"),
        ("info", "a_info{a=\"2\",foo=\"bar\"} 1 0", "[(\"a\", \"2\"), (\"foo\", \"bar\")] 1"),
        (
            "histogram",
            "a_bucket{le=\"0\"} 0\na_bucket{le=\"0.00000000001\"} 0\na_bucket{le=\"1e-04\"} 0\n\
             a_bucket{le=\"1.1e-4\"} 0\na_bucket{le=\"1e+05\"} 1\na_bucket{le=\"100000000000.0\"} 2\n\
             a_bucket{le=\"+Inf\"} 3\na_count 3\na_sum 2",
            "[] count 3 sum 2 buckets 0.0:0 1e-11:0 0.0001:0 0.00011:0 100000.0:1 100000000000.0:2",
        ),
        (
            "histogram",
            "a_bucket{le=\"1.0\",foo=\"bar # \"} 0 # {a=\"b\",foo=\"bar # bar\"} 0.5\n\
             a_bucket{le=\"+Inf\",foo=\"bar # \"} 3\na_count{foo=\"bar # \"} 3\na_sum{foo=\"bar # \"} 2",
            "[(\"foo\", \"bar # \")] count 3 sum 2 buckets 1.0:0",
        ),
        (
            "histogram",
            "a_count 18\na_sum 324789.4\na_created 1520430001\na_bucket{le=\"0.0\"} 1\n\
             a_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 18",
            "[] count 18 sum 324789.4 buckets 0.0:1 1.0:2",
        ),
        (
            "histogram",
            "a_bucket{x=\"1\",le=\"2\"} 1\na_count{x=\"1\"} 1\na_sum{x=\"1\"} 1\n\
             a_bucket{x=\"2\",le=\"2\"} 2\na_bucket{x=\"2\",le=\"3\"} 4\na_count{x=\"2\"} 4\na_sum{x=\"2\"} 3",
            "[(\"x\", \"1\")] count 1 sum 1 buckets 2.0:1\n  [(\"x\", \"2\")] count 4 sum 3 buckets 2.0:2 3.0:4",
        ),
    ] {
        let text = format!("# HELP a help\n# TYPE a {kind}\n{samples}\n# EOF\n");
        let kind = match kind {
            "unknown" => FamilyKind::Unknown.as_str(),
            "info" => "gauge",
            kind => kind,
        };
        let suffix = match samples {
            _ if samples.starts_with("a_total") => "_total",
            _ if samples.starts_with("a_info") => "_info",
            _ => "",
        };
        assert_eq!(
            read(&text),
            format!("{kind} a{suffix}: \"help\" \"\"\n  {expected}\n"),
            "{text}"
        );
    }
    assert_eq!(read("# EOF\n"), "");
    assert_eq!(read("# EOF"), "");
    assert_eq!(read(""), "");
    let unit =
        "# HELP a_seconds help\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1\n";
    assert_eq!(read(unit), "gauge a_seconds: \"help\" \"seconds\"\n  [] 1\n");
}

// The invalid cases of the same sources. Both reject the whole text.
#[test]
fn an_invalid_line_costs_only_its_family() {
    for (kind, bad) in [
        ("gauge", "a a"),
        ("gauge", "a  1"),
        ("gauge", "a 1\t"),
        ("gauge", "a 1 "),
        ("gauge", "a 1_2"),
        ("gauge", "a 0x1p-3"),
        ("gauge", "a 0b1"),
        ("gauge", "a 1 z"),
        ("gauge", "a 1 1.1.1"),
        ("gauge", "a 1 NaN"),
        ("gauge", "a 1 -Inf"),
        ("gauge", "a 1 1 1"),
        ("gauge", "a 1 2 #"),
        ("gauge", "a{1=\"1\"}1"),
        ("gauge", "a{a=\"1\"b} 1"),
        ("gauge", "a{a=\" # \",b=}1"),
        ("gauge", "a{a=\"1\",,b=\"2\"} 1"),
        ("gauge", "a{a=\"1\",b=\"2\",} 1"),
        ("gauge", "a{a\"value\"} 1"),
        ("gauge", "a{a='1'} 1"),
        ("gauge", "a{a=\"1} 1"),
        ("gauge", "a{b=\"\0"),
        ("gauge", "a"),
        ("gauge", "a "),
        ("gauge", ""),
        ("gauge", " a 1"),
        ("gauge", "9"),
        ("gauge", "b 1"),
        ("gauge", "a_total 1"),
        ("gauge", "#"),
        ("gauge", "#EOF"),
        ("gauge", "{b=\"c\"} 1"),
        ("counter", "a 1"),
        ("counter", "a_total"),
        ("info", "a 1"),
        ("unknown", "a_total 1"),
        ("histogram", "a 1"),
        ("histogram", "a_sum 1"),
        ("histogram", "a_count 1"),
        ("histogram", "a_bucket{le=\"+Inf\"} 1"),
        ("histogram", "a_bucket 1"),
        ("histogram", "a_bucket{x=\"1\"} 1"),
        ("histogram", "a_bucket{le=\"x\"} 1"),
        ("histogram", "a_bucket{le=\"+Inf\"} NaN"),
        ("histogram", "a_bucket{le=\"+Inf\"} -1"),
        ("histogram", "a_bucket{le=\"+Inf\"} 1.5"),
        ("histogram", "a_count -1"),
    ] {
        let text = format!(
            "# HELP before x\n# TYPE before gauge\nbefore 1\n# HELP a help\n# TYPE a {kind}\n{bad}\n\
             # HELP after x\n# TYPE after gauge\nafter 2\n# EOF\n"
        );
        let expected = format!(
            "gauge before: \"x\" \"\"\n  [] 1\na: {bad:?} cannot be read\ngauge after: \"x\" \"\"\n  [] 2\n"
        );
        assert_eq!(read(&text), expected);
    }
}

#[test]
fn a_head_that_cannot_be_read_costs_only_its_family() {
    for (head, name, unread) in [
        ("# HELP a help", "a", "# HELP a help"),
        ("# HELP a help\n# TYPE b gauge\na 1", "a", "# HELP a help"),
        ("# HELP a help\n# TYPE a untyped\na 1", "a", "# HELP a help"),
        ("# HELP a help\n# TYPE a gauge \na 1", "a", "# HELP a help"),
        ("# HELP a help\n# TYPE a  gauge\na 1", "a", "# HELP a help"),
        ("# HELP a help\n# TYPE a\na 1", "a", "# HELP a help"),
        ("# HELP \n# TYPE ", "", "# HELP "),
        ("# TYPE a gauge\na 1", "a", "# TYPE a gauge"),
        ("# UNIT a_s s\na_s 1", "a_s", "# UNIT a_s s"),
        ("# something\na 1", "#", "# something"),
        ("a{b=\"c\"} 1", "a", "a{b=\"c\"} 1"),
        ("# HELP a help\n# TYPE a gauge\n# UNIT b s\na 1", "b", "# UNIT b s"),
    ] {
        let text = format!("{head}\n# HELP after x\n# TYPE after gauge\nafter 2\n");
        let read = read(&text);
        let expected =
            format!("{name}: {unread:?} cannot be read\ngauge after: \"x\" \"\"\n  [] 2\n");
        assert!(read.ends_with(&expected), "{text}\n{read}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    // X-05
    #[test]
    fn any_text_is_read_without_a_panic(
        parts in vec(
            prop_oneof![
                "\\PC{0,6}",
                proptest::sample::select(vec![
                    "# HELP ", "# TYPE ", "# UNIT ", "# EOF", "a", "b", " ", "\n", "counter", "gauge",
                    "histogram", "info", "_total", "_bucket", "_sum", "_count", "_created", "{", "}", "\"",
                    "=\"", ",", "\\", "le=\"", "1", "-1.5", "1e300", "+Inf", "NaN", " # {", "é", "\0",
                    "# HELP a a\n# TYPE a histogram\na_sum 1\na_count 1\n",
                    "# HELP b b\n# TYPE b counter\nb_total{a=\"",
                ]).prop_map(str::to_owned),
            ],
            0..40,
        )
    ) {
        read(&parts.concat());
    }
}

/// Labels whose values are arbitrary, and whose keys have no character that ends a label. A histogram with a
/// label `le` cannot be read: its buckets would have two of them.
fn labels() -> impl Strategy<Value = Vec<(String, String)>> {
    let key = "[a-z_.é:-]{1,4}".prop_filter("of a bucket", |key| key != "le");
    vec((key, ".{0,6}|[\"\\\\\n},={ #]{0,8}"), 0..4).prop_map(|labels| {
        labels.into_iter().map(|(key, value)| (key, value.to_string())).collect()
    })
}

fn constructor(
    bounds: Vec<f64>,
) -> impl MetricConstructor<Histogram> + Clone + Send + Sync + 'static {
    move || Histogram::new(bounds.iter().copied())
}

proptest! {
    // X-08
    #[test]
    fn whatever_the_crate_writes_is_read_as_it_was_recorded(
        constant in labels(),
        help in ".{0,10}|[\n\\\\# a]{0,10}",
        counters in vec((labels(), any::<u64>()), 0..5),
        gauges in vec((labels(), any::<i64>()), 0..5),
        floats in vec((labels(), any::<f64>()), 0..5),
        bounds in vec(any::<f64>(), 0..6),
        observed in vec((labels(), vec(any::<f64>(), 1..4)), 0..5),
    ) {
        let constant: Vec<(Cow<'static, str>, Cow<'static, str>)> =
            constant.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let mut registry = Registry::with_labels(constant.clone().into_iter());
        let counter = Vector::<Vec<(String, String)>, Counter>::default();
        registry.register("c", help.clone(), counter.clone());
        counters.iter().for_each(|(labels, by)| {
            let counter = counter.get_or_create(labels);
            counter.inc_by(by.wrapping_sub(counter.get()));
        });
        let gauge = Vector::<Vec<(String, String)>, Gauge>::default();
        registry.register("g", help.clone(), gauge.clone());
        gauges.iter().for_each(|(labels, value)| _ = gauge.get_or_create(labels).set(*value));
        let float = Vector::<Vec<(String, String)>, Gauge<f64, AtomicU64>>::default();
        registry.register_with_unit("f", help.clone(), Unit::Bytes, float.clone());
        floats.iter().for_each(|(labels, value)| _ = float.get_or_create(labels).set(*value));
        let histogram = Vector::new_with_constructor(constructor(bounds.clone()));
        registry.register("h", help.clone(), histogram.clone());
        for (labels, values) in &observed {
            values.iter().for_each(|value| histogram.get_or_create(labels).observe(*value));
        }

        let text = encoded(&registry);
        let families: Vec<_> = Families::of(&text).collect();
        let find = |name: &str| {
            let family = families.iter().find(|family| family.name() == name);
            let family = family.map(|family| {
                assert!(family.kind().is_ok(), "{text}");
                assert_eq!(family.help(), help.clone() + ".", "{text}");
                series(family)
            });
            let mut all = family.unwrap_or_default();
            all.sort();
            all
        };
        // The crate writes the constant labels first. For equal labels, the last value counts.
        let expect = |mut expected: Vec<(Vec<(String, String)>, String)>| {
            for (labels, _) in &mut expected {
                let constant = constant.iter().map(|(k, v)| (k.to_string(), v.to_string()));
                labels.splice(0..0, constant);
            }
            expected.reverse();
            let mut seen = std::collections::HashSet::new();
            expected.retain(|(labels, _)| seen.insert(labels.clone()));
            expected.sort();
            expected
        };
        let integers = |all: &[(Vec<(String, String)>, String)]| expect(all.to_vec());
        let counters: Vec<_> = counters.iter().map(|(l, v)| (l.clone(), v.to_string())).collect();
        prop_assert_eq!(find("c"), integers(&counters));
        let gauges: Vec<_> = gauges.iter().map(|(l, v)| (l.clone(), v.to_string())).collect();
        prop_assert_eq!(find("g"), integers(&gauges));
        let floats: Vec<_> = floats.iter().map(|(l, v)| (l.clone(), format!("{v:?}"))).collect();
        prop_assert_eq!(find("f_bytes"), integers(&floats));
        let histograms: Vec<_> = observed
            .iter()
            .map(|(labels, _)| {
                let all = observed.iter().filter(|(l, _)| l == labels).flat_map(|(_, values)| values);
                (labels.clone(), show(&observed_histogram(&bounds, all)))
            })
            .collect();
        prop_assert_eq!(find("h"), integers(&histograms), "{}", text);
    }
}

/// What the crate does with these observations: a value counts in the first bucket whose bound it does not exceed.
fn observed_histogram<'v>(bounds: &[f64], values: impl Iterator<Item = &'v f64>) -> Value {
    let finite = bounds.iter().copied().filter(|bound| bound.is_finite());
    let mut bounds: Vec<f64> = finite.collect();
    let (mut sum, mut count) = (0.0, 0);
    let mut counts = vec![0; bounds.len()];
    for value in values {
        sum += value;
        count += 1;
        if let Some(at) = bounds.iter().position(|bound| value <= bound) {
            counts[at] += 1;
        }
    }
    let mut cumulative = 0;
    let mut buckets: Vec<Bucket> = Vec::new();
    for (bound, count) in bounds.drain(..).zip(counts) {
        cumulative += count;
        if buckets.last().is_none_or(|last| bound > last.bound) {
            buckets.push(Bucket { bound, cumulative });
        }
    }
    Value::Histogram(super::family::Histogram { sum: Number::F64(sum), count, buckets })
}

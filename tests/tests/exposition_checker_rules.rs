//! The checker of the harness finds every kind of broken exposition, and accepts valid ones.

use asdlc_tests::exposition::{Exposition, Kind};
use asdlc_tests::servers::{Checked, promtool_check_metrics};

const HISTOGRAM: &str =
    "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3.5\nh_count 2\n";

#[test]
fn each_kind_of_broken_exposition_is_found_on_its_line() {
    let cases: &[(&str, &[u8], usize, &str)] = &[
        // The body as a whole.
        ("empty", b"", 1, "no samples"),
        ("metadata only", b"# HELP a_total A.\n# TYPE a_total counter\n", 2, "no samples"),
        ("no final line feed", b"a 1\nb 2", 2, "no line feed"),
        ("CRLF", b"a 1\r\n", 1, "carriage return"),
        ("bad UTF-8", b"a 1\nb{l=\"\xff\"} 1\n", 2, "not UTF-8"),
        ("blank line", b"a 1\n\nb 1\n", 2, "blank"),
        ("two final line feeds", b"a 1\n\n", 2, "blank"),
        // Names, labels, escapes.
        ("leading digit", b"9a 1\n", 1, "not a metric name"),
        ("dash", b"a-b 1\n", 1, "not a metric name"),
        ("no name", b"{l=\"x\"} 1\n", 1, "not a metric name"),
        ("letters beyond ASCII", "\u{e4} 1\n".as_bytes(), 1, "not a metric name"),
        ("name of HELP", b"# HELP a-b A.\na 1\n", 1, "not a metric name"),
        ("label with colon", b"a{x:y=\"1\"} 1\n", 1, "not a label name"),
        ("label with leading digit", b"a{1x=\"1\"} 1\n", 1, "not a label name"),
        ("empty label name", b"a{=\"1\"} 1\n", 1, "not a label name"),
        ("reserved label", b"a{__name__=\"b\"} 1\n", 1, "reserved"),
        ("duplicate label", b"a{x=\"1\",x=\"2\"} 1\n", 1, "twice"),
        ("unquoted label", b"a{x=1} 1\n", 1, "without a quoted value"),
        ("unterminated label", b"a{x=\"1} 1\n", 1, "unterminated"),
        ("raw quote", b"a{x=\"1\"2\"} 1\n", 1, "no comma"),
        ("raw line feed", b"a{x=\"1\n2\"} 1\n", 1, "unterminated"),
        ("unknown escape", b"a{x=\"\\t\"} 1\n", 1, "unknown escape"),
        ("lone backslash", b"a{x=\"\\\\\\\"} 1\n", 1, "unterminated"),
        ("trailing comma", b"a{x=\"1\",} 1\n", 1, "without a quoted value"),
        ("space in labels", b"a{x=\"1\", y=\"2\"} 1\n", 1, "not a label name"),
        ("unknown escape in HELP", b"# HELP a \\\"A\\\"\na 1\n", 1, "unknown escape"),
        // Names in UTF-8.
        ("needless quotes", b"{\"a\"} 1\n", 1, "needless quotes"),
        ("needless quotes of a label", b"a{\"b\"=\"1\"} 1\n", 1, "needless quotes"),
        ("empty name", b"{\"\"} 1\n", 1, "needless quotes"),
        ("quotes outside braces", b"\"a.b\" 1\n", 1, "outside the braces"),
        ("unterminated name", b"{\"a.b} 1\n", 1, "unterminated"),
        ("no comma after the name", b"{\"a.b\"c=\"1\"} 1\n", 1, "no comma"),
        ("unknown escape in a name", b"{\"a.\\b\"} 1\n", 1, "unknown escape"),
        ("reserved label in UTF-8", b"a{\"__x.y\"=\"1\"} 1\n", 1, "reserved"),
        ("the character 0", b"{\"a\0\"} 1\n", 1, "character 0"),
        ("the name as a label", b"{\"a.b\",\"__name__\"=\"1\"} 1\n", 1, "needless quotes"),
        ("duplicate label in UTF-8", b"a{\"x.y\"=\"1\",\"x.y\"=\"2\"} 1\n", 1, "twice"),
        // Values.
        ("no value", b"a\n", 1, "without a value"),
        ("no value after labels", b"a{x=\"1\"}\n", 1, "no space"),
        ("empty value", b"a \n", 1, "not a value"),
        ("words", b"a one\n", 1, "not a value"),
        ("hexadecimal", b"a 0x10\n", 1, "not a value"),
        ("underscore", b"a 1_000\n", 1, "not a value"),
        ("signed NaN", b"a -NaN\n", 1, "not a value"),
        ("too large", b"a 1e999\n", 1, "out of range"),
        ("timestamp", b"a 1 1700000000000\n", 1, "timestamp"),
        ("trailing space", b"a 1 \n", 1, "stray space"),
        ("two spaces", b"a  1\n", 1, "stray space"),
        // Metadata.
        ("second HELP", b"# HELP a A.\n# HELP a B.\na 1\n", 2, "second HELP"),
        ("second TYPE", b"# TYPE a gauge\n# TYPE a gauge\na 1\n", 2, "second TYPE"),
        ("HELP after a sample", b"a 1\n# HELP a A.\n", 2, "HELP after samples"),
        ("TYPE after a sample", b"a 1\n# TYPE a gauge\n", 2, "TYPE after samples"),
        ("unknown type", b"# TYPE a info\na 1\n", 1, "unknown type"),
        ("no type", b"# TYPE a\na 1\n", 1, "without a type"),
        // Families and series.
        ("split family", b"a{x=\"1\"} 1\nb 1\na{x=\"2\"} 1\n", 3, "split"),
        ("metadata away from samples", b"# TYPE a gauge\n# TYPE b gauge\na 1\nb 1\n", 3, "split"),
        ("duplicate series", b"a{x=\"1\"} 1\na{x=\"1\"} 2\n", 2, "twice"),
        ("duplicate series in another order", b"a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 1\n", 2, "twice"),
        ("duplicate series but for an empty label", b"a 1\na{x=\"\"} 1\n", 2, "twice"),
        // Counters and gauges.
        ("counter without _total", b"# TYPE a counter\na 1\n", 2, "does not end in _total"),
        ("negative counter", b"# TYPE a_total counter\na_total -1\n", 2, "is -1"),
        ("NaN counter", b"# TYPE a_total counter\na_total NaN\n", 2, "is NaN"),
        ("gauge with _total", b"# TYPE a_total gauge\na_total 1\n", 2, "is no counter"),
        ("gauge with _count", b"# TYPE a_count gauge\na_count 1\n", 2, "called like a part"),
        ("le on a gauge", b"# TYPE a gauge\na{le=\"1\"} 1\n", 2, "le belongs"),
        ("quantile on a gauge", b"# TYPE a gauge\na{quantile=\"1\"} 1\n", 2, "quantile belongs"),
        ("summary without quantile", b"# TYPE s summary\ns 1\ns_sum 1\ns_count 1\n", 2, "quantile belongs"),
        // Histograms.
        ("bare histogram sample", b"# TYPE h histogram\nh 1\n", 2, "only _bucket, _sum and _count"),
        ("no le", b"# TYPE h histogram\nh_bucket 1\nh_sum 1\nh_count 1\n", 2, "le belongs"),
        (
            "le on _count",
            b"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count{le=\"1\"} 1\n",
            4,
            "le belongs",
        ),
        ("no _sum", b"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_count 1\n", 2, "no _sum"),
        ("no _count", b"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\n", 2, "no _count"),
        ("no buckets", b"# TYPE h histogram\nh_sum 1\nh_count 1\n", 2, "do not end in +Inf"),
        (
            "no +Inf",
            b"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
            2,
            "do not end in +Inf",
        ),
        (
            "+Inf differs from _count",
            b"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n",
            4,
            "differs from the +Inf bucket",
        ),
        (
            "bounds descend",
            b"# TYPE h histogram\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
            3,
            "do not ascend",
        ),
        (
            "one bound in two spellings",
            b"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
            3,
            "do not ascend",
        ),
        (
            "bound after +Inf",
            b"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
            3,
            "do not ascend",
        ),
        ("NaN bound", b"# TYPE h histogram\nh_bucket{le=\"NaN\"} 1\nh_sum 1\nh_count 1\n", 2, "do not ascend"),
        ("a word for a bound", b"# TYPE h histogram\nh_bucket{le=\"x\"} 1\nh_sum 1\nh_count 1\n", 2, "not a value"),
        (
            "buckets not cumulative",
            b"# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
            3,
            "not cumulative",
        ),
        (
            "half a count",
            b"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 0.5\nh_sum 1\nh_count 0.5\n",
            2,
            "not a count",
        ),
        (
            "a sum of nothing",
            b"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 0\nh_sum 1\nh_count 0\n",
            3,
            "nothing counted",
        ),
        (
            "one label set of two is broken",
            b"# TYPE h histogram\nh_bucket{a=\"1\",le=\"+Inf\"} 1\nh_sum{a=\"1\"} 1\nh_count{a=\"1\"} 1\n\
              h_bucket{a=\"2\",le=\"+Inf\"} 1\nh_sum{a=\"2\"} 1\nh_count{a=\"2\"} 2\n",
            7,
            "differs from the +Inf bucket",
        ),
    ];
    for (name, body, line, message) in cases {
        let violations = Exposition::parse(body).expect_err(name);
        assert!(
            violations.iter().any(|found| found.line == *line && found.message.contains(message)),
            "{name}: expected {message:?} on line {line}, found {violations:?}"
        );
    }
}

#[test]
fn lenient_parsing_accepts_broken_conventions_but_no_broken_format() {
    for body in [
        "# TYPE a counter\na -1\n",
        "# TYPE a_total counter\na_total NaN\n",
        "# TYPE a_total gauge\na_total 1\n",
        "# TYPE a_count gauge\na_count 1\n",
        "# TYPE a gauge\na{le=\"1\",quantile=\"x\"} 1\n",
        "# HELP a A.\r\na 1\n",
    ] {
        Exposition::parse_unconventional(body.as_bytes()).expect(body);
    }
    for body in [
        "a 1\r\n",
        "a{x=\"1\"} 1\na{x=\"1\"} 1\n",
        "# TYPE h histogram\nh_bucket 1\nh_sum 1\nh_count 1\n",
        "# TYPE s summary\ns 1\ns_sum 1\ns_count 1\n",
    ] {
        Exposition::parse_unconventional(body.as_bytes()).expect_err(body);
    }
}

#[test]
fn all_violations_are_listed_in_line_order() {
    let violations =
        Exposition::parse(b"# TYPE a counter\na 1\nb -\nc 1 2\n").expect_err("three are broken");
    assert_eq!(violations.iter().map(|violation| violation.line).collect::<Vec<_>>(), [2, 3, 4]);
}

#[test]
fn valid_expositions_pass_here_and_in_promtool() {
    let bodies = [
        "# HELP a_total With \\\\ and \\n and \".\n# TYPE a_total counter\na_total{x=\"\\\\ \\n \\\" \u{1f980} , } #\"} 1\n",
        "# A comment.\n# HELP up_seconds Up.\n# TYPE up_seconds gauge\nup_seconds 1.5e-7\n",
        "# HELP g G.\n# TYPE g gauge\ng{v=\"inf\"} +Inf\ng{v=\"-inf\"} -Inf\ng{v=\"nan\"} NaN\ng{v=\"big\"} 1e+300\n",
        "# HELP s S.\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 2\n",
    ];
    for body in bodies {
        let violations = Exposition::parse(body.as_bytes()).err();
        assert_eq!(violations, None, "{body}");
        assert_eq!(promtool_check_metrics(body.as_bytes()), Checked::clean(), "{body}");
    }
    let untyped = Exposition::parse(b"a 1\n# TYPE b untyped\nb{empty=\"\"} 0\n")
        .expect("a family needs no type");
    assert_eq!(untyped.family("a").expect("a is there").kind, None);
    assert_eq!(untyped.family("b").expect("b is there").kind, Some(Kind::Untyped));
}

//
#[test]
fn names_in_utf8_are_read_in_quotes() {
    let body = "# HELP \"a.b \\\"\" A.\n# TYPE \"a.b \\\"\" gauge\n{\"a.b \\\"\"} 1\n\
                {\"a.b \\\"\",\"c:d\"=\"x\",e=\"} 2\"} 2\n# TYPE h histogram\n\
                h_bucket{\"i.j\"=\"1\",le=\"+Inf\"} 1\nh_sum{\"i.j\"=\"1\"} 1\nh_count{\"i.j\"=\"1\"} 1\n";
    let exposition = Exposition::parse(body.as_bytes()).expect("it is valid");
    assert_eq!(exposition.family("a.b \"").expect("it is there").help.as_deref(), Some("A."));
    assert_eq!(exposition.value("a.b \"", &[("c:d", "x"), ("e", "} 2")]), Some(2.0));
    assert_eq!(exposition.value("h_count", &[("i.j", "1")]), Some(1.0));
}

#[test]
fn lookups_return_the_values_of_the_text() {
    let body = format!(
        "# HELP r_total A \\\\ B\\nC\n# TYPE r_total counter\nr_total{{m=\"GET\",s=\"200\"}} 2\n\
         r_total{{m=\"GET\",s=\"404\"}} 3\nr_total{{m=\"PUT\",s=\"200\"}} 5\n{HISTOGRAM}"
    );
    let exposition = Exposition::parse(body.as_bytes()).expect("it is valid");
    assert_eq!(exposition.all_samples().len(), 7);
    assert_eq!(exposition.value("r_total", &[("m", "GET"), ("s", "404")]), Some(3.0));
    assert_eq!(exposition.value("r_total", &[("m", "GET")]), None, "two samples match");
    assert_eq!(exposition.value("r_total", &[("m", "HEAD")]), None);
    assert_eq!(exposition.sum("r_total"), 10.0);
    let by_method = exposition.sum_by("r_total", ["m"]);
    assert_eq!(
        by_method.into_iter().collect::<Vec<_>>(),
        [(["GET".into()], 5.0), (["PUT".into()], 5.0)]
    );
    let family = exposition.family("r_total").expect("it exists");
    assert_eq!((family.kind, family.help.as_deref()), (Some(Kind::Counter), Some("A \\ B\nC")));
    let bounds: Vec<_> = exposition.samples("h_bucket").map(|bucket| bucket.label("le")).collect();
    assert_eq!(bounds, [Some("0.5"), Some("+Inf")]);
    assert_eq!(exposition.samples("h").count(), 0);
}

//! The computations of the page, run in the browser and compared with those of promtool.

use asdlc_tests::example::Example;
use asdlc_tests::servers::{Browser, Checked, promtool_test_rules};
use serde_json::{Value, json};

/// Runs scripts in the page. A script gets a module of the page as `m`.
struct Script {
    browser: Browser,
    _orchestrator: Example,
}

impl Script {
    fn start() -> Self {
        let orchestrator = Example::start("orchestrator");
        let browser = Browser::start();
        browser.open(format_args!("http://{}/", orchestrator.address()));
        Self { browser, _orchestrator: orchestrator }
    }

    fn run(&self, module: &str, script: &str, arguments: &[Value]) -> Value {
        let script = format!(
            "const given = arguments; return import('/dashboard/{module}.js').then((m) => {{ {script} }})"
        );
        self.browser.run(&script, arguments)
    }
}

#[test]
fn increases_equal_those_of_prometheus() {
    let script = Script::start();
    let cases: [&[f64]; 6] = [
        &[0.0, 1.0, 2.0, 3.0],
        &[5.0, 5.0, 5.0],
        &[100.0, 107.0, 3.0, 4.0, 10.0],
        &[10.0, 0.0, 0.0, 8.0, 2.0],
        &[0.5, 2.25, 1.0, 1.0],
        &[1e15, 1e15 + 2.0, 1e15 + 5.0],
    ];
    let mut tests = Vec::new();
    for values in cases {
        let grown = script.run("promql", "return m.increase(given[0])", &[json!(values)]);
        let seconds = values.len() - 1;
        // One millisecond more than the samples, because it depends on the version whether a range includes its start.
        let increase = format!("increase(c[{seconds}001ms])");
        tests.push(json!({
            "interval": "1s",
            "input_series": [{ "series": "c", "values": spaced(values) }],
            "promql_expr_test": [{
                "expr": format!("abs({increase} - {grown}) <= bool 0.002 * {increase}"),
                "eval_time": format!("{seconds}s"),
                "exp_samples": [{ "value": 1, "labels": "{}" }],
            }],
        }));
    }
    assert_agreed(&tests);
}

#[test]
fn quantiles_equal_those_of_prometheus() {
    let script = Script::start();
    let cases: [&[(&str, f64)]; 7] = [
        &[("0.1", 10.0), ("0.5", 30.0), ("1", 30.0), ("+Inf", 40.0)],
        &[("+Inf", 4.0), ("10", 3.0), ("2.5", 1.0)],
        &[("1", 7.0), ("+Inf", 7.0)],
        &[("-2", 3.0), ("0", 5.0), ("4", 9.0), ("+Inf", 9.0)],
        &[("1", 0.0), ("2", 5.0), ("3", 5.0), ("+Inf", 5.0)],
        &[("1", 5.0), ("2", 4.0), ("3", 8.0), ("+Inf", 8.0)],
        &[("1", 0.0), ("+Inf", 0.0)],
    ];
    let mut tests = Vec::new();
    for buckets in cases {
        let series: Vec<_> = buckets
            .iter()
            .map(|(le, count)| json!({ "series": format!("b{{le=\"{le}\"}}"), "values": spaced(&[*count]) }))
            .collect();
        let given: Vec<_> = buckets.iter().map(|(le, count)| json!([le, count])).collect();
        let expectations: Vec<_> = [0.0, 0.1, 0.5, 0.9, 0.99, 1.0]
            .iter()
            .map(|q| {
                let value = script.run(
                    "promql",
                    "const buckets = given[1].map(([le, count]) => [le === '+Inf' ? Infinity : Number(le), count]);
                     return String(m.histogramQuantile(given[0], buckets))",
                    &[json!(q), json!(given)],
                );
                let value = value.as_str().expect("a text");
                let computed = format!("histogram_quantile({q}, b)");
                let expr = if value == "NaN" {
                    format!("{computed} != bool {computed}")
                } else {
                    format!("abs({computed} - {value}) < bool 1e-9")
                };
                json!({ "expr": expr, "eval_time": "0s", "exp_samples": [{ "value": 1, "labels": "{}" }] })
            })
            .collect();
        tests.push(
            json!({ "interval": "1s", "input_series": series, "promql_expr_test": expectations }),
        );
    }
    assert_agreed(&tests);
}

#[test]
fn scrapes_are_parsed_as_the_format_says() {
    let script = Script::start();
    let parsed = |text: &str| {
        script.run(
            "exposition",
            "try { return [...m.parse(given[0])].flatMap(([name, samples]) => samples.map(({ labels, value }) => [name, labels, String(value)])) }
             catch (error) { return error.message }",
            &[json!(text)],
        )
    };
    let good = "# HELP a_total Of a {b=\"c\"} 1\n# TYPE a_total counter\na_total 1\n\n\
                a_total{x=\"\\\\ \\\" \\n , } =\",y=\"é\",} 2.5e-3 1700000000000\n\
                h_bucket{le=\"+Inf\"} +Inf\n :odd  NaN\n";
    let expected = json!([
        ["a_total", {}, "1"],
        ["a_total", { "x": "\\ \" \n , } =", "y": "é" }, "0.0025"],
        ["h_bucket", { "le": "+Inf" }, "Infinity"],
    ]);
    let good = good.replace(" :odd  NaN\n", "");
    assert_eq!(parsed(&good), expected);
    assert_eq!(parsed(""), json!([]));
    assert_eq!(parsed(":odd\tNaN\n"), json!([[":odd", {}, "NaN"]]));
    for (bad, line) in [
        ("a 1\na", "incomplete"),
        ("a 1\n2b 3\n", "line 2"),
        ("a\n", "line 1"),
        ("a one\n", "line 1"),
        ("a 0x10\n", "line 1"),
        ("a 1 2 3\n", "line 1"),
        ("a{b=\"c\" 1\n", "line 1"),
        ("a{b=c} 1\n", "line 1"),
        ("a{b=\"c} 1\n", "line 1"),
        ("a{2=\"c\"} 1\n", "line 1"),
        ("a 1 soon\n", "line 1"),
        ("{\"status\":\"error\"}\n", "line 1"),
    ] {
        let message = parsed(bad);
        assert!(
            message.as_str().is_some_and(|message| message.contains(line)),
            "{bad:?}: {message}"
        );
    }
}

#[test]
fn a_window_counts_new_series_from_zero_and_handles_restarts() {
    let script = Script::start();
    let grown = |scrapes: Value| {
        script.run(
            "live",
            "const scrapes = given[0].map(([time, series]) => new m.Scrape(time, new Map([['c', Object.entries(series).map(([x, value]) => ({ labels: { x }, value }))]])));
             const window = new m.Window(scrapes);
             return [window.seconds, Object.fromEntries(window.increases('c', ({ x }) => x !== 'not').map(({ labels, value }) => [labels.x, value]))]",
            &[scrapes],
        )
    };
    // `b` is new, `d` disappears and returns after a restart, `not` does not match.
    assert_eq!(
        grown(json!([
            [10, { "a": 5, "d": 9, "not": 1 }],
            [12, { "a": 8, "b": 2 }],
            [14.5, { "a": 1, "b": 3, "d": 4, "not": 7 }],
        ])),
        json!([4.5, { "a": 4, "b": 3, "d": 4 }])
    );
    // One scrape has no increase, and neither has a window that is too short.
    assert_eq!(grown(json!([[10, { "a": 5 }]])), json!([0, {}]));
    assert_eq!(grown(json!([[10, { "a": 5 }], [10.5, { "a": 50 }]])), json!([0.5, {}]));
}

#[test]
fn numbers_are_written_with_three_digits_and_their_unit() {
    let script = Script::start();
    for (unit, value, expected) in [
        ("perSecond", json!(0), "0/s"),
        ("perSecond", json!(0.0333333), "0.0333/s"),
        ("perSecond", json!(12345.6), "12 346/s"),
        ("ratio", json!(0.12345), "12.3 %"),
        ("seconds", json!(0.00025), "250 µs"),
        ("seconds", json!(0.0025), "2.5 ms"),
        ("seconds", json!(7.25), "7.25 s"),
        ("bytes", json!(1023), "1 023 B"),
        ("bytes", json!(14_548_992), "13.9 MiB"),
        ("duration", json!(59.9), "59 s"),
        ("duration", json!(93_784), "1 d 2 h"),
        ("count", json!(3), "3"),
        ("count", Value::Null, "–"),
    ] {
        let text = script.run(
            "format",
            "return m.text(given[0], given[1])",
            &[json!(unit), value.clone()],
        );
        assert_eq!(text, expected, "{unit} {value}");
    }
}

fn spaced(values: &[f64]) -> String {
    values.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_agreed(tests: &[Value]) {
    let file = json!({ "rule_files": [], "evaluation_interval": "1s", "tests": tests });
    let Checked { code, printed } = promtool_test_rules(&file.to_string());
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("SUCCESS"), "{printed}");
}

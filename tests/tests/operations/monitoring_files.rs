//! The program that writes the rules and dashboards of `examples/deploy`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use asdlc_tests::program::program;
use asdlc_tests::servers::{Checked, QueryApi, VictoriaMetrics, check, promtool_test_rules};
use tempfile::TempDir;

use super::dashboards::dashboards_in;
use super::files::{deploy, files, read};
use super::rules::{Convention, rules_in};

pub(crate) const DASHBOARDS: &str = "grafana/dashboards";

// S-03
#[test]
fn the_checked_in_files_are_what_the_program_writes() {
    let mut written = BTreeMap::new();
    for convention in Convention::ALL {
        let directory = Written::with(&["--convention", convention.argument()]);
        written.extend(contents(directory.path(), convention));
    }
    let checked_in: BTreeMap<_, _> = Convention::ALL
        .into_iter()
        .flat_map(|convention| contents(&deploy(""), convention))
        .collect();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&checked_in));
    for (name, content) in &written {
        assert!(
            *content == checked_in[name],
            "examples/deploy/{name} differs. docs/contributing.md has the command that writes it"
        );
    }
}

// S-03
#[test]
fn promtool_and_vmalert_accept_rules_for_other_namespaces_jobs_and_objectives() {
    for convention in Convention::ALL {
        for (arguments, prefix) in [
            (&["--namespace", "shop"][..], Some("(shop_)?")),
            (
                &["--namespace", "shop_", "--namespace", "billing", "--job", "a-1"],
                Some("(shop_|billing_)?"),
            ),
            (&["--without-namespace", "--objective", "95"], None),
        ] {
            let convention_arguments = ["--convention", convention.argument()];
            let written = Written::with(&[&convention_arguments[..], arguments].concat());
            written.assert_accepted(convention);
            for (name, content) in contents(written.path(), convention) {
                assert!(!content.contains("asdlc_") && !content.contains("palingenesis"), "{name}");
                let selects = prefix.is_some_and(|prefix| {
                    content.contains(&format!("__name__=~\"{prefix}"))
                        || content.contains(&format!("__name__=~\\\"{prefix}"))
                });
                assert_eq!(selects, prefix.is_some(), "{arguments:?}: {name}");
                let watches = content.contains("up{job=~\"a-1\"}");
                let is_expected = arguments.contains(&"a-1") && name.ends_with("alerts.yml");
                assert_eq!(watches, is_expected, "{arguments:?}: {name}");
            }
        }
    }
}

// S-03
#[test]
fn only_the_files_for_prometheus_have_functions_that_victoria_metrics_does_not_know() {
    let victoria_metrics = VictoriaMetrics::empty();
    for convention in Convention::ALL {
        for (server, is_known) in [("any", true), ("prometheus", false)] {
            let arguments = ["--convention", convention.argument(), "--server", server];
            let written = Written::with(&arguments);
            let contents = contents(written.path(), convention);
            let queries = queries(&written, convention);
            assert!(queries.len() > 50, "{}", queries.len());
            let refused: Vec<_> =
                queries.iter().filter(|query| !victoria_metrics.accepts(query)).collect();
            if is_known {
                assert_eq!(refused, Vec::<&String>::new(), "{convention:?}");
                assert!(contents.values().all(|it| !it.contains("histogram_count")));
            } else {
                let expected = queries.iter().filter(|it| it.contains("histogram_count"));
                assert_eq!(refused, expected.collect::<Vec<_>>(), "{convention:?}");
                assert_ne!(refused.len(), 0, "{convention:?}");
                let recording = &contents[&format!("{}/recording.yml", convention.directory())];
                assert!(recording.contains("--server prometheus`."), "the command is not complete");
                let rules = written.path().join(convention.directory());
                check_rules(&rules);
            }
        }
    }
}

/// The expressions of all rules and panels.
fn queries(written: &Written, convention: Convention) -> Vec<String> {
    let rules = rules_in(&written.path().join(convention.directory()));
    let rules = rules.iter().map(|rule| rule["expr"].as_str().expect("an expression").to_owned());
    let panels = dashboards_in(&written.path().join(DASHBOARDS)).into_iter();
    rules.chain(panels.flat_map(|it| it.queries()).map(|(_, query)| query)).collect()
}

// S-03
#[test]
fn the_alerts_fire_above_the_burn_rates_of_the_objective_and_not_below() {
    for (objective, allowed) in
        [("93.1", 0.069), ("95", 0.05), ("99.5", 0.005), ("99.9", 0.001), ("99.99999", 1e-7)]
    {
        let written = Written::with(&["--objective", objective]);
        let alerts = written.path().join("rules/alerts.yml").display().to_string();
        for (alert, factor, windows) in [
            ("HttpErrorBudgetBurnsFast", 14.4, ["1h", "5m"]),
            ("HttpErrorBudgetBurnsFast", 6.0, ["6h", "30m"]),
            ("HttpErrorBudgetBurnsSlowly", 3.0, ["1d", "2h"]),
            ("HttpErrorBudgetBurnsSlowly", 1.0, ["3d", "6h"]),
        ] {
            for (is_firing, ratio) in [(true, 1.001), (false, 0.999)] {
                let ratio = factor * allowed * ratio;
                let test = burning(&alerts, alert, windows, ratio, is_firing);
                let checked = promtool_test_rules(&test);
                assert_eq!(
                    checked.code,
                    Some(0),
                    "{objective} {windows:?}: {}\n{test}",
                    checked.printed
                );
            }
        }
        let dashboard = written.path().join(DASHBOARDS).join("http.json");
        let dashboard: serde_json::Value = serde_json::from_str(&read(&dashboard)).expect("JSON");
        let panels = dashboard["panels"].as_array().expect("panels");
        let errors = panels.iter().find(|panel| panel["title"] == "Errors").expect("the panel");
        let steps = &errors["fieldConfig"]["defaults"]["thresholds"]["steps"];
        for (step, expected) in [(1, allowed), (2, 14.4 * allowed)] {
            let value = steps[step]["value"].as_f64().expect("a number");
            assert!((value - expected).abs() < 1e-12, "{objective}: {value}, not {expected}");
        }
    }
}

/// An objective of errors, and one of successes: the same events.
const TASKS: [&str; 4] = [
    "--slo",
    r#"tasks 99.5 tasks_failed_total{kind!="{a}"} / tasks_total{kind!="{a}"}"#,
    "--slo",
    "quick_tasks 99.5 1 - quick_tasks_total / tasks_total",
];

// S-03
#[test]
fn the_alerts_of_a_further_objective_fire_and_recover() {
    let written = Written::with(&TASKS);
    written.assert_accepted(Convention::Prometheus);
    for (name, alerts, failed) in [
        ("tasks", "Tasks", "shop_tasks_failed_total{kind=\"b\", service=\"shop\"}"),
        ("quick_tasks", "QuickTasks", "quick_tasks_total{service=\"shop\"}"),
    ] {
        let rules = written.path().join(format!("rules/slo-{name}.yml"));
        // Without the breaks of the lines.
        let text = read(&rules).replace("\n# ", " ");
        assert!(text.contains(&format!("--slo '{}' --slo '{}'`.", TASKS[1], TASKS[3])), "{text}");
        // Ten events a second. From 12:30 to 14:00, a tenth are errors: twenty times what is allowed.
        let (before, during) = if name == "tasks" { (0, 60) } else { (600, 540) };
        let test = format!(
            "rule_files: [\"{rules}\"]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n      \
             - series: 'asdlc_tasks_total{{kind=\"b\", service=\"shop\"}}'\n        values: 0+600x1200\n      \
             - series: '{failed}'\n        values: 0+{before}x750 {first}+{during}x89 {last}+{before}x360\n    \
             promql_expr_test:\n{firing}",
            rules = rules.display(),
            failed = failed.replace("shop_tasks", "asdlc_tasks"),
            first = 750 * before + during,
            last = 750 * before + 90 * during + before,
            firing = [("12h20m", false), ("13h20m", true), ("19h", false)]
                .map(|(at, is_firing)| {
                    let expected = if is_firing { "[{ labels: '{}', value: 1 }]" } else { "[]" };
                    format!(
                        "      - eval_time: {at}\n        expr: \
                         count(ALERTS{{alertname=\"{alerts}ErrorBudgetBurnsFast\", alertstate=\"firing\"}})\n        \
                         exp_samples: {expected}\n"
                    )
                })
                .concat(),
        );
        let checked = promtool_test_rules(&test);
        assert_eq!(checked.code, Some(0), "{name}: {}\n{test}", checked.printed);
    }
}

// S-03
#[test]
fn arguments_out_of_range_are_refused() {
    for (arguments, error) in [
        (["--objective", "100"], "must be a percentage from 93.1 to 99.99999"),
        (["--objective", "93.09"], "must be a percentage from 93.1 to 99.99999"),
        (["--objective", "0.999"], "must be a percentage from 93.1 to 99.99999"),
        (["--namespace", "a)|(b"], "must match [a-zA-Z_][a-zA-Z0-9_]*"),
        (["--namespace", "__a"], "must not start with __"),
        (["--namespace", ""], "must match [a-zA-Z_][a-zA-Z0-9_]*"),
        (["--job", "a|b"], "must match [a-zA-Z0-9_:/-]+"),
        (["--convention", "statsd"], "[possible values: prometheus, opentelemetry]"),
        (["--server", "thanos"], "[possible values: any, prometheus]"),
        (["--slo", "tasks 99"], "must be NAME PERCENT ERRORS / EVENTS"),
        (["--slo", "Tasks 99 a / b"], "must match [a-z][a-z0-9_]*"),
        (["--slo", "http_requests 99 a / b"], "is that of --objective"),
        (["--slo", "tasks 90 a / b"], "must be a percentage from 93.1 to 99.99999"),
        (["--slo", "tasks 99 rate(a[5m]) / b"], "must be a counter without namespace"),
        (["--slo=a 99 a / b", "--slo=a 98 a / b"], "two values of '--slo' have the name \"a\""),
    ] {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let Checked { code, printed } = run(&arguments, directory.path());
        assert_eq!(code, Some(2), "{arguments:?}: {printed}");
        assert!(printed.contains(error), "{arguments:?}: {printed}");
        let written = fs::read_dir(directory.path()).expect("it can be read").count();
        assert_eq!(written, 0, "{arguments:?}");
    }
}

/// A directory in which the program has written.
pub(crate) struct Written(TempDir);

impl Written {
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        assert_eq!(run(arguments, directory.path()), Checked::clean());
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn assert_accepted(&self, convention: Convention) {
        let rules = self.path().join(convention.directory());
        check_rules(&rules);
        check("vmalert", &["-dryRun", "-rule=*.yml"], &rules).accepted();
    }
}

fn check_rules(rules: &Path) {
    for file in files(rules, "yml") {
        let file = file.display().to_string();
        check("promtool", &["check", "rules", "--lint=all", "--lint-fatal", &file], rules)
            .accepted();
    }
}

fn run(arguments: &[&str], output: &Path) -> Checked {
    let output = output.display().to_string();
    let arguments: Vec<_> = arguments.iter().copied().chain(["--output", &output]).collect();
    check(&program("monitoring-files").display().to_string(), &arguments, Path::new("/"))
}

/// The rules of the convention and all dashboards, by their paths below `directory`.
fn contents(directory: &Path, convention: Convention) -> BTreeMap<String, String> {
    let folders = [(convention.directory(), "yml"), (DASHBOARDS, "json")];
    let content = |(folder, ending): (&str, &str)| {
        let files = files(&directory.join(folder), ending).into_iter();
        files
            .map(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                (format!("{folder}/{name}"), read(&path))
            })
            .collect::<Vec<_>>()
    };
    folders.into_iter().flat_map(content).collect()
}

/// A test for promtool: the ratio of errors is `ratio` in these windows, and 0 in the others.
fn burning(alerts: &str, alert: &str, windows: [&str; 2], ratio: f64, is_firing: bool) -> String {
    let series = windows.map(|window| {
        format!(
            "      - series: 'service:http_requests_errors:ratio_rate{window}{{service=\"shop\"}}'\n        \
             values: {ratio:.12}x200\n"
        )
    });
    let expected = if is_firing { "[{ labels: '{}', value: 1 }]" } else { "[]" };
    format!(
        "rule_files: [\"{alerts}\"]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n{}    \
         promql_expr_test:\n      - eval_time: 2h\n        \
         expr: count(ALERTS{{alertname=\"{alert}\", alertstate=\"firing\"}})\n        exp_samples: {expected}\n",
        series.concat()
    )
}

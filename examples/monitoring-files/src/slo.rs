//! The rules of a service level objective: error ratios over several windows, and alerts on the rate at which the error budget is
//! used, as in the Site Reliability Workbook, chapter 5.

use std::slice;

use crate::convention::Series;
use crate::objective::Objective;
use crate::promql::{indented, sum_by};
use crate::settings::Settings;
use crate::yaml::{Alert, Rule, Severity};

/// Events that succeed or fail, such as requests.
#[derive(Debug)]
pub(crate) struct Family<'a> {
    /// The metric in the names of recorded series: `service:NAME:rate5m`.
    pub(crate) name: &'a str,
    /// The start of the names of the alerts.
    pub(crate) alerts: &'a str,
    /// The summary of the alerts.
    pub(crate) summary: &'a str,
    /// Says what to read after the first alert.
    pub(crate) hint: &'a str,
    pub(crate) count: &'a Series,
    pub(crate) errors: Errors<'a>,
}

/// Which events are errors.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Errors<'a> {
    /// Each error is in one of these series.
    Counted(&'a [Series]),
    /// Every event that is not in this series.
    AllBut(&'a Series),
}

impl Family<'_> {
    /// The rate of events and the ratio of errors, in each window.
    pub(crate) fn recording(&self, settings: &Settings) -> Vec<Rule> {
        let Self { name, count, errors, .. } = self;
        let rate = |series: &Series, window: &str| settings.over(window).rate(series);
        let rules = WINDOWS.iter().flat_map(|window| {
            let all = format!("service:{name}:rate{window}");
            let (before, counted) = match errors {
                Errors::Counted(errors) => ("", *errors),
                Errors::AllBut(successes) => ("1 -\n", slice::from_ref(*successes)),
            };
            let counted: Vec<_> = counted.iter().map(|series| rate(series, window)).collect();
            let counted = indented(&sum_by(SERVICE, &counted.join("\nor\n")), 4);
            // Before the first error, or the first success, there is no series of them.
            let ratio = format!("{before}(\n{counted}\n  or\n    0 * {all}\n)\n/ {all}");
            [
                Rule::Record { name: all, expression: sum_by(SERVICE, &rate(count, window)) },
                Rule::Record { name: self.ratio(window), expression: ratio },
            ]
        });
        rules.collect()
    }

    /// One alert that needs attention now, and one for the next working day.
    pub(crate) fn alerts(&self, objective: Objective) -> [Rule; 2] {
        let Self { alerts, summary, hint, .. } = self;
        let alert = |name: &str, burns: &[Burn], wait, severity, description: String| {
            Rule::Alert(Alert {
                comment: "",
                name: format!("{alerts}{name}"),
                expression: self.burns(burns, objective),
                wait,
                severity,
                summary: (*summary).to_owned(),
                description,
            })
        };
        [
            alert(
                "ErrorBudgetBurnsFast",
                &FAST,
                "2m",
                Severity::Critical,
                format!("At this rate the error budget of 30 days is used up in two to five days. {hint}"),
            ),
            alert(
                "ErrorBudgetBurnsSlowly",
                &SLOW,
                "1h",
                Severity::Warning,
                "Errors have been too frequent for hours. If this continues, the error budget of 30 days will not last."
                    .to_owned(),
            ),
        ]
    }

    /// True if one of the rates is exceeded in both of its windows.
    fn burns(&self, burns: &[Burn], objective: Objective) -> String {
        let allowed = objective.allowed();
        let exceeds = |Burn { factor, long, short }: &Burn| {
            let [long, short] = [long, short]
                .map(|window| format!("{} > {factor} * {allowed}", self.ratio(window)));
            format!("{long}\nand\n{short}")
        };
        burns.iter().map(exceeds).collect::<Vec<_>>().join("\nor\n")
    }

    fn ratio(&self, window: &str) -> String {
        format!("service:{}_errors:ratio_rate{window}", self.name)
    }
}

/// The comment on the alerts of an objective.
pub(crate) fn comment(objective: Objective) -> String {
    format!(
        "An objective of {objective} % over 30 days, as in the Site Reliability Workbook, chapter 5. Because of the long window, a \
         short burst of errors does not fire the alert. Because of the short window, the alert ends soon after the errors stop. \
         {} is the allowed error ratio.",
        objective.allowed()
    )
}

/// `factor` times the allowed errors, in both windows.
#[derive(Debug)]
struct Burn {
    factor: &'static str,
    long: &'static str,
    short: &'static str,
}

const FAST: [Burn; 2] = [
    Burn { factor: "14.4", long: "1h", short: "5m" },
    Burn { factor: "6", long: "6h", short: "30m" },
];

const SLOW: [Burn; 2] =
    [Burn { factor: "3", long: "1d", short: "2h" }, Burn { factor: "1", long: "3d", short: "6h" }];

/// All windows of the alerts.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

/// The labels of a service.
const SERVICE: &str = "job, service, environment";

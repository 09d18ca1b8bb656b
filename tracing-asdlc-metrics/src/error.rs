use crate::rule::check::{MAX_LABELS, MAX_SERIES};
use crate::rule::metric::MetricKind;
use crate::rule::rule::Source;
use std::fmt;

/// Why [`SpanMetricsLayer::new`] refused its rules: which rule, what is invalid, and what is allowed.
///
/// ```
/// use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
/// # let meter = opentelemetry::global::meter("docs");
///
/// let error = SpanMetricsLayer::new(&meter, [Rule::span("checkout")]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "rule 1, span \"checkout\": missing metric: add `with_counter` or `with_duration`"
/// );
/// assert_eq!(error.rule(), 0);
/// # // F-17b
/// # assert_eq!(format!("{error:?}"), format!("BuildError({error})"));
/// ```
///
/// [`SpanMetricsLayer::new`]: crate::SpanMetricsLayer::new
#[derive(Clone, PartialEq)]
pub struct BuildError {
    rule: usize,
    subject: String,
    kind: BuildErrorKind,
}

impl BuildError {
    pub(crate) fn new(rule: usize, subject: impl fmt::Display, kind: BuildErrorKind) -> Self {
        Self { rule, subject: subject.to_string(), kind }
    }

    /// The index of the refused rule, counted from 0. (The message counts from 1.)
    #[must_use]
    pub fn rule(&self) -> usize {
        self.rule
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, subject, kind } = self;
        write!(f, "rule {}, {subject}: {kind}", rule + 1)
    }
}

/// The message, because `unwrap` prints the `Debug` output.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildError({self})")
    }
}

impl std::error::Error for BuildError {}

/// What is wrong with a rule. The field `other` is the index of another rule, counted from 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BuildErrorKind {
    // What the rule matches.
    EmptyName { what: &'static str },
    EmptyTarget,
    // Its methods.
    Method { method: &'static str, source: Source },
    MethodTwice { method: &'static str },
    NoMetric { source: Source },
    NoMetricAtClose,
    NoDuration { what: &'static str },
    NoHistogram,
    NoValues,
    EmptyField { metric: String },
    MetricName { kind: MetricKind, name: String },
    // Units and boundaries.
    Unit { unit: String, source: Source },
    UnitOfName { unit: String, metric: String, allowed: &'static str },
    DefaultBoundaries { source: Source },
    NoBoundaries,
    Boundary { value: f64, allowed: &'static str },
    BoundaryOrder { value: f64, previous: f64 },
    // Labels.
    Labels { count: usize },
    LabelKey { key: String, allowed: &'static str, hint: &'static str },
    Label { label: String, what: String },
    LabelMethodTwice { label: String, method: &'static str },
    SeriesLimit { limit: usize, least: usize },
    // The rule together with others.
    Captures { count: usize, most: usize },
    InFlightGauges { most: usize },
    SeriesShare { metric: String, rules: usize, limit: usize },
    TooManyRules { metric: String, rules: usize, least: usize },
    MetricKinds { name: String, known: String, kinds: [MetricKind; 2], other: usize },
    Boundaries { name: String, other: usize },
    Units { name: String, known: String, other: usize },
    Spelling { name: String, known: String, other: usize },
    RecordedTwice { name: String, other: usize },
}

impl fmt::Display for BuildErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyName { what } => write!(f, "invalid {what} name \"\": must not be empty"),
            Self::EmptyTarget => f.write_str("invalid target \"\": must be the path of a module"),
            Self::Method { method, source } => {
                let allowed = match source {
                    Source::Span => {
                        "the metrics of spans are `with_counter`, `with_opened_counter`, `with_in_flight` and `with_duration`"
                    }
                    Source::Event => {
                        "the metrics of events are `with_counter`, `with_sum`, `with_histogram` and `with_gauge`"
                    }
                    Source::PrefixedFields => "the fields name the metrics",
                };
                write!(f, "invalid method `{method}`: {allowed}")
            }
            Self::MethodTwice { method } => write!(
                f,
                "invalid second `{method}`: must be called once; make a second rule for the other value"
            ),
            Self::NoMetric { source: Source::Span } => {
                f.write_str("missing metric: add `with_counter` or `with_duration`")
            }
            Self::NoMetric { .. } => f.write_str(
                "missing metric: add `with_counter`, `with_sum`, `with_histogram` or `with_gauge`",
            ),
            Self::NoMetricAtClose => f.write_str(
                "missing metric for the outcome: add `with_counter` or `with_duration`, which are recorded at the close",
            ),
            Self::NoDuration { what } => {
                write!(f, "missing histogram for {what}: add `with_duration`")
            }
            Self::NoHistogram => {
                f.write_str("missing histogram for the boundaries: add `with_histogram`")
            }
            Self::NoValues => f.write_str(
                "missing metric for the unit: add a duration, or the sum, histogram or gauge of a field",
            ),
            Self::EmptyField { metric } => {
                write!(f, "missing field for {metric:?}: name the field that has the number")
            }
            Self::MetricName { kind, name } => write!(
                f,
                "invalid {kind} name {name:?}: must match [a-zA-Z][a-zA-Z0-9_./-]*, end with a letter or a digit, and have at \
                 most 255 characters"
            ),
            Self::Unit { unit, source: Source::Span } => {
                write!(f, "invalid unit {unit:?}: must be s, ms, us or ns")
            }
            Self::Unit { unit, .. } => {
                write!(f, "invalid unit {unit:?}: must be 1 to 63 visible ASCII characters")
            }
            Self::UnitOfName { unit, metric, allowed } => write!(
                f,
                "invalid unit {unit:?} of {metric:?}: must be {allowed:?}, as the name says; for another unit, change the name \
                 or make a second rule"
            ),
            Self::DefaultBoundaries { source: Source::Event } => f.write_str(
                "missing boundaries: the default ones are for seconds; add `with_boundaries`, or `with_unit(\"s\")` if the \
                 values are seconds",
            ),
            Self::DefaultBoundaries { .. } => f.write_str(
                "missing boundaries: the default ones are for seconds; add `with_boundaries`, in the rule's unit",
            ),
            Self::NoBoundaries => f.write_str("invalid boundaries []: must have at least one"),
            Self::Boundary { value, allowed } => write!(f, "invalid boundary {value}: {allowed}"),
            Self::BoundaryOrder { value, previous } => write!(
                f,
                "invalid boundary {value}: must be greater than the boundary before it, {previous}"
            ),
            Self::Labels { count } => {
                write!(f, "invalid number of labels {count}: must be at most {MAX_LABELS}")
            }
            Self::LabelKey { key, allowed, hint } => {
                write!(f, "invalid label key {key:?}: {allowed}{hint}")
            }
            Self::Label { label, what } => write!(f, "label {label:?}: {what}"),
            Self::LabelMethodTwice { label, method } => {
                write!(f, "label {label:?}: invalid second `{method}`: must be called once")
            }
            Self::SeriesLimit { limit, least } => {
                write!(f, "invalid series limit {limit}: must be {least} to {MAX_SERIES}")
            }
            Self::Captures { count, most } => write!(
                f,
                "invalid number of fields {count}: the rules that match one span or event, and the inherited labels, must read \
                 at most {most} fields (an outcome reads 2, equal labels count once)"
            ),
            Self::InFlightGauges { most } => write!(
                f,
                "invalid in-flight gauge: at most {most} rules that match one span must have one"
            ),
            Self::SeriesShare { metric, rules, limit } => write!(
                f,
                "invalid series limit {limit}: must be at most {}, because {rules} rules share the {MAX_SERIES} series of \
                 {metric}",
                MAX_SERIES / rules
            ),
            Self::TooManyRules { metric, rules, least } => write!(
                f,
                "invalid number of rules for {metric}, {rules}: must be at most {}, because this rule needs {least} of its \
                 {MAX_SERIES} series",
                MAX_SERIES / least
            ),
            Self::MetricKinds { name, known, kinds: [known_kind, kind], other } if name == known => {
                write!(f, "invalid {kind} name {name:?}: rule {} has a {known_kind} with this name", other + 1)
            }
            Self::MetricKinds { name, known, kinds: [known_kind, kind], other } => write!(
                f,
                "invalid {kind} name {name:?}: {known:?} in rule {} is a {known_kind} with the same name in Prometheus",
                other + 1
            ),
            Self::Boundaries { name, other } => {
                write!(f, "invalid boundaries of {name:?}: must be those of rule {}", other + 1)
            }
            Self::Units { name, known, other } if name == known => {
                write!(f, "invalid unit of {name:?}: must be that of rule {}", other + 1)
            }
            Self::Units { name, known, other } => write!(
                f,
                "invalid unit of {name:?}: must be that of {known:?} in rule {}, which has the same name in Prometheus",
                other + 1
            ),
            Self::Spelling { name, known, other } => write!(
                f,
                "invalid metric name {name:?}: must be {known:?} as in rule {}, because a metrics backend does not distinguish \
                 them",
                other + 1
            ),
            Self::RecordedTwice { name, other } => write!(
                f,
                "invalid metric name {name:?}: rule {} already records this metric for the same spans or events",
                other + 1
            ),
        }
    }
}

use crate::rule::check::{MAX_LABELS, MAX_SERIES};
use crate::rule::rule::Source;
use std::fmt;

/// Why [`SpanMetricsLayer::new`] refused its rules: which rule, what is wrong with it, and what is allowed.
///
/// ```
/// use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
/// # let meter = opentelemetry::global::meter("docs");
///
/// let error = SpanMetricsLayer::new(&meter, [Rule::span("checkout")]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "rule 1, span \"checkout\": gives no metric; add `with_counter` or `with_duration`"
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
    problem: Problem,
}

impl BuildError {
    pub(crate) fn new(rule: usize, subject: impl fmt::Display, problem: Problem) -> Self {
        Self { rule, subject: subject.to_string(), problem }
    }

    /// The refused rule's place among the rules given, counted from 0. (The message counts from 1.)
    #[must_use]
    pub fn rule(&self) -> usize {
        self.rule
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, subject, problem } = self;
        write!(f, "rule {}, {subject}: {problem}", rule + 1)
    }
}

/// The sentence, which `unwrap` prints.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildError({self})")
    }
}

impl std::error::Error for BuildError {}

/// What is wrong with a rule. Other rules are counted from 0, as in [`BuildError::rule`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Problem {
    NoName { what: &'static str },
    NoTarget,
    NoMetric { source: Source },
    Method { method: &'static str, source: Source },
    MethodTwice { method: &'static str },
    Name { kind: Kind, name: String },
    NoField { name: String },
    NoDuration { what: &'static str },
    NoHistogram,
    NoClosed,
    NoValues,
    Unit { unit: String, source: Source },
    NoBoundaries,
    DefaultBoundaries { source: Source },
    Boundary { value: f64, source: Source },
    Order { before: f64, after: f64 },
    LabelName { name: String },
    Label { label: String, what: &'static str },
    LabelTwice { label: String, method: &'static str },
    Labels { count: usize },
    Captures { count: usize },
    InFlights,
    MaxSeries { series: usize, least: usize },
    Shared { name: String, rules: usize, series: usize },
    Sharing { name: String, rules: usize, least: usize },
    Kinds { name: String, kinds: [Kind; 2], other: usize },
    Boundaries { name: String, other: usize },
    Units { name: String, other: usize },
    Spelling { name: String, like: String, other: usize },
    Twice { name: String, other: usize },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName { what } => {
                write!(f, "the {what}'s name is empty; give the name of the {what}s to count")
            }
            Self::NoTarget => f.write_str("the target is empty; give a module's path"),
            Self::NoMetric { source: Source::Span } => {
                f.write_str("gives no metric; add `with_counter` or `with_duration`")
            }
            Self::NoMetric { .. } => f.write_str(
                "gives no metric; add `with_counter`, `with_sum`, `with_histogram` or `with_gauge`",
            ),
            Self::Method { method, source } => {
                let (what, allowed) = match source {
                    Source::Span => (
                        "spans",
                        "`with_counter`, `with_opened_counter`, `with_in_flight` and `with_duration`",
                    ),
                    Source::Event => {
                        ("events", "`with_counter`, `with_sum`, `with_histogram` and `with_gauge`")
                    }
                    Source::PrefixedFields => ("prefixed fields", "those that the fields name"),
                };
                write!(f, "`{method}` is nothing for {what}; their metrics are {allowed}")
            }
            Self::MethodTwice { method } => write!(
                f,
                "`{method}` is called twice; call it once in a rule, and make a second rule for the other value"
            ),
            Self::Name { kind, name } => write!(
                f,
                "{name:?} cannot name a {kind}; allowed are 1 to 255 characters: first an ASCII letter, then ASCII \
                 letters, digits, '_', '.', '-' and '/', at last a letter or a digit"
            ),
            Self::NoField { name } => {
                write!(f, "the name of the field for {name:?} is empty; give the field's name")
            }
            Self::NoDuration { what } => {
                write!(f, "has {what} but no histogram; add `with_duration`")
            }
            Self::NoHistogram => f.write_str("has boundaries but no histogram; add `with_histogram`"),
            Self::NoClosed => f.write_str(
                "has an outcome, but nothing that is recorded at the close; add `with_counter` or `with_duration`",
            ),
            Self::NoValues => f.write_str(
                "has a unit but no values in it; a count has none: add a duration, or the sum, histogram or gauge of a field",
            ),
            Self::Unit { unit, source: Source::Span } => {
                write!(f, "{unit:?} is no unit of a duration; allowed are s, ms, us and ns")
            }
            Self::Unit { unit, .. } => {
                write!(f, "{unit:?} is no unit; allowed are 1 to 63 visible ASCII characters")
            }
            Self::NoBoundaries => {
                f.write_str("the list of boundaries is empty; give at least one, in the unit of the values")
            }
            Self::DefaultBoundaries { source: Source::Event } => f.write_str(
                "the default boundaries are for seconds; add `with_boundaries`, or `with_unit(\"s\")` if the values are seconds",
            ),
            Self::DefaultBoundaries { .. } => f.write_str(
                "the default boundaries are for seconds; add `with_boundaries`, in the rule's unit",
            ),
            Self::Boundary { value, source: Source::Span } => {
                write!(f, "{value} is no boundary; allowed are finite numbers above 0")
            }
            Self::Boundary { value, .. } => {
                write!(f, "{value} is no boundary; allowed are finite numbers")
            }
            Self::Order { before, after } => write!(
                f,
                "boundary {after} follows {before}; each must be greater than the one before"
            ),
            Self::LabelName { name } => write!(
                f,
                "{name:?} cannot name a label; allowed are ASCII letters, digits and '_', first no digit, and neither `le`, \
                 `quantile` nor what begins with `__`; give another one with `with_name`"
            ),
            Self::Label { label, what } => write!(f, "label {label:?}: {what}"),
            Self::LabelTwice { label, method } => {
                write!(f, "label {label:?}: `{method}` is called twice; give one value")
            }
            Self::Labels { count } => write!(f, "has {count} labels; allowed are {MAX_LABELS}"),
            Self::Captures { count } => write!(
                f,
                "this rule, others for the same and the inherited labels read {count} fields of one span or event; allowed \
                 are 12 (an outcome reads 2, labels that are alike count once)"
            ),
            Self::InFlights => {
                f.write_str("more than two rules give an in-flight gauge for this span; allowed are 2")
            }
            Self::MaxSeries { series, least } => {
                write!(f, "{series} series are out of range; allowed are {least} to {MAX_SERIES}")
            }
            Self::Shared { name, rules, series } => write!(
                f,
                "{series} series are too many; {rules} rules record into {name}, which has {MAX_SERIES}: allowed are up to {} for each rule",
                MAX_SERIES / rules
            ),
            Self::Sharing { name, rules, least } => write!(
                f,
                "{rules} rules record into {name}, which has {MAX_SERIES} series; this one needs {least}: allowed are {} rules",
                MAX_SERIES / least
            ),
            Self::Kinds { name, kinds: [first, second], other } => write!(
                f,
                "{name:?} is both a {first} and a {second} (see rule {}); a name has one kind",
                other + 1
            ),
            Self::Boundaries { name, other } => write!(
                f,
                "{name:?} has other boundaries than in rule {}; a histogram has one list of boundaries",
                other + 1
            ),
            Self::Units { name, other } => write!(
                f,
                "{name:?} has another unit than in rule {}; a metric has one unit",
                other + 1
            ),
            Self::Spelling { name, like, other } => write!(
                f,
                "{name:?} and {like:?} of rule {} are one name to a metrics backend; spell it in one way",
                other + 1
            ),
            Self::Twice { name, other } => write!(
                f,
                "rule {} already gives {name:?} for this span; each span would be recorded twice",
                other + 1
            ),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    /// A counter of numbers, which need not be whole.
    Sum,
    /// An up-down counter of numbers.
    UpDown,
    InFlight,
    Histogram,
    Gauge,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Sum => "sum",
            Self::UpDown => "up-down counter",
            Self::InFlight => "in-flight gauge",
            Self::Histogram => "histogram",
            Self::Gauge => "gauge",
        })
    }
}

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
/// ```
///
/// [`SpanMetricsLayer::new`]: crate::SpanMetricsLayer::new
#[derive(Clone, Debug, PartialEq)]
pub struct BuildError {
    rule: usize,
    span: String,
    problem: Problem,
}

impl BuildError {
    pub(crate) fn new(rule: usize, span: &str, problem: Problem) -> Self {
        Self { rule, span: span.to_owned(), problem }
    }

    /// The refused rule's place among the rules given, counted from 0. (The message counts from 1.)
    #[must_use]
    pub fn rule(&self) -> usize {
        self.rule
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, span, problem } = self;
        write!(f, "rule {}, span {span:?}: {problem}", rule + 1)
    }
}

impl std::error::Error for BuildError {}

/// What is wrong with a rule. Other rules are counted from 0, as in [`BuildError::rule`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Problem {
    NoSpanName,
    NoMetric,
    Name { kind: Kind, name: String },
    NoDuration,
    NoBoundaries,
    Boundary { value: f64 },
    Order { before: f64, after: f64 },
    Kinds { name: String, other: usize },
    Boundaries { name: String, other: usize },
    Spelling { name: String, like: String, other: usize },
    Twice { name: String, other: usize },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSpanName => {
                f.write_str("the span's name is empty; give the name of the spans to count")
            }
            Self::NoMetric => f.write_str("gives no metric; add `with_counter` or `with_duration`"),
            Self::Name { kind, name } => write!(
                f,
                "{name:?} cannot name a {kind}; allowed are 1 to 255 characters: first an ASCII letter, then ASCII \
                 letters, digits, '_', '.', '-' and '/', at last a letter or a digit"
            ),
            Self::NoDuration => f.write_str("has boundaries but no histogram; add `with_duration`"),
            Self::NoBoundaries => {
                f.write_str("the list of boundaries is empty; give at least one, in seconds")
            }
            Self::Boundary { value } => {
                write!(f, "{value} is no boundary; allowed are finite seconds above 0")
            }
            Self::Order { before, after } => write!(
                f,
                "boundary {after} follows {before}; each must be greater than the one before"
            ),
            Self::Kinds { name, other } => write!(
                f,
                "{name:?} is both a counter and a histogram (see rule {}); a name has one kind",
                other + 1
            ),
            Self::Boundaries { name, other } => write!(
                f,
                "{name:?} has other boundaries than in rule {}; a histogram has one list of boundaries",
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
    Histogram,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        })
    }
}

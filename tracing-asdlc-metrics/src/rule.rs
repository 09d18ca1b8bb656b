use crate::label::Label;
use crate::outcome::Outcome;
use std::borrow::Cow;
use std::fmt;
use tracing_core::{Level, LevelFilter, Metadata};

/// Which spans or events to measure, and the metrics that they give.
///
/// ```
/// use tracing_asdlc_metrics::{Label, Outcome, Rule};
///
/// let rules = [
///     Rule::span("process_message")
///         .with_opened_counter("messages_received_total")
///         .with_duration("message_processing_duration_seconds"),
///     Rule::span("storage")
///         .with_counter("storage_operations_total")
///         .with_duration("storage_operation_duration_seconds")
///         .with_label(Label::field("operation").with_values(["get", "put", "delete"]))
///         .with_label(Label::field("backend").with_values(["local", "redis"])),
///     Rule::span("event")
///         .with_in_flight("active_tasks")
///         .with_counter("events_processed_total")
///         .with_outcome(Outcome::label("status").with_cancelled("failed").with_panicked("failed")),
///     Rule::event("cache.lookup").with_counter("cache_lookups_total").with_label("hit"),
/// ];
/// ```
///
/// Several rules may match one span or event: each records it. The same metric name may stand in several rules: they then
/// record into one metric. Labels are denied by default: only fields named with [`with_label`](Self::with_label) are one.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a rule does nothing until it is given to `SpanMetricsLayer::new`"]
pub struct Rule {
    pub(crate) source: Source,
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) target: Option<Cow<'static, str>>,
    pub(crate) max_level: Level,
    pub(crate) counter: Option<Cow<'static, str>>,
    pub(crate) opened: Option<Cow<'static, str>>,
    pub(crate) in_flight: Option<Cow<'static, str>>,
    pub(crate) duration: Option<Cow<'static, str>>,
    pub(crate) clock: Option<Clock>,
    pub(crate) sum: Option<OfField>,
    pub(crate) histogram: Option<OfField>,
    pub(crate) gauge: Option<OfField>,
    pub(crate) unit: Option<Cow<'static, str>>,
    pub(crate) boundaries: Option<Vec<f64>>,
    pub(crate) labels: Vec<Label>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) max_series: Option<usize>,
}

/// # Which spans or events
impl Rule {
    /// The spans with exactly this name, which is the function's name for `#[tracing::instrument]`, at level `INFO`, `WARN`
    /// and `ERROR`.
    pub fn span(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Source::Span, Some(name.into()))
    }

    /// Spans whatever their name. Say which with [`with_target`](Self::with_target).
    pub fn spans() -> Self {
        Self::new(Source::Span, None)
    }

    /// The events with exactly this name (`event!(name: "cache.lookup", …)`), at level `INFO`, `WARN` and `ERROR`.
    pub fn event(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Source::Event, Some(name.into()))
    }

    /// Events whatever their name. Say which with [`with_target`](Self::with_target), or by the fields that they must have.
    pub fn events() -> Self {
        Self::new(Source::Event, None)
    }

    /// The events with fields named like those that `tracing-opentelemetry` makes metrics of: what follows the prefix is the
    /// metric's name.
    ///
    /// | field | metric |
    /// |---|---|
    /// | `monotonic_counter.NAME` | a counter; what is negative or no number is left out |
    /// | `counter.NAME` | an up-down counter |
    /// | `histogram.NAME` | a histogram, with [`with_boundaries`](Self::with_boundaries) |
    /// | `gauge.NAME` | a gauge |
    ///
    /// Any kind of number is taken (also `i64` in a histogram). Other fields are no labels, but for those of the rule's
    /// [`with_label`](Self::with_label). A metric comes to be with its first event; one whose name is not allowed, or is already
    /// that of a metric of another kind, is left out and listed by [`Coverage::refused`](crate::Coverage::refused). So the first
    /// one may not be emitted by the callback of an observable instrument: the SDK can create no instrument meanwhile.
    ///
    /// ```
    /// use tracing_asdlc_metrics::Rule;
    ///
    /// let rule = Rule::prefixed_fields().with_target("shop").with_label("currency");
    /// ```
    pub fn prefixed_fields() -> Self {
        Self::new(Source::PrefixedFields, None)
    }

    /// Only spans or events of this target: the module, or a module within it (`shop` has `shop::basket`, not `shopping`).
    pub fn with_target(mut self, target: impl Into<Cow<'static, str>>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Matches up to this level: `DEBUG` to measure a `debug_span!`, `TRACE` for all.
    ///
    /// ```
    /// use tracing::Level;
    /// use tracing_asdlc_metrics::Rule;
    ///
    /// let rule = Rule::span("parse").with_max_level(Level::DEBUG).with_counter("parsed_total");
    /// ```
    ///
    /// The level is part of the rule because the layer keeps this level, and no more, enabled in the process: it measures
    /// the same spans whatever the other layers of the subscriber log.
    pub fn with_max_level(mut self, level: Level) -> Self {
        self.max_level = level;
        self
    }
}

/// # The metrics of a span
impl Rule {
    /// Adds 1 to this counter at the moment the span closes, once for each span: when its last handle is dropped and its
    /// last child has closed, however often it was entered. For an event: at the event.
    ///
    /// Only a child that exists counts: one that no rule matches exists when another layer has enabled it.
    ///
    /// Where all labels have a list of values (or there is none), it is there, with the value 0, from the moment the layer
    /// is built.
    pub fn with_counter(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.counter = Some(name.into());
        self
    }

    /// Adds 1 to this counter at the moment the span is created, with the labels that it then has, and without the outcome.
    pub fn with_opened_counter(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.opened = Some(name.into());
        self
    }

    /// A gauge (an up-down counter) of the spans that are open: + 1 at creation, − 1 at close.
    ///
    /// Both have the labels that the span had when it was created, whatever is recorded later, and no outcome.
    pub fn with_in_flight(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.in_flight = Some(name.into());
        self
    }

    /// Records into this histogram, when the span closes, the seconds (unit `s`, or that of [`with_unit`](Self::with_unit))
    /// that the rule's [`Clock`] tells: by default those from the span's creation to that moment.
    ///
    /// The boundaries are those of [`with_boundaries`](Self::with_boundaries), by default 5 ms … 10 s:
    /// 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5 and 10, in whatever unit.
    pub fn with_duration(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.duration = Some(name.into());
        self
    }

    /// What the duration is; see [`Clock`].
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Adds a label that tells how the span ended to the metrics that are recorded when it closes: the counter of
    /// [`with_counter`](Self::with_counter) and the duration. For one of them only, make two rules.
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }
}

/// # The metrics of an event
///
/// [`with_counter`](Self::with_counter) counts events. The numbers of these fields may be of any kind; `true` is 1.
impl Rule {
    /// Adds the number in the field to this counter. What is negative or not finite is left out.
    pub fn with_sum(
        mut self,
        name: impl Into<Cow<'static, str>>,
        field: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.sum = Some(OfField { name: name.into(), field: field.into() });
        self
    }

    /// Records the number in the field into this histogram. What is not finite is left out.
    pub fn with_histogram(
        mut self,
        name: impl Into<Cow<'static, str>>,
        field: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.histogram = Some(OfField { name: name.into(), field: field.into() });
        self
    }

    /// Sets this gauge to the number in the field. What is not finite is left out.
    pub fn with_gauge(
        mut self,
        name: impl Into<Cow<'static, str>>,
        field: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.gauge = Some(OfField { name: name.into(), field: field.into() });
        self
    }
}

/// # Labels, units and bounds
impl Rule {
    /// Adds a label to all metrics of the rule; up to eight.
    pub fn with_label(mut self, label: impl Into<Label>) -> Self {
        self.labels.push(label.into());
        self
    }

    /// The upper bounds of the histogram's buckets, in its unit; `+Inf` comes by itself.
    ///
    /// ```
    /// use tracing_asdlc_metrics::Rule;
    ///
    /// let rule = Rule::span("get").with_duration("get_duration_seconds").with_boundaries([0.0001, 0.001, 0.01]);
    /// ```
    ///
    /// Each is finite and greater than the one before; those of a duration are above 0.
    pub fn with_boundaries(mut self, boundaries: impl IntoIterator<Item = f64>) -> Self {
        self.boundaries = Some(boundaries.into_iter().collect());
        self
    }

    /// The unit of the rule's values: of a duration one of `s`, `ms`, `us` and `ns`, in which it is then recorded; of an event's
    /// numbers any, by the [UCUM](https://ucum.org) (`By`, `1`): it describes them.
    pub fn with_unit(mut self, unit: impl Into<Cow<'static, str>>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// How many series each of the rule's metrics may have, 4 to 1800 (the default, less where several rules record into one
    /// metric: the SDK itself stops at 2000). What comes beyond has the value `other` for every label.
    pub fn with_max_series(mut self, series: usize) -> Self {
        self.max_series = Some(series);
        self
    }
}

impl Rule {
    fn new(source: Source, name: Option<Cow<'static, str>>) -> Self {
        Self {
            source,
            name,
            target: None,
            max_level: Level::INFO,
            counter: None,
            opened: None,
            in_flight: None,
            duration: None,
            clock: None,
            sum: None,
            histogram: None,
            gauge: None,
            unit: None,
            boundaries: None,
            labels: Vec::new(),
            outcome: None,
            max_series: None,
        }
    }

    pub(crate) fn level(&self) -> LevelFilter {
        LevelFilter::from_level(self.max_level)
    }

    pub(crate) fn matches(&self, metadata: &Metadata<'_>) -> bool {
        let Self { source, name, target, max_level, sum, histogram, gauge, .. } = self;
        let mut numbers = [sum, histogram, gauge].into_iter().flatten();
        (*source == Source::Span) == metadata.is_span()
            && metadata.level() <= max_level
            && name.as_ref().is_none_or(|name| metadata.name() == name)
            && target.as_ref().is_none_or(|target| is_within(metadata.target(), target))
            && (self.counter.is_some()
                || *source != Source::Event
                || numbers.any(|OfField { field, .. }| metadata.fields().field(&**field).is_some()))
    }

    /// Whether there may be a span or event that both match.
    pub(crate) fn may_meet(&self, other: &Self) -> bool {
        let apart = |one: &Option<Cow<'_, str>>, other: &Option<Cow<'_, str>>| {
            one.as_ref().zip(other.as_ref()).is_some_and(|(one, other)| one != other)
        };
        (self.source == Source::Span) == (other.source == Source::Span)
            && !apart(&self.name, &other.name)
    }

    /// What it matches, as errors and descriptions tell it.
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject(self)
    }
}

/// As in `span "checkout"`.
pub(crate) struct Subject<'a>(&'a Rule);

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule { source, name, target, .. } = self.0;
        match (source, name) {
            (Source::Span, Some(name)) => write!(f, "span {name:?}")?,
            (Source::Span, None) => f.write_str("spans")?,
            (Source::Event, Some(name)) => write!(f, "event {name:?}")?,
            (Source::Event, None) => f.write_str("events")?,
            (Source::PrefixedFields, _) => f.write_str("prefixed fields")?,
        }
        match target {
            Some(target) => write!(f, " of target {target:?}"),
            None => Ok(()),
        }
    }
}

/// What a span's duration is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clock {
    /// From the span's creation to its close: wall-clock time, also while it waits, and while a child of it is still open.
    #[default]
    Close,
    /// From the span's creation to the last time it was exited: a detached child that outlives it does not count. A span that
    /// was never entered is timed to its close.
    LastExit,
    /// The time in which it was entered, on one or more threads at once: without the waiting of a future.
    Busy,
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Span,
    Event,
    PrefixedFields,
}

/// A metric of the numbers in a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OfField {
    pub(crate) name: Cow<'static, str>,
    pub(crate) field: Cow<'static, str>,
}

pub(crate) fn is_within(target: &str, module: &str) -> bool {
    target.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

use crate::layer::capture::Numbers;
use crate::plan::log_record::is_log;
use crate::rule::label::Label;
use crate::rule::outcome::Outcome;
use crate::rule::set_once::set_once;
use crate::rule::span_duration::Clock;
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
///         .with_outcome(Outcome::label("status")),
///     Rule::event("cache.lookup").with_counter("cache_lookups_total").with_label("hit"),
/// ];
/// ```
///
/// Several rules may match one span or event: each records it. The same metric name may stand in several rules: they then
/// record into one metric. Labels are denied by default: only fields named with [`with_label`](Self::with_label) are one.
///
/// Each method may be called once, but for [`with_label`](Self::with_label): a second call is an error when the layer is built. For two
/// metrics of one kind from the same spans or events, make two rules.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a rule does nothing until it is given to `SpanMetricsLayer::new`"]
pub struct Rule {
    pub(crate) source: Source,
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) target: Option<Cow<'static, str>>,
    pub(crate) max_level: Option<Level>,
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
    /// The first method that was called twice.
    pub(crate) twice: Option<&'static str>,
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
    /// | `histogram.NAME` | a histogram, with [`with_boundaries`](Self::with_boundaries): the default is for seconds |
    /// | `gauge.NAME` | a gauge |
    ///
    /// Any kind of number is taken (also `i64` in a histogram). Other fields are no labels, but for those of the rule's
    /// [`with_label`](Self::with_label). A metric whose name is not allowed, or is already that of a metric of another kind, is left
    /// out and listed by [`Coverage::refused`](crate::Coverage::refused).
    ///
    /// # When a metric is created
    ///
    /// A short-lived thread of the layer creates the metric at its first event, about 0.1 ms later. The SDK cannot create an
    /// instrument while it collects, and a collection lasts as long as its slowest callback; no event waits for that. So a
    /// collection that starts just after the first event may not have the metric yet; the next one has all of it.
    ///
    /// Until the metric exists, the layer adds up its values in a bounded amount of memory. No value is lost: the metric then
    /// has every count and sum, each value in its bucket, and the last value of a gauge. (The buckets are those of the rule's
    /// boundaries. If a view sets other boundaries, the values of such a bucket are recorded as their mean.)
    /// [`Coverage::pending`](crate::Coverage::pending) lists such metrics. If no thread can be started, the next event of
    /// such a metric tries again.
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
        set_once(&mut self.target, target.into(), "with_target", &mut self.twice);
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
        set_once(&mut self.max_level, level, "with_max_level", &mut self.twice);
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
        set_once(&mut self.counter, name.into(), "with_counter", &mut self.twice);
        self
    }

    /// Adds 1 to this counter at the moment the span is created, with the labels that it then has, and without the outcome.
    pub fn with_opened_counter(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.opened, name.into(), "with_opened_counter", &mut self.twice);
        self
    }

    /// A gauge (an up-down counter) of the spans that are open: + 1 at creation, − 1 at close.
    ///
    /// Both have the labels that the span had when it was created, whatever is recorded later, and no outcome.
    pub fn with_in_flight(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.in_flight, name.into(), "with_in_flight", &mut self.twice);
        self
    }

    /// Records the span's duration into this histogram when the span closes. The rule's [`Clock`] says what the duration is, by
    /// default the time from the span's creation to its close. It is recorded in seconds (unit `s`), or in the unit of
    /// [`with_unit`](Self::with_unit).
    ///
    /// The boundaries are those of [`with_boundaries`](Self::with_boundaries). In seconds the default is 0.005, 0.01, 0.025, 0.05,
    /// 0.1, 0.25, 0.5, 1, 2.5, 5 and 10; any other unit needs boundaries.
    pub fn with_duration(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.duration, name.into(), "with_duration", &mut self.twice);
        self
    }

    /// What the duration is; see [`Clock`].
    pub fn with_clock(mut self, clock: Clock) -> Self {
        set_once(&mut self.clock, clock, "with_clock", &mut self.twice);
        self
    }

    /// Adds a label that tells how the span ended to the metrics that are recorded when it closes: the counter of
    /// [`with_counter`](Self::with_counter) and the duration. For one of them only, make two rules.
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        set_once(&mut self.outcome, outcome, "with_outcome", &mut self.twice);
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
        set_once(
            &mut self.sum,
            OfField { name: name.into(), field: field.into() },
            "with_sum",
            &mut self.twice,
        );
        self
    }

    /// Records the number in the field into this histogram. What is not finite is left out.
    ///
    /// It needs [`with_boundaries`](Self::with_boundaries), unless the rule has the unit `s`: then the default is that of
    /// [`with_duration`](Self::with_duration).
    pub fn with_histogram(
        mut self,
        name: impl Into<Cow<'static, str>>,
        field: impl Into<Cow<'static, str>>,
    ) -> Self {
        set_once(
            &mut self.histogram,
            OfField { name: name.into(), field: field.into() },
            "with_histogram",
            &mut self.twice,
        );
        self
    }

    /// Sets this gauge to the number in the field. What is not finite is left out.
    pub fn with_gauge(
        mut self,
        name: impl Into<Cow<'static, str>>,
        field: impl Into<Cow<'static, str>>,
    ) -> Self {
        set_once(
            &mut self.gauge,
            OfField { name: name.into(), field: field.into() },
            "with_gauge",
            &mut self.twice,
        );
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
        set_once(
            &mut self.boundaries,
            boundaries.into_iter().collect(),
            "with_boundaries",
            &mut self.twice,
        );
        self
    }

    /// The unit of the rule's values: of a duration one of `s`, `ms`, `us` and `ns`, in which it is then recorded; of an event's
    /// numbers any, by the [UCUM](https://ucum.org) (`By`, `1`): it describes them.
    pub fn with_unit(mut self, unit: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.unit, unit.into(), "with_unit", &mut self.twice);
        self
    }

    /// The most series that each of the rule's metrics may have: 8 to 1800 (at least 10 with an [`Outcome`] of five values).
    /// Beyond it, measurements go to a series with the value `other` for every label.
    ///
    /// The default is 1800: the SDK itself stops at 2000. Where several rules record into one metric they share the 1800 equally,
    /// and none may ask for more than its share.
    pub fn with_max_series(mut self, series: usize) -> Self {
        set_once(&mut self.max_series, series, "with_max_series", &mut self.twice);
        self
    }
}

impl Rule {
    fn new(source: Source, name: Option<Cow<'static, str>>) -> Self {
        Self {
            source,
            name,
            target: None,
            max_level: None,
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
            twice: None,
        }
    }

    pub(crate) fn level(&self) -> LevelFilter {
        LevelFilter::from_level(self.max_level.unwrap_or(Level::INFO))
    }

    pub(crate) fn matches(&self, metadata: &Metadata<'_>) -> bool {
        let Self { source, name, sum, histogram, gauge, .. } = self;
        let mut numbers = [sum, histogram, gauge].into_iter().flatten();
        (*source == Source::Span) == metadata.is_span()
            && *metadata.level() <= self.level()
            && name.as_ref().is_none_or(|name| metadata.name() == name)
            // What `tracing-log` passes on has its target in a field: each event is asked.
            && (is_log(metadata) || self.matches_target(metadata.target()))
            && (self.counter.is_some()
                || *source != Source::Event
                || numbers.any(|OfField { field, .. }| metadata.fields().field(&**field).is_some()))
    }

    /// The indices of the fields whose numbers are recorded.
    pub(crate) fn numbers(&self, metadata: &Metadata<'_>) -> Numbers<usize> {
        let index =
            |of: &Option<OfField>| Some(metadata.fields().field(&*of.as_ref()?.field)?.index());
        let Self { sum, histogram, gauge, .. } = self;
        Numbers { sum: index(sum), up_down: None, histogram: index(histogram), gauge: index(gauge) }
    }

    pub(crate) fn matches_target(&self, target: &str) -> bool {
        self.target.as_ref().is_none_or(|module| is_within(target, module))
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

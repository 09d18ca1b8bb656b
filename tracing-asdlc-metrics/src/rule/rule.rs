use crate::rule::label::Label;
use crate::rule::outcome::Outcome;
use crate::rule::set_once::set_once;
use crate::rule::span_duration::SpanDuration;
use std::borrow::Cow;
use std::fmt;
use tracing_core::{Level, LevelFilter};

/// Selects spans or events, and the metrics that are recorded for them.
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
/// A metric may be named as OpenTelemetry names it (`storage_operations`), or as Prometheus shows it (`storage_operations_total`):
/// see [names and units](crate#names-and-units).
///
/// Several rules may match one span or event; each of them records it. Several rules may name the same metric; they then record
/// into one metric. A field is a label only if [`with_label`](Self::with_label) names it.
///
/// Except for [`with_label`](Self::with_label), each method may be called once: a second call is an error when the layer is
/// built. For two metrics of one kind from the same spans or events, make two rules.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a rule does nothing until it is given to `SpanMetricsLayer::new`"]
pub struct Rule {
    pub(crate) source: Source,
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) target: Option<Cow<'static, str>>,
    pub(crate) max_level: Option<Level>,
    pub(crate) counter: Option<Cow<'static, str>>,
    pub(crate) opened_counter: Option<Cow<'static, str>>,
    pub(crate) in_flight: Option<Cow<'static, str>>,
    pub(crate) duration: Option<Cow<'static, str>>,
    pub(crate) span_duration: Option<SpanDuration>,
    pub(crate) sum: Option<FieldMetric>,
    pub(crate) histogram: Option<FieldMetric>,
    pub(crate) gauge: Option<FieldMetric>,
    pub(crate) unit: Option<Cow<'static, str>>,
    pub(crate) boundaries: Option<Vec<f64>>,
    pub(crate) labels: Vec<Label>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) max_series: Option<usize>,
    /// The first method that was called twice.
    pub(crate) called_twice: Option<&'static str>,
}

/// # Which spans or events
impl Rule {
    /// Matches the spans with exactly this name, at the levels `INFO`, `WARN` and `ERROR`. With `#[tracing::instrument]` the name
    /// of a span is the function's name.
    pub fn span(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Source::Span, Some(name.into()))
    }

    /// Matches spans with any name. [`with_target`](Self::with_target) selects some of them.
    pub fn spans() -> Self {
        Self::new(Source::Span, None)
    }

    /// Matches the events with exactly this name (`event!(name: "cache.lookup", …)`), at the levels `INFO`, `WARN` and `ERROR`.
    /// Without a counter, the rule matches only those that have one of the fields of its metrics.
    pub fn event(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Source::Event, Some(name.into()))
    }

    /// Matches events with any name. [`with_target`](Self::with_target) selects some of them. Without a counter, the rule matches
    /// only events that have one of the fields of its metrics.
    pub fn events() -> Self {
        Self::new(Source::Event, None)
    }

    /// Matches the events with fields that `tracing-opentelemetry` turns into metrics. The name of such a field is a prefix,
    /// followed by the metric's name.
    ///
    /// ```
    /// use tracing_asdlc_metrics::Rule;
    ///
    /// let rule = Rule::prefixed_fields().with_target("shop").with_label("currency");
    /// ```
    ///
    /// | field | metric |
    /// |---|---|
    /// | `monotonic_counter.NAME` | a counter; a negative or non-finite value is ignored |
    /// | `counter.NAME` | an up-down counter |
    /// | `histogram.NAME` | a histogram with the rule's [boundaries](Self::with_boundaries); the default ones are for seconds |
    /// | `gauge.NAME` | a gauge |
    ///
    /// A field may have a number of any type (also `i64` in a histogram). The only labels are those of
    /// [`with_label`](Self::with_label). The metric is not recorded if its name is not valid, if a metric of another kind has the
    /// name, or if a metric has the same name in another spelling (`Size`, `size`). [`Coverage::refused`](crate::Coverage::refused)
    /// then lists it.
    ///
    /// # When a metric is created
    ///
    /// A short-lived thread of the layer creates the metric after its first event, about 0.1 ms later. The SDK cannot create an
    /// instrument while it collects, and a collection takes as long as its slowest callback; no event waits for that. A
    /// collection that starts just after the first event may therefore not have the metric yet. The next collection has
    /// the metric with all its values.
    ///
    /// Until the metric exists, the layer aggregates its values in a bounded amount of memory. No value is lost: the metric then
    /// has every count and sum, each value in its bucket, and the last value of a gauge. (The buckets are those of the rule's
    /// boundaries. If a view sets other boundaries, the values of one bucket are recorded as their mean.)
    /// [`Coverage::pending`](crate::Coverage::pending) lists such metrics. If no thread can be started, the next event of
    /// such a metric tries again.
    pub fn prefixed_fields() -> Self {
        Self::new(Source::PrefixedFields, None)
    }

    /// Matches only spans or events with this target, or with the target of a module inside it: `shop` also matches `shop::basket`,
    /// but not `shopping`.
    pub fn with_target(mut self, target: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.target, target.into(), "with_target", &mut self.called_twice);
        self
    }

    /// Sets the most verbose level that the rule matches (default `INFO`): `DEBUG` for a `debug_span!`, `TRACE` for every level.
    ///
    /// ```
    /// use tracing::Level;
    /// use tracing_asdlc_metrics::Rule;
    ///
    /// let rule = Rule::span("parse").with_max_level(Level::DEBUG).with_counter("parsed_total");
    /// ```
    ///
    /// The layer keeps this level enabled in the process, and no more verbose one. The rule therefore matches the same spans and
    /// events, independent of what the other layers of the subscriber log.
    pub fn with_max_level(mut self, level: Level) -> Self {
        set_once(&mut self.max_level, level, "with_max_level", &mut self.called_twice);
        self
    }
}

/// # The metrics of a span
impl Rule {
    /// Adds 1 to this counter when the span closes, once for each span: when its last handle is dropped and its last child has
    /// closed, independent of how often it was entered. For an event: adds 1 when the event is emitted.
    ///
    /// The close waits only for child spans that are enabled. A child span that no rule matches is enabled if another layer
    /// wants it.
    ///
    /// If each label of the rule has a [list of values](Label::with_values), or there is no label, the counter has the value 0 from
    /// the moment the layer is built.
    pub fn with_counter(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.counter, name.into(), "with_counter", &mut self.called_twice);
        self
    }

    /// Adds 1 to this counter when the span is created, with the label values that the span has at that moment. This metric
    /// does not have the label of the outcome.
    pub fn with_opened_counter(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        set_once(
            &mut self.opened_counter,
            name.into(),
            "with_opened_counter",
            &mut self.called_twice,
        );
        self
    }

    /// Counts the open spans in this gauge (an up-down counter): it adds 1 when a span is created, and subtracts 1 when it closes.
    ///
    /// Both use the label values that the span had when it was created, even if other values are recorded later. This metric has
    /// no outcome.
    pub fn with_in_flight(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.in_flight, name.into(), "with_in_flight", &mut self.called_twice);
        self
    }

    /// Records the span's duration into this histogram when the span closes, in seconds (unit `s`), or in the unit of
    /// [`with_unit`](Self::with_unit). By default it is the time from the span's creation to its close;
    /// [`with_span_duration`](Self::with_span_duration) selects another duration.
    ///
    /// The boundaries are those of [`with_boundaries`](Self::with_boundaries). In seconds the default is 0.005, 0.01, 0.025, 0.05,
    /// 0.1, 0.25, 0.5, 1, 2.5, 5 and 10; any other unit needs boundaries. A name that ends with `_milliseconds`, for example, [sets the
    /// unit](crate#names-and-units).
    pub fn with_duration(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.duration, name.into(), "with_duration", &mut self.called_twice);
        self
    }

    /// Selects which duration of the span [`with_duration`](Self::with_duration) records (default
    /// [`UntilClose`](SpanDuration::UntilClose)).
    pub fn with_span_duration(mut self, duration: SpanDuration) -> Self {
        set_once(&mut self.span_duration, duration, "with_span_duration", &mut self.called_twice);
        self
    }

    /// Adds a label that says how the span ended. The metrics that are recorded when the span closes have it: the counter of
    /// [`with_counter`](Self::with_counter) and the duration. To have it on one of them only, make two rules.
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        set_once(&mut self.outcome, outcome, "with_outcome", &mut self.called_twice);
        self
    }
}

/// # The metrics of an event
///
/// [`with_counter`](Self::with_counter) counts events. The metrics below record the number in a field, of any type; `true` is 1.
impl Rule {
    /// Adds the number in the field to this counter. A negative or non-finite number is ignored.
    pub fn with_sum(
        mut self,
        name: impl Into<Cow<'static, str>>,
        field: impl Into<Cow<'static, str>>,
    ) -> Self {
        set_once(
            &mut self.sum,
            FieldMetric { name: name.into(), field: field.into() },
            "with_sum",
            &mut self.called_twice,
        );
        self
    }

    /// Records the number in the field into this histogram. A non-finite number is ignored.
    ///
    /// It needs [`with_boundaries`](Self::with_boundaries), unless its unit is `s` (by [`with_unit`](Self::with_unit), or because its
    /// name ends with `_seconds`): then the default boundaries are those
    /// of [`with_duration`](Self::with_duration).
    pub fn with_histogram(
        mut self,
        name: impl Into<Cow<'static, str>>,
        field: impl Into<Cow<'static, str>>,
    ) -> Self {
        set_once(
            &mut self.histogram,
            FieldMetric { name: name.into(), field: field.into() },
            "with_histogram",
            &mut self.called_twice,
        );
        self
    }

    /// Sets this gauge to the number in the field. A non-finite number is ignored.
    pub fn with_gauge(
        mut self,
        name: impl Into<Cow<'static, str>>,
        field: impl Into<Cow<'static, str>>,
    ) -> Self {
        set_once(
            &mut self.gauge,
            FieldMetric { name: name.into(), field: field.into() },
            "with_gauge",
            &mut self.called_twice,
        );
        self
    }
}

/// # Labels, units and limits
impl Rule {
    /// Adds a label to all metrics of the rule. A rule has at most eight labels.
    pub fn with_label(mut self, label: impl Into<Label>) -> Self {
        self.labels.push(label.into());
        self
    }

    /// Sets the upper bounds of the histogram's buckets, in its unit. `+Inf` is added to them.
    ///
    /// ```
    /// use tracing_asdlc_metrics::Rule;
    ///
    /// let rule = Rule::span("get").with_duration("get_duration_seconds").with_boundaries([0.0001, 0.001, 0.01]);
    /// ```
    ///
    /// There must be at least one boundary. Each must be finite and above the previous one. Those of a duration must be
    /// above 0.
    pub fn with_boundaries(mut self, boundaries: impl IntoIterator<Item = f64>) -> Self {
        set_once(
            &mut self.boundaries,
            boundaries.into_iter().collect(),
            "with_boundaries",
            &mut self.called_twice,
        );
        self
    }

    /// Sets the unit of the rule's values.
    ///
    /// For a duration it is `s`, `ms`, `us` or `ns`, and durations are recorded in it. For the numbers of events it is any unit
    /// of [UCUM](https://ucum.org) (`By`, `1`), and the numbers are not converted. Without it, the unit is the one at the end of a
    /// metric's [name](crate#names-and-units).
    pub fn with_unit(mut self, unit: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.unit, unit.into(), "with_unit", &mut self.called_twice);
        self
    }

    /// Sets the series limit of each of the rule's metrics: 8 to 1800, and at least 10 with an [`Outcome`] of five values. Further
    /// label sets are recorded in one series, which has the overflow value (default `other`) for every label, and the attribute
    /// `otel.metric.overflow` = `true` (in Prometheus: `otel_metric_overflow="true"`), as the overflow series of the SDK.
    ///
    /// The default is 1800, because the SDK's own limit is 2000. Rules that record into one metric share the 1800 equally. A limit
    /// above that share is refused.
    pub fn with_max_series(mut self, limit: usize) -> Self {
        set_once(&mut self.max_series, limit, "with_max_series", &mut self.called_twice);
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
            opened_counter: None,
            in_flight: None,
            duration: None,
            span_duration: None,
            sum: None,
            histogram: None,
            gauge: None,
            unit: None,
            boundaries: None,
            labels: Vec::new(),
            outcome: None,
            max_series: None,
            called_twice: None,
        }
    }

    /// The most verbose level that the rule matches.
    pub(crate) fn level(&self) -> LevelFilter {
        LevelFilter::from_level(self.max_level.unwrap_or(Level::INFO))
    }

    /// What the rule matches, for errors and instrument descriptions.
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject(self)
    }
}

/// Displayed as `span "checkout"`.
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

/// What a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Span,
    Event,
    PrefixedFields,
}

/// A metric that records the numbers in a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldMetric {
    pub(crate) name: Cow<'static, str>,
    pub(crate) field: Cow<'static, str>,
}

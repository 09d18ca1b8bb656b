use crate::error::BuildErrorKind;
use crate::rule::label::Label;
use crate::rule::label_key::check_label_key;
use crate::rule::set_once::set_once;
use std::borrow::Cow;
use tracing_core::Level;

/// The label that says how a span ended.
///
/// ```
/// use tracing_asdlc_metrics::{Outcome, Rule};
///
/// let rule = Rule::span("event").with_counter("events_processed_total").with_outcome(Outcome::label("status"));
/// ```
///
/// # What proves an outcome
///
/// The close of a span does not say what happened in it. A function that returned, a function that returned an `Err` and a
/// future that was dropped before its end all close their span in the same way. A span counts as a success only if
/// something proves it:
///
/// | in the code | success | failed | cancelled |
/// |---|---|---|---|
/// | a future with [`metered`](crate::Metered::metered) | `Ok` | `Err` | dropped before its end |
/// | `#[instrument(err, ret)]` | `Ok` | `Err` | `unknown` |
/// | `#[instrument(ret)]` | returned, and not an `Err` | returned an `Err` | `unknown` |
/// | `#[instrument(err)]` | `unknown` | `Err` | `unknown` |
/// | a field: `span.record("status", "success")` | what it says | what it says | what it says |
///
/// A panic is detected in each of these cases. A span with none of them is `unknown`. If the spans of a rule cannot fail, or if
/// they report each failure, use [`with_unknown("success")`](Self::with_unknown).
///
/// # Which of them decides
///
/// The outcome is decided when the span closes, by the first of these that exists:
///
/// 1. the span's field with the label's name (or the field of [`with_field`](Self::with_field)): one of the five values, or
///    `true` for success and `false` for failure;
/// 2. the span's field `otel.status_code`: `OK` or `ERROR` (or `Ok`, `ok`, `Error`, `error`);
/// 3. a panic that unwound through the span while it was entered, or that dropped its [`metered`](crate::Metered::metered)
///    future;
/// 4. how its [`metered`](crate::Metered::metered) future ended;
/// 5. the event that `#[tracing::instrument(err)]` emits for an `Err` of this span's function. Any other event in the span, or in
///    a child span, is not a failure;
/// 6. the event that `#[tracing::instrument(ret)]` emits for this span's function: a failure if the `Debug` output of the
///    returned value starts with `Err(`, otherwise a success;
/// 7. a panic that dropped the last handle of the span;
/// 8. otherwise the outcome is `unknown`.
///
/// # The events of `err` and `ret`
///
/// The layer reads these events at every level (`err(level = "debug")`), independent of the rule's level and of what other
/// layers log. It cannot read an event that a *global* filter refuses, or whose level is compiled out (`tracing`'s features
/// `release_max_level_…`): the span is then `unknown`. [`with_max_level`](Self::with_max_level) says what reading them costs.
///
/// The layer recognises such an event by its only field (`error` or `return`) and by its place in the source, which is that of
/// the span. A `macro_rules!` macro may open a span and, inside of this span, emit an event with only such a field. That event
/// is read too. An event with a message is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an outcome does nothing until it is given to `Rule::with_outcome`"]
pub struct Outcome {
    label: Cow<'static, str>,
    field: Option<Cow<'static, str>>,
    /// The label value of each [`SpanOutcome`]. `None` is the default value.
    values: [Option<Cow<'static, str>>; SpanOutcome::COUNT],
    max_level: Option<Level>,
    /// The first method that was called twice.
    called_twice: Option<&'static str>,
}

impl Outcome {
    /// A label with this name, and with the values `success`, `failed`, `cancelled`, `panicked` and `unknown`.
    pub fn label(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            label: name.into(),
            field: None,
            values: [const { None }; SpanOutcome::COUNT],
            max_level: None,
            called_twice: None,
        }
    }

    /// Sets the span's field that decides the outcome. By default it is the field with the label's name.
    pub fn with_field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.field, field.into(), "with_field", &mut self.called_twice);
        self
    }

    /// Sets the value for a span that succeeded (default `success`).
    pub fn with_success(self, value: impl Into<Cow<'static, str>>) -> Self {
        self.with_value(SpanOutcome::Success, value.into(), "with_success")
    }

    /// Sets the value for a span that failed (default `failed`). It must differ from the value for success.
    pub fn with_failed(self, value: impl Into<Cow<'static, str>>) -> Self {
        self.with_value(SpanOutcome::Failed, value.into(), "with_failed")
    }

    /// Sets the value for a metered future that was dropped before its end (default `cancelled`). It may be the value of
    /// another outcome.
    pub fn with_cancelled(self, value: impl Into<Cow<'static, str>>) -> Self {
        self.with_value(SpanOutcome::Cancelled, value.into(), "with_cancelled")
    }

    /// Sets the value for a span through which a panic unwound (default `panicked`). It may be the value of another outcome.
    pub fn with_panicked(self, value: impl Into<Cow<'static, str>>) -> Self {
        self.with_value(SpanOutcome::Panicked, value.into(), "with_panicked")
    }

    /// Sets the value for a span that closed without any proof of how it ended (default `unknown`). It may be the value of
    /// another outcome: use `success` if each span of this rule has succeeded unless it reports a failure.
    ///
    /// ```
    /// use tracing::instrument;
    /// use tracing_asdlc_metrics::{Outcome, Rule};
    ///
    /// // Not `async`, so it cannot be dropped before its end; and `err` reports each `Err`.
    /// #[instrument(err)]
    /// fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
    ///     text.parse()
    /// }
    ///
    /// let rule = Rule::span("parse")
    ///     .with_counter("parsed_total")
    ///     .with_outcome(Outcome::label("outcome").with_unknown("success"));
    /// ```
    pub fn with_unknown(self, value: impl Into<Cow<'static, str>>) -> Self {
        self.with_value(SpanOutcome::Unknown, value.into(), "with_unknown")
    }

    /// Sets the most verbose level at which the events of `#[instrument(err)]` and `#[instrument(ret)]` are read (default
    /// `TRACE`, which is every level).
    ///
    /// The layer keeps this level enabled in the process: `LevelFilter::current()` rises to it. Two things then cost more:
    ///
    /// - an event that no layer wants, and that is more verbose than the other layers' levels: 1.5 ns instead of 1 ns, because
    ///   `tracing` asks its callsite and not only the level;
    /// - a record of the `log` crate that is more verbose than these levels, if `tracing-log` passes it on: about 150 ns instead
    ///   of 0.5 ns, because it is dispatched to the layers before they refuse it. `LogTracer` has its own maximum level, which
    ///   prevents that.
    ///
    /// If every `err` has its default level, `ERROR`, and no `ret` is needed, `with_max_level(Level::ERROR)` avoids both.
    pub fn with_max_level(mut self, level: Level) -> Self {
        set_once(&mut self.max_level, level, "with_max_level", &mut self.called_twice);
        self
    }

    fn with_value(
        mut self,
        outcome: SpanOutcome,
        value: Cow<'static, str>,
        method: &'static str,
    ) -> Self {
        set_once(&mut self.values[outcome as usize], value, method, &mut self.called_twice);
        self
    }

    pub(crate) fn max_level(&self) -> Level {
        self.max_level.unwrap_or(Level::TRACE)
    }

    /// How many different values the label may have: outcomes may share a value.
    pub(crate) fn distinct_values(&self) -> usize {
        let values = SpanOutcome::ALL.map(|outcome| self.value(outcome));
        (0..values.len()).filter(|&index| !values[..index].contains(&values[index])).count()
    }

    pub(crate) fn name(&self) -> &str {
        &self.label
    }

    pub(crate) fn value(&self, outcome: SpanOutcome) -> &str {
        self.values[outcome as usize].as_deref().unwrap_or(DEFAULT_VALUES[outcome as usize])
    }

    /// The field that decides, and the outcome that each of its values means. A value that several outcomes share means the first
    /// of them.
    pub(crate) fn field(&self) -> (Label, Vec<(&str, SpanOutcome)>) {
        let mut meanings: Vec<(&str, SpanOutcome)> = Vec::new();
        let values = SpanOutcome::ALL.map(|outcome| (self.value(outcome), outcome));
        let booleans = [("true", SpanOutcome::Success), ("false", SpanOutcome::Failed)];
        for (value, outcome) in values.into_iter().chain(booleans) {
            if meanings.iter().all(|(known, _)| *known != value) {
                meanings.push((value, outcome));
            }
        }
        let field = self.field.as_ref().unwrap_or(&self.label).clone();
        (label_of_field(field, &meanings), meanings)
    }

    pub(crate) fn check(&self) -> Result<(), BuildErrorKind> {
        let Self { label, field, values, max_level: _, called_twice } = self;
        let invalid = |what| Err(BuildErrorKind::Label { label: label.to_string(), what });
        check_label_key(label).map_err(|allowed| BuildErrorKind::LabelKey {
            key: label.to_string(),
            allowed,
            hint: "",
        })?;
        if let Some(method) = *called_twice {
            return Err(BuildErrorKind::LabelMethodTwice { label: label.to_string(), method });
        }
        let is_valid = |value: &str| (1..=64).contains(&value.len());
        if let Some(value) = values.iter().flatten().find(|value| !is_valid(value)) {
            return invalid(format!("invalid value {value:?}: must have 1 to 64 bytes"));
        }
        let failed = self.value(SpanOutcome::Failed);
        if self.value(SpanOutcome::Success) == failed {
            return invalid(format!(
                "invalid value {failed:?} for failure: must differ from the value for success"
            ));
        }
        if field.as_ref().is_some_and(|field| field.is_empty()) {
            return invalid(
                "missing field name: name the field that decides the outcome".to_owned(),
            );
        }
        Ok(())
    }
}

/// The field in which `tracing-opentelemetry` expects the status of a span, and the outcome that each of its values means.
pub(crate) fn status_code_field() -> (Label, Vec<(&'static str, SpanOutcome)>) {
    let ok = ["OK", "Ok", "ok"].map(|value| (value, SpanOutcome::Success));
    let error = ["ERROR", "Error", "error"].map(|value| (value, SpanOutcome::Failed));
    let meanings = [ok, error].concat();
    (label_of_field(Cow::Borrowed("otel.status_code"), &meanings), meanings)
}

fn label_of_field(field: Cow<'static, str>, meanings: &[(&str, SpanOutcome)]) -> Label {
    Label::field(field).with_values(meanings.iter().map(|(value, _)| (*value).to_owned()))
}

/// How a span ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanOutcome {
    Success,
    Failed,
    Cancelled,
    Panicked,
    /// The span closed, and nothing proves how it ended.
    Unknown,
}

impl SpanOutcome {
    pub(crate) const COUNT: usize = 5;
    pub(crate) const ALL: [Self; Self::COUNT] =
        [Self::Success, Self::Failed, Self::Cancelled, Self::Panicked, Self::Unknown];
}

/// In the order of [`SpanOutcome`].
const DEFAULT_VALUES: [&str; SpanOutcome::COUNT] =
    ["success", "failed", "cancelled", "panicked", "unknown"];

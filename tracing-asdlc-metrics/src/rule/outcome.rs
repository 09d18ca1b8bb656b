use crate::error::Problem;
use crate::rule::label::{Label, check_label_name};
use crate::rule::set_once::set_once;
use std::borrow::Cow;
use tracing_core::Level;

/// The label that tells how a span ended.
///
/// ```
/// use tracing_asdlc_metrics::{Outcome, Rule};
///
/// let rule = Rule::span("event").with_counter("events_processed_total").with_outcome(Outcome::label("status"));
/// ```
///
/// # What proves an outcome
///
/// A span that closes says nothing about what happened in it: a function that returned, one that returned an `Err`, and a
/// future that was dropped half-way all close their span in the same way. Nothing is counted as a success unless something
/// proves it:
///
/// | in the code | success | failed | cancelled |
/// |---|---|---|---|
/// | a future with [`metered`](crate::Metered::metered) | `Ok` | `Err` | dropped before its end |
/// | `#[instrument(err, ret)]` | `Ok` | `Err` | `unknown` |
/// | `#[instrument(ret)]` | returned, and not an `Err` | returned an `Err` | `unknown` |
/// | `#[instrument(err)]` | `unknown` | `Err` | `unknown` |
/// | a field: `span.record("status", "success")` | what it says | what it says | what it says |
///
/// In each of these cases a panic is detected, too. A span with none of this is `unknown`. If the spans of a rule cannot fail,
/// or if they report each failure, use [`with_unknown("success")`](Self::with_unknown).
///
/// # Which of them decides
///
/// The outcome is decided when the span closes, by the first of these that there is:
///
/// 1. the span's field of the label's name (or of [`with_field`](Self::with_field)): one of the five names, or `true` and
///    `false` for success and failure;
/// 2. the span's field `otel.status_code`: `OK` or `ERROR` (or `Ok`, `ok`, `Error`, `error`);
/// 3. a panic that unwound through the span while it was entered, or dropped its [`metered`](crate::Metered::metered) future;
/// 4. how a future with [`metered`](crate::Metered::metered) ended;
/// 5. the event that `#[tracing::instrument(err)]` emits for an `Err`, on its own span: an event elsewhere in the span, or
///    in a span within, is no failure;
/// 6. the event that `#[tracing::instrument(ret)]` emits, on its own span: a failure if the returned value's `Debug` output
///    begins with `Err(`, else a success;
/// 7. a panic that dropped the span's last handle;
/// 8. else it is `unknown`.
///
/// # The events of `err` and `ret`
///
/// They are read at every level (`err(level = "debug")`), whatever the rule's level, and whatever other layers log. A
/// *global* filter that refuses such an event hides it: the span is then `unknown`. So does a level that is compiled out
/// (`tracing`'s features `release_max_level_…`). See [`with_max_level`](Self::with_max_level) for what it costs.
///
/// They are recognised by their only field (`error` or `return`) and by their place in the source, which is that of the span. A
/// `macro_rules!` macro that opens a span and emits such an event in it looks the same. An event with a message does not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an outcome does nothing until it is given to `Rule::with_outcome`"]
pub struct Outcome {
    label: Cow<'static, str>,
    field: Option<Cow<'static, str>>,
    /// By [`Ending`]; `None` is the default name.
    names: [Option<Cow<'static, str>>; ENDINGS],
    max_level: Option<Level>,
    /// The first method that was called twice.
    twice: Option<&'static str>,
}

impl Outcome {
    /// A label of this name, with the values `success`, `failed`, `cancelled`, `panicked` and `unknown`.
    pub fn label(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            label: name.into(),
            field: None,
            names: [const { None }; ENDINGS],
            max_level: None,
            twice: None,
        }
    }

    /// The span's field that decides, when it is not the one with the label's name.
    pub fn with_field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.field, field.into(), "with_field", &mut self.twice);
        self
    }

    /// The value for a span that ended well.
    pub fn with_success(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with_name(Ending::Success, name.into(), "with_success")
    }

    /// The value for a span that ended with an error.
    pub fn with_failed(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with_name(Ending::Failed, name.into(), "with_failed")
    }

    /// The value for a metered future that was dropped before its end. It may be the name of another ending.
    pub fn with_cancelled(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with_name(Ending::Cancelled, name.into(), "with_cancelled")
    }

    /// The value for a span through which a panic went. It may be the name of another ending.
    pub fn with_panicked(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with_name(Ending::Panicked, name.into(), "with_panicked")
    }

    /// The value for a span that closed without any sign of how it ended. It may be the name of another ending: use `success`
    /// if each span of this rule has succeeded unless it reports a failure.
    ///
    /// ```
    /// use tracing::instrument;
    /// use tracing_asdlc_metrics::{Outcome, Rule};
    ///
    /// // Not `async`, so nothing can drop it half-way; and it tells each `Err`.
    /// #[instrument(err)]
    /// fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
    ///     text.parse()
    /// }
    ///
    /// let rule = Rule::span("parse")
    ///     .with_counter("parsed_total")
    ///     .with_outcome(Outcome::label("outcome").with_unknown("success"));
    /// ```
    pub fn with_unknown(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with_name(Ending::Unknown, name.into(), "with_unknown")
    }

    /// Reads the events of `#[instrument(err)]` and `#[instrument(ret)]` up to this level; by default `TRACE`, which is all.
    ///
    /// The layer keeps this level enabled in the process: `LevelFilter::current()` rises to it. Two things then cost more:
    ///
    /// - an event that no layer wants, below the level that the other layers want: 1.5 instead of 1 ns, because `tracing` asks its
    ///   callsite and not only the level;
    /// - a record of the `log` crate below that level, if `tracing-log` passes it on: some 150 ns instead of 0.5, because it is
    ///   dispatched to the layers before they refuse it. `LogTracer` has a level of its own, which prevents that.
    ///
    /// Where every `err` is at its default level, `ERROR`, and no `ret` is needed, `with_max_level(Level::ERROR)` avoids both.
    pub fn with_max_level(mut self, level: Level) -> Self {
        set_once(&mut self.max_level, level, "with_max_level", &mut self.twice);
        self
    }

    fn with_name(mut self, ending: Ending, name: Cow<'static, str>, method: &'static str) -> Self {
        set_once(&mut self.names[ending as usize], name, method, &mut self.twice);
        self
    }

    pub(crate) fn max_level(&self) -> Level {
        self.max_level.unwrap_or(Level::TRACE)
    }

    /// How many values the label may have: endings may share a name.
    pub(crate) fn values(&self) -> usize {
        let values = Ending::ALL.map(|ending| self.value(ending));
        (0..ENDINGS).filter(|&at| !values[..at].contains(&values[at])).count()
    }

    pub(crate) fn name(&self) -> &str {
        &self.label
    }

    pub(crate) fn value(&self, ending: Ending) -> &str {
        self.names[ending as usize].as_deref().unwrap_or(NAMES[ending as usize])
    }

    /// The field that decides, and what its values mean. The first ending of a name is meant by it.
    pub(crate) fn field(&self) -> (Label, Vec<(&str, Ending)>) {
        let mut meanings: Vec<(&str, Ending)> = Vec::new();
        let names = Ending::ALL.map(|ending| (self.value(ending), ending));
        for (name, ending) in
            names.into_iter().chain([("true", Ending::Success), ("false", Ending::Failed)])
        {
            if meanings.iter().all(|(known, _)| *known != name) {
                meanings.push((name, ending));
            }
        }
        let field = self.field.as_ref().unwrap_or(&self.label).clone();
        (listed(field, &meanings), meanings)
    }

    pub(crate) fn check(&self) -> Result<(), Problem> {
        let Self { label, field, names, max_level: _, twice } = self;
        let problem = |what| Problem::Label { label: label.to_string(), what };
        check_label_name(label)?;
        if let Some(method) = *twice {
            return Err(Problem::LabelTwice { label: label.to_string(), method });
        }
        if names.iter().flatten().any(|name| name.is_empty() || name.len() > 64) {
            return Err(problem("the names of endings have 1 to 64 bytes"));
        }
        if self.value(Ending::Success) == self.value(Ending::Failed) {
            return Err(problem("success and failure have one name; give them different ones"));
        }
        if field.as_ref().is_some_and(|field| field.is_empty()) {
            return Err(problem("its field's name is empty"));
        }
        Ok(())
    }
}

/// The field by which OpenTelemetry's tracing tells the status of a span, and what its values mean.
pub(crate) fn status_code() -> (Label, Vec<(&'static str, Ending)>) {
    let ok = ["OK", "Ok", "ok"].map(|name| (name, Ending::Success));
    let error = ["ERROR", "Error", "error"].map(|name| (name, Ending::Failed));
    let meanings = [ok, error].concat();
    (listed(Cow::Borrowed("otel.status_code"), &meanings), meanings)
}

fn listed(field: Cow<'static, str>, meanings: &[(&str, Ending)]) -> Label {
    Label::field(field).with_values(meanings.iter().map(|(name, _)| (*name).to_owned()))
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Success,
    Failed,
    Cancelled,
    Panicked,
    /// It closed, and nothing proves how it ended.
    Unknown,
}

impl Ending {
    pub(crate) const ALL: [Self; ENDINGS] =
        [Self::Success, Self::Failed, Self::Cancelled, Self::Panicked, Self::Unknown];
}

pub(crate) const ENDINGS: usize = 5;
/// The default names, by [`Ending`].
const NAMES: [&str; ENDINGS] = ["success", "failed", "cancelled", "panicked", "unknown"];

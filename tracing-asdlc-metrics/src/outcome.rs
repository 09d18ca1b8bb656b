use crate::error::Problem;
use crate::label::{Label, check_label_name};
use std::borrow::Cow;

/// The label that tells how a span ended.
///
/// ```
/// use tracing_asdlc_metrics::{Outcome, Rule};
///
/// let rule = Rule::span("event")
///     .with_counter("events_processed_total")
///     .with_outcome(Outcome::label("status").with_panicked("failed").with_cancelled("failed"));
/// ```
///
/// It is decided when the span closes, by the first of these that there is:
///
/// 1. the span's field of the label's name (or of [`with_field`](Self::with_field)): one of the four names, or `true` and
///    `false` for success and failure;
/// 2. the span's field `otel.status_code`: `OK` or `ERROR` (or `Ok`, `ok`, `Error`, `error`);
/// 3. a panic that unwound through the span while it was entered, or dropped it;
/// 4. how a future with [`metered`](crate::Metered::metered) ended;
/// 5. the event that `#[tracing::instrument(err)]` emits for an `Err`, on its own span: an event elsewhere in the span, or
///    in a span within, is no failure;
/// 6. else it is a success. So is a future which was dropped before its end, unless it was `metered`: `tracing` alone cannot
///    tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an outcome does nothing until it is given to `Rule::with_outcome`"]
pub struct Outcome {
    label: Cow<'static, str>,
    field: Option<Cow<'static, str>>,
    /// By [`Ending`].
    names: [Cow<'static, str>; ENDINGS],
}

impl Outcome {
    /// A label of this name, with the values `success`, `failed`, `cancelled` and `panicked`.
    pub fn label(name: impl Into<Cow<'static, str>>) -> Self {
        let names = ["success", "failed", "cancelled", "panicked"].map(Cow::Borrowed);
        Self { label: name.into(), field: None, names }
    }

    /// The span's field that decides, when it is not the one with the label's name.
    pub fn with_field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The value for a span that ended well.
    pub fn with_success(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with_name(Ending::Success, name.into())
    }

    /// The value for a span that ended with an error.
    pub fn with_failed(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with_name(Ending::Failed, name.into())
    }

    /// The value for a metered future that was dropped before its end. It may be the name of another ending.
    pub fn with_cancelled(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with_name(Ending::Cancelled, name.into())
    }

    /// The value for a span through which a panic went. It may be the name of another ending.
    pub fn with_panicked(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with_name(Ending::Panicked, name.into())
    }

    fn with_name(mut self, ending: Ending, name: Cow<'static, str>) -> Self {
        self.names[ending as usize] = name;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.label
    }

    pub(crate) fn value(&self, ending: Ending) -> &str {
        &self.names[ending as usize]
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
        let Self { label, field, names } = self;
        let problem = |what| Problem::Label { label: label.to_string(), what };
        check_label_name(label)?;
        if names.iter().any(|name| name.is_empty() || name.len() > 64) {
            return Err(problem("the names of endings have 1 to 64 bytes"));
        }
        if names[Ending::Success as usize] == names[Ending::Failed as usize] {
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
}

impl Ending {
    pub(crate) const ALL: [Self; ENDINGS] =
        [Self::Success, Self::Failed, Self::Cancelled, Self::Panicked];
}

pub(crate) const ENDINGS: usize = 4;

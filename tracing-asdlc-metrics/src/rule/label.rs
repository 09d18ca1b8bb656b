use crate::error::Problem;
use crate::rule::set_once::set_once;
use std::borrow::Cow;

/// A label of a rule's metrics: a declared field of its spans or events, with a bounded set of values.
///
/// ```
/// use tracing_asdlc_metrics::{Label, Rule};
///
/// let rule = Rule::span("storage")
///     .with_counter("storage_operations_total")
///     .with_label(Label::field("operation").with_values(["get", "put", "delete"]))
///     .with_label("tenant"); // short for Label::field("tenant")
/// ```
///
/// Without [`with_values`](Self::with_values) the first 100 different values are kept (see
/// [`with_max_values`](Self::with_max_values)). Whatever comes beyond is the value `other`, as is a value longer than 64 bytes.
///
/// # Values as text
///
/// A string and what is recorded with `%` (`Display`) stand as they are, `?` as its `Debug` output (a string then has its
/// quotes), integers in decimal, floats as Rust's `{:?}` (`1.0`, `NaN`), `bool` as `true` and `false`, `&dyn Error` as its
/// message. An empty string is a value; a field that has none is a missing label, see [`with_default`](Self::with_default).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a label does nothing until it is given to `Rule::with_label`"]
pub struct Label {
    field: Cow<'static, str>,
    name: Option<Cow<'static, str>>,
    values: Option<Vec<Cow<'static, str>>>,
    max_values: Option<usize>,
    max_bytes: Option<usize>,
    other: Option<Cow<'static, str>>,
    default: Option<Cow<'static, str>>,
    inherited: bool,
    /// The first method that was called twice.
    twice: Option<&'static str>,
}

impl Label {
    /// The label with the name and the values of this field.
    pub fn field(field: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            name: None,
            values: None,
            max_values: None,
            max_bytes: None,
            other: None,
            default: None,
            inherited: false,
            twice: None,
        }
    }

    /// Another name for the label than the field's.
    ///
    /// Needed for fields such as `http.method`: allowed are ASCII letters, digits and `_`, first no digit.
    pub fn with_name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.name, name.into(), "with_name", &mut self.twice);
        self
    }

    /// The only values; any other becomes `other`.
    ///
    /// When all labels of a rule have such a list (and there are at most 100 combinations), its counters and its in-flight
    /// gauge show all of them from the moment the layer is built, with the value 0.
    pub fn with_values<V: Into<Cow<'static, str>>>(
        mut self,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        set_once(
            &mut self.values,
            values.into_iter().map(Into::into).collect(),
            "with_values",
            &mut self.twice,
        );
        self
    }

    /// How many different values are kept, 1 to 1000; any later one becomes `other`. Not together with
    /// [`with_values`](Self::with_values).
    pub fn with_max_values(mut self, values: usize) -> Self {
        set_once(&mut self.max_values, values, "with_max_values", &mut self.twice);
        self
    }

    /// How long a value may be, 1 to 128 bytes; a longer one becomes `other`.
    pub fn with_max_bytes(mut self, bytes: usize) -> Self {
        set_once(&mut self.max_bytes, bytes, "with_max_bytes", &mut self.twice);
        self
    }

    /// Another word for `other`.
    pub fn with_other(mut self, value: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.other, value.into(), "with_other", &mut self.twice);
        self
    }

    /// The value when the field has none. Without it the series then lacks the label.
    pub fn with_default(mut self, value: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.default, value.into(), "with_default", &mut self.twice);
        self
    }

    /// When the span or event has no value at its start, takes that of its nearest ancestor that has one.
    ///
    /// A span that declares the field is then enabled, up to the rule's level, whether or not a rule matches it.
    pub fn inherited(mut self) -> Self {
        self.inherited = true;
        self
    }

    pub(crate) fn field_name(&self) -> &str {
        &self.field
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.field)
    }

    pub(crate) fn values(&self) -> Option<&[Cow<'static, str>]> {
        self.values.as_deref()
    }

    pub(crate) fn cap(&self) -> usize {
        self.values.as_ref().map_or(self.max_values.unwrap_or(DEFAULT_VALUES), Vec::len)
    }

    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes.unwrap_or(DEFAULT_BYTES)
    }

    pub(crate) fn other(&self) -> &str {
        self.other.as_deref().unwrap_or("other")
    }

    pub(crate) fn default_value(&self) -> Option<&str> {
        self.default.as_deref()
    }

    pub(crate) fn is_inherited(&self) -> bool {
        self.inherited
    }

    pub(crate) fn check(&self) -> Result<(), Problem> {
        let Self { field, values, max_values, other, default, twice, .. } = self;
        let problem = |what| Problem::Label { label: self.name().to_owned(), what };
        if field.is_empty() {
            return Err(problem("its field's name is empty"));
        }
        if field == "message" {
            return Err(problem(
                "the field \"message\" is text for people, never a label; use a field of its own",
            ));
        }
        check_label_name(self.name())?;
        if let Some(method) = *twice {
            return Err(Problem::LabelTwice { label: self.name().to_owned(), method });
        }
        if !(1..=MAX_BYTES).contains(&self.max_bytes()) {
            return Err(problem("`with_max_bytes` allows 1 to 128"));
        }
        if [other, default].into_iter().flatten().any(|own| own.len() > MAX_BYTES) {
            return Err(problem("`with_other` and `with_default` take up to 128 bytes"));
        }
        let Some(values) = values else {
            return match *max_values {
                None | Some(1..=MAX_VALUES) => Ok(()),
                Some(_) => Err(problem("`with_max_values` allows 1 to 1000")),
            };
        };
        if values.is_empty() || values.len() > MAX_VALUES {
            return Err(problem("`with_values` takes 1 to 1000 values"));
        }
        if max_values.is_some() {
            return Err(problem("has both `with_values` and `with_max_values`; use one of them"));
        }
        if (1..values.len()).any(|after| values[..after].contains(&values[after])) {
            return Err(problem("`with_values` has a value twice"));
        }
        if values.iter().any(|value| value.len() > self.max_bytes()) {
            return Err(problem(
                "a value of `with_values` is longer than `with_max_bytes` allows (64 if not set)",
            ));
        }
        Ok(())
    }
}

impl From<&'static str> for Label {
    fn from(field: &'static str) -> Self {
        Self::field(field)
    }
}

impl From<String> for Label {
    fn from(field: String) -> Self {
        Self::field(field)
    }
}

/// What every backend takes, and not the names that Prometheus keeps for itself.
pub(crate) fn check_label_name(name: &str) -> Result<(), Problem> {
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !name.starts_with("__")
        && name.len() <= 255
        && !["le", "quantile"].contains(&name)
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if valid { Ok(()) } else { Err(Problem::LabelName { name: name.to_owned() }) }
}

/// No value is longer, and none is formatted further than this.
pub(crate) const MAX_BYTES: usize = 128;
const DEFAULT_BYTES: usize = 64;
/// So that a value's number fits into 16 bits.
const MAX_VALUES: usize = 1_000;
const DEFAULT_VALUES: usize = 100;

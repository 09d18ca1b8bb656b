use crate::error::BuildErrorKind;
use crate::rule::label_key::check_label_key;
use crate::rule::set_once::set_once;
use std::borrow::Cow;

/// A label of a rule's metrics: a declared field of the spans or events, with a bounded set of values.
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
/// Without [`with_values`](Self::with_values), the label keeps the first 100 different values (see
/// [`with_max_values`](Self::with_max_values)). Every later value becomes the overflow value `other`, and so does a value longer
/// than 64 bytes.
///
/// # Values as text
///
/// | value of the field | label value |
/// |---|---|
/// | a string | the string |
/// | recorded with `%` | its `Display` output |
/// | recorded with `?` | its `Debug` output (a string is then quoted) |
/// | an integer | decimal |
/// | a float | as Rust's `{:?}` formats it (`1.0`, `NaN`) |
/// | `bool` | `true` or `false` |
/// | `&dyn Error` | its message |
///
/// An empty string is a value. A field without a value is a missing label; see [`with_default`](Self::with_default).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a label does nothing until it is given to `Rule::with_label`"]
pub struct Label {
    field: Cow<'static, str>,
    name: Option<Cow<'static, str>>,
    values: Option<Vec<Cow<'static, str>>>,
    max_values: Option<usize>,
    max_bytes: Option<usize>,
    overflow_value: Option<Cow<'static, str>>,
    default: Option<Cow<'static, str>>,
    inherited: bool,
    /// The first method that was called twice.
    called_twice: Option<&'static str>,
}

impl Label {
    /// A label with the name and the values of this field.
    pub fn field(field: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            name: None,
            values: None,
            max_values: None,
            max_bytes: None,
            overflow_value: None,
            default: None,
            inherited: false,
            called_twice: None,
        }
    }

    /// Sets the label's name. By default it is the field's name.
    ///
    /// A name must match `[a-zA-Z_][a-zA-Z0-9_]*`, so a field such as `http.method` needs another one. It must not start with
    /// `__`, must not be `le` or `quantile`, and must have at most 256 bytes.
    pub fn with_name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.name, name.into(), "with_name", &mut self.called_twice);
        self
    }

    /// Sets the only values that the label has, 1 to 1000. Any other value becomes the overflow value.
    ///
    /// If all labels of a rule have such a list, the rule's counters and its in-flight gauge have the series of all
    /// combinations, with the value 0, from the moment the layer is built. This needs at most 100 combinations, and fewer than
    /// the series limit (divided by the number of outcome values, if the rule has an outcome).
    pub fn with_values<V: Into<Cow<'static, str>>>(
        mut self,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        set_once(
            &mut self.values,
            values.into_iter().map(Into::into).collect(),
            "with_values",
            &mut self.called_twice,
        );
        self
    }

    /// Sets how many different values are kept, 1 to 1000 (default 100). Any later value becomes the overflow value.
    ///
    /// It cannot be combined with [`with_values`](Self::with_values).
    pub fn with_max_values(mut self, values: usize) -> Self {
        set_once(&mut self.max_values, values, "with_max_values", &mut self.called_twice);
        self
    }

    /// Sets how long a value may be, 1 to 128 bytes (default 64). A longer value becomes the overflow value.
    pub fn with_max_bytes(mut self, bytes: usize) -> Self {
        set_once(&mut self.max_bytes, bytes, "with_max_bytes", &mut self.called_twice);
        self
    }

    /// Sets the overflow value (default `other`).
    pub fn with_overflow_value(mut self, value: impl Into<Cow<'static, str>>) -> Self {
        set_once(
            &mut self.overflow_value,
            value.into(),
            "with_overflow_value",
            &mut self.called_twice,
        );
        self
    }

    /// Sets the value for spans and events whose field has no value. Without a default, their series do not have the label.
    pub fn with_default(mut self, value: impl Into<Cow<'static, str>>) -> Self {
        set_once(&mut self.default, value.into(), "with_default", &mut self.called_twice);
        self
    }

    /// Makes the label inherited: a span or event that has no value when it is created takes the value of the nearest ancestor span
    /// that has one.
    ///
    /// A span that declares the field is then enabled, up to the rule's level, even if no rule matches it.
    pub fn with_inheritance(mut self) -> Self {
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

    /// How many values the label may have, besides the overflow value and the default.
    pub(crate) fn max_values(&self) -> usize {
        self.values.as_ref().map_or(self.max_values.unwrap_or(DEFAULT_MAX_VALUES), Vec::len)
    }

    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes.unwrap_or(DEFAULT_MAX_BYTES)
    }

    pub(crate) fn overflow_value(&self) -> &str {
        self.overflow_value.as_deref().unwrap_or("other")
    }

    pub(crate) fn default_value(&self) -> Option<&str> {
        self.default.as_deref()
    }

    pub(crate) fn is_inherited(&self) -> bool {
        self.inherited
    }

    pub(crate) fn check(&self) -> Result<(), BuildErrorKind> {
        let Self { field, max_values, overflow_value, default, called_twice, .. } = self;
        let invalid =
            |what: String| Err(BuildErrorKind::Label { label: self.name().to_owned(), what });
        if field.is_empty() {
            return invalid("missing field name: name the field of the label".to_owned());
        }
        if field == "message" {
            return invalid(
                "invalid field \"message\": its text is for people; use a field of its own for the label"
                    .to_owned(),
            );
        }
        check_label_key(self.name()).map_err(|allowed| BuildErrorKind::LabelKey {
            key: self.name().to_owned(),
            allowed,
            hint: "; `with_name` sets another key",
        })?;
        if let Some(method) = *called_twice {
            return Err(BuildErrorKind::LabelMethodTwice { label: self.name().to_owned(), method });
        }
        if !(1..=MAX_BYTES).contains(&self.max_bytes()) {
            return invalid(format!(
                "invalid value length {}: must be 1 to {MAX_BYTES} bytes",
                self.max_bytes()
            ));
        }
        for (what, value) in [("overflow", overflow_value), ("default", default)] {
            if let Some(value) = value.as_ref().filter(|value| value.len() > MAX_BYTES) {
                return invalid(format!(
                    "invalid {what} value {value:?}: must have at most {MAX_BYTES} bytes"
                ));
            }
        }
        match (&self.values, *max_values) {
            (Some(_), Some(_)) => invalid(
                "invalid `with_max_values`: must not be combined with `with_values`".to_owned(),
            ),
            (Some(values), None) => self.check_values(values).or_else(invalid),
            (None, None | Some(1..=MAX_VALUES)) => Ok(()),
            (None, Some(count)) => {
                invalid(format!("invalid number of values {count}: must be 1 to {MAX_VALUES}"))
            }
        }
    }

    fn check_values(&self, values: &[Cow<'static, str>]) -> Result<(), String> {
        if values.is_empty() || values.len() > MAX_VALUES {
            let count = values.len();
            return Err(format!("invalid number of values {count}: must be 1 to {MAX_VALUES}"));
        }
        if let Some(index) =
            (1..values.len()).find(|&index| values[..index].contains(&values[index]))
        {
            return Err(format!("invalid value {:?}: must not be repeated", values[index]));
        }
        match values.iter().find(|value| value.len() > self.max_bytes()) {
            Some(value) => Err(format!(
                "invalid value {value:?}: must have at most {} bytes; `with_max_bytes` changes that",
                self.max_bytes()
            )),
            None => Ok(()),
        }
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

/// The largest limit of [`Label::with_max_bytes`]. Formatting stops when a value is longer.
pub(crate) const MAX_BYTES: usize = 128;
const DEFAULT_MAX_BYTES: usize = 64;
/// The id of a value must fit into 16 bits.
const MAX_VALUES: usize = 1_000;
const DEFAULT_MAX_VALUES: usize = 100;

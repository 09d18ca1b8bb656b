use std::borrow::Cow;
use std::fmt;

/// An invalid setting: the error of [`HttpMetricsLayerBuilder::build`](crate::HttpMetricsLayerBuilder::build) and of
/// `GrpcMethods::from_file_descriptor_sets`.
///
/// The message names the setting, its value, and what is allowed:
///
/// ```
/// use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};
/// # let meter = opentelemetry::global::meter("doc");
///
/// let builder = HttpMetricsLayer::builder(FixedEndpoint("/upload"));
/// let error = builder.with_label("9x", ["a"], |_| None).build(&meter).unwrap_err();
/// assert_eq!(error.to_string(), r#"invalid label key "9x": must match [a-zA-Z_][a-zA-Z0-9_]*"#);
/// ```
pub struct BuildError {
    /// Which of several settings of this kind is invalid, for example the key of the label.
    place: Option<String>,
    setting: &'static str,
    value: String,
    allowed: Cow<'static, str>,
}

impl BuildError {
    pub(crate) fn invalid(
        setting: &'static str,
        value: &dyn fmt::Display,
        allowed: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { place: None, setting, value: value.to_string(), allowed: allowed.into() }
    }

    /// The error for a setting that is text, which the message shows in quotes.
    pub(crate) fn invalid_text(
        setting: &'static str,
        value: &str,
        allowed: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::invalid(setting, &format_args!("{value:?}"), allowed)
    }

    pub(crate) fn at(self, place: impl Into<String>) -> Self {
        Self { place: Some(place.into()), ..self }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, setting, value, allowed } = self;
        if let Some(place) = place {
            write!(f, "{place}: ")?;
        }
        write!(f, "invalid {setting} {value}: {allowed}")
    }
}

/// The message, because `unwrap` prints the `Debug` output.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildError({self})")
    }
}

impl std::error::Error for BuildError {}

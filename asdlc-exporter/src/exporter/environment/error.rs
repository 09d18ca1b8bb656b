use crate::redact;
use std::{error::Error, fmt};

/// A value of an environment variable is not allowed.
///
/// The message has the name of the variable, its value and what is allowed. Values that may be secrets are
/// removed from it, and long values are truncated:
///
/// ```text
/// environment variable OTEL_SDK_DISABLED: invalid boolean "yes": must be true or false
/// ```
///
/// The OpenTelemetry specification lets an SDK log a warning and ignore most wrong values. The functions
/// that return this error refuse them: a program calls these functions at its start, often before it has a
/// log, and a service with a wrong name or port is harder to find than one that does not start. A program
/// that wants to start can use its defaults if there is an error.
pub struct EnvironmentError {
    variable: &'static str,
    kind: EnvironmentErrorKind,
}

#[derive(Debug)]
enum EnvironmentErrorKind {
    NotUnicode,
    Invalid {
        /// What the value should be, such as `boolean`.
        what: &'static str,
        /// Redacted.
        value: String,
        allowed: &'static str,
    },
}

impl EnvironmentError {
    pub(crate) fn not_unicode(variable: &'static str) -> Self {
        Self { variable, kind: EnvironmentErrorKind::NotUnicode }
    }

    pub(crate) fn invalid(
        variable: &'static str,
        what: &'static str,
        value: &str,
        allowed: &'static str,
    ) -> Self {
        let value = redact::text(value);
        Self { variable, kind: EnvironmentErrorKind::Invalid { what, value, allowed } }
    }

    /// The name of the variable.
    #[must_use]
    pub fn variable(&self) -> &str {
        self.variable
    }
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "environment variable {}: ", self.variable)?;
        match &self.kind {
            EnvironmentErrorKind::NotUnicode => f.write_str("invalid value: must be UTF-8"),
            EnvironmentErrorKind::Invalid { what, value, allowed } => {
                write!(f, "invalid {what} \"{value}\": must {allowed}")
            }
        }
    }
}

impl fmt::Debug for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::error::debug(f, "EnvironmentError", self)
    }
}

impl Error for EnvironmentError {}

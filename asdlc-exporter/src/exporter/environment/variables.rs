//! Reads variables. An empty variable is the same as one that is not set.

use super::error::EnvironmentError;
use crate::exemplars::filter::ExemplarFilter;
use std::{env, ffi::OsString, fmt};

/// The variables of this process, or those of a test.
#[derive(Clone, Copy)]
pub(crate) struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Option<OsString>,
}

impl<'a> Environment<'a> {
    pub(crate) fn of_process() -> Environment<'static> {
        Environment { lookup: &|name| env::var_os(name) }
    }

    #[cfg(test)]
    pub(crate) fn new(lookup: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { lookup }
    }

    /// The value of a variable, unless it is empty or not set.
    pub(crate) fn text(self, variable: &'static str) -> Result<Option<String>, EnvironmentError> {
        let value = (self.lookup)(variable).filter(|value| !value.is_empty());
        let text = value.map(OsString::into_string).transpose();
        text.map_err(|_| EnvironmentError::not_unicode(variable))
    }

    /// `OTEL_SDK_DISABLED`. Only `true` is true, in any case of its letters.
    pub(crate) fn is_sdk_disabled(self) -> Result<bool, EnvironmentError> {
        let known = [("true", true), ("false", false)];
        let found = self.one_of(SDK_DISABLED, "boolean", &known, "be true or false")?;
        Ok(found.unwrap_or_default())
    }

    /// `OTEL_METRICS_EXEMPLAR_FILTER`.
    pub(crate) fn exemplar_filter(self) -> Result<Option<ExemplarFilter>, EnvironmentError> {
        let known = [
            ("always_on", ExemplarFilter::AlwaysOn),
            ("always_off", ExemplarFilter::AlwaysOff),
            ("trace_based", ExemplarFilter::TraceBased),
        ];
        let allowed = "be always_on, always_off or trace_based";
        self.one_of(EXEMPLAR_FILTER, "exemplar filter", &known, allowed)
    }

    /// A value of a closed set. The specification ignores the case of ASCII letters.
    fn one_of<T: Copy>(
        self,
        variable: &'static str,
        what: &'static str,
        known: &[(&str, T)],
        allowed: &'static str,
    ) -> Result<Option<T>, EnvironmentError> {
        let Some(text) = self.text(variable)? else { return Ok(None) };
        let found = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(&text));
        let invalid = || EnvironmentError::invalid(variable, what, &text, allowed);
        found.map(|(_, value)| Some(*value)).ok_or_else(invalid)
    }
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

const SDK_DISABLED: &str = "OTEL_SDK_DISABLED";
const EXEMPLAR_FILTER: &str = "OTEL_METRICS_EXEMPLAR_FILTER";

#[cfg(test)]
mod tests {
    use super::*;

    fn disabled(value: &str) -> Result<bool, String> {
        let lookup = |_: &str| Some(OsString::from(value));
        Environment::new(&lookup).is_sdk_disabled().map_err(|error| error.to_string())
    }

    fn filter(value: &str) -> Result<Option<ExemplarFilter>, String> {
        let lookup = |_: &str| Some(OsString::from(value));
        Environment::new(&lookup).exemplar_filter().map_err(|error| error.to_string())
    }

    // X-08, C-90, C-92, C-93
    #[test]
    fn only_true_disables_the_sdk() {
        let unset = Environment::new(&|_| None).is_sdk_disabled();
        assert!(!unset.expect("not set"));
        for (value, expected) in [
            ("", false),
            ("false", false),
            ("False", false),
            ("FALSE", false),
            ("true", true),
            ("True", true),
            ("tRUE", true),
        ] {
            assert_eq!(disabled(value), Ok(expected), "{value}");
        }
        for value in ["1", "0", "yes", "no", "on", "t", "truе", "\"true\""] {
            let expected = format!(
                "environment variable OTEL_SDK_DISABLED: invalid boolean \"{value}\": must be true or false"
            );
            assert_eq!(disabled(value), Err(expected));
        }
        // White space is not removed: no SDK removes it.
        assert!(disabled("true ").is_err());
    }

    // X-08, C-90, C-92, C-96
    #[test]
    fn an_exemplar_filter_is_one_of_three() {
        let unset = Environment::new(&|_| None).exemplar_filter();
        assert_eq!(unset.expect("not set"), None);
        for (value, expected) in [
            ("", None),
            ("always_on", Some(ExemplarFilter::AlwaysOn)),
            ("always_off", Some(ExemplarFilter::AlwaysOff)),
            ("trace_based", Some(ExemplarFilter::TraceBased)),
            ("TRACE_BASED", Some(ExemplarFilter::TraceBased)),
        ] {
            assert_eq!(filter(value), Ok(expected), "{value}");
        }
        for value in ["none", "always-on", "true", "always_on,trace_based"] {
            let expected = format!(
                "environment variable OTEL_METRICS_EXEMPLAR_FILTER: invalid exemplar filter \"{value}\": must be always_on, always_off or trace_based"
            );
            assert_eq!(filter(value), Err(expected));
        }
    }

    //
    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_utf_8_is_an_error() {
        use std::os::unix::ffi::OsStringExt as _;
        let lookup = |_: &str| Some(OsString::from_vec(b"hunter2\xff".to_vec()));
        let environment = Environment::new(&lookup);
        let error = environment.is_sdk_disabled().expect_err("not UTF-8");
        assert_eq!(error.variable(), "OTEL_SDK_DISABLED");
        assert_eq!(
            error.to_string(),
            "environment variable OTEL_SDK_DISABLED: invalid value: must be UTF-8"
        );
        assert_eq!(format!("{error:?}"), format!("EnvironmentError({error})"));
        environment.resource_variables().expect_err("not UTF-8");
    }
}

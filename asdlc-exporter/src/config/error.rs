use std::{error::Error, fmt, io};

/// Invalid configuration, or a file that cannot be read.
///
/// The message has the file and the line or the environment variable, the key, and the allowed values.
/// Values that may be secrets are removed from it:
///
/// ```
/// use asdlc_exporter::config::Config;
///
/// let error = Config::default().with_environment([("METRICS_PORT", "http")]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"environment variable METRICS_PORT: invalid port "http": must be 1 to 65535"#,
/// );
/// ```
pub struct ConfigError {
    /// The file, the line and the key, or the variable.
    pub(super) place: String,
    pub(super) problem: String,
    pub(super) source: Option<io::Error>,
}

impl ConfigError {
    pub(super) fn new(place: String, problem: impl Into<String>) -> Self {
        Self { place, problem: problem.into(), source: None }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::error::debug(f, "ConfigError", self)
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

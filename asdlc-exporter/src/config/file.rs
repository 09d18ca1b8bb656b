//! Reads YAML and TOML files into [`Config`] or into a structure of a service.

use super::{error::ConfigError, file_error::without_value, settings::Config};
use crate::redact;
use serde::de::DeserializeOwned;
use std::{fs, path::Path};

/// Reads a file into any structure: YAML if its name ends in `.yaml` or `.yml`, TOML if it ends in
/// `.toml`.
///
/// ```
/// use asdlc_exporter::config::{self, OtelConfig};
///
/// #[derive(Debug, Default, serde::Deserialize)]
/// #[serde(deny_unknown_fields, default)]
/// struct Daemon {
///     interval: u64,
///     otel: OtelConfig,
/// }
///
/// # #[cfg(feature = "config-toml")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("daemon.toml");
/// std::fs::write(&path, "interval = 5\n[otel]\nmetric_enabled = false\n")?;
/// let error = config::load::<Daemon>(&path).unwrap_err();
/// assert!(error.to_string().ends_with(
///     "daemon.toml:3: otel.metric_enabled: unknown field `metric_enabled`, expected `metrics_enabled`"
/// ));
/// # Ok(()) }
/// # #[cfg(not(feature = "config-toml"))]
/// # fn main() {}
/// ```
///
/// # Errors
///
/// When the file cannot be read, its format is unknown or the feature of the format is not enabled,
/// the text is malformed, or the structure refuses a key or a value. The message is one line with the
/// file, the line and the key.
///
/// The message does not repeat a value that may be a secret. A message of serde has the type of the
/// value instead. If a message of the structure contains the value of a key such as `password`, `token`
/// or `url`, only its part about the allowed values is shown.
pub fn load<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<T, ConfigError> {
    let path = path.as_ref();
    let origin = path.display().to_string();
    let parse: fn(&str, &str) -> Result<T, ConfigError> =
        match path.extension().and_then(|extension| extension.to_str()) {
            #[cfg(feature = "config-yaml")]
            Some("yaml" | "yml") => from_yaml,
            #[cfg(feature = "config-toml")]
            Some("toml") => from_toml,
            _ => {
                let problem = format!("invalid file extension: must be {EXTENSIONS}");
                return Err(ConfigError::new(origin, problem));
            }
        };
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, &origin),
        Err(error) => {
            let problem = format!("cannot read the file: {error}");
            Err(ConfigError { place: origin, problem, source: Some(error) })
        }
    }
}

impl Config {
    /// Reads a file, as [`load`] does.
    ///
    /// ```no_run
    /// use asdlc_exporter::config::Config;
    ///
    /// # fn main() -> Result<(), asdlc_exporter::config::ConfigError> {
    /// let config = Config::load("/etc/agent.yaml")?.with_environment(std::env::vars_os())?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the file cannot be read, its format is unknown or the feature of the format is not
    /// enabled, the text is malformed, a key is unknown or duplicate, or a value has the wrong type or
    /// is not allowed.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        load(path)
    }

    /// Reads YAML. Error messages start with `origin`, such as the name of the file.
    ///
    /// # Errors
    ///
    /// When the text is not YAML, a key is unknown or duplicate, or a value has the wrong type or is
    /// not allowed.
    #[cfg(feature = "config-yaml")]
    pub fn from_yaml(text: &str, origin: &str) -> Result<Self, ConfigError> {
        from_yaml(text, origin)
    }

    /// Reads TOML. Error messages start with `origin`, such as the name of the file.
    ///
    /// # Errors
    ///
    /// When the text is not TOML, a key is unknown or duplicate, or a value has the wrong type or is
    /// not allowed.
    #[cfg(feature = "config-toml")]
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, ConfigError> {
        from_toml(text, origin)
    }
}

#[cfg(feature = "config-yaml")]
fn from_yaml<T: DeserializeOwned>(text: &str, origin: &str) -> Result<T, ConfigError> {
    let parsed = yaml_serde::Deserializer::from_str(text);
    serde_path_to_error::deserialize(parsed).map_err(|error| {
        let (keys, error) = (error.path().to_string(), error.inner());
        let line = error.location().map(|location| location.line());
        let document = yaml_serde::from_str(text).ok();
        let problem = error.to_string();
        let problem = without_value(without_location(&problem, &keys), &keys, document.as_ref());
        ConfigError::new(place(origin, line, Some(&keys)), problem)
    })
}

#[cfg(feature = "config-toml")]
fn from_toml<T: DeserializeOwned>(text: &str, origin: &str) -> Result<T, ConfigError> {
    let refuse = |keys: Option<&serde_path_to_error::Path>, error: &toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map(|before| before.matches('\n').count() + 1);
        let keys = keys.map(ToString::to_string);
        let document = toml::from_str(text).ok();
        let all_keys = keys.as_deref().unwrap_or_default();
        let problem = without_value(error.message(), all_keys, document.as_ref());
        ConfigError::new(place(origin, line, keys.as_deref()), problem)
    };
    let parsed = toml::Deserializer::parse(text).map_err(|error| refuse(None, &error))?;
    serde_path_to_error::deserialize(parsed)
        .map_err(|error| refuse(Some(error.path()), error.inner()))
}

/// `agent.yaml:3: metrics.port`
fn place(origin: &str, line: Option<usize>, keys: Option<&str>) -> String {
    let mut place = origin.to_owned();
    if let Some(line) = line {
        place.push_str(&format!(":{line}"));
    }
    // An error of the whole file has no keys.
    if let Some(keys) = keys.filter(|keys| *keys != ".") {
        place.push_str(&format!(": {}", redact::text(keys)));
    }
    place
}

/// Removes the parts of a message of `yaml_serde` that `place` repeats. These are the line at the
/// end of the message, and the keys at its start: `metrics.port: `, or only the first ones,
/// `metrics: `.
#[cfg(feature = "config-yaml")]
fn without_location<'a>(problem: &'a str, keys: &str) -> &'a str {
    let problem = problem.rsplit_once(" at line ").map_or(problem, |(problem, _)| problem);
    let mut known = keys;
    loop {
        let rest = problem.strip_prefix(known).and_then(|rest| rest.strip_prefix(": "));
        match (rest, known.rfind(['.', '['])) {
            (Some(rest), _) => return rest,
            (None, Some(at)) => known = &known[..at],
            (None, None) => return problem,
        }
    }
}

#[cfg(all(feature = "config-yaml", feature = "config-toml"))]
const EXTENSIONS: &str = ".yaml, .yml or .toml";
#[cfg(all(feature = "config-yaml", not(feature = "config-toml")))]
const EXTENSIONS: &str = ".yaml or .yml";
#[cfg(not(feature = "config-yaml"))]
const EXTENSIONS: &str = ".toml";

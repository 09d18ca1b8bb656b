//! The same settings from environment variables.

use super::{Config, error::ConfigError, rules};
use crate::redact;
use std::collections::BTreeMap;

impl Config {
    /// Replaces what the environment says differently; variables that are not in the [table](super)
    /// are left alone, and so are those that are set to nothing.
    ///
    /// ```
    /// use asdlc_exporter::config::Config;
    ///
    /// # fn main() -> Result<(), asdlc_exporter::config::ConfigError> {
    /// let config = Config::default().with_environment(std::env::vars())?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When a value is not allowed.
    pub fn with_environment<K: AsRef<str>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        for (name, value) in variables {
            let value = value.into();
            if !value.is_empty() {
                let name = name.as_ref();
                self.set(name, value).map_err(|problem| ConfigError::new(place(name), problem))?;
            }
        }
        Ok(self)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        #[cfg(feature = "victoria-metrics")]
        if name.starts_with("VICTORIAMETRICS_") {
            return self.victoria_metrics.set(name, value);
        }
        let Self {
            service, environment, namespace, labels, metrics, otel, policy, boundaries, ..
        } = self;
        match name {
            "SERVICE_NAME" => *service = Some(value),
            "ENVIRONMENT" => *environment = Some(value),
            "METRICS_NAMESPACE" => *namespace = Some(rules::check_namespace(value)?),
            "METRICS_LABELS" => *labels = rules::check_labels(pairs(&value, ',')?)?,
            "METRICS_ENABLED" => metrics.enabled = switch(&value)?,
            "METRICS_PORT" => metrics.port = port(&value)?,
            "METRICS_PATH" => metrics.path = rules::check_path(value)?,
            "OTEL_METRICS_ENABLED" => otel.metrics_enabled = switch(&value)?,
            "METRICS_ALLOW" => policy.allow = list(&value),
            "METRICS_DENY" => policy.deny = list(&value),
            "METRICS_BOUNDARIES" => {
                let numbers = |(name, text): (String, String)| Ok((name, numbers(&text)?));
                let parsed = pairs(&value, ';')?.into_iter().map(numbers);
                *boundaries = rules::check_boundaries(parsed.collect::<Result<_, String>>()?)?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn place(name: &str) -> String {
    format!("environment variable {name}")
}

fn switch(value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| {
        format!("`{}` is not a switch: allowed are `true` and `false`", redact::text(value))
    })
}

fn port(value: &str) -> Result<u16, String> {
    let refused = |_| format!("`{}` is not a port: allowed are 1 to 65535", redact::text(value));
    rules::check_port(value.parse().map_err(refused)?)
}

pub(super) fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Into::into).collect()
}

/// `a=1,b=2`
fn pairs(value: &str, separator: char) -> Result<BTreeMap<String, String>, String> {
    let mut pairs = BTreeMap::new();
    for part in value.split(separator).map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').ok_or_else(|| {
            format!("`{}` has no `=`: allowed is NAME=VALUE{separator}…", redact::text(part))
        })?;
        if pairs.insert(key.trim().to_owned(), value.trim().to_owned()).is_some() {
            return Err(format!("`{}` is given twice", redact::text(key)));
        }
    }
    Ok(pairs)
}

fn numbers(text: &str) -> Result<Vec<f64>, String> {
    let number = |part: &str| {
        part.trim()
            .parse()
            .map_err(|_| format!("`{}` is not a number: allowed is 0.1,0.5,…", redact::text(part)))
    };
    text.split(',').map(number).collect()
}

//! The same settings from environment variables.

use super::{Config, error::ConfigError, rules};
use crate::redact;
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    net::SocketAddr,
};

impl Config {
    /// Replaces what the environment says differently; variables that are not in the [table](super)
    /// are left alone, and so are those that are set to nothing.
    ///
    /// ```
    /// use asdlc_exporter::config::Config;
    ///
    /// # fn main() -> Result<(), asdlc_exporter::config::ConfigError> {
    /// let config = Config::default().with_environment(std::env::vars_os())?;
    /// # Ok(()) }
    /// ```
    ///
    /// `std::env::vars` panics when any variable of the process is not UTF-8; `std::env::vars_os` does
    /// not.
    ///
    /// A `METRICS_PORT` such as `tcp://10.0.0.1:8080` is ignored: in every pod, Kubernetes sets it for a
    /// Service that is named `metrics`.
    ///
    /// # Errors
    ///
    /// When a value is not allowed, or not UTF-8.
    pub fn with_environment<K: AsRef<OsStr>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        for (name, value) in variables {
            // A name that is not UTF-8 is none of ours.
            let Some(name) = name.as_ref().to_str().filter(|name| is_ours(name)) else { continue };
            let value: OsString = value.into();
            let refuse =
                |problem: String| ConfigError::new(format!("environment variable {name}"), problem);
            let value = value.into_string().map_err(|_| {
                refuse("the value is not UTF-8, and only that is allowed".to_owned())
            })?;
            if value.is_empty() {
                continue;
            }
            if name == PORT && is_service_link(&value) {
                tracing::info!("{name} is the link to a Kubernetes service and no port: ignored");
                continue;
            }
            self.set(name, value).map_err(refuse)?;
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
            PORT => metrics.port = port(&value)?,
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

fn is_ours(name: &str) -> bool {
    #[cfg(feature = "victoria-metrics")]
    if super::victoria_metrics::VARIABLES.contains(&name) {
        return true;
    }
    VARIABLES.contains(&name)
}

/// `tcp://10.0.0.1:8080`, as the kubelet writes it.
fn is_service_link(value: &str) -> bool {
    let address = ["tcp://", "udp://", "sctp://"].iter().find_map(|p| value.strip_prefix(p));
    address.is_some_and(|address| address.parse::<SocketAddr>().is_ok())
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

const PORT: &str = "METRICS_PORT";

/// Those that `Config::set` knows.
const VARIABLES: [&str; 11] = [
    "SERVICE_NAME",
    "ENVIRONMENT",
    "METRICS_NAMESPACE",
    "METRICS_LABELS",
    "METRICS_ENABLED",
    PORT,
    "METRICS_PATH",
    "OTEL_METRICS_ENABLED",
    "METRICS_ALLOW",
    "METRICS_DENY",
    "METRICS_BOUNDARIES",
];

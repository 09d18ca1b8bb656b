//! Settings from environment variables. The variables of OpenTelemetry are in `exporter/environment`.

use super::{error::ConfigError, rules, settings::Config};
#[cfg(feature = "victoria-metrics")]
use crate::victoria_metrics::check;
use crate::{exporter::environment::service_link::is_service_link, redact};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};

impl Config {
    /// Replaces each setting whose variable is set. Empty variables and variables that are not in the
    /// [tables](super) are ignored.
    ///
    /// ```
    /// use asdlc_exporter::config::Config;
    ///
    /// # fn main() -> Result<(), asdlc_exporter::config::ConfigError> {
    /// let config = Config::default().with_environment(std::env::vars_os())?;
    /// # Ok(()) }
    /// ```
    ///
    /// `std::env::vars` panics if any variable of the process is not UTF-8. `std::env::vars_os` does not.
    ///
    /// A `METRICS_PORT` such as `tcp://10.0.0.1:8080` is ignored: Kubernetes sets it in every pod if there
    /// is a Service that is named `metrics`.
    ///
    /// # Errors
    ///
    /// When the value of a variable in the [tables](super) is not allowed, or not UTF-8.
    pub fn with_environment<K: AsRef<OsStr>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        for (name, value) in variables {
            let known = name.as_ref().to_str().and_then(find);
            let Some(&(name, set)) = known else { continue };
            let refuse =
                |problem: String| ConfigError::new(format!("environment variable {name}"), problem);
            let value = value.into().into_string();
            let value = value.map_err(|_| refuse("invalid value: must be UTF-8".to_owned()))?;
            if value.is_empty() {
                continue;
            }
            if name == PORT && is_service_link(&value) {
                tracing::info!(
                    "{name} is ignored: it is not a port, but the address of a Kubernetes Service"
                );
                continue;
            }
            set(&mut self, value).map_err(refuse)?;
        }
        Ok(self)
    }
}

/// The name of a variable, and how it changes the settings.
type Variable = (&'static str, fn(&mut Config, String) -> Result<(), String>);

fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().chain(PROXY_VARIABLES).find(|(known, _)| *known == name)
}

const VARIABLES: &[Variable] = &[
    ("SERVICE_NAME", |config, value| {
        config.service = Some(value);
        Ok(())
    }),
    ("ENVIRONMENT", |config, value| {
        config.environment = Some(value);
        Ok(())
    }),
    ("METRICS_NAMESPACE", |config, value| {
        config.namespace = Some(rules::check_namespace(value)?);
        Ok(())
    }),
    ("METRICS_LABELS", |config, value| {
        config.labels = rules::check_labels(entries(&value, ',')?)?;
        Ok(())
    }),
    ("METRICS_ENABLED", |config, value| {
        config.metrics.enabled = boolean(&value)?;
        Ok(())
    }),
    (PORT, |config, value| {
        config.metrics.port = Some(port(&value)?);
        Ok(())
    }),
    ("METRICS_PATH", |config, value| {
        config.metrics.path = rules::check_path(value)?;
        Ok(())
    }),
    ("OTEL_METRICS_ENABLED", |config, value| {
        config.otel.metrics_enabled = boolean(&value)?;
        Ok(())
    }),
    ("METRICS_ALLOW", |config, value| {
        config.policy.allow = list(&value);
        Ok(())
    }),
    ("METRICS_DENY", |config, value| {
        config.policy.deny = list(&value);
        Ok(())
    }),
    ("METRICS_BOUNDARIES", |config, value| {
        let boundaries = |(name, text): (String, String)| Ok((name, boundaries(&text)?));
        let parsed = entries(&value, ';')?.into_iter().map(boundaries);
        config.boundaries = rules::check_boundaries_of(parsed.collect::<Result<_, String>>()?)?;
        Ok(())
    }),
];

const PORT: &str = "METRICS_PORT";

#[cfg(not(feature = "victoria-metrics"))]
const PROXY_VARIABLES: &[Variable] = &[];

#[cfg(feature = "victoria-metrics")]
const PROXY_VARIABLES: &[Variable] = &[
    ("VICTORIAMETRICS_URL", |config, value| {
        config.victoria_metrics.url = Some(check::url(value)?);
        Ok(())
    }),
    ("VICTORIAMETRICS_USER", |config, value| {
        config.victoria_metrics.user = Some(value);
        Ok(())
    }),
    ("VICTORIAMETRICS_PASSWORD", |config, value| {
        config.victoria_metrics.password = Some(value);
        Ok(())
    }),
    ("VICTORIAMETRICS_BEARER_TOKEN", |config, value| {
        config.victoria_metrics.bearer_token = Some(value);
        Ok(())
    }),
    ("VICTORIAMETRICS_TIMEOUT", |config, value| {
        config.victoria_metrics.timeout = check::timeout(&value)?;
        Ok(())
    }),
    ("VICTORIAMETRICS_MAX_POINTS", |config, value| {
        config.victoria_metrics.max_points = check::max_points(number(&value)?)?;
        Ok(())
    }),
    ("VICTORIAMETRICS_MAX_IN_FLIGHT", |config, value| {
        config.victoria_metrics.max_in_flight = check::max_in_flight(number(&value)?)?;
        Ok(())
    }),
    ("VICTORIAMETRICS_MAX_RESPONSE_BYTES", |config, value| {
        config.victoria_metrics.max_response_bytes = check::max_response_bytes(number(&value)?)?;
        Ok(())
    }),
    ("VICTORIAMETRICS_SERVICES_WINDOW", |config, value| {
        config.victoria_metrics.services_window = check::services_window(&value)?;
        Ok(())
    }),
    ("VICTORIAMETRICS_CORS_ORIGINS", |config, value| {
        config.victoria_metrics.cors_origins = check::cors_origins(list(&value))?;
        Ok(())
    }),
];

fn boolean(value: &str) -> Result<bool, String> {
    value
        .parse()
        .map_err(|_| format!("invalid boolean \"{}\": must be true or false", redact::text(value)))
}

fn port(value: &str) -> Result<u16, String> {
    let invalid = |_| format!("invalid port \"{}\": must be 1 to 65535", redact::text(value));
    rules::check_port(value.parse().map_err(invalid)?)
}

#[cfg(feature = "victoria-metrics")]
fn number(value: &str) -> Result<u64, String> {
    let invalid = |_| format!("invalid number \"{}\": must have only digits", redact::text(value));
    value.parse().map_err(invalid)
}

/// `a,b`
fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Into::into).collect()
}

/// `a=1,b=2`
fn entries(value: &str, separator: char) -> Result<BTreeMap<String, String>, String> {
    let mut entries = BTreeMap::new();
    for part in value.split(separator).map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or_else(|| {
            format!(
                "invalid entry \"{}\": must be NAME=VALUE, entries are separated by '{separator}'",
                redact::text(part)
            )
        })?;
        if entries.insert(name.trim().to_owned(), value.trim().to_owned()).is_some() {
            return Err(format!("duplicate entry \"{}\"", redact::text(name)));
        }
    }
    Ok(entries)
}

/// `0.1,0.5`
fn boundaries(text: &str) -> Result<Vec<f64>, String> {
    let boundary = |part: &str| {
        let invalid = |_| format!("invalid boundary \"{}\": must be a number", redact::text(part));
        part.trim().parse().map_err(invalid)
    };
    text.split(',').map(boundary).collect()
}

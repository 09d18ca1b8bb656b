//! The section `victoria_metrics` (features `config` and `victoria-metrics`).

use super::environment::list;
use crate::{
    redact,
    victoria_metrics::{QueryProxy, QueryProxyBuilder, check},
};
use serde::{Deserialize, Deserializer, de};
use std::{fmt, time::Duration};

/// Where the queries of a [`QueryProxy`] go, and what they may take:
/// `victoria_metrics: {url, timeout, …}`.
///
/// ```
/// use asdlc_exporter::{Exporter, config::Config};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let exporter = Exporter::builder("shop").build()?;
/// let environment = [("VICTORIAMETRICS_URL", "http://127.0.0.1:8428"), ("VICTORIAMETRICS_TIMEOUT", "10s")];
/// let config = Config::default().with_environment(environment)?;
/// let proxy = config.victoria_metrics.query_proxy().build(&exporter.meter())?;
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct VictoriaMetricsConfig {
    /// `http[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]`; without it, the proxy answers 503.
    #[serde(deserialize_with = "url")]
    pub url: Option<String>,
    /// With `password` or alone.
    #[serde(deserialize_with = "secret")]
    pub user: Option<String>,
    /// With `user`.
    #[serde(deserialize_with = "secret")]
    pub password: Option<String>,
    /// Instead of a user.
    #[serde(deserialize_with = "secret")]
    pub bearer_token: Option<String>,
    /// 100ms to 1h.
    #[serde(deserialize_with = "timeout")]
    pub timeout: Duration,
    /// 2 to 30000.
    #[serde(deserialize_with = "max_points")]
    pub max_points: u32,
    /// 1 to 1024.
    #[serde(deserialize_with = "max_in_flight")]
    pub max_in_flight: usize,
    /// 1024 and more.
    #[serde(deserialize_with = "max_answer_bytes")]
    pub max_answer_bytes: u64,
    /// 1m to 1y.
    #[serde(deserialize_with = "services_window")]
    pub services_window: Duration,
    /// `http[s]://HOST[:PORT]` or `*`.
    #[serde(deserialize_with = "cors_origins")]
    pub cors_origins: Vec<String>,
}

/// The environment variables of this section.
pub(super) const VARIABLES: [&str; 10] = [
    "VICTORIAMETRICS_URL",
    "VICTORIAMETRICS_USER",
    "VICTORIAMETRICS_PASSWORD",
    "VICTORIAMETRICS_BEARER_TOKEN",
    "VICTORIAMETRICS_TIMEOUT",
    "VICTORIAMETRICS_MAX_POINTS",
    "VICTORIAMETRICS_MAX_IN_FLIGHT",
    "VICTORIAMETRICS_MAX_ANSWER_BYTES",
    "VICTORIAMETRICS_SERVICES_WINDOW",
    "VICTORIAMETRICS_CORS_ORIGINS",
];

impl VictoriaMetricsConfig {
    /// A proxy with these settings.
    pub fn query_proxy(&self) -> QueryProxyBuilder {
        let Self {
            url,
            user,
            password,
            bearer_token,
            timeout,
            max_points,
            max_in_flight,
            max_answer_bytes,
            services_window,
            cors_origins,
        } = self;
        let mut builder = QueryProxy::builder(url.as_deref())
            .with_timeout(*timeout)
            .with_max_points(*max_points)
            .with_max_in_flight(*max_in_flight)
            .with_max_answer_bytes(*max_answer_bytes)
            .with_services_window(*services_window);
        if user.is_some() || password.is_some() {
            let text = |part: &Option<String>| part.clone().unwrap_or_default();
            builder = builder.with_basic_auth(&text(user), &text(password));
        }
        if let Some(token) = bearer_token {
            builder = builder.with_bearer_token(token);
        }
        cors_origins.iter().fold(builder, QueryProxyBuilder::with_cors_origin)
    }

    /// Takes the variable, if it is one of [`VARIABLES`].
    pub(super) fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "VICTORIAMETRICS_URL" => self.url = Some(check::url(value)?),
            "VICTORIAMETRICS_USER" => self.user = Some(value),
            "VICTORIAMETRICS_PASSWORD" => self.password = Some(value),
            "VICTORIAMETRICS_BEARER_TOKEN" => self.bearer_token = Some(value),
            "VICTORIAMETRICS_TIMEOUT" => self.timeout = check::timeout(&value)?,
            "VICTORIAMETRICS_MAX_POINTS" => self.max_points = check::max_points(number(&value)?)?,
            "VICTORIAMETRICS_MAX_IN_FLIGHT" => {
                self.max_in_flight = check::max_in_flight(number(&value)?)?;
            }
            "VICTORIAMETRICS_MAX_ANSWER_BYTES" => {
                self.max_answer_bytes = check::max_answer_bytes(number(&value)?)?;
            }
            "VICTORIAMETRICS_SERVICES_WINDOW" => {
                self.services_window = check::services_window(&value)?;
            }
            "VICTORIAMETRICS_CORS_ORIGINS" => {
                self.cors_origins = check::cors_origins(list(&value))?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Default for VictoriaMetricsConfig {
    fn default() -> Self {
        let check::Defaults {
            timeout,
            max_points,
            max_in_flight,
            max_answer_bytes,
            services_window,
        } = check::defaults();
        Self {
            url: None,
            user: None,
            password: None,
            bearer_token: None,
            timeout,
            max_points,
            max_in_flight,
            max_answer_bytes,
            services_window,
            cors_origins: Vec::new(),
        }
    }
}

/// Without the secrets.
impl fmt::Debug for VictoriaMetricsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VictoriaMetricsConfig")
            .field("url", &self.url.as_deref().map(redact::url))
            .field("timeout", &self.timeout)
            .field("max_points", &self.max_points)
            .field("max_in_flight", &self.max_in_flight)
            .field("max_answer_bytes", &self.max_answer_bytes)
            .field("services_window", &self.services_window)
            .field("cors_origins", &self.cors_origins)
            .finish_non_exhaustive()
    }
}

fn number(value: &str) -> Result<u64, String> {
    value
        .parse()
        .map_err(|_| format!("`{}` is not a number: allowed are digits", redact::text(value)))
}

/// Text, or nothing. Formats repeat a value of another type in their messages, so every type is
/// taken, and refused here.
fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    from.deserialize_any(Secret)
}

struct Secret;

impl<'de> de::Visitor<'de> for Secret {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(not_text())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(not_text())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(not_text())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(not_text())
    }
}

fn not_text<E: de::Error>() -> E {
    E::custom("a number or a switch: allowed is text, in quotes")
}

fn url<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let url = secret(from)?.filter(|url| !url.is_empty());
    url.map(check::url).transpose().map_err(de::Error::custom)
}

fn timeout<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    check::timeout(&String::deserialize(from)?).map_err(de::Error::custom)
}

fn max_points<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    check::max_points(u64::deserialize(from)?).map_err(de::Error::custom)
}

fn max_in_flight<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    check::max_in_flight(u64::deserialize(from)?).map_err(de::Error::custom)
}

fn max_answer_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    check::max_answer_bytes(u64::deserialize(from)?).map_err(de::Error::custom)
}

fn services_window<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    check::services_window(&String::deserialize(from)?).map_err(de::Error::custom)
}

fn cors_origins<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    check::cors_origins(Vec::deserialize(from)?).map_err(de::Error::custom)
}

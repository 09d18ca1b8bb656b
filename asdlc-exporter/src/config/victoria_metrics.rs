//! The section `victoria_metrics` (features `config` and `victoria-metrics`).

use crate::{
    redact,
    victoria_metrics::{QueryProxy, QueryProxyBuilder, check},
};
use serde::{Deserialize, Deserializer, de};
use std::{fmt, time::Duration};

/// The `VictoriaMetrics` of a [`QueryProxy`], and its limits: `victoria_metrics: {url, timeout, …}`.
///
/// ```
/// use asdlc_exporter::{Exporter, config::Config};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let exporter = Exporter::builder("shop").build()?;
/// let environment = [("VICTORIAMETRICS_URL", "http://127.0.0.1:8428"), ("VICTORIAMETRICS_TIMEOUT", "10s")];
/// let config = Config::default().with_environment(environment)?;
/// let proxy = config.victoria_metrics.query_proxy().build(&exporter)?;
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct VictoriaMetricsConfig {
    /// `http[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]`. Without it, the proxy responds with 503.
    #[serde(deserialize_with = "url")]
    pub url: Option<String>,
    /// For HTTP basic authentication. Without `password`, the password is empty.
    #[serde(deserialize_with = "secret")]
    pub user: Option<String>,
    /// Requires `user`.
    #[serde(deserialize_with = "secret")]
    pub password: Option<String>,
    /// An alternative to `user` and `password`.
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
    /// At least 1024.
    #[serde(deserialize_with = "max_response_bytes")]
    pub max_response_bytes: u64,
    /// 1m to 1y.
    #[serde(deserialize_with = "services_window")]
    pub services_window: Duration,
    /// `http[s]://HOST[:PORT]` or `*`.
    #[serde(deserialize_with = "cors_origins")]
    pub cors_origins: Vec<String>,
}

impl VictoriaMetricsConfig {
    /// Creates a builder with these settings.
    pub fn query_proxy(&self) -> QueryProxyBuilder {
        let Self {
            url,
            user,
            password,
            bearer_token,
            timeout,
            max_points,
            max_in_flight,
            max_response_bytes,
            services_window,
            cors_origins,
        } = self;
        let mut builder = QueryProxy::builder(url.as_deref())
            .with_timeout(*timeout)
            .with_max_points(*max_points)
            .with_max_in_flight(*max_in_flight)
            .with_max_response_bytes(*max_response_bytes)
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
}

impl Default for VictoriaMetricsConfig {
    fn default() -> Self {
        let check::Settings {
            timeout,
            max_points,
            max_in_flight,
            max_response_bytes,
            services_window,
        } = check::Settings::default();
        Self {
            url: None,
            user: None,
            password: None,
            bearer_token: None,
            timeout,
            max_points,
            max_in_flight,
            max_response_bytes,
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
            .field("max_response_bytes", &self.max_response_bytes)
            .field("services_window", &self.services_window)
            .field("cors_origins", &self.cors_origins)
            .finish_non_exhaustive()
    }
}

/// Reads a string or nothing. If the type of the value is wrong, a parser would repeat the value in its
/// message. So the visitor accepts every type, and refuses the wrong ones itself.
fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    from.deserialize_any(SecretVisitor)
}

struct SecretVisitor;

impl<'de> de::Visitor<'de> for SecretVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
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
        Err(not_a_string())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(not_a_string())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(not_a_string())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(not_a_string())
    }
}

fn not_a_string<E: de::Error>() -> E {
    E::custom("invalid type: must be a string, put it in quotes")
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

fn max_response_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    check::max_response_bytes(u64::deserialize(from)?).map_err(de::Error::custom)
}

fn services_window<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    check::services_window(&String::deserialize(from)?).map_err(de::Error::custom)
}

fn cors_origins<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    check::cors_origins(Vec::deserialize(from)?).map_err(de::Error::custom)
}

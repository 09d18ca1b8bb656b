//! The configuration, `daemon.toml`.

use asdlc_exporter::config::OtelConfig;
use serde::{Deserialize, Deserializer, de::Error};
use std::time::Duration;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) program: Program,
    pub(crate) backoff: Backoff,
    pub(crate) otel: OtelConfig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Program {
    /// The program and its arguments.
    #[serde(deserialize_with = "command")]
    pub(crate) command: Vec<String>,
    #[serde(deserialize_with = "seconds")]
    pub(crate) settled_after: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Backoff {
    #[serde(deserialize_with = "seconds")]
    pub(crate) first: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(crate) longest: Duration,
}

impl Default for Program {
    fn default() -> Self {
        let command = ["sleep", "30"].map(str::to_owned).into();
        Self { command, settled_after: Duration::from_secs(2) }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(60) }
    }
}

fn command<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let command = Vec::deserialize(from)?;
    if command.is_empty() {
        return Err(D::Error::custom("missing program: must be [\"PROGRAM\", \"ARGUMENT\", …]"));
    }
    Ok(command)
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(from)?;
    if !(0.001..=86_400.0).contains(&seconds) {
        let problem = format!("invalid seconds {seconds}: must be 0.001 to 86400");
        return Err(D::Error::custom(problem));
    }
    Ok(Duration::from_secs_f64(seconds))
}

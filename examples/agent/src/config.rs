//! The configuration, `agent.yaml`.

use asdlc_exporter::config::MetricsConfig;
use serde::{Deserialize, Deserializer, de::Error};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// HOST:PORT for peers and clients.
    #[serde(deserialize_with = "address")]
    pub(crate) listen: String,
    /// HOST:PORT of those that get copies.
    #[serde(deserialize_with = "addresses")]
    pub(crate) peers: Vec<String>,
    #[serde(deserialize_with = "seconds")]
    pub(crate) heartbeat: Duration,
    pub(crate) storage: StorageConfig,
    /// Port 0: where `LISTEN_ADDR` says.
    pub(crate) metrics: MetricsConfig<0>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StorageConfig {
    pub(crate) path: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            peers: Vec::new(),
            heartbeat: Duration::from_secs(1),
            storage: StorageConfig::default(),
            metrics: MetricsConfig::default(),
        }
    }
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    support::host_port(&String::deserialize(from)?).map_err(D::Error::custom)
}

fn addresses<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let addresses = Vec::<String>::deserialize(from)?;
    let wrong = addresses.iter().find_map(|address| support::host_port(address).err());
    wrong.map_or(Ok(addresses), |wrong| Err(D::Error::custom(wrong)))
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(from)?;
    let allowed = (0.01..=86_400.0).contains(&seconds);
    let wrong =
        || D::Error::custom(format!("{seconds} is not allowed: seconds from 0.01 to 86400"));
    if allowed { Ok(Duration::from_secs_f64(seconds)) } else { Err(wrong()) }
}

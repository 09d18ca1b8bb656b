//! The configuration, `agent.yaml`.

use asdlc_exporter::config::MetricsConfig;
use serde::{Deserialize, Deserializer, de::Error};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The address for peers and clients, `HOST:PORT`.
    #[serde(deserialize_with = "address")]
    pub(crate) listen: String,
    /// The addresses of the peers that get copies, `HOST:PORT`.
    #[serde(deserialize_with = "addresses")]
    pub(crate) peers: Vec<String>,
    #[serde(deserialize_with = "seconds")]
    pub(crate) heartbeat: Duration,
    pub(crate) storage: StorageConfig,
    /// Without a port, metrics are served at that of `LISTEN_ADDR`.
    pub(crate) metrics: MetricsConfig,
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
    checked(&String::deserialize(from)?)
}

fn addresses<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Vec::<String>::deserialize(from)?.iter().map(|address| checked(address)).collect()
}

fn checked<E: Error>(address: &str) -> Result<String, E> {
    support::host_port(address)
        .map_err(|allowed| E::custom(format!("invalid address {address:?}: {allowed}")))
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(from)?;
    if !(0.01..=86_400.0).contains(&seconds) {
        let problem = format!("invalid seconds {seconds}: must be 0.01 to 86400");
        return Err(D::Error::custom(problem));
    }
    Ok(Duration::from_secs_f64(seconds))
}

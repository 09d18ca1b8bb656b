//! An event, with the attributes of CloudEvents.

use crate::events::Failure;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) source: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) data: Value,
    /// Milliseconds since 1970.
    pub(crate) received_ms: i64,
}

/// The event as a client sends it, and as the event store gets it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submission {
    /// Set by clients that may send an event twice.
    id: Option<String>,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

impl Submission {
    pub(crate) fn into_event(self) -> Result<Event, Failure> {
        let Self { id, source, kind, data } = self;
        let id = id.unwrap_or_else(|| Uuid::now_v7().to_string());
        for (field, name) in [("id", &id), ("source", &source), ("type", &kind)] {
            if !is_name(name) {
                return Err(Failure::Invalid(format!(
                    "invalid {field}: must be 1 to {LONGEST_NAME} ASCII letters, digits and -_.:/"
                )));
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let received_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        Ok(Event { id, source, kind, data, received_ms })
    }
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte))
}

const LONGEST_NAME: usize = 100;

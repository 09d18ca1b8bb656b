//! The steps that store an event: quota, event store, database, metrics.

use crate::constitution::Constitution;
use crate::database::Database;
use crate::event::{Event, Submission};
use crate::event_store::EventStore;
use crate::quota::Quota;
use crate::unavailable::Unavailable;
use std::fmt;

#[derive(Clone)]
pub(crate) struct Events {
    pub(crate) quota: Option<Quota>,
    pub(crate) event_store: Option<EventStore>,
    pub(crate) database: Database,
    pub(crate) constitution: Constitution,
}

pub(crate) enum Recorded {
    New(Event),
    Known(Event),
}

/// Why a request failed.
pub(crate) enum Failure {
    Invalid(String),
    Unknown,
    OverQuota,
    Unavailable(Unavailable),
}

impl Events {
    pub(crate) async fn record(&self, submission: Submission) -> Result<Recorded, Failure> {
        let event = submission.into_event()?;
        if let Some(quota) = &self.quota
            && !quota.take(&event.source).await?
        {
            return Err(Failure::OverQuota);
        }
        // The store gets the event before the database does, so it has every event of the database.
        // After a failure a client can send the same id again, because the store accepts an id
        // twice.
        if let Some(store) = &self.event_store {
            store.append(&event).await?;
        }
        if self.database.insert(&event).await? {
            self.constitution.record(&event);
            return Ok(Recorded::New(event));
        }
        Ok(Recorded::Known(self.get(&event.id).await?))
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Event, Failure> {
        self.database.get(id).await?.ok_or(Failure::Unknown)
    }

    pub(crate) async fn newest(&self, limit: u16) -> Result<Vec<Event>, Failure> {
        Ok(self.database.newest(limit).await?)
    }
}

/// The configured steps, for the log.
impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quota, event_store, database, constitution: _ } = self;
        match quota {
            Some(quota) => write!(f, "quota: {quota}; ")?,
            None => f.write_str("quota: none (REDIS_URL is not set); ")?,
        }
        match event_store {
            Some(store) => write!(f, "event store: {store}; ")?,
            None => f.write_str("event store: the database (EVENT_STORE_URL is not set); ")?,
        }
        write!(f, "database: {database}")
    }
}

impl From<Unavailable> for Failure {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => f.write_str(why),
            Self::Unknown => f.write_str("no such event"),
            Self::OverQuota => f.write_str("this source has reached its quota for this minute"),
            Self::Unavailable(unavailable) => unavailable.fmt(f),
        }
    }
}

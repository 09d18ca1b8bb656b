//! How the events of a callsite are recorded.

use std::sync::atomic::{AtomicU8, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventRoute {
    /// As they are.
    Direct,
    /// Each event is a log record, which has a target of its own.
    LogRecord,
    /// The meter records exemplars. It must know to which span a measurement belongs.
    WithExemplars,
    /// It is not known yet whether the meter records exemplars, because the instruments do not exist yet.
    Unknown,
}

/// The [`EventRoute`] of a callsite. Only [`EventRoute::Unknown`] changes, to another one.
#[derive(Debug)]
pub(crate) struct AtomicEventRoute(AtomicU8);

impl AtomicEventRoute {
    pub(crate) fn new(route: EventRoute) -> Self {
        Self(AtomicU8::new(route as u8))
    }

    #[inline]
    pub(crate) fn get(&self) -> EventRoute {
        match self.0.load(Ordering::Relaxed) {
            DIRECT => EventRoute::Direct,
            LOG_RECORD => EventRoute::LogRecord,
            WITH_EXEMPLARS => EventRoute::WithExemplars,
            _ => EventRoute::Unknown,
        }
    }

    pub(crate) fn set(&self, route: EventRoute) {
        self.0.store(route as u8, Ordering::Relaxed);
    }
}

const DIRECT: u8 = EventRoute::Direct as u8;
const LOG_RECORD: u8 = EventRoute::LogRecord as u8;
const WITH_EXEMPLARS: u8 = EventRoute::WithExemplars as u8;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan::EventDestination;
    use crate::plan::plans::Plans;
    use crate::plan::rule_set::RuleSet;
    use crate::record::per_instrument::PerInstrument;
    use crate::record::series::SeriesKey;
    use crate::rule::rule::Rule;
    use std::thread;
    use std::time::{Duration, Instant};
    use tracing_core::callsite::DefaultCallsite;
    use tracing_core::metadata::Kind;
    use tracing_core::{Level, Metadata};

    static CALLSITE: DefaultCallsite = DefaultCallsite::new(&METADATA);
    static METADATA: Metadata<'static> = tracing_core::metadata! {
        name: "event",
        target: "test",
        level: Level::INFO,
        fields: &["monotonic_counter.orders"],
        callsite: &CALLSITE,
        kind: Kind::EVENT
    };

    /// So that without exemplars nothing is asked for each event.
    //
    #[test]
    fn the_route_of_a_prefixed_field_is_known_once_its_instrument_exists() {
        let meter = opentelemetry::global::meter("test");
        let rule_set = RuleSet::new(&meter, vec![Rule::prefixed_fields()]).expect("a valid rule");
        let plans = Plans::new(rule_set);
        let (_, plan) = plans.find(&METADATA).expect("the rule matches it");
        assert_eq!(plan.event_route.get(), EventRoute::Unknown);
        plan.find_event_route(|| None);
        assert_eq!(plan.event_route.get(), EventRoute::Unknown, "there is no instrument");
        let EventDestination::Prefixed(field) = &plan.events[0].plans[0].destination else {
            panic!("it is a prefixed field");
        };
        let metrics = field.metrics().expect("a valid name");
        metrics
            .record(SeriesKey::default(), PerInstrument { sum: Some(1.0), ..Default::default() });
        let start = Instant::now();
        while !metrics.is_created() {
            assert!(start.elapsed() < Duration::from_secs(20), "it is not created");
            thread::sleep(Duration::from_millis(1));
        }
        plan.find_event_route(|| None);
        assert_eq!(plan.event_route.get(), EventRoute::Direct);
    }
}

//! Finds the start time of each series: the last collection without the series.
//!
//! A server computes an increase from two samples. What was counted before the first sample of a series is lost,
//! unless the exposition has a start time: then the server assumes the value 0 at this time. If the start is
//! earlier than the last sample that a server has, the server ignores it. If it is later than a sample of the
//! same series, the server counts this sample twice. So a start must never be too late. A series whose start is
//! not known has none.
//!
//! Series are found again by the hash of their labels. Two series of one family can have the same hash: with
//! 100 000 series, the probability is 3 × 10^-10. Then one of them could get the start and the idle state of the
//! other one.

use crate::{
    families::{
        family::{Families, Family},
        series::{
            idle::{IdleState, Observation, Values, read_values},
            order::SeriesOrder,
            table::Series,
        },
    },
    unix_time::UnixTime,
};
use foldhash::quality::RandomState;
use std::{
    collections::HashMap,
    mem,
    time::{Duration, Instant},
};

/// What is known about the series of all families. It is kept between collections.
#[derive(Debug)]
pub(crate) struct Lifetimes {
    /// `None` if idle series are served too.
    idle_timeout: Option<Duration>,
    hasher: RandomState,
    /// By the id of the family.
    families: Vec<FamilyLifetimes>,
    /// The collection that is observed now.
    current: Option<Collection>,
    /// The beginning of the newest collection, by both clocks.
    newest: Option<(Instant, UnixTime)>,
    /// When the last collection that had all families began.
    complete_at: UnixTime,
    /// When a family was absent that was in no collection yet.
    absence: Absence,
    /// Whether a newer collection was observed before the current one.
    is_late: bool,
}

/// A collection. Both times are those of its beginning: what is recorded later may or may not be in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collection {
    pub(crate) now: Instant,
    pub(crate) time: UnixTime,
    /// Whether it has all families. A registry that fails makes a collection incomplete.
    pub(crate) is_complete: bool,
}

/// The series of one family at its last collection, in the order in which they are served.
#[derive(Debug)]
pub(crate) struct FamilyLifetimes {
    /// The digest of the labels of all series.
    digest: Option<u64>,
    known: Vec<Lifetime>,
    /// The state of each series. Empty if no series of the family can be idle.
    idle: Vec<IdleState>,
    hidden: usize,
    /// The series that the last collections did not have, in the order in which they went missing. A series of
    /// an observable instrument is missing if the callback fails before it observes the series. The value
    /// does not start at 0 again, so the start must not change.
    missing: Vec<MissingSeries>,
    /// When a series was absent that no collection of the family had yet.
    absence: Absence,
    /// When the last collection that had the family began.
    collected_at: UnixTime,
    /// Whether all series of the family were removed after they were compared for the last time.
    starts_again: bool,
}

/// The start of one series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    /// The hash of its labels.
    hash: u64,
    start: UnixTime,
}

#[derive(Debug)]
struct MissingSeries {
    lifetime: Lifetime,
    since: Instant,
    idle: Option<Box<IdleState>>,
}

/// The times of the last collections in which something was absent.
#[derive(Clone, Copy, Debug)]
struct Absence {
    /// The latest one. Collections within [`MARGIN`] after it do not replace it.
    latest: UnixTime,
    /// An earlier one. It is the start of a new series while `latest` is less than [`MARGIN`] ago.
    settled: UnixTime,
}

impl Lifetimes {
    /// `built` is the time when the reader was built: nothing has a value before that.
    pub(crate) fn new(built: UnixTime, idle_timeout: Option<Duration>) -> Self {
        Self {
            idle_timeout,
            hasher: RandomState::default(),
            families: Vec::new(),
            current: None,
            newest: None,
            complete_at: UNKNOWN,
            absence: Absence::before(built),
            is_late: false,
        }
    }

    /// Begins to observe the families of a collection, before any of them is observed or written. A second
    /// call for the same collection changes nothing.
    pub(crate) fn begin(&mut self, families: &Families<'_>, collection: Collection) {
        let Collection { now, time, is_complete } = collection;
        // Two threads collect at the same time, and the one that began first comes last.
        self.is_late = self.newest.is_some_and(|(newest, _)| now < newest);
        if !self.is_late {
            if self.newest.is_some_and(|(_, newest)| time < newest) {
                self.forget_after(time);
            }
            self.newest = Some((now, time));
        }
        self.current = Some(collection);
        let Self { families: known, complete_at, absence, .. } = self;
        for family in families.iter() {
            if known.len() <= family.id {
                known.resize_with(family.id + 1, || FamilyLifetimes::new(*absence));
            }
            let known = &mut known[family.id];
            if known.collected_at < *complete_at {
                known.absence = known.absence.after(known.collected_at, *absence, time);
                known.absence.observe(*complete_at);
                // Only a registry removes series.
                known.starts_again |= family.is_foreign();
            }
            known.collected_at = known.collected_at.max(time);
        }
        if is_complete {
            self.complete_at = self.complete_at.max(time);
            self.absence.observe(time);
        }
    }

    /// Compares the series of a family with those of its last collection. `None` if nothing has to be known
    /// about the series of the family.
    ///
    /// A second call for the same collection changes nothing. So all expositions of one collection have the
    /// same series and starts.
    pub(crate) fn observe<'t, 'a: 't, S: Iterator<Item = Series<'t, 'a>>>(
        &mut self,
        family: &Family<'a, '_>,
        order: &SeriesOrder,
        series: impl Fn() -> S,
    ) -> Option<&FamilyLifetimes> {
        let Self { idle_timeout, hasher, families, current, is_late, .. } = self;
        let description = family.description;
        if !description.has_start && !description.can_be_idle {
            return None;
        }
        let (known, current) = (families.get_mut(family.id)?, (*current)?);
        let observation = Observation {
            kind: description.kind,
            can_be_removed: !family.is_recorded() && current.is_complete,
            now: current.now,
            idle_timeout: idle_timeout.filter(|_| description.can_be_idle),
        };
        // A late collection can have series that were removed since.
        let start = if *is_late { UNKNOWN } else { known.absence.start(current.time) };
        if known.starts_again && !*is_late {
            known.starts_again = false;
            known.known.iter_mut().for_each(|it| it.start = start);
        }
        if known.digest != Some(order.digest()) {
            let hashes = series().map(|series| series.labels().hash(hasher));
            known.find(observation, start, hashes, order.len());
            known.digest = Some(order.digest());
        }
        if observation.idle_timeout.is_some() {
            known.compare_values(observation, (!*is_late).then_some(start), series());
        }
        known.absence.observe(current.time);
        Some(known)
    }

    /// The clock was set back to this time. Forgets all later times.
    #[cold]
    fn forget_after(&mut self, time: UnixTime) {
        self.absence.forget_after(time);
        self.complete_at = self.complete_at.min(time);
        for family in &mut self.families {
            family.absence.forget_after(time);
            family.collected_at = family.collected_at.min(time);
            let missing = family.missing.iter_mut().map(|it| &mut it.lifetime);
            for it in family.known.iter_mut().chain(missing).filter(|it| it.start > time) {
                it.start = UNKNOWN;
            }
        }
    }
}

impl FamilyLifetimes {
    fn new(absence: Absence) -> Self {
        Self {
            digest: None,
            known: Vec::new(),
            idle: Vec::new(),
            hidden: 0,
            missing: Vec::new(),
            absence,
            collected_at: UNKNOWN,
            starts_again: false,
        }
    }

    /// Whether the family has series, and none is shown.
    pub(crate) fn is_hidden(&self) -> bool {
        self.hidden > 0 && self.hidden == self.known.len()
    }

    /// The series, in the order in which they are served.
    pub(crate) fn series(&self) -> &[Lifetime] {
        &self.known
    }

    /// The state of each series. Empty if no series of the family can be idle.
    pub(crate) fn idle(&self) -> &[IdleState] {
        &self.idle
    }

    /// Replaces the series by those with these hashes. There are at most `most` hashes.
    fn find(
        &mut self,
        observation: Observation,
        start: UnixTime,
        hashes: impl Iterator<Item = u64>,
        most: usize,
    ) {
        let Observation { can_be_removed, now, idle_timeout, .. } = observation;
        let Self { known, idle, missing, .. } = self;
        let (old, mut old_idle) = (mem::replace(known, Vec::with_capacity(most)), mem::take(idle));
        let kept = MAX_MISSING_TIME.max(idle_timeout.unwrap_or_default());
        missing.retain(|it| now.saturating_duration_since(it.since) < kept);
        // Mostly, the first series are those of the last collection.
        let mut hashes = hashes.peekable();
        let same = old.iter().map_while(|it| hashes.next_if_eq(&it.hash)).count();
        known.extend_from_slice(&old[..same]);
        idle.extend(old_idle.iter_mut().take(same).map(mem::take));
        let others = old[same..].iter().map(|it| it.hash);
        let mut others: HashMap<u64, usize, RandomState> =
            others.chain(missing.iter().map(|it| it.lifetime.hash)).zip(same..).collect();
        for hash in hashes {
            let (lifetime, state) = match others.remove(&hash) {
                Some(at) if at < old.len() => (old[at], old_idle.get_mut(at).map(mem::take)),
                Some(at) => {
                    let MissingSeries { lifetime, idle, .. } = &mut missing[at - old.len()];
                    (*lifetime, idle.take().map(|state| *state))
                }
                None => (Lifetime { hash, start }, None),
            };
            known.push(lifetime);
            if idle_timeout.is_some() {
                idle.push(state.unwrap_or_default());
            }
        }
        known.shrink_to_fit();
        idle.shrink_to_fit();
        missing.retain(|it| others.contains_key(&it.lifetime.hash));
        if !can_be_removed {
            let gone = old.iter().enumerate().skip(same);
            for (at, lifetime) in gone.filter(|(_, it)| others.contains_key(&it.hash)) {
                let idle = old_idle.get_mut(at).map(mem::take).map(Box::new);
                missing.push(MissingSeries { lifetime: *lifetime, since: now, idle });
            }
        }
        let most = known.len().max(MIN_MISSING);
        missing.drain(..missing.len().saturating_sub(most));
    }

    /// `start` is the new start of a series that starts again. `None` if it keeps the one that it has.
    fn compare_values<'t, 'a: 't>(
        &mut self,
        observation: Observation,
        start: Option<UnixTime>,
        series: impl Iterator<Item = Series<'t, 'a>>,
    ) {
        let Self { known, idle, hidden, .. } = self;
        let mut values = Values::default();
        *hidden = 0;
        for ((series, lifetime), state) in series.zip(known).zip(idle) {
            read_values(&mut values, observation.kind, &series);
            let starts_again = state.update(observation, &values);
            if let Some(start) = start.filter(|_| starts_again) {
                lifetime.start = start;
            }
            *hidden += usize::from(state.is_hidden());
        }
    }
}

impl Lifetime {
    /// The moment before which the series had no value.
    #[inline]
    pub(crate) fn start(self) -> Option<UnixTime> {
        Some(self.start).filter(|start| *start != UNKNOWN)
    }
}

impl Absence {
    /// Of what was absent until this time, for which there was no collection.
    fn before(built: UnixTime) -> Self {
        let absent = UnixTime(built.0.saturating_sub(AFTER_ABSENCE.as_nanos() as u64));
        Self { latest: absent, settled: absent }
    }

    /// The start of a series or family that a collection at this time has for the first time.
    fn start(self, time: UnixTime) -> UnixTime {
        let absent = self.absent_at(time);
        if absent == UNKNOWN { UNKNOWN } else { absent.plus(AFTER_ABSENCE) }
    }

    /// When the last collection without it was, before the one at this time.
    fn absent_at(self, time: UnixTime) -> UnixTime {
        if self.latest.plus(MARGIN) <= time { self.latest } else { self.settled }
    }

    /// The absence of what was in no collection after `collected`. `others` has the times of the later ones.
    fn after(self, collected: UnixTime, others: Self, time: UnixTime) -> Self {
        let settled =
            if others.settled > collected { others.settled } else { self.absent_at(time) };
        let latest = if others.latest > collected { others.latest } else { self.latest };
        Self { latest, settled }
    }

    /// A collection at this time does not have it either. A late collection is before the latest one.
    fn observe(&mut self, time: UnixTime) {
        self.settled = self.absent_at(time).min(time);
        if self.latest.plus(MARGIN) <= time || time < self.latest {
            self.latest = time;
        }
    }

    fn forget_after(&mut self, time: UnixTime) {
        self.latest = self.latest.min(time);
        if self.settled.plus(MARGIN) > time {
            self.settled = UNKNOWN;
        }
    }
}

/// The minimum time between the start of a series and the first collection that has the series.
///
/// A sample has the time when the server sent its request, by the clock of the server. If another server
/// collects at almost the same time, the time of its collection can be after this sample. If that collection
/// were the start, it would be after the first sample of the first server, which would count this sample twice.
const MARGIN: Duration = Duration::from_secs(1);
/// How long after the last collection without a series it starts.
///
/// A server that had the series before, for example before a restart of the program, has written at the time of
/// this collection that the series ended. It keeps no second sample of the same millisecond, so the start would
/// be lost. Prometheus 3.5 ends with a fatal error then, if the series is a native histogram.
const AFTER_ABSENCE: Duration = Duration::from_millis(1);
/// The start of a series whose start is not known. No real start has this value: 1970-01-01.
const UNKNOWN: UnixTime = UnixTime(0);
/// A family keeps at most as many missing series as it has series, but always up to this number.
const MIN_MISSING: usize = 1_000;
/// How long a missing series is kept. If the idle timeout is longer, that applies instead.
const MAX_MISSING_TIME: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests;

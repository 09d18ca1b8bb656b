//! The requests that were sent, to be compared with what a program counted.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use asdlc_tests::exposition::Exposition;

/// The labels `method` and `endpoint`.
pub(crate) type Route = [&'static str; 2];

/// The requests that were sent, by the labels under which they must be counted.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Requests whose response the client has read, with its status.
    completed: BTreeMap<(Route, u16), u64>,
    /// Requests that must be counted once, under any status.
    abandoned: BTreeMap<Route, u64>,
    /// Requests that the program may not have seen: abandoned at once, or still open when `wrk` ended.
    uncertain: BTreeMap<Route, u64>,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) route: [String; 2],
    pub(crate) sent: u64,
    pub(crate) uncertain: u64,
    pub(crate) counted: u64,
    pub(crate) agrees: bool,
}

impl Ledger {
    pub(crate) fn completed(&mut self, route: Route, status: u16) {
        *self.completed.entry((route, status)).or_default() += 1;
    }

    pub(crate) fn abandoned(&mut self, route: Route) {
        *self.abandoned.entry(route).or_default() += 1;
    }

    /// A request that was abandoned so early that the service may not have seen it.
    pub(crate) fn uncertain(&mut self, route: Route) {
        *self.uncertain.entry(route).or_default() += 1;
    }

    /// The requests of `wrk`: those it reports, and at most one more on each connection.
    pub(crate) fn by_wrk(&mut self, route: Route, completed: u64, connections: u64) {
        *self.abandoned.entry(route).or_default() += completed;
        *self.uncertain.entry(route).or_default() += connections;
    }

    /// How many responses of this route had this status.
    pub(crate) fn responses(&self, route: Route, status: u16) -> u64 {
        self.completed.get(&(route, status)).copied().unwrap_or(0)
    }

    /// All requests that the program has certainly seen.
    pub(crate) fn total(&self) -> u64 {
        self.completed.values().sum::<u64>() + self.abandoned.values().sum::<u64>()
    }

    pub(crate) fn compare(&self, scrape: &Exposition) -> Vec<Compared> {
        let counted = scrape.sum_by(REQUESTS, ["method", "endpoint", "status"]);
        let timed = scrape.sum_by(DURATIONS, ["method", "endpoint"]);
        let abandoned = self.abandoned.keys().copied();
        let sent = self.completed.keys().map(|(route, _)| *route).chain(abandoned);
        let mut routes: BTreeSet<[String; 2]> =
            sent.map(|route| route.map(str::to_owned)).collect();
        // A route that was counted and never sent is a disagreement too.
        routes
            .extend(counted.keys().map(|[method, endpoint, _]| [method.clone(), endpoint.clone()]));
        let row = |route: [String; 2]| {
            let is_it = |other: &Route| *other == [route[0].as_str(), route[1].as_str()];
            let of = |map: &BTreeMap<Route, u64>| {
                map.iter().filter(|(other, _)| is_it(other)).map(|(_, n)| n).sum::<u64>()
            };
            let completed = || self.completed.iter().filter(|((other, _), _)| is_it(other));
            let sent = completed().map(|(_, n)| n).sum::<u64>() + of(&self.abandoned);
            let uncertain = of(&self.uncertain);
            let under = |status: &str| {
                let key = [route[0].clone(), route[1].clone(), status.to_owned()];
                counted.get(&key).copied().unwrap_or(0.0) as u64
            };
            let statuses = completed().all(|((_, status), n)| under(&status.to_string()) >= *n);
            let in_route = counted.iter().filter(|([m, e, _], _)| [m, e] == [&route[0], &route[1]]);
            let counted = in_route.map(|(_, n)| n).sum::<f64>() as u64;
            let timed = timed.get(&route).copied().unwrap_or(0.0) as u64;
            let agrees =
                statuses && timed == counted && (sent..=sent + uncertain).contains(&counted);
            Compared { route, sent, uncertain, counted, agrees }
        };
        routes.into_iter().map(row).collect()
    }
}

impl AddAssign for Ledger {
    fn add_assign(&mut self, other: Self) {
        let Self { completed, abandoned, uncertain } = other;
        add(&mut self.completed, completed);
        add(&mut self.abandoned, abandoned);
        add(&mut self.uncertain, uncertain);
    }
}

fn add<K: Ord>(sums: &mut BTreeMap<K, u64>, more: BTreeMap<K, u64>) {
    for (key, n) in more {
        *sums.entry(key).or_default() += n;
    }
}

pub(crate) const REQUESTS: &str = "asdlc_http_requests_total";
const DURATIONS: &str = "asdlc_http_request_duration_seconds_count";

//! What was sent, to be compared with what a program counted.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use asdlc_tests::exposition::Exposition;

/// The labels `method` and `endpoint`.
pub(crate) type Route = [&'static str; 2];

/// Requests, by the labels they must be counted under.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// With the status that the client has read.
    answered: BTreeMap<(Route, u16), u64>,
    /// Sent and left: counted once, under whatever status.
    left: BTreeMap<Route, u64>,
    /// So many more the program may have seen: left at once, or by `wrk`, which does not tell what it leaves at its end.
    perhaps: BTreeMap<Route, u64>,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) route: [String; 2],
    pub(crate) sent: u64,
    pub(crate) perhaps: u64,
    pub(crate) counted: u64,
    pub(crate) agrees: bool,
}

impl Ledger {
    pub(crate) fn answered(&mut self, route: Route, status: u16) {
        *self.answered.entry((route, status)).or_default() += 1;
    }

    pub(crate) fn left(&mut self, route: Route) {
        *self.left.entry(route).or_default() += 1;
    }

    /// Sent and left so soon that the service may not have seen it.
    pub(crate) fn perhaps(&mut self, route: Route) {
        *self.perhaps.entry(route).or_default() += 1;
    }

    /// What `wrk` has sent: so many for certain, and one more on each of its connections at most.
    pub(crate) fn by_wrk(&mut self, route: Route, completed: u64, connections: u64) {
        *self.left.entry(route).or_default() += completed;
        *self.perhaps.entry(route).or_default() += connections;
    }

    pub(crate) fn answers(&self, route: Route, status: u16) -> u64 {
        self.answered.get(&(route, status)).copied().unwrap_or(0)
    }

    /// How many were left before their answer.
    pub(crate) fn all_left(&self) -> u64 {
        self.left.values().sum()
    }

    pub(crate) fn total(&self) -> u64 {
        self.answered.values().sum::<u64>() + self.all_left()
    }

    pub(crate) fn compare(&self, scrape: &Exposition) -> Vec<Compared> {
        let counted = scrape.sum_by(REQUESTS, ["method", "endpoint", "status"]);
        let timed = scrape.sum_by(DURATIONS, ["method", "endpoint"]);
        let sent = self.answered.keys().map(|(route, _)| *route).chain(self.left.keys().copied());
        let mut routes: BTreeSet<[String; 2]> =
            sent.map(|route| route.map(str::to_owned)).collect();
        // What was counted and never sent is a disagreement too.
        routes
            .extend(counted.keys().map(|[method, endpoint, _]| [method.clone(), endpoint.clone()]));
        let row = |route: [String; 2]| {
            let is_it = |other: &Route| *other == [route[0].as_str(), route[1].as_str()];
            let of = |map: &BTreeMap<Route, u64>| {
                map.iter().filter(|(other, _)| is_it(other)).map(|(_, n)| n).sum::<u64>()
            };
            let answered = || self.answered.iter().filter(|((other, _), _)| is_it(other));
            let sent = answered().map(|(_, n)| n).sum::<u64>() + of(&self.left);
            let perhaps = of(&self.perhaps);
            let under = |status: &str| {
                let key = [route[0].clone(), route[1].clone(), status.to_owned()];
                counted.get(&key).copied().unwrap_or(0.0) as u64
            };
            let statuses = answered().all(|((_, status), n)| under(&status.to_string()) >= *n);
            let in_route = counted.iter().filter(|([m, e, _], _)| [m, e] == [&route[0], &route[1]]);
            let counted = in_route.map(|(_, n)| n).sum::<f64>() as u64;
            let timed = timed.get(&route).copied().unwrap_or(0.0) as u64;
            let agrees = statuses && timed == counted && (sent..=sent + perhaps).contains(&counted);
            Compared { route, sent, perhaps, counted, agrees }
        };
        routes.into_iter().map(row).collect()
    }
}

impl AddAssign for Ledger {
    fn add_assign(&mut self, other: Self) {
        let Self { answered, left, perhaps } = other;
        for (key, n) in answered {
            *self.answered.entry(key).or_default() += n;
        }
        for (key, n) in left {
            *self.left.entry(key).or_default() += n;
        }
        for (key, n) in perhaps {
            *self.perhaps.entry(key).or_default() += n;
        }
    }
}

pub(crate) const REQUESTS: &str = "asdlc_http_requests_total";
const DURATIONS: &str = "asdlc_http_request_duration_seconds_count";

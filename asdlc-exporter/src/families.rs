//! From what the SDK collected to metric families: each name once, with one kind and one help text.

use crate::{
    model::Kind,
    name::push_family_name,
    points::{self, Point},
};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, ResourceMetrics, ScopeMetrics};
use std::{
    collections::{HashMap, HashSet},
    fmt, mem,
};

/// The families seen so far. It outlives a scrape so that the first metric of a name keeps it for
/// good.
#[derive(Debug)]
pub(crate) struct Catalogue {
    prefix: String,
    families: Vec<Declared>,
    ids: HashMap<String, usize>,
    dropped: HashSet<(String, Kind)>,
    conflicts: Vec<Conflict>,
    /// Scratch: the name at hand.
    name: String,
}

#[derive(Debug)]
struct Declared {
    name: String,
    help: String,
    kind: Kind,
}

/// A metric that is not served because its name belongs to an earlier one of another kind.
#[derive(Debug)]
pub(crate) struct Conflict {
    dropped: (String, Kind),
    earlier: (String, Kind),
}

/// The families of one scrape, by name.
pub(crate) struct Families<'a> {
    declared: &'a [Declared],
    members: Vec<(usize, &'a AggregatedMetrics)>,
}

/// All metrics of one name: recorded by different scopes or in different number types, perhaps.
pub(crate) struct Family<'a, 'm> {
    pub(crate) name: &'a str,
    pub(crate) help: &'a str,
    pub(crate) kind: Kind,
    members: &'m [(usize, &'a AggregatedMetrics)],
}

impl Catalogue {
    /// A catalogue whose families all have names that begin with `prefix`.
    pub(crate) fn new(prefix: String) -> Self {
        Self {
            prefix,
            families: Vec::new(),
            ids: HashMap::new(),
            dropped: HashSet::new(),
            conflicts: Vec::new(),
            name: String::new(),
        }
    }

    pub(crate) fn sort<'a>(&'a mut self, metrics: &'a ResourceMetrics) -> Families<'a> {
        // The SDK returns scopes in no order; which of two conflicting metrics comes first must not
        // be chance.
        let mut scopes: Vec<&ScopeMetrics> = metrics.scope_metrics().collect();
        scopes.sort_by_key(|scope| (scope.scope().name(), scope.scope().version()));
        let mut members = Vec::new();
        for metric in scopes.into_iter().flat_map(ScopeMetrics::metrics) {
            let kind = points::kind(metric.data());
            self.name.clear();
            push_family_name(&mut self.name, &self.prefix, metric.name(), metric.unit(), kind);
            if let Some(id) = self.declare(kind, metric.description()) {
                members.push((id, metric.data()));
            }
        }
        let declared = self.families.as_slice();
        members.sort_by(|(a, _), (b, _)| declared[*a].name.cmp(&declared[*b].name));
        Families { declared, members }
    }

    /// The conflicts found since the last call, each reported once in the life of the catalogue.
    pub(crate) fn take_conflicts(&mut self) -> Vec<Conflict> {
        mem::take(&mut self.conflicts)
    }

    /// The family of the name at hand, unless the name is taken by another kind.
    fn declare(&mut self, kind: Kind, help: &str) -> Option<usize> {
        if let Some(&id) = self.ids.get(&self.name)
            && self.families[id].kind == kind
        {
            return Some(id);
        }
        if let Some(earlier) = self.taken_by(kind) {
            let earlier = (earlier.name.clone(), earlier.kind);
            let dropped = (self.name.clone(), kind);
            if self.dropped.insert(dropped.clone()) {
                self.conflicts.push(Conflict { dropped, earlier });
            }
            return None;
        }
        let id = self.families.len();
        self.families.push(Declared { name: self.name.clone(), help: help.to_owned(), kind });
        self.ids.insert(self.name.clone(), id);
        Some(id)
    }

    /// An earlier family whose samples could have the same name as those of the name at hand.
    fn taken_by(&self, kind: Kind) -> Option<&Declared> {
        let get = |name: &str| self.ids.get(name).map(|&id| &self.families[id]);
        let of_histogram =
            || HISTOGRAM_SUFFIXES.iter().find_map(|suffix| get(&format!("{}{suffix}", self.name)));
        let by_histogram = || {
            HISTOGRAM_SUFFIXES
                .iter()
                .find_map(|suffix| get(self.name.strip_suffix(suffix)?))
                .filter(|family| family.kind == Kind::Histogram)
        };
        get(&self.name)
            .or_else(|| if kind == Kind::Histogram { of_histogram() } else { None })
            .or_else(by_histogram)
    }
}

impl<'a> Families<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Family<'a, '_>> {
        self.members.chunk_by(|(a, _), (b, _)| a == b).map(|members| {
            let Declared { name, help, kind } = &self.declared[members[0].0];
            Family { name, help, kind: *kind, members }
        })
    }
}

impl<'a> Family<'a, '_> {
    /// Calls `each` with the attributes and the value of every data point.
    pub(crate) fn for_each_point(
        &self,
        mut each: impl FnMut(&mut dyn Iterator<Item = &'a KeyValue>, Point<'a>),
    ) {
        for (_, data) in self.members {
            points::for_each(data, &mut each);
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dropped: (dropped, dropped_kind), earlier: (earlier, earlier_kind) } = self;
        write!(
            f,
            "{} `{dropped}` is not served: {} `{earlier}` was there first",
            dropped_kind.as_str(),
            earlier_kind.as_str()
        )
    }
}

/// What the names of a histogram's samples end in.
const HISTOGRAM_SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

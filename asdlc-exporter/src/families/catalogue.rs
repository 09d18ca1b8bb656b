//! From what was collected to metric families: each name once, with one kind and one help text.

use crate::{
    exposition::open_metrics,
    families::{
        model::Kind,
        name::{push_family_name, push_name, unit_words},
        points::{self, Visit},
        policy::Rules,
        registered::{self, MetricFamily},
        truncate::{MAX_NAME_LEN, excerpt, truncated_help},
    },
};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, ResourceMetrics, ScopeMetrics};
use std::{
    collections::{HashMap, HashSet},
    fmt, mem,
};

/// The families seen so far. It outlives a scrape so that the first metric of a name keeps it for
/// good.
#[derive(Debug)]
pub(crate) struct Catalogue {
    rules: Rules,
    families: Vec<Declared>,
    ids: HashMap<String, usize>,
    dropped: HashSet<(String, Option<Kind>)>,
    problems: Vec<Problem>,
    /// Scratch: the name at hand.
    name: String,
}

#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: String,
    help: String,
    pub(crate) kind: Kind,
    unit: String,
    /// Whether `OpenMetrics` can have the name without its suffix.
    pub(crate) has_base: bool,
}

/// A metric that is not served.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Its name belongs to an earlier one of another kind.
    Conflict { dropped: (String, Kind), earlier: (String, Kind) },
    /// A registered one without a type.
    Untyped(String),
    /// Its name is too long for scrapers: only the begin is here.
    LongName(String),
    /// It is served, but its help text is truncated.
    LongHelp(String),
    /// It is served, but some of its labels are truncated or left out.
    Truncated(String),
}

/// The families of one scrape, by name.
pub(crate) struct Families<'a> {
    declared: &'a [Declared],
    members: Vec<(usize, Member<'a>)>,
}

#[derive(Clone, Copy)]
enum Member<'a> {
    Recorded(&'a AggregatedMetrics),
    Registered(&'a MetricFamily),
}

/// All metrics of one name: recorded by different scopes or in different number types, perhaps.
pub(crate) struct Family<'a, 'm> {
    pub(crate) id: usize,
    pub(crate) name: &'a str,
    pub(crate) help: &'a str,
    pub(crate) kind: Kind,
    /// In Prometheus' words, empty when there is none.
    pub(crate) unit: &'a str,
    /// Whether `OpenMetrics` can have the name without its suffix.
    pub(crate) has_base: bool,
    members: &'m [(usize, Member<'a>)],
}

impl Catalogue {
    /// A catalogue whose families keep the rules of names.
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            families: Vec::new(),
            ids: HashMap::new(),
            dropped: HashSet::new(),
            problems: Vec::new(),
            name: String::new(),
        }
    }

    pub(crate) fn sort<'a>(
        &'a mut self,
        metrics: &'a ResourceMetrics,
        registered: &'a [MetricFamily],
    ) -> Families<'a> {
        let known = self.families.len();
        // The SDK returns scopes in no order; which of two conflicting metrics comes first must not
        // be chance.
        let mut scopes: Vec<&ScopeMetrics> = metrics.scope_metrics().collect();
        scopes.sort_by_key(|scope| (scope.scope().name(), scope.scope().version()));
        let mut members = Vec::new();
        for metric in scopes.into_iter().flat_map(ScopeMetrics::metrics) {
            let kind = points::kind(metric.data());
            self.name.clear();
            push_family_name(
                &mut self.name,
                self.rules.prefix(),
                metric.name(),
                metric.unit(),
                kind,
            );
            let about = (metric.name(), metric.description(), metric.unit());
            if let Some(id) = self.declare(kind, about) {
                members.push((id, Member::Recorded(metric.data())));
            }
        }
        for family in registered {
            self.name.clear();
            push_name(&mut self.name, "", family.name());
            let Some(kind) = registered::kind(family) else {
                if self.dropped.insert((self.name.clone(), None)) {
                    self.problems.push(Problem::Untyped(self.name.clone()));
                }
                continue;
            };
            // Their units are in their names; their names are final, so there is no other.
            if let Some(id) = self.declare(kind, (family.name(), family.help(), "")) {
                members.push((id, Member::Registered(family)));
            }
        }
        if self.families.len() > known {
            open_metrics::find_bases(&mut self.families);
        }
        let declared = self.families.as_slice();
        members.sort_by(|(a, _), (b, _)| declared[*a].name.cmp(&declared[*b].name));
        Families { declared, members }
    }

    /// The problems found since the last call, each reported once in the life of the catalogue.
    pub(crate) fn take_problems(&mut self) -> Vec<Problem> {
        mem::take(&mut self.problems)
    }

    /// How many metrics are not served because of their names or kinds.
    pub(crate) fn dropped(&self) -> usize {
        self.dropped.len()
    }

    /// Whether there can be metrics and yet none to serve.
    pub(crate) fn may_be_empty(&self) -> bool {
        !self.rules.serves_uptime()
    }

    /// The family of the name at hand, unless the name is taken by another kind.
    fn declare(&mut self, kind: Kind, (recorded, help, unit): (&str, &str, &str)) -> Option<usize> {
        if let Some(&id) = self.ids.get(&self.name)
            && self.families[id].kind == kind
        {
            return Some(id);
        }
        // A denied metric must not take a name from one that is served.
        if !self.rules.serves(recorded, &self.name, kind) {
            return None;
        }
        if self.name.len() > MAX_NAME_LEN {
            if self.dropped.insert((self.name.clone(), Some(kind))) {
                self.problems.push(Problem::LongName(excerpt(&self.name)));
            }
            return None;
        }
        if let Some(earlier) = self.taken_by(kind) {
            let earlier = (earlier.name.clone(), earlier.kind);
            let dropped = (self.name.clone(), kind);
            if self.dropped.insert((self.name.clone(), Some(kind))) {
                self.problems.push(Problem::Conflict { dropped, earlier });
            }
            return None;
        }
        let id = self.families.len();
        let whole = help.len();
        let help = truncated_help(help);
        if help.len() < whole {
            self.problems.push(Problem::LongHelp(self.name.clone()));
        }
        self.families.push(Declared {
            name: self.name.clone(),
            help,
            kind,
            unit: unit_words(unit, kind),
            has_base: false,
        });
        self.ids.insert(self.name.clone(), id);
        Some(id)
    }

    /// An earlier family whose samples could have the same name as those of the name at hand.
    fn taken_by(&self, kind: Kind) -> Option<&Declared> {
        let get = |name: &str| self.ids.get(name).map(|&id| &self.families[id]);
        let of_mine =
            || kind.suffixes().iter().find_map(|suffix| get(&format!("{}{suffix}", self.name)));
        let of_theirs = || {
            Kind::Histogram.suffixes().iter().find_map(|suffix| {
                get(self.name.strip_suffix(suffix)?)
                    .filter(|family| family.kind.suffixes().contains(suffix))
            })
        };
        get(&self.name).or_else(of_mine).or_else(of_theirs)
    }
}

impl<'a> Families<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Family<'a, '_>> {
        self.members.chunk_by(|(a, _), (b, _)| a == b).map(|members| {
            let id = members[0].0;
            let Declared { name, help, kind, unit, has_base } = &self.declared[id];
            Family { id, name, help, kind: *kind, unit, has_base: *has_base, members }
        })
    }
}

impl<'a> Family<'a, '_> {
    #[cfg(test)]
    pub(crate) fn of(name: &'a str, help: &'a str, kind: Kind) -> Self {
        Self { id: 0, name, help, kind, unit: "", has_base: false, members: &[] }
    }

    /// Shows every data point to the visitor.
    pub(crate) fn for_each_point(&self, visitor: &mut impl Visit<'a>) {
        for (_, member) in self.members {
            match member {
                Member::Recorded(data) => points::for_each(data, visitor),
                Member::Registered(family) => registered::for_each(family, self.kind, visitor),
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { dropped: (dropped, dropped_kind), earlier: (earlier, kind) } => {
                write!(
                    f,
                    "{} `{dropped}` is not served: {} `{earlier}` was there first",
                    dropped_kind.as_str(),
                    kind.as_str()
                )
            }
            Self::Untyped(name) => write!(f, "`{name}` is not served: it has no type"),
            Self::LongName(begin) => write!(
                f,
                "`{begin}` is not served: its name has more than {MAX_NAME_LEN} bytes, which scrapers refuse"
            ),
            Self::LongHelp(name) => {
                write!(f, "the help text of `{name}` is truncated: it is too long for scrapers")
            }
            Self::Truncated(name) => write!(
                f,
                "labels of `{name}` are truncated or left out: they are too long or too many for scrapers"
            ),
        }
    }
}

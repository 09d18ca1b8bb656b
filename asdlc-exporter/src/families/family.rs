//! The families of a scrape: a name, a type, and the collected metrics that have this name.

use crate::families::{
    foreign::ForeignFamily,
    labels::{attributes::Attribute, scopes::ScopeId},
    model::{FamilyKind, Number},
    names::escaped_families::EscapedFamily,
    series::{
        native::ClassicBounds,
        points::{self, Origin, Point, PointVisitor},
    },
};
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::metrics::data::Metric;
use std::iter;

/// What does not change about a family between scrapes.
#[derive(Debug)]
pub(crate) struct FamilyDescription {
    pub(crate) name: String,
    pub(crate) help: String,
    pub(crate) kind: FamilyKind,
    /// In Prometheus' words, for example `seconds`. Empty if there is none.
    pub(crate) unit: String,
    /// The boundaries of the classic buckets of native histograms.
    pub(crate) classic_bounds: ClassicBounds,
    /// Whether `OpenMetrics` can use the name without its suffix.
    pub(crate) has_base_name: bool,
    /// Whether series that do not change are hidden.
    pub(crate) can_be_idle: bool,
    /// Whether the series have a start time: their values begin at 0 then.
    pub(crate) has_start: bool,
}

/// The families of one scrape, sorted by name.
pub(crate) struct Families<'a> {
    pub(crate) descriptions: &'a [FamilyDescription],
    /// The escaped names, by the indexes of the descriptions. `None` if no name is escaped.
    pub(crate) escaped: Option<&'a [EscapedFamily]>,
    /// Indexes of descriptions, each with one metric of the family. Sorted by name.
    pub(crate) members: Vec<(usize, Member<'a>)>,
}

/// A metric of a family.
#[derive(Clone, Copy)]
pub(crate) enum Member<'a> {
    /// The metric of an instrument of this scope, whose labels have this number.
    Recorded(&'a Metric, &'a InstrumentationScope, ScopeId),
    Foreign(&'a ForeignFamily<'a>),
    /// `target_info`. Its labels have this number.
    TargetInfo(ScopeId),
}

/// All metrics of one name. Several scopes may have recorded them, in several number types.
pub(crate) struct Family<'a, 'm> {
    /// The index of its description. It is the same in every scrape.
    pub(crate) id: usize,
    pub(crate) description: &'a FamilyDescription,
    /// The name in the exposition.
    pub(crate) written_name: &'a str,
    /// Whether the exposition can use this name without its suffix, if it is `OpenMetrics`.
    pub(crate) has_base_name: bool,
    members: &'m [(usize, Member<'a>)],
}

impl<'a> Families<'a> {
    /// Whether nothing was collected. `target_info` does not count: it is not collected.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.iter().all(|(_, member)| matches!(member, Member::TargetInfo(_)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Family<'a, '_>> {
        self.members.chunk_by(|(a, _), (b, _)| a == b).map(|members| {
            let id = members[0].0;
            let description = &self.descriptions[id];
            let (written_name, has_base_name) = match self.escaped {
                Some(escaped) => (&escaped[id].name, escaped[id].has_base_name),
                None => (&description.name, description.has_base_name),
            };
            Family { id, description, written_name, has_base_name, members }
        })
    }
}

impl<'a> Family<'a, '_> {
    /// Whether the SDK collected all its metrics.
    pub(crate) fn is_recorded(&self) -> bool {
        self.members.iter().all(|(_, member)| matches!(member, Member::Recorded(..)))
    }

    /// Whether all its metrics are from registries.
    pub(crate) fn is_foreign(&self) -> bool {
        self.members.iter().all(|(_, member)| matches!(member, Member::Foreign(_)))
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member<'a>> {
        self.members.iter().map(|(_, member)| member)
    }

    /// Passes every data point to the visitor.
    pub(crate) fn for_each_point(&self, visitor: &mut impl PointVisitor<'a>) {
        self.members().for_each(|member| self.for_each_point_of(member, visitor));
    }

    /// How many data points a metric of the family has.
    pub(crate) fn count_points(&self, member: &Member<'a>) -> usize {
        let mut count = CountPoints(0);
        self.for_each_point_of(member, &mut count);
        count.0
    }

    #[inline]
    fn for_each_point_of(&self, member: &Member<'a>, visitor: &mut impl PointVisitor<'a>) {
        match member {
            Member::Recorded(metric, scope, id) => {
                visitor.origin(Origin::Instrument(scope, *id));
                points::for_each(metric.data(), visitor);
            }
            Member::TargetInfo(id) => {
                visitor.origin(Origin::Resource(*id));
                visitor.point(iter::empty(), Point::Gauge(Number::U64(1)));
            }
            Member::Foreign(family) => {
                visitor.origin(Origin::Registry);
                family.for_each_point(self.description.kind, visitor);
            }
        }
    }
}

/// Counts points.
struct CountPoints(usize);

impl<'a> PointVisitor<'a> for CountPoints {
    fn origin(&mut self, _: Origin<'a>) {}

    fn point(&mut self, _: impl Iterator<Item = Attribute<'a>>, _: Point<'a>) {
        self.0 += 1;
    }
}

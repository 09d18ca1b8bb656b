//! Replaces `registered.rs` if the feature `prometheus` is off. It has the same names, for types without
//! values, so that no other file needs to check the feature.

use crate::families::{model::FamilyKind, points::PointVisitor};

/// There is no registry.
#[derive(Clone, Debug)]
pub(crate) enum Registry {}

impl Registry {
    pub(crate) fn gather(&self) -> Vec<MetricFamily> {
        match *self {}
    }
}

/// There is no registered family.
#[derive(Clone, Debug)]
pub(crate) enum MetricFamily {}

impl MetricFamily {
    pub(crate) fn name(&self) -> &str {
        match *self {}
    }

    pub(crate) fn help(&self) -> &str {
        match *self {}
    }
}

pub(crate) fn kind(family: &MetricFamily) -> Option<FamilyKind> {
    match *family {}
}

pub(crate) fn for_each<'a>(family: &'a MetricFamily, _: FamilyKind, _: &mut impl PointVisitor<'a>) {
    match *family {}
}

//! Stands in for `registered.rs` without the feature `prometheus`: the same names for a registry and
//! a family that cannot exist, so that no other file asks for the feature.

use crate::families::{model::Kind, points::Visit};

/// A registry: there is none.
#[derive(Clone, Debug)]
pub(crate) enum Registry {}

impl Registry {
    pub(crate) fn gather(&self) -> Vec<MetricFamily> {
        match *self {}
    }
}

/// A registered family: there is none.
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

pub(crate) fn kind(family: &MetricFamily) -> Option<Kind> {
    match *family {}
}

pub(crate) fn for_each<'a>(family: &'a MetricFamily, _: Kind, _: &mut impl Visit<'a>) {
    match *family {}
}

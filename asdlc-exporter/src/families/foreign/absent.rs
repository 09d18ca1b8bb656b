//! The types of a crate whose feature is off. They have no values.

use crate::families::{foreign::NotServed, model::FamilyKind, series::points::PointVisitor};
use std::{convert::Infallible, fmt, iter, marker::PhantomData};

#[cfg(not(feature = "prometheus"))]
pub(crate) mod prometheus {
    pub(crate) use super::{Family, Gathered};

    pub(crate) type Registry = super::Registry<0>;
}

#[cfg(not(feature = "prometheus-client"))]
pub(crate) mod prometheus_client {
    pub(crate) use super::{Family, Gathered};

    pub(crate) type Registry = super::Registry<1>;
}

/// The number makes it another type for each crate.
#[derive(Debug)]
pub(crate) struct Registry<const CRATE: u8>(Infallible);

pub(crate) struct Gathered(Infallible);

pub(crate) struct Family<'a>(Infallible, PhantomData<&'a ()>);

impl<const CRATE: u8> Registry<CRATE> {
    pub(crate) fn gather(&self) -> Result<Gathered, fmt::Error> {
        match self.0 {}
    }
}

impl Gathered {
    pub(crate) fn families(&self) -> iter::Empty<Family<'_>> {
        match self.0 {}
    }
}

impl Family<'_> {
    pub(crate) fn name(&self) -> &str {
        match self.0 {}
    }

    pub(crate) fn suffix(&self) -> &'static str {
        match self.0 {}
    }

    pub(crate) fn help(&self) -> &str {
        match self.0 {}
    }

    pub(crate) fn unit(&self) -> &str {
        match self.0 {}
    }

    pub(crate) fn kind(&self) -> Result<FamilyKind, NotServed<'_>> {
        match self.0 {}
    }

    pub(crate) fn for_each_point<'a>(&'a self, _: FamilyKind, _: &mut impl PointVisitor<'a>) {
        match self.0 {}
    }
}

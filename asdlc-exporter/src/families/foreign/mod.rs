//! Metrics of registries of other crates, which are served beside those of the SDK.
//!
//! There are two: `prometheus` reads a registry of the crate `prometheus`, and `prometheus_client`
//! one of the crate `prometheus-client`. If the feature of a crate is off, types of `absent`, which
//! have no values, replace its file. So only this file checks the features.

#[cfg(not(all(feature = "prometheus", feature = "prometheus-client")))]
mod absent;
#[cfg(feature = "prometheus")]
mod prometheus;
#[cfg(feature = "prometheus-client")]
pub(crate) mod prometheus_client;

#[cfg(not(feature = "prometheus"))]
use absent::prometheus;
#[cfg(not(feature = "prometheus-client"))]
use absent::prometheus_client;

use crate::families::{model::FamilyKind, series::points::PointVisitor};
use std::fmt;

/// A registry of another crate.
#[derive(Debug)]
pub(crate) enum ForeignRegistry {
    Prometheus(prometheus::Registry),
    PrometheusClient(prometheus_client::Registry),
}

/// What a registry returned for one scrape.
pub(crate) enum Gathered {
    Prometheus(prometheus::Gathered),
    PrometheusClient(prometheus_client::Gathered),
}

/// A family of a registry.
pub(crate) enum ForeignFamily<'a> {
    Prometheus(prometheus::Family<'a>),
    PrometheusClient(prometheus_client::Family<'a>),
}

/// Why a family of a registry is not served: a line of the registry's text that cannot be read, or `None` if
/// the family has no type.
pub(crate) type NotServed<'a> = Option<&'a str>;

impl ForeignRegistry {
    /// Reads all metrics. This is user code: it may block or panic. The error is the registry's own.
    pub(crate) fn gather(&self) -> Result<Gathered, fmt::Error> {
        match self {
            Self::Prometheus(registry) => registry.gather().map(Gathered::Prometheus),
            Self::PrometheusClient(registry) => registry.gather().map(Gathered::PrometheusClient),
        }
    }
}

impl From<prometheus::Registry> for ForeignRegistry {
    fn from(registry: prometheus::Registry) -> Self {
        Self::Prometheus(registry)
    }
}

impl From<prometheus_client::Registry> for ForeignRegistry {
    fn from(registry: prometheus_client::Registry) -> Self {
        Self::PrometheusClient(registry)
    }
}

impl Gathered {
    /// Appends the families.
    pub(crate) fn families<'a>(&'a self, families: &mut Vec<ForeignFamily<'a>>) {
        match self {
            Self::Prometheus(gathered) => {
                families.extend(gathered.families().map(ForeignFamily::Prometheus));
            }
            Self::PrometheusClient(gathered) => {
                families.extend(gathered.families().map(ForeignFamily::PrometheusClient));
            }
        }
    }
}

impl<'a> ForeignFamily<'a> {
    /// The name in the registry.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Prometheus(family) => family.name(),
            Self::PrometheusClient(family) => family.name(),
        }
    }

    /// What its crate appends to the name.
    pub(crate) fn suffix(&self) -> &'static str {
        match self {
            Self::Prometheus(family) => family.suffix(),
            Self::PrometheusClient(family) => family.suffix(),
        }
    }

    pub(crate) fn help(&self) -> &str {
        match self {
            Self::Prometheus(family) => family.help(),
            Self::PrometheusClient(family) => family.help(),
        }
    }

    /// In Prometheus' words, for example `seconds`. Empty if there is none.
    pub(crate) fn unit(&self) -> &str {
        match self {
            Self::Prometheus(family) => family.unit(),
            Self::PrometheusClient(family) => family.unit(),
        }
    }

    pub(crate) fn kind(&self) -> Result<FamilyKind, NotServed<'_>> {
        match self {
            Self::Prometheus(family) => family.kind(),
            Self::PrometheusClient(family) => family.kind(),
        }
    }

    /// Passes every metric of the family to the visitor. `kind` is the kind of the family.
    pub(crate) fn for_each_point<'m>(
        &'m self,
        kind: FamilyKind,
        visitor: &mut impl PointVisitor<'m>,
    ) where
        'a: 'm,
    {
        match self {
            Self::Prometheus(family) => family.for_each_point(kind, visitor),
            Self::PrometheusClient(family) => family.for_each_point(kind, visitor),
        }
    }
}

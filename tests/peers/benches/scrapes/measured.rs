//! measured 0.0.25, as its documentation says: with labels that are closed sets, endpoints included.
//!
//! A series is then a place in an array.

use crate::workload::{self, BOUNDARIES};
use crate::{Content, Subject};
use ahash::RandomState;
use lasso::{Rodeo, RodeoReader, Spur};
use measured::label::{LabelValue, LabelVisitor};
use measured::metric::histogram::Thresholds;
use measured::text::TextEncoder;
use measured::{CounterVec, FixedCardinalityLabel, HistogramVec, LabelGroup, MetricGroup};
use std::sync::Arc;

pub fn text(series: usize) -> Subject {
    let mut endpoints = Rodeo::<Spur, _>::with_hasher(RandomState::new());
    for workload::Series { endpoint, .. } in workload::all(series) {
        endpoints.get_or_intern(endpoint);
    }
    let metrics = Metrics::new(Arc::new(endpoints.into_reader()));
    for workload::Series { method, endpoint, status, zone: _, durations, requests } in
        workload::all(series)
    {
        let method = Method::ALL.into_iter().find(|known| known.name() == method);
        let labels = Labels {
            method: method.expect("one of these"),
            endpoint: &endpoint,
            status: Status(status),
            zone: Zone::Eu1,
        };
        metrics.http_requests_total.inc_by(labels, requests);
        for value in durations {
            metrics.http_request_duration_seconds.observe(labels, value);
        }
    }
    let mut text = Vec::new();
    Subject::new("measured 0.0.25", Content::Text, move |answer| {
        text.clear();
        let mut encoder = TextEncoder::new(&mut text);
        metrics.collect_group_into(&mut encoder).expect("memory does not fail");
        answer(&text);
    })
}

#[derive(MetricGroup)]
#[metric(new(endpoints: Endpoints))]
struct Metrics {
    /// Requests answered.
    #[metric(label_set = LabelsSet::new(Arc::clone(&endpoints)))]
    http_requests_total: CounterVec<LabelsSet>,
    /// How long requests took.
    #[metric(
        label_set = LabelsSet::new(endpoints),
        metadata = Thresholds::with_buckets(BOUNDARIES)
    )]
    http_request_duration_seconds: HistogramVec<LabelsSet, { BOUNDARIES.len() }>,
}

#[derive(Clone, Copy, LabelGroup)]
#[label(set = LabelsSet)]
struct Labels<'a> {
    method: Method,
    #[label(fixed_with = Endpoints)]
    endpoint: &'a str,
    status: Status,
    zone: Zone,
}

type Endpoints = Arc<RodeoReader<Spur, RandomState>>;

#[derive(Clone, Copy, FixedCardinalityLabel)]
#[label(rename_all = "SHOUTY_SNAKE_CASE")]
enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    const ALL: [Self; 4] = [Self::Get, Self::Post, Self::Put, Self::Delete];

    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// One of `STATUSES`.
#[derive(Clone, Copy)]
struct Status(u16);

const STATUSES: [u16; 4] = [200, 201, 404, 500];

impl FixedCardinalityLabel for Status {
    fn cardinality() -> usize {
        STATUSES.len()
    }

    fn encode(&self) -> usize {
        STATUSES.iter().position(|status| *status == self.0).expect("one of these")
    }

    fn decode(value: usize) -> Self {
        Self(STATUSES[value])
    }
}

impl LabelValue for Status {
    fn visit<V: LabelVisitor>(&self, visitor: V) -> V::Output {
        visitor.write_int(self.0.into())
    }
}

#[derive(Clone, Copy, FixedCardinalityLabel)]
enum Zone {
    #[label(rename = "eu-1")]
    Eu1,
}

//! An exemplar that Prometheus has stored.

use std::collections::BTreeMap;

use serde_json::Value;

/// An exemplar that Prometheus has stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredExemplar {
    /// The labels of its series.
    pub series: BTreeMap<String, String>,
    /// Its own labels.
    pub labels: BTreeMap<String, String>,
    /// What was measured.
    pub value: f64,
    /// In seconds since 1970.
    pub timestamp: f64,
}

impl StoredExemplar {
    /// Reads the data of `api/v1/query_exemplars`.
    pub(super) fn read_all(data: &Value) -> Vec<Self> {
        let all = data.as_array().expect("a list of series").iter();
        all.flat_map(|of_series| {
            let series = labels(&of_series["seriesLabels"]);
            let exemplars = of_series["exemplars"].as_array().expect("a list of exemplars");
            exemplars.iter().map(move |exemplar| Self {
                series: series.clone(),
                labels: labels(&exemplar["labels"]),
                value: exemplar["value"].as_str().expect("a text").parse().expect("a number"),
                timestamp: exemplar["timestamp"].as_f64().expect("a number"),
            })
        })
        .collect()
    }
}

fn labels(labels: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(labels.clone()).expect("labels")
}

//! Finds in an answer all that was recorded, in any order. Otherwise there is nothing to compare.

use crate::Content;
use crate::workload::{self, BOUNDARIES};
use ::prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as model;
use prost::Message;

pub fn check(answer: &[u8], content: Content, series: usize) -> Result<(), String> {
    let (served, is_native) = match content {
        Content::Nothing => return Ok(()),
        Content::Text => (text(answer)?, false),
        Content::Protobuf => (protobuf(answer)?, false),
        Content::NativeProtobuf => (protobuf(answer)?, true),
    };
    let mut expected = expected(series);
    if is_native {
        expected.native = expected.measurements;
        // There may be classic buckets too, with boundaries that are not the workload's.
        (expected.buckets, expected.below) = (served.buckets, served.below);
    }
    // Whose digits depend on the order of the series.
    let sum = expected.sum;
    expected.sum = served.sum;
    if served != expected || (served.sum - sum).abs() > 1e-9 * sum {
        return Err(format!("serves {served:?}, not {expected:?} with a sum of {sum}"));
    }
    Ok(())
}

/// Of all series together. Those that lack a label count nowhere.
#[derive(Debug, Default, PartialEq)]
struct Served {
    counters: u64,
    requests: f64,
    histograms: u64,
    measurements: u64,
    sum: f64,
    /// Without those of +Inf, which may be left out of protobuf.
    buckets: u64,
    /// The numbers that all these buckets have.
    below: u64,
    /// How many measurements are in native buckets.
    native: u64,
}

fn expected(series: usize) -> Served {
    let mut expected = Served::default();
    for series in workload::all(series) {
        expected.counters += 1;
        expected.requests += series.requests as f64;
        expected.histograms += 1;
        expected.measurements += series.durations.len() as u64;
        expected.sum += series.durations.iter().sum::<f64>();
        expected.buckets += BOUNDARIES.len() as u64;
        let pairs = series.durations.iter().flat_map(|value| BOUNDARIES.map(|le| *value <= le));
        expected.below += pairs.filter(|is_below| *is_below).count() as u64;
    }
    expected
}

fn text(answer: &[u8]) -> Result<Served, String> {
    let text = std::str::from_utf8(answer).map_err(|error| error.to_string())?;
    let mut served = Served::default();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, value) = line.rsplit_once(' ').ok_or(line)?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let has = |(name, value): &(&str, &str)| labels.contains(&format!("{name}=\"{value}"));
        let value: f64 = value.parse().map_err(|_| line)?;
        match name {
            _ if !LABELS.iter().all(has) => (),
            "http_requests_total" => {
                served.counters += 1;
                served.requests += value;
            }
            "http_request_duration_seconds_bucket" if !labels.contains("le=\"+Inf\"") => {
                served.buckets += 1;
                served.below += value as u64;
            }
            "http_request_duration_seconds_sum" => served.sum += value,
            "http_request_duration_seconds_count" => {
                served.histograms += 1;
                served.measurements += value as u64;
            }
            _ => (),
        }
    }
    Ok(served)
}

fn protobuf(mut answer: &[u8]) -> Result<Served, String> {
    let mut served = Served::default();
    while !answer.is_empty() {
        let family = model::MetricFamily::decode_length_delimited(&mut answer);
        let model::MetricFamily { name, metric, .. } = family.map_err(|error| error.to_string())?;
        for model::Metric { label, counter, histogram, .. } in metric {
            let has = |(name, value): &(&str, &str)| {
                label.iter().any(|label| label.name == *name && label.value.starts_with(value))
            };
            match (name.as_str(), counter, histogram) {
                _ if !LABELS.iter().all(has) => (),
                ("http_requests_total", Some(counter), None) => {
                    served.counters += 1;
                    served.requests += counter.value;
                }
                ("http_request_duration_seconds", None, Some(histogram)) => {
                    add(&histogram, &mut served);
                }
                _ => (),
            }
        }
    }
    Ok(served)
}

fn add(histogram: &model::Histogram, served: &mut Served) {
    served.histograms += 1;
    served.measurements += histogram.sample_count;
    served.sum += histogram.sample_sum;
    for bucket in histogram.bucket.iter().filter(|bucket| bucket.upper_bound.is_finite()) {
        served.buckets += 1;
        served.below += bucket.cumulative_count;
    }
    let mut population = 0;
    served.native += histogram.zero_count;
    for delta in &histogram.positive_delta {
        population += delta;
        served.native += population as u64;
    }
}

/// The labels of each series, with the values that all have or with their beginning.
const LABELS: [(&str, &str); 4] =
    [("method", ""), ("endpoint", "/api/v1/resource"), ("status", ""), ("zone", "eu-1")];
